"""The paper's experiments in PyTorch: `python -m validation.run NAME`. It imports eigenkd; eigenkd never imports it."""

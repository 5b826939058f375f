"""The paper's experiments in PyTorch: `python -m validation.run NAME`. Imports eigenkd, never the reverse."""

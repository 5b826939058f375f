# make demo   set up, check the theorem, train two settings on real digits, draw their figures
# make test   set up and run the whole suite
# make docs   build the documentation into docs/_build/html, without a network; warnings are errors
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint docs figures bench clean

demo: $(READY)
	@$(BIN)/python -m paper_figures.demo

# A worker a core, each of one thread.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY)
	$(BIN)/ruff check .

docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -W --keep-going -q docs docs/_build/html
	@echo "docs/_build/html/index.html"

figures: $(READY)
	$(BIN)/python -m paper_figures

bench: $(READY)
	$(BIN)/python -m benchmarks

# One environment for everything; made again when what it installs has changed.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "eigenkd needs Python 3.11 or newer, this is %d.%d; name another with: make PYTHON=python3.12 ..." % sys.version_info[:2])'
	@echo "Installing into $(VENV) (PyTorch and its CUDA libraries are about 3 GB; once)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $(READY)

clean:
	rm -rf $(VENV) build dist docs/_build docs/generated .pytest_cache .ruff_cache .hypothesis

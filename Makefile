# make demo   set up, check the theorem, train two settings on real digits, draw their figures
# make test   set up and run the whole suite
# make lint   style; make types   types, and that every public name has one
# make lowest   the core with the oldest versions that pyproject.toml allows
# make docs   build the documentation into docs/_build/html, without a network; warnings are errors
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOWEST := .venv-lowest
CORE := $(addprefix tests/eigenkd/test_,$(addsuffix .py,atomic intervals risk_command table theorem_command)) tests/test_doctests.py

.PHONY: demo test lint types docs lowest figures bench clean

demo: $(READY)
	@$(BIN)/python -m paper_figures.demo

# A worker a core, each of one thread.
test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist worksteal

lint: $(READY) types
	$(BIN)/ruff check .

types: $(READY)
	$(BIN)/pyrefly check --summary=none
	$(BIN)/pyrefly coverage check --public-only --fail-under 100

lowest:
	$(PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python -m pip install --disable-pip-version-check -q -c lowest.txt . pytest hypothesis
	PYTHONPATH=. OMP_NUM_THREADS=1 $(LOWEST)/bin/python -m pytest --noconftest $(CORE)

docs: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m sphinx -b html -j auto -W --keep-going -q docs docs/_build/html
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
	@$(BIN)/python -m pip install --disable-pip-version-check -q 'pip>=25.1'
	@$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --group dev -e '.[all]'
	@touch $(READY)

clean:
	rm -rf $(VENV) $(LOWEST) build dist docs/_build docs/generated .pytest_cache .ruff_cache .hypothesis

# Each target makes its own virtual environment in .venv and installs what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: benchmark test test-fast lint coverage docs dist notebooks clean

benchmark: $(VENV)/.installed
	$(BIN)/python -m benchmarks.run_all

test: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder -m "not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

coverage: $(VENV)/.installed-test
	$(BIN)/python -m pytest -n 2 --dist loadscope --no-loadscope-reorder --cov --cov-report term:skip-covered --cov-report html

docs: $(VENV)/.installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet

dist: $(VENV)/.installed-docs
	rm -rf build dist
	$(BIN)/python -m build
	$(BIN)/python .ci/check_dist.py

notebooks: $(VENV)/.installed-test
	$(BIN)/jupyter-execute --inplace notebooks/*.ipynb

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: setup.cfg pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	touch $@

$(VENV)/.installed-test: setup.cfg pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test,browser,cnn,dask,notebooks,onnx,serve,skops]'
	touch $@ $(VENV)/.installed

$(VENV)/.installed-docs: setup.cfg pyproject.toml $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[docs]'
	touch $@ $(VENV)/.installed

clean:
	rm -rf $(VENV) build dist htmlcov .coverage* *.egg-info

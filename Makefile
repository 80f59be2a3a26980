# Each target works alone on a fresh machine with Python 3.11 and a package index.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.ready

.PHONY: setup run test suite bench lint clean
.DEFAULT_GOAL := run

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Meterwright needs Python 3.11 or newer; say make PYTHON=python3.11")'
	@$(PYTHON) -m venv $(VENV)
	@echo "Setting up $(VENV) (a few minutes, once) ..." >&2
	@$(BIN)/pip install --quiet --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[cluster,dev,photos,pull]'
	@$(BIN)/python -m flows.warm_up
	@touch $(STAMP)

setup: $(STAMP)

run: setup
	@$(BIN)/python -m flows.sample

# Checking types takes one core half a minute, in which tests have the other.
test: setup
	@$(MAKE) --no-print-directory --jobs=2 lint suite

# What pytest makes of the test modules is kept for the next time, whatever the environment says: it takes each process six seconds.
suite: setup
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 3 --dist worksteal

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: setup
	@$(BIN)/python -m tests.bench

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache dist data/lake data/quarantine data/outbox data/reports
	rm -rf data/.cache data/.prefect data/.scratch data/.lock
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

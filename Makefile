SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= 8000
ARGS ?=

PY := .venv/bin/python
# uv takes the interpreter of .venv as it is and fetches no other.
UV := $(PY) -m uv --quiet --no-config --no-python-downloads
INSTALL_LOCKED := $(UV) pip install --python $(PY) --require-hashes --no-deps

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Heliograph

.PHONY: run demo
run: .venv/.run-ready ## set up and run both services in one process (PORT=8000)
	@$(PY) -m services --port $(PORT)

demo: .venv/.run-ready ## play the whole story against an instance of its own
	@$(PY) -m tools.demo

## Tests and checks

.PHONY: test check fmt lock
test: .venv/.dev-ready ## run the suite on real PostgreSQL and RabbitMQ (ARGS="-k name")
	@$(PY) -m tests.servers
	@$(PY) -m pytest $(ARGS)

check: .venv/.dev-ready ## check format, lint, types, import rules and locks
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy shared services tools tests
	.venv/bin/lint-imports
	$(PY) -m tools.locks --check

fmt: .venv/.dev-ready ## format the code and mend what lint can mend
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

lock: .venv/.dev-ready ## renew the locks in requirements/ (ARGS=--upgrade for new releases)
	$(PY) -m tools.locks $(ARGS)

## The virtual environment
#
# It is made without ensurepip, which Debian keeps in a package of its own; the pip of
# the machine puts uv into it, and uv, which is much faster, installs the rest.

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Heliograph needs Python 3.11 or newer, and '$(PYTHON)' is not;" \
	        "name another with make PYTHON=..." >&2; exit 1; }
	@echo "Making .venv with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv --without-pip .venv

.venv/.uv-ready: requirements/uv.txt | .venv/bin/python
	@$(PYTHON) -m pip --python $(PY) --quiet --disable-pip-version-check \
	    install --require-hashes --no-deps --requirement $<
	@touch $@

.venv/.run-ready: requirements/run.txt .venv/.uv-ready
	@echo "Installing what running needs."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

.venv/.dev-ready: requirements/dev.txt .venv/.uv-ready
	@echo "Installing what tests and checks need."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

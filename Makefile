SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

PYTHON ?= python3
PORT ?= 8000
BUS ?=
ARGS ?=
VERSION ?=
VENV ?= .venv

PY := $(VENV)/bin/python
# uv takes the interpreter of the environment as it is and fetches no other.
UV := $(PY) -m uv --quiet --no-python-downloads
INSTALL_LOCKED := $(UV) pip install --python $(PY) --require-hashes --no-deps

.PHONY: help
help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

## Heliograph

.PHONY: run demo
run: $(VENV)/.run-ready ## set up and run all services in one process (PORT=8000, BUS=amqp://…)
	@$(PY) -m services --port $(PORT)

ifneq ($(BUS),)
# By the environment: arguments show a password to whoever lists processes.
run: export CATALOG_BUS_URL = $(BUS)
run: export NOTIFIER_BUS_URL = $(BUS)
run: export CONSOLE_BUS_URL = $(BUS)
run: export CATALOG_SECRET_KEY_FILE = var/secret-key
run: export NOTIFIER_SECRET_KEY_FILE = var/secret-key
run: export CONSOLE_SECRET_KEY_FILE = var/secret-key
run: var/secret-key
endif

var/secret-key: | $(VENV)/.run-ready
	@mkdir -p $(@D)
	@umask 077; $(PY) -c 'import secrets; print(secrets.token_urlsafe(32))' > $@

demo: $(VENV)/.run-ready ## play the whole story against an instance of its own
	@$(PY) -m tools.demo

## The docker compose stack

.PHONY: up down logs
up: ## build and start the docker compose stack, and print its URLs
	@$(PYTHON) -m tools.stack up

down: ## remove the stack: containers, network and volumes
	@$(PYTHON) -m tools.stack down

logs: ## follow what the stack says
	@$(PYTHON) -m tools.stack logs

## Tests and checks

.PHONY: test chaos test-containers test-consumers test-browser screenshots bench check fmt lock wheel release
test: $(VENV)/.dev-ready ## run the suite on real PostgreSQL and RabbitMQ (ARGS="-k name")
	@$(PY) -m tests.servers
	@$(PY) -m pytest --numprocesses 3 --dist worksteal $(ARGS)

test-containers: $(VENV)/.dev-ready ## test the stack from outside, while parts of it fail (ARGS="-k name")
	@$(PY) -m pytest --no-header tests/containers $(ARGS)

test-consumers: $(VENV)/.dev-ready ## test types that tools of other languages make of our documents
	@$(PY) -m tests.consumers.generated
	@$(PY) -m pytest --no-header tests/consumers $(ARGS)

test-browser: $(VENV)/.browser-ready ## test the console's pages in Chromium (ARGS="-k name")
	@$(PY) -m tests.browser.chromium
	@$(PY) -m pytest --no-header tests/browser $(ARGS)

screenshots: $(VENV)/.browser-ready ## take the README's pictures of the console
	@$(PY) -m tests.browser.chromium
	@$(PY) -m tests.browser.screenshots

chaos: $(VENV)/.dev-ready ## break everything at random (MINUTES=10 RATE=30 SEED=) or POINTS=50
	@$(PY) -m chaos $(if $(POINTS),--points $(POINTS)) $(if $(SEED),--seed $(SEED)) \
	    $(if $(MINUTES),--minutes $(MINUTES)) $(if $(RATE),--rate $(RATE))

bench: $(VENV)/.bench-ready ## measure Heliograph beside its peers, 15 minutes (QUICK=1: 4; ARGS="--only publish")
	@$(PY) -m benchmarks $(if $(QUICK),--quick) $(ARGS)

check: $(VENV)/.dev-ready ## check contracts, format, lint, types, import rules, locks and generated docs
	$(PY) -m tools.contract_gate
	$(PY) -m ruff format --check
	$(PY) -m ruff check
	$(PY) -m mypy shared services tools tests chaos benchmarks
	$(VENV)/bin/lint-imports
	$(PY) -m tools.locks --check
	$(PY) -m tools.schemas --check
	$(PY) -m tools.settings_table --check
	$(PY) -m tools.problems_table --check

fmt: $(VENV)/.dev-ready ## format the code and mend what lint can mend
	$(PY) -m ruff check --fix-only
	$(PY) -m ruff format

lock: $(VENV)/.dev-ready ## renew the locks in requirements/ (ARGS=--upgrade for new releases)
	$(PY) -m tools.locks $(ARGS)

release: $(VENV)/.dev-ready ## freeze the contracts of a release (VERSION=1.2.3)
	@$(PY) -m tools.release "$(VERSION)"

wheel: $(VENV)/.uv-ready ## build the library as a distribution: dist/heliograph-*.whl
	@rm -f dist/heliograph-*.whl
	@$(UV) build --wheel --offline --out-dir dist shared
	@ls dist/heliograph-*.whl

## The virtual environment
#
# It is made without ensurepip, which Debian keeps in a package of its own; the pip of
# the machine puts uv into it, and uv, which is much faster, installs the rest.

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "Heliograph needs Python 3.11 or newer, and '$(PYTHON)' is not;" \
	        "name another with make PYTHON=..." >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PYTHON) --version)."
	@$(PYTHON) -m venv --without-pip $(VENV)

# What is in shared/ reaches the path by a file, for an editable install has no hash;
# relative, so that a copy of the checkout finds its own.
$(VENV)/.path-ready: | $(VENV)/bin/python
	@$(PY) -c 'import os, sysconfig; place = sysconfig.get_path("purelib"); \
	    open(f"{place}/heliograph.pth", "w").write(os.path.relpath("shared", place))'
	@touch $@

$(VENV)/.uv-ready: requirements/uv.txt | $(VENV)/.path-ready
	@$(PYTHON) -m pip --python $(PY) --quiet --disable-pip-version-check \
	    install --require-hashes --no-deps --requirement $<
	@touch $@

$(VENV)/.run-ready: requirements/run.txt $(VENV)/.uv-ready
	@echo "Installing what running needs."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

$(VENV)/.dev-ready: requirements/dev.txt $(VENV)/.uv-ready
	@echo "Installing what tests and checks need."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

$(VENV)/.browser-ready: requirements/browser.txt $(VENV)/.uv-ready
	@echo "Installing what tests of pages need."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

$(VENV)/.bench-ready: requirements/bench.txt $(VENV)/.uv-ready
	@echo "Installing the peers that are measured beside us."
	@$(INSTALL_LOCKED) --requirements $<
	@touch $@

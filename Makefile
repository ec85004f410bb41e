# Everything a developer does. `make demo` and `make test` work on a fresh machine.

PYTHON := $(shell scripts/find-python)
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest $(PYTEST_OPTIONS)
# Tests on all cores at the same time, each in a process with a database server of its own.
SIDE_BY_SIDE ?= --numprocesses=auto --maxprocesses=4 --dist=worksteal

.DEFAULT_GOAL := help
.PHONY: help install serve demo test interop packages check compat soak bench fuzz lock docs clean

help: ## List these commands
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:[^#]*## /\t/' | expand -t 12

install: .venv/.installed ## Make the environment: .venv and what the lock file names

serve: install ## Start a gateway with demonstration content and stay up, at 127.0.0.1:8080
	@$(BIN)/python app.py serve --demo $(OPTIONS)

demo: install ## Start a gateway, run jobs in three ways and across two agents, show them, stop
	@$(BIN)/python scripts/demo.py

test: packages .venv/.developing ## Install what tests need and run them all
	$(PYTEST) --ignore=tests/interop $(SIDE_BY_SIDE)

interop: .venv/.developing ## Run the clients of fifteen SOAP stacks; scripts/install-interop has them
	$(PYTEST) tests/interop --no-header --timeout=600

packages:
	@scripts/install-test-packages

check: .venv/.developing ## Style, types, and which part may import which
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

compat: packages ## Test on every Python from 3.11 to 3.13 that this machine has; SHORT=1: units
	@scripts/compat $(if $(SHORT),tests/unit tests/contract,tests)

soak: N ?= 100
soak: packages .venv/.developing ## N rounds of the fault campaign, or SEED=... once again
	$(BIN)/python -m tests.reliability.campaign --keep build/campaign \
		$(if $(SEED),--seed $(SEED),--rounds $(N))

bench: .venv/.developing ## Measure this machine
	$(BIN)/python -m tests.benchmarks

fuzz: N ?= 20000
fuzz: .venv/.developing ## N hostile messages by chance, N by coverage, and property tests at length
	$(BIN)/python -m tests.hostile --messages $(N)
	$(BIN)/python -m tests.hostile --messages $(N) --coverage
	$(PYTEST) -m hypothesis --hypothesis-profile=fuzz --timeout=0

lock: ## Pin the newest dependencies that fit pyproject.toml
	@scripts/lock

docs: install ## Write the pages that are made from code
	$(BIN)/python -m gateway.settings > docs/settings.md

clean: ## Remove the environments and caches; the data folder stays
	rm -rf .venv .venv-3.* .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

.venv/bin/python:
	@$(if $(PYTHON),,scripts/find-python --explain)
	$(PYTHON) -m venv .venv

.venv/.installed: requirements.lock pyproject.toml | .venv/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	@touch $@

.venv/.developing: requirements-dev.lock .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.lock
	@touch $@

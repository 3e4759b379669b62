# Two commands matter: `make run` and `make test`. The rest serves those who work on the hub.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PYTEST_ARGS ?=

.DEFAULT_GOAL := help
.PHONY: help run test check conformance benchmarks screenshots cluster clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

$(VENV)/.runtime: requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit("MCPHub needs Python 3.11 or newer." if sys.version_info < (3, 11) else 0)'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
	  { echo "Could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; rm -rf $(VENV); exit 1; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(VENV)/.development: $(VENV)/.runtime .ci/requirements.txt
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -r .ci/requirements.txt
	@touch $@

run: $(VENV)/.runtime ## install what is missing and start the hub at http://localhost:3000
	@exec $(BIN)/python manage.py runhub

check: $(VENV)/.development ## format, lint, types, import contracts, Django checks, migrations
	@PATH="$(abspath $(BIN)):$$PATH" sh .ci/check

test: check ## every check and every test; says what it skipped
	@PATH="$(abspath $(BIN)):$$PATH" bash .ci/test $(PYTEST_ARGS)

conformance: $(VENV)/.development ## the official conformance suite through a running hub
	@$(BIN)/python -m pytest -m conformance

benchmarks: $(VENV)/.development ## the numbers of docs/performance.md
	@$(BIN)/python -m benchmarks

screenshots: $(VENV)/.development ## pictures of all pages into build/screenshots, the best into docs/images
	@$(BIN)/python -m tests.tools.screenshots

cluster: $(VENV)/.runtime ## two web processes, two workers and beat on this machine (needs DATABASE_URL, REDIS_URL)
	@exec $(BIN)/python manage.py runcluster

clean: ## remove the virtual environment and caches, never data
	@rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build

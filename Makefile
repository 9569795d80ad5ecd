# Everything one does in this repository. `make` alone lists it.
#
# Needs Python 3.9 or newer, Node (for the demo and the end-to-end tests), git and make.
# PYTHON=/path/to/python3 chooses the interpreter of .venv; the newest found is the default.

SHELL := /bin/sh
.DEFAULT_GOAL := help

PY      := .venv/bin/python
PYTEST  := $(PY) -m pytest
# Tests wait for processes far more than they compute: several at once, also on two cores.
JOBS    ?= 4
AT_ONCE := -n $(JOBS) --dist worksteal
CLAUDE  := .e2e/node_modules/.bin/claude
CODEX   := .e2e/codex/node_modules/.bin/codex
AGENTSVIEW := .e2e/agentsview/bin/agentsview
CCUSAGE := .e2e/ccusage/node_modules/.bin/ccusage
CURSOR  := .e2e/cursor/node_modules/@cursor/sdk/package.json
SDK_TS  := .e2e/sdk-typescript/node_modules/@anthropic-ai/claude-agent-sdk/package.json
SOURCES := python/src tests tools demo bench
ARGS    ?=

.PHONY: help
help: ## list what can be made
	@awk 'BEGIN { FS = ":.*## " } /^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# --- set-up --------------------------------------------------------------------------

.PHONY: setup
setup: ## make .venv with the locked dependencies; leaves the command at .venv/bin/harness
	@sh tools/make_venv.sh .venv

.PHONY: setup-39
setup-39:
	@PYTHON= sh tools/make_venv.sh .venv-39 3.9 || sh tools/missing_python.sh 3.9

.PHONY: setup-e2e
setup-e2e: $(CLAUDE) $(CODEX) $(CURSOR) $(SDK_TS) ## install the real clients into .e2e/
	@sh tools/make_sdk.sh

$(CLAUDE): tests/e2e/package.json tests/e2e/package-lock.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node (https://nodejs.org)" >&2; exit 1; }
	@mkdir -p .e2e && cp tests/e2e/package.json tests/e2e/package-lock.json .e2e/
	npm ci --prefix .e2e --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: setup-phoenix
setup-phoenix: ## install a Phoenix server into .phoenix/ (860 MB, Python 3.11 or newer)
	@sh tools/make_phoenix.sh

# No lock: which of its platform packages a registry has differs; the versions are exact.
$(CODEX): tests/e2e/codex/package.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node (https://nodejs.org)" >&2; exit 1; }
	@mkdir -p .e2e/codex && cp tests/e2e/codex/package.json .e2e/codex/
	npm install --prefix .e2e/codex --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

$(CURSOR): tests/e2e/cursor/package.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node (https://nodejs.org)" >&2; exit 1; }
	@mkdir -p .e2e/cursor && cp tests/e2e/cursor/package.json .e2e/cursor/
	npm install --prefix .e2e/cursor --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

# Without its optional packages: each holds a whole Claude Code, which is there already.
$(SDK_TS): tests/e2e/sdk/typescript/package.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node (https://nodejs.org)" >&2; exit 1; }
	@mkdir -p .e2e/sdk-typescript && cp tests/e2e/sdk/typescript/package.json .e2e/sdk-typescript/
	npm install --prefix .e2e/sdk-typescript --omit=optional --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

.PHONY: setup-bench
setup-bench: $(AGENTSVIEW) $(CCUSAGE)

$(AGENTSVIEW): bench/agentsview.txt
	@$(PY) -m venv .e2e/agentsview
	.e2e/agentsview/bin/python -m pip install --quiet --disable-pip-version-check -r bench/agentsview.txt
	@touch $@

# No lock, for the same reason as Codex's.
$(CCUSAGE): bench/ccusage/package.json
	@command -v npm >/dev/null || { echo "npm was not found: install Node (https://nodejs.org)" >&2; exit 1; }
	@mkdir -p .e2e/ccusage && cp bench/ccusage/package.json .e2e/ccusage/
	npm install --prefix .e2e/ccusage --no-package-lock --no-audit --no-fund --loglevel=error
	@touch $@

# --- see it --------------------------------------------------------------------------

.PHONY: demo
demo: setup ## trace the real Claude Code against a scripted model, show its session as a tree
	@$(PY) demo/run.py $(ARGS)

# --- test it -------------------------------------------------------------------------

.PHONY: test
test: setup ## all tests but those with targets of their own below (ARGS="-k spool")
	$(PYTEST) $(AT_ONCE) $(ARGS)

.PHONY: test-39
# What shells do, and who is trusted with a key, does not hang on the version of Python.
SAME_ON_39 = --ignore=tests/capture --ignore=tests/security --ignore=tests/test_install_sh.py
test-39: setup-39
	@if [ -x .venv-39/bin/python ]; then .venv-39/bin/python -m pytest $(AT_ONCE) $(SAME_ON_39) $(ARGS); fi

.PHONY: e2e
e2e: setup setup-e2e ## the tests that drive the real clients
	$(PYTEST) -m "e2e and not soak and not phoenix" $(ARGS)

.PHONY: phoenix
phoenix: setup setup-e2e setup-phoenix ## the tests that send to a real Phoenix server and read back
	$(PYTEST) -m "phoenix and not soak" tests/phoenix $(ARGS)

.PHONY: soak
soak: setup setup-e2e ## the fault tests at length: fifty kills where CI has five
	$(PYTEST) -m soak $(ARGS)

.PHONY: bench
bench: setup setup-e2e setup-bench ## measure what tracing costs; writes docs/performance.md
	@PYTHONPATH=demo $(PY) -m bench $(ARGS); status=$$?; \
	PYTHONPATH=demo $(PY) -m bench.observe $(ARGS) || status=1; \
	PYTHONPATH=demo $(PY) -m bench.evaluate $(ARGS) || status=1; \
	PYTHONPATH=demo $(PY) -m bench.history $(ARGS) && exit $$status

.PHONY: bench-history
bench-history: setup setup-bench ## importing 250 MB of sessions beside agentsview and ccusage (ARGS="--megabytes 1000")
	PYTHONPATH=demo $(PY) -m bench.history $(ARGS)

.PHONY: load
load: setup ## 200 users' sessions through one endpoint; writes docs/scale.md
	PYTHONPATH=demo $(PY) -m bench.load $(ARGS)

.PHONY: check
check: format-check lint types layers shellcheck vendor-check docs-check paths-check test test-39 ## everything a change has to pass

.PHONY: format-check lint types layers shellcheck vendor-check docs-check paths-check
format-check: setup
	@$(PY) -m ruff format --check --quiet $(wildcard $(SOURCES)) || { echo "run: make format" >&2; exit 1; }
lint: setup
	@$(PY) -m ruff check $(wildcard $(SOURCES))
types: setup
	@$(PY) -m mypy
layers: setup
	@.venv/bin/lint-imports --no-logo --config pyproject.toml
shellcheck: setup
	@git ls-files --cached --others --exclude-standard -- '*.sh' .ci/run | grep -v '^tests/recordings/' | xargs .venv/bin/shellcheck
vendor-check: setup
	@$(PY) tools/generate.py --check
docs-check: setup
	@$(PY) tools/docs_spans.py --check
	@$(PY) tools/docs_schema.py --check
	@$(PY) tools/docs_cli.py --check
	@$(PY) tools/docs_agents.py --check
	@$(PY) tools/docs_config.py --check
	@$(PY) tools/docs_observe.py --check
	@$(PY) tools/docs_evaluators.py --check
paths-check: setup
	@$(PY) tools/check_paths.py

# --- make what is generated ----------------------------------------------------------

.PHONY: format
format: setup ## bring the code into shape
	@$(PY) -m ruff check --fix-only --quiet $(wildcard $(SOURCES)); $(PY) -m ruff format $(wildcard $(SOURCES))

.PHONY: vendor
vendor: setup ## refresh the plugins' copies, hooks.json and the marketplace from their sources
	@$(PY) tools/generate.py

.PHONY: docs
docs: setup ## refresh the generated reference pages
	@$(PY) tools/docs_spans.py
	@$(PY) tools/docs_schema.py
	@$(PY) tools/docs_cli.py
	@$(PY) tools/docs_agents.py
	@$(PY) tools/docs_config.py
	@$(PY) tools/docs_observe.py
	@$(PY) tools/docs_evaluators.py
	@$(PY) tools/docs_tutorial.py

.PHONY: golden
golden: setup ## rewrite the golden trees, print the difference; exits 1 when there is one
	@HARNESS_WRITE_GOLDEN=1 $(PYTEST) -q --tb=no -r N $$(grep -rl golden tests --include='test_*.py') $(ARGS); \
	status=$$?; git --no-pager diff -- tests/golden; git status --short -- tests/golden; exit $$status

.PHONY: screenshots
screenshots: setup setup-e2e setup-phoenix ## make the pictures of docs/phoenix.md anew (needs Chromium)
	@PYTHONPATH=.:demo:tests/e2e $(PY) -m tests.phoenix.screenshots

.PHONY: prices
prices: setup ## refresh the price table from the newest LiteLLM release
	@$(PY) tools/prices.py $(ARGS)

.PHONY: lock
lock: ## resolve the dependencies anew (needs uv): uv.lock and both requirements files
	uv lock --project python --no-config --upgrade
	@sh tools/export_lock.sh

# --- release it ----------------------------------------------------------------------

.PHONY: dist
dist: setup ## build wheel and sdist into dist/: for pip, pipx and `uv tool install`
	@rm -rf dist && cd python && ../$(PY) -m hatchling build -d ../dist -t sdist -t wheel

.PHONY: release-notes
release-notes: setup ## print what the changelog says of this version (ARGS="0.2.0" of another)
	@$(PY) tools/release_notes.py $(ARGS)

# --- clean up ------------------------------------------------------------------------

.PHONY: clean
clean: ## remove everything that was made here
	rm -rf .venv .venv-39 .e2e .phoenix .work .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist
	find python tests tools demo bench -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

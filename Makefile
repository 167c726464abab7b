# Agency Portal. `make help` lists what there is.

SHELL := /bin/bash
PYTHON_BIN := .venv/bin/python
# One process of tests per core; WORKERS=0 for one in all, as debuggers want it.
WORKERS ?= auto
PYTEST := $(PYTHON_BIN) -m pytest --numprocesses $(WORKERS)
PYTEST_ARGS ?=

# The embedded default: a SQLite file and a folder as broker, whatever the environment names.
EMBEDDED := env -u DATABASE_URL -u CELERY_BROKER_URL

.DEFAULT_GOAL := help
.PHONY: help setup demo run test test-postgres bench check lint types imports migrations format lock messages clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## (.*)/\1|\2/' \
		| while IFS='|' read -r name text; do printf '  %-15s %s\n' "$$name" "$$text"; done

setup: ## Make .venv with the locked dependencies, and what PDFs need from the system
	@scripts/setup.sh

demo: ## Serve the portal with sample agencies on PORT (8000), until interrupted
	@scripts/setup.sh requirements.txt
	@exec $(PYTHON_BIN) manage.py demo

run: ## The same without sample data; a first-run page makes the first agency
	@scripts/setup.sh requirements.txt
	@exec $(PYTHON_BIN) manage.py serve

test: setup ## Run the whole suite on the embedded default; PYTEST_ARGS adds to the call
	$(EMBEDDED) $(PYTEST) $(PYTEST_ARGS)

test-postgres: export DATABASE_URL ?= postgres://postgres@127.0.0.1:5432/postgres
test-postgres: export CELERY_BROKER_URL ?= redis://127.0.0.1:6379/15
test-postgres: setup ## Run it on PostgreSQL and Redis (DATABASE_URL, CELERY_BROKER_URL)
	$(PYTEST) $(PYTEST_ARGS)

bench: setup ## Measure speed beside its floors; BENCH="closing --on sqlite --scale 0.1" for less
	$(PYTHON_BIN) -m tests.bench $(BENCH)

check: lint types imports migrations ## Everything a change must pass: lint, types, imports, tests
	$(MAKE) test PYTEST_ARGS="--cov --cov-report=term $(PYTEST_ARGS)"

lint: setup ## Check style and formatting
	$(PYTHON_BIN) -m ruff check .
	$(PYTHON_BIN) -m ruff format --check .

types: setup ## Check types
	$(PYTHON_BIN) -m mypy

imports: setup ## Check that imports run one way
	.venv/bin/lint-imports

migrations: setup ## Check that no migration is missing
	$(EMBEDDED) $(PYTHON_BIN) manage.py makemigrations --check --dry-run

format: setup ## Put the code into shape
	$(PYTHON_BIN) -m ruff check --fix-only .
	$(PYTHON_BIN) -m ruff format .

# Each list is locked within the one before it, so that all name the same versions.
COMPILE = .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(LOCK_ARGS)
LOCK_ARGS ?=

lock: setup ## Lock requirements*.in again; LOCK_ARGS=--upgrade for newer versions
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) -c requirements.txt requirements-dev.in -o requirements-dev.txt
	$(COMPILE) -c requirements-dev.txt requirements-uv.in -o requirements-uv.txt

# Django's own tools, which are gettext's; nothing else needs them: the compiled texts are committed.
messages: setup ## Find the texts to translate, and compile what is translated
	@. scripts/apt.sh; command -v msgfmt >/dev/null || apt_install "gettext, which finds texts" gettext
	$(EMBEDDED) $(PYTHON_BIN) manage.py makemessages --locale de --no-location --no-wrap \
		--no-obsolete --ignore tests --ignore staticfiles
	$(EMBEDDED) $(PYTHON_BIN) manage.py compilemessages --locale de

clean: ## Delete what tools left behind; keeps .venv and .data
	rm -rf .coverage .coverage.* htmlcov .hypothesis .mypy_cache .pytest_cache .ruff_cache \
		.import_linter_cache staticfiles
	find . -name __pycache__ -not -path './.venv/*' -prune -exec rm -rf {} +

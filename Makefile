# Everything here works on a bare clone: each goal sets up what it needs first (scripts/setup).

.PHONY: help demo test test-all peers lint bench setup clean

PYTHON_ENV = .venv/bin
# Tests wait more than they work: three at a time are well under two thirds of the time on two cores.
WORKERS = -n 3 --dist loadfile
# What failed beside others is tried once more alone, and must pass then.
ALONE = echo "again, alone:" && $(PYTHON_ENV)/python -m pytest -q --last-failed --last-failed-no-failures none

help:
	@echo "make demo      set up, then watch three agent sessions work (headless without a terminal)"
	@echo "make test      set up, then run the default tests (minutes)"
	@echo "make test-all  the same with the slow tests"
	@echo "make peers     servers and clients of others that some tests need (1 GB below .peers)"
	@echo "make lint      ruff and mypy --strict"
	@echo "make bench     what the engine costs, measured (minutes; docs/performance.md)"
	@echo "make setup     system packages (as root) and the virtual environment, nothing else"
	@echo "make clean     remove the virtual environment and every cache"

demo:
	@scripts/setup
	@headless=--headless; \
	if [ -t 1 ] && [ "$${TERM:-dumb}" != dumb ]; then headless=; fi; \
	code=0; $(PYTHON_ENV)/autolab demo $$headless || code=$$?; \
	echo "In this checkout the command is $(PYTHON_ENV)/autolab"; exit $$code

test:
	@scripts/setup --dev
	@$(PYTHON_ENV)/python -m pytest -q $(WORKERS) || { [ $$? -eq 1 ] && $(ALONE); }

test-all:
	@scripts/setup --dev
	@$(PYTHON_ENV)/python -m pytest -q $(WORKERS) -m 'not gpu'

peers:
	@scripts/setup --dev
	@scripts/peers

lint:
	@scripts/setup --dev
	@$(PYTHON_ENV)/ruff format --check .
	@$(PYTHON_ENV)/ruff check .
	@$(PYTHON_ENV)/mypy

bench:
	@scripts/setup --dev
	@$(PYTHON_ENV)/python -m benchmarks

setup:
	@scripts/setup --dev

clean:
	rm -rf .venv .venv-inspect .peers build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis snapshot_report.html
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

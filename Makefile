# One name per action, the same by hand and in CI. `make help` lists them.
PYTHON := .venv/bin/python
ROUNDS ?= 200
# Rounds of the crash test inside `make test`.
TEST_ROUNDS ?= 20
# Simulated crashes of `make crash-sweep`.
CRASHES ?= 1000000
# Simulated crashes of `make coverage`: being measured makes each several times slower.
COVERAGE_CRASHES ?= 5000
WORKERS ?= 2
ARGS ?=

# Those of `make test`, WORKERS at a time: they wait more than they work.
define CRASH_TESTS
crash_recovery.py
crash_recovery.py --victim storage
crash_recovery.py --victim embedded
power_failure.py
endef
export CRASH_TESTS

.DEFAULT_GOAL := help
.PHONY: help serve test check format bench crash crash-sweep power coverage lock tools clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

# The environment to serve with: locked versions, checked hashes.
.venv/serve.stamp: requirements.txt scripts/make_environment.sh
	@bash scripts/make_environment.sh requirements.txt
	@touch $@

# The environment to develop with: the same versions, and the tools.
.venv/dev.stamp: requirements-dev.txt .venv/serve.stamp
	@bash scripts/make_environment.sh requirements-dev.txt
	@touch $@

serve: .venv/serve.stamp ## serve on 127.0.0.1:7379, data in ./kiwi-data (ARGS="--port 7000")
	@exec $(PYTHON) -m kiwi_engine serve $(ARGS)

check: .venv/dev.stamp ## style, format, types, direction of imports
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m mypy
	.venv/bin/lint-imports --no-logo

tools: ## redis-server, redis-tools and strace for the tests, where apt-get can install them
	@bash scripts/ensure_test_tools.sh

test: check tools ## everything: check, crash rounds, then all tests
	@echo "$$CRASH_TESTS" | xargs -P $(WORKERS) -I{} sh -xc '$(PYTHON) scripts/{} --rounds $(TEST_ROUNDS)'
	$(PYTHON) -m pytest -n $(WORKERS) --dist worksteal

crash: .venv/dev.stamp ## kill and recover, many times (ROUNDS=200)
	$(PYTHON) scripts/crash_recovery.py --rounds $(ROUNDS) $(ARGS)

crash-sweep: .venv/dev.stamp ## simulate crashes of every file operation (CRASHES=1000000)
	$(PYTHON) scripts/crash_sweep.py --crashes $(CRASHES) $(ARGS)

power: .venv/dev.stamp tools ## cut the power of the disk, many times (ROUNDS=200, root)
	$(PYTHON) scripts/power_failure.py --required --rounds $(ROUNDS) $(ARGS)

bench: .venv/dev.stamp tools ## compare with redis-server and Valkey at appendfsync always
	$(PYTHON) benchmarks/compare.py $(ARGS)

coverage: .venv/dev.stamp tools ## branch coverage of the tests; fails where it must be complete and is not
	$(PYTHON) -m coverage erase
	SWEEP_CRASHES=$(COVERAGE_CRASHES) $(PYTHON) -m coverage run \
		-m pytest -n $(WORKERS) --dist worksteal --timeout 900
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report
	$(PYTHON) scripts/check_coverage.py

format: .venv/dev.stamp ## rewrite the code in the common format
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

lock: .venv/dev.stamp ## make the lock files anew from pyproject.toml
	@bash scripts/lock_requirements.sh

clean: ## remove the environment and all caches; never the data
	rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache htmlcov
	rm -f .coverage .coverage.*

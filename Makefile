# What a person does with this checkout. Everything is installed into .venv, nothing outside of it but Debian's
# python3-venv where that is missing.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is compiled is kept in .venv, where the environment asks for none beside the sources, too: without it each run
# rewrites the asserts of all tests in each worker anew (8 s of CPU time), and each agent that a test starts compiles itself.
KEPT := env -u PYTHONDONTWRITEBYTECODE PYTHONPYCACHEPREFIX=$(CURDIR)/$(VENV)/bytecode

.PHONY: help demo test lint cluster machine windows man bench clean

help:           ## show this
	@sed -n 's/^\([a-z]*\): .*## /  make \1	/p' Makefile

demo: $(VENV)/run.stamp  ## the whole story on this machine: no root, no cluster, no internet
	@$(BIN)/connmon-agent demo

test: $(VENV)/dev.stamp  ## the tests; offline, two to four minutes
	@$(KEPT) $(BIN)/python -m pytest -q --numprocesses auto --dist worksteal

lint: $(VENV)/dev.stamp  ## formatting, style, types, and who may import whom
	$(BIN)/ruff format --check agent tests
	$(BIN)/ruff check agent tests
	$(BIN)/mypy
	$(BIN)/mypy --platform win32 --follow-imports silent --cache-dir .mypy_cache/windows $$(grep -rl 'sys.platform == "win32"' agent/connmon_agent --include='*.py')
	$(BIN)/lint-imports

cluster: $(VENV)/dev.stamp  ## the tests that need a real cluster, see CONTRIBUTING.md
	@$(KEPT) tests/cluster/run $(BIN)/python

machine: $(VENV)/dev.stamp  ## the tests that boot a machine with systemd, see CONTRIBUTING.md
	@tests/machine/run $(BIN)/python

windows: $(VENV)/dev.stamp  ## the tests by a Windows build of Python, see CONTRIBUTING.md
	@tests/windows/run $(BIN)/python

man: $(VENV)/run.stamp  ## the manual pages, into build/man; to install them: connmon-agent man DIRECTORY
	@$(BIN)/connmon-agent man build/man

bench: $(VENV)/dev.stamp  ## the numbers, see docs/benchmarks.md
	@$(BIN)/python -m tests.bench

clean:          ## forget the environment and every cache
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build agent/*.egg-info
	find agent tests -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/pip.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "connmon-agent needs Python 3.11 or newer; name one: make PYTHON=python3.12 ..." >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip' 2>/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  apt-get update -qq && apt-get install -y -qq python3-venv >/dev/null; } || \
	  { echo "Python has no venv here; on Debian and Ubuntu: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "Setting up $(VENV), once." >&2
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/run.stamp: $(VENV)/pip.stamp pyproject.toml setup.cfg
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[demo]'
	@touch $@

$(VENV)/dev.stamp: $(VENV)/run.stamp pyproject.toml
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group dev
	@touch $@

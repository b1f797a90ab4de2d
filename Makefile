# What a person can do with a fresh checkout. `make help` lists it.

PYTHON    ?= python3
VENV      := .venv
BIN       := $(VENV)/bin
CASE      ?= scenarios/ukraine-2025
DEAL      ?= kremlin_counter
PARTY     ?= ukraine
WORKERS   ?= 2
PIP       := $(BIN)/python -m pip --disable-pip-version-check
INSTALLED := $(VENV)/.installed
DEVELOP   := $(VENV)/.installed-dev
BENCH     := $(VENV)/.installed-bench

.PHONY: help demo test peers bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo    install into $(VENV) on first use, then assess the Ukraine case"
	@echo "             (other cases: make demo CASE=scenarios/... DEAL=... PARTY=...)"
	@echo "make test    formatting, lint, types and tests"
	@echo "make peers   the comparisons with other software, those included that make test skips"
	@echo "make bench   the benchmarks: ratios against peers and against the hardware"
	@echo "make clean   remove caches and build products (not $(VENV))"

demo: $(INSTALLED)
	@$(BIN)/servanda assess $(CASE) --deal $(DEAL) --for $(PARTY)

test: $(DEVELOP)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

peers: $(DEVELOP) $(BENCH)
	$(BIN)/python -m pytest tests/peers

bench: $(BENCH)
	$(BIN)/python -m benchmarks

clean:
	rm -rf build dist out .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find src tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Servanda needs Python 3.11 or later: make PYTHON=python3.12 ..." >&2; exit 1; }
	@echo "Making a virtual environment in $(VENV) ..."
	@$(PYTHON) -m venv $(VENV)

# A package that is missing or too old is fetched once; pip tells what it is doing meanwhile.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Servanda and what it needs (first time: a minute or two) ..."
	@$(PIP) install -c constraints.txt -e .
	@touch $@

$(DEVELOP): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Servanda with its development tools (first time: a minute or two) ..."
	@$(PIP) install -c constraints.txt -e '.[dev]'
	@touch $@ $(INSTALLED)

$(BENCH): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Servanda with what the benchmarks compare it with ..."
	@$(PIP) install -c constraints.txt -e '.[bench]'
	@touch $@ $(INSTALLED)

# Two commands do all the set-up: `make demo` and `make test`. `make help` lists the rest.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV   := .venv
BIN    := $(VENV)/bin
.DEFAULT_GOAL := help

.PHONY: help install demo test check format bench clean

help:  ## List the targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	$(BIN)/python -m pip install --quiet --editable ".[demo,postgres,otel]" --group dev
	@touch $@

install: $(VENV)/.installed  ## Install into .venv, with everything that tests need

demo: install  ## Nine months of real flights through the whole loop (SABOTAGE=wrong|slow|crash, EXIT=1 to end)
	$(BIN)/noria demo $(if $(SABOTAGE),--sabotage $(SABOTAGE)) $(if $(EXIT),--exit)

test: install  ## Run all tests; installs Chromium, PostgreSQL and promtool where it may
	@bash tests/install_services.sh
	$(BIN)/python -m pytest -n 2 --dist loadscope

check: install  ## Format, lint, types, floors, then all tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(MAKE) test

format: install  ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

bench: install  ## Run the benchmarks; each prints ratios to its peer or limit
	@for file in bench/*.py; do echo "== $$file"; $(BIN)/python $$file || exit 1; done

clean:  ## Remove what was made here (the environment and the demo's data too)
	rm -rf $(VENV) demo-data dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis

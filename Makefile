# The whole interface of this repository: make install | demo | check | test | bench
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: install demo check test bench docs proto clean
.DEFAULT_GOAL := install

install: $(STAMP)            ## .venv with pinned packages and the bobr command

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev,demo]'
	@touch $@

demo: install                ## 336,776 real events in, a table out
	@$(BIN)/python -m demo

check: install               ## layers, types, lint, format
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --quiet --check .
	@$(BIN)/lint-imports > $(VENV)/imports.log || { cat $(VENV)/imports.log; exit 1; }
	@$(BIN)/mypy

test: check                  ## everything that proves the software
	@$(BIN)/python -m pytest -n 2 $(PYTEST_ARGS)

bench: install               ## ratios in one run; decides no test
	@$(BIN)/python -m bench

docs: install                ## the pages that code tells better: commands, file map
	@$(BIN)/python docs/generate.py

proto: install               ## regenerate src/bobr/v1 from proto/bobr/v1
	$(BIN)/python -m grpc_tools.protoc -Iproto --python_out=src --pyi_out=src proto/bobr/v1/*.proto

clean:                       ## what make has made; never .bobr, which is data
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis

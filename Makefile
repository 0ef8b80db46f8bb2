# A fresh machine needs Python >= 3.11 and make, nothing else.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
ARGS ?=

.PHONY: install check format test soak demo bench e2e e2e-build e2e-fuzz lock release clean docs

install: $(VENV)/.installed  ## install the project and its tools from the lock file, with hashes

$(VENV)/.installed: requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

check: install  ## format, lint, types, layers, layout, wording, generated docs
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/python -m pytest -q -n0 tests/test_layout.py tests/test_boundaries.py tests/test_wording.py tests/test_recipes.py
	@$(BIN)/python -m bot docs --check

format: install
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

docs: install  ## regenerate the generated pages
	@$(BIN)/python -m bot docs --write

test: install  ## tests wait more than they compute: four workers on two cores
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

soak: install  ## cut connections after every STEP bytes of every write of every verb (default: every byte)
	@SOAK=$(or $(STEP),1) $(BIN)/python -m pytest -n 2 --dist worksteal tests/operations/test_cut_connections.py $(ARGS)

demo: install  ## run the product against emulators; ARGS=--once plays the story and exits
	@$(BIN)/python -m sandbox.demo $(ARGS)

bench: install
	@$(BIN)/python -m benchmarks $(ARGS)

e2e-build: install
	@$(BIN)/python -m tests.e2e.build

e2e: e2e-build
	@$(BIN)/python -m pytest -c tests/e2e/pytest.ini tests/e2e $(ARGS)

e2e-fuzz: e2e-build
	@E2E_EXAMPLES=5000 $(BIN)/python -m pytest -c tests/e2e/pytest.ini tests/e2e -k differential $(ARGS)

lock:  ## resolve the lock files again (needs uv)
	@uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --no-annotate --group dev pyproject.toml -o requirements.lock
	@$(BIN)/python deploy/locks.py

release: install  ## build wheel, sdist, SBOM (CycloneDX) and SHA-256 checksums into dist/ from a clean work tree
	@test -z "$$(git status --porcelain)" || { echo "make release needs a clean work tree: commit or stash first" >&2; exit 1; }
	@rm -rf build dist
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct) $(BIN)/python -m build --no-isolation --outdir dist > /dev/null
	@$(PYTHON) -m venv --without-pip build/runtime
	@$(BIN)/python -m pip --python build/runtime/bin/python install --quiet --disable-pip-version-check --require-hashes --no-deps -r deploy/requirements.lock
	@$(BIN)/cyclonedx-py environment build/runtime/bin/python --pyproject pyproject.toml --output-reproducible -o dist/velero-chatops.cdx.json
	@cd dist && { sha256sum *.whl *.tar.gz *.json 2> /dev/null || shasum -a 256 *.whl *.tar.gz *.json; } > SHA256SUMS
	@ls dist

clean:
	@rm -rf $(VENV) .demo build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis

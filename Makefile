# What people and CI do here. `make run` shows Puna at work, `make test` proves it.

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/ready

# Without compiled files each of the hundreds of processes that tests start compiles all it imports.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: run test test-slow test-gpu lint bench docs fuzz lock clean

run: $(READY)
	@$(BIN)/python scripts/run.py

test: lint
	$(BIN)/pytest -m "not slow and not gpu"

test-slow: $(READY)
	$(BIN)/pytest -m "slow and not gpu"

test-gpu: $(READY)
	$(BIN)/pytest -m gpu

lint: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/pyright
	$(BIN)/lint-imports

bench: $(READY)
	$(BIN)/python benchmarks/run.py

docs: $(READY)
	$(BIN)/python scripts/check_links.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "The documentation is in build/docs/index.html."

# Every property test, with many more examples than in `make test`, and ten minutes of guided
# fuzzing of GGUF headers where atheris has a wheel (Linux on x86-64).
fuzz: $(READY)
	$(BIN)/pytest -m hypothesis --hypothesis-profile=fuzz --timeout=3600
	PYTHONPATH=src $(BIN)/python tests/models/fuzz_gguf.py -max_total_time=600

# Needs uv. The lock is for every system and names no package index.
lock:
	uv pip compile pyproject.toml --group dev --universal --python-version 3.11 --upgrade \
	  --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links \
	  --quiet --output-file requirements.lock

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(READY): requirements.lock pyproject.toml scripts/set_up.sh
	@PYTHON="$(PYTHON)" sh scripts/set_up.sh
	@touch $(READY)

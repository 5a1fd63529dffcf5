# Every target sets up what it needs on a machine with only Python >= 3.11 and pip.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo test lint types contracts docs bench clean

# Torch first and pinned: a CPU build where one is offered, and no other torch after it.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $(READY)

demo: $(READY)
	$(BIN)/cambrian-eval run --out runs/demo
	$(BIN)/cambrian-eval report runs/demo --out report
	@echo "open report/report.html"

test: $(READY)
	$(BIN)/python -m pytest -q -n auto --dist loadfile $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy cambrian_eval cvbench_builder

contracts: $(READY)
	$(BIN)/lint-imports

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: $(READY)
	$(BIN)/python tools/perf_overhead.py
	$(BIN)/python tools/perf_scoring.py

clean:
	rm -rf $(VENV) runs report site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

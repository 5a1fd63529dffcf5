# Every target installs what it needs; Python >= 3.11 and pip are enough to start.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: demo example demo-cvbench check test lint types contracts docs bench gpu-check clean

# Torch first and pinned: a CPU build where one is offered, and no other torch after it.
$(READY): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q --upgrade pip
	$(BIN)/python -m pip install -q -c constraints.txt torch
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[dev]"
	touch $(READY)

# The paper's sixteen; `make demo SUITE=spatial` runs another suite.
SUITE := all
DEMO := runs/demo$(if $(filter-out all,$(SUITE)),-$(SUITE))
demo: $(READY)
	$(BIN)/cambrian-eval run --model demo --benchmark $(SUITE) --data mini --vision on,off --out $(DEMO)
	$(BIN)/cambrian-eval report $(DEMO) --out report
	@echo "open report/report.html"

# The report that CI keeps: the demo with few samples, every number of it recomputed.
EXAMPLE := build/example-report
example: $(READY)
	rm -rf runs/example $(EXAMPLE)  # they may be of an earlier version
	$(BIN)/cambrian-eval run --model demo --benchmark all --data mini:8 --vision on,off --out runs/example
	$(BIN)/cambrian-eval report runs/example --out $(EXAMPLE)
	$(BIN)/cambrian-eval verify $(EXAMPLE)
	$(BIN)/cambrian-eval export runs/example --to csv,hub-dataset --out $(EXAMPLE)/export
	@echo "open $(EXAMPLE)/report.html"

# The build has its own folder; the report and the review page (with its images) are in another.
CVB := runs/demo-cvbench
demo-cvbench: $(READY)
	grep -qs '"synthetic": true' $(CVB)/sources/coco/*.json || rm -rf $(CVB)/sources  # of an earlier version
	test -d $(CVB)/sources || $(BIN)/python -m cambrian_eval.demo.sources $(CVB)/sources
	$(BIN)/cambrian-eval cvbench build --no-cache --out $(CVB)/cvb \
		--coco $(CVB)/sources/coco/instances_val2017.json --coco-images $(CVB)/sources/coco/val2017 \
		--ade20k $(CVB)/sources/ADE20K_2021_17_01 \
		--omni3d $(CVB)/sources/omni3d/*_test.json --omni3d-images $(CVB)/sources/omni3d/datasets \
		--pair-share 0.12 --class-share 0.25 \
		--count-rows 72 --relation-rows 72 --depth-rows 72 --distance-rows 72
	$(BIN)/cambrian-eval cvbench audit $(CVB)/cvb --fail-above 5
	rm -rf $(CVB)/run  # it may be of an earlier checkpoint, and takes seconds
	$(BIN)/cambrian-eval run --model demo --benchmark cvbench_2d,cvbench_3d --data-root $(CVB)/cvb \
		--vision on,off --out $(CVB)/run
	$(BIN)/cambrian-eval report $(CVB)/run --data-root $(CVB)/cvb --out $(CVB)/report
	cp -R $(CVB)/cvb/review.html $(CVB)/cvb/img $(CVB)/report/
	@if [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ] || [ "$$(uname)" = Darwin ]; then \
		$(BIN)/python -m webbrowser "file://$(CURDIR)/$(CVB)/report/review.html" </dev/null >/dev/null 2>&1 || true; fi
	@echo "open $(CVB)/report/report.html, and $(CVB)/report/review.html to judge the questions"

# The inner loop: everything that is fast. `make test` runs all tests.
check: lint types contracts
	$(BIN)/python -m pytest -q -m "not slow" $(ARGS)

# One process more than there are cores: many tests wait for another process. With more threads, they would wait for
# each other, which takes a third of the processor time.
WORKERS := $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
test: $(READY)
	env -u PYTHONDONTWRITEBYTECODE OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(READY)
	$(BIN)/mypy cambrian_eval cvbench_builder

contracts: $(READY)
	$(BIN)/lint-imports
	$(BIN)/python tools/architecture.py

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "open site/index.html"

bench: $(READY)
	$(BIN)/python tools/bench.py $(ARGS)

# Needs a Python with torch, transformers, numpy and Pillow only, and nothing installed here: PYTHON=... names it.
# Without a GPU it measures the mid-size model; ARGS="--size tiny" is quickest.
gpu-check:
	$(PYTHON) tools/perf_inference.py --workloads a,b --compare 200 --minutes 6 --json gpu-check.json $(ARGS)
	@echo "written: gpu-check.json"

clean:
	rm -rf $(VENV) runs report site build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache

"""The authors' scripts, `eval/eval/*/*_test.py`: `compute_metrics` on a file with one response.

CV-Bench has three scripts, for its three sources; the one for COCO is run. DocVQA has no local script.
"""

from __future__ import annotations

import csv
import importlib.util
import json
import sys
from ast import literal_eval
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from importing import prepare
from question import Question

from harnesses.ours import Scorer

SCRIPTS = {
    "cvbench": "coco", "mmvp": "mmvp", "realworldqa": "realworldqa", "mmbench": "mmbench_en", "seed": "seed",
    "ai2d": "ai2d", "scienceqa": "scienceqa", "mmmu": "mmmu", "mathvista": "mathvista", "mme": "mme", "pope": "pope",
    "chartqa": "chartqa", "textvqa": "textvqa", "ocrbench": "ocrbench", "gqa": "gqa",
}  # fmt: skip


def scorers(checkout: Path) -> dict[str, Callable[[], Scorer]]:
    """Benchmark to what imports its script."""
    prepare(checkout)
    root = checkout / "eval" / "eval"
    return {name: (lambda n=name, s=script: _scorer(root / s / f"{s}_test.py", n)) for name, script in SCRIPTS.items()}


def _line(benchmark: str, q: Question, response: str) -> dict[str, Any]:
    line: dict[str, Any] = {"model_id": "m", "category": "x", "answer": response, "gt_answer": q.gold}
    if benchmark in ("cvbench", "mmvp"):
        return {**line, "gt_answer": f"({q.gold})", "text_options": list(q.options), "options": list(q.options)}
    more: dict[str, dict[str, Any]] = {
        "mmbench": {"prediction": response, "source_id": "1"},
        "seed": {"category": 1},
        "ai2d": {"gt_answer": str(q.place) if q.options else ""},
        "scienceqa": {"type": True, "text_answer": q.options[q.place] if q.options else ""},
        "mmmu": {"type": "multiple-choice" if q.options else "open"},
        "mathvista": {"type": "multi_choice" if q.options else "free_form"},
        "mme": {"category": "existence"},
        "textvqa": {"gt_answer": [q.gold] * 10},
        "ocrbench": {
            "gt_answer": list(q.answers),
            "category": "Regular Text Recognition" if q.name == "word" else "Key Information Extraction",
        },
    }
    return {**line, **more.get(benchmark, {})}


def _scorer(path: Path, benchmark: str) -> Scorer:
    sys.path.insert(0, str(path.parent))
    spec = importlib.util.spec_from_file_location(f"authors_{benchmark}", path)
    if spec is None or spec.loader is None or not path.is_file():
        raise ImportError(f"no file {path.name}")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    more = {"extra_penalization": False} if benchmark == "ocrbench" else {}  # the default of its command line

    def score(q: Question, response: str) -> bool:
        with TemporaryDirectory() as folder:
            answers, table = Path(folder, "answers.jsonl"), Path(folder, "out.csv")
            answers.write_text(json.dumps(_line(benchmark, q, response)) + "\n")
            files = [str(answers), str(Path(folder, "wrong.jsonl")), str(table)]
            if benchmark == "textvqa":
                del files[1]
            module.compute_metrics(*files, **more)
            with table.open(newline="") as file:
                found = next(csv.DictReader(file))
        if benchmark == "ocrbench":
            return bool(literal_eval(found["total_accuracy"])["accuracy"] > 50)
        return float(found["multimodal_acc" if benchmark == "scienceqa" else "accuracy"]) > 0.5

    return score

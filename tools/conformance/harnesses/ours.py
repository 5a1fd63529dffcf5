"""cambrian-eval: `fuzzy`, on rows in the datasets' own columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from question import Question

Scorer = Callable[[Question, str], bool]


def row(benchmark: str, q: Question) -> dict[str, Any]:
    """The question as a row of the benchmark's dataset."""
    listed = "\n".join(f"{letter}. {text}" for letter, text in q.lettered.items())
    rows: Mapping[str, Callable[[], dict[str, Any]]] = {
        "cvbench": lambda: {
            "idx": 1, "type": "2D", "task": "Count", "source": "COCO", "question": q.question,
            "choices": list(q.options), "answer": f"({q.gold})",
            "prompt": q.question + "".join(f"\n({letter}) {text}" for letter, text in q.lettered.items()),
        },
        "mmvp": lambda: {
            "Index": 1, "Question": q.question, "Correct Answer": f"({q.gold.lower()})",
            "Options": " ".join(f"({letter.lower()}) {text}" for letter, text in q.lettered.items()),
        },
        "realworldqa": lambda: {"answer": q.gold, "question": f"{q.question}\n\n{listed}" if listed else q.question},
        "mmbench": lambda: {
            "index": 1, "question": q.question, "hint": "nan", **{c: "nan" for c in "ABCD"}, **q.lettered,
            "answer": q.gold, "category": "x", "l2-category": "x", "source": "x", "split": "dev", "comment": "nan",
        },
        "seed": lambda: {
            "question_id": "1", "question": q.question, "answer": q.gold, "data_type": "image", "data_id": "1",
            "question_type_id": 1, **{f"choice_{letter.lower()}": text for letter, text in q.lettered.items()},
        },
        "ai2d": lambda: {"question": q.question, "options": list(q.options), "answer": str(q.place)},
        "scienceqa": lambda: {
            "question": q.question, "choices": list(q.options), "answer": q.place, "hint": "",
            "subject": "natural science", "category": "x", "topic": "x", "grade": "grade3",
        },
        "mmmu": lambda: {
            "id": "validation_Art_1", "question": q.question, "options": str(list(q.options)), "answer": q.gold,
            "question_type": "multiple-choice" if q.options else "open", "subfield": "x", "explanation": "",
        },
        "mathvista": lambda: {
            "pid": "1", "question": q.question, "query": q.question, "unit": None, "precision": None,
            "question_type": "multi_choice" if q.options else "free_form",
            "answer_type": "text" if q.options else "integer", "choices": list(q.options) or None,
            "answer": q.options[q.place] if q.options else q.gold, "metadata": {"task": "x", "skills": []},
        },
        "mme": lambda: {
            "question_id": "images/1.png", "category": "existence", "answer": q.gold,
            "question": f"{q.question} Please answer yes or no.",
        },
        "pope": lambda: {"question": q.question, "answer": q.gold.lower(), "category": "random", "question_id": "1"},
        "chartqa": lambda: {"question": q.question, "answer": q.gold, "type": "human_test"},
        "textvqa": lambda: {"question_id": 1, "question": q.question, "answers": [q.gold] * 10, "image_id": "1"},
        "docvqa": lambda: {"questionId": "1", "question": q.question, "answers": list(q.answers)},
        "ocrbench": lambda: {
            "question": q.question, "answer": list(q.answers), "dataset": "x",
            "question_type": "Regular Text Recognition" if q.name == "word" else "Key Information Extraction",
        },
        "gqa": lambda: {"id": "1", "imageId": "1", "question": q.question, "answer": q.gold},
    }  # fmt: skip
    return rows[benchmark]()


def scorers(checkout: Path | None) -> dict[str, Callable[[], Scorer]]:
    """Every benchmark with `fuzzy`; no checkout is needed."""
    return scored_by("fuzzy")


def scored_by(scorer: str) -> dict[str, Callable[[], Scorer]]:
    """Every benchmark with one of our scorers."""
    return {name: partial(_scorer, name, scorer) for name in NAMES}


NAMES = (
    "cvbench", "mmvp", "realworldqa", "mmbench", "seed", "ai2d", "scienceqa", "mmmu", "mathvista", "mme", "pope",
    "chartqa", "textvqa", "docvqa", "ocrbench", "gqa",
)  # fmt: skip
"""What the set covers."""


def _scorer(name: str, scorer: str) -> Scorer:
    from cambrian_eval import grade
    from cambrian_eval.registry import load_benchmark

    declared = load_benchmark("cvbench_2d" if name == "cvbench" else name)
    return lambda q, response: grade(declared, row(name, q), response, scorer).value >= 0.5

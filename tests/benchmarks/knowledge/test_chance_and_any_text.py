"""For the General and Knowledge benchmarks: chance against enumeration of all guesses, and any text at all."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.grading import grade, grade_all

Row = Mapping[str, Any]


def mme(pair: int, answer: str, category: str) -> Row:
    return {"question_id": pair, "question": "q", "answer": answer, "category": category}


def mmbench(index: int, answer: str, k: int) -> Row:
    options = {letter: (f"thing{letter}" if i < k else "nan") for i, letter in enumerate("ABCD")}
    return {
        "index": index,
        "question": f"q{index}",
        "hint": "nan",
        "answer": answer,
        "category": "c",
        "source": "s",
    } | options


def mmmu(kind: str, answer: str) -> Row:
    options = "['x1', 'y1', 'z1']" if kind == "multiple-choice" else "[]"
    return {"id": "validation_Art_1", "question": "q", "options": options, "answer": answer, "question_type": kind}


def mathvista(answer: str, choices: list[str] | None) -> Row:
    kinds = {
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": "text" if choices else "integer",
    }
    return {"pid": "1", "question": "q", "query": "q", "choices": choices, "answer": answer, "precision": None} | kinds


SETS: dict[str, list[Row]] = {
    "mme": [mme(p, a, c) for c in ("count", "OCR", "code_reasoning") for p in (1,) for a in ("Yes", "No")],
    "mmbench": [mmbench(1, "A", 2), mmbench(1_000_001, "B", 2), mmbench(2, "C", 3), mmbench(3, "A", 2)],
    "scienceqa": [{"question": "q", "choices": ["x1", "y1", "z1"][:k], "answer": 0, "hint": ""} for k in (2, 3, 3)],
    "mmmu": [mmmu("multiple-choice", "B"), mmmu("open", "5"), mmmu("multiple-choice", "C")],
    "mathvista": [mathvista("y1", ["x1", "y1", "z1"]), mathvista("5", None), mathvista("x1", ["x1", "y1"])],
    "ai2d": [{"question": "q", "options": ["x1", "y1", "z1", "w1"], "answer": str(i)} for i in (0, 3)],
}


@pytest.mark.parametrize("name", SETS)
def test_chance_is_the_mean_over_all_guesses(name: str) -> None:
    rows = SETS[name]
    benchmark = load_benchmark(name)
    samples = [benchmark.to_sample(row, i) for i, row in enumerate(rows)]
    guesses = [sample.guesses or ("",) for sample in samples if sample is not None]
    results = [grade_all(benchmark, rows, texts) for texts in itertools.product(*guesses)]
    scores = [r.score for r in results if r.score is not None]
    assert results[0].chance == pytest.approx(sum(scores) / len(scores))


@pytest.mark.parametrize("name", SETS)
@settings(max_examples=30)
@given(text=st.text(alphabet=st.characters(), max_size=120))
def test_any_text_gets_a_verdict(name: str, text: str) -> None:
    for row in SETS[name]:
        for scorer in ("fuzzy", "official"):
            verdict = grade(name, row, text, scorer)
            assert 0.0 <= verdict.value <= 1.0 and verdict.rule
            assert verdict.parsed or verdict.value == 0.0


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("text", ["\ud800", "\x00B\x00", "مرحبا", "🙂" * 1000, "\u202eB\u202c", "B" * 100_000])
def test_odd_texts(name: str, text: str) -> None:
    assert grade(name, SETS[name][0], text).value in (0.0, 1.0)
    assert grade(name, SETS[name][0], text, "official").value in (0.0, 1.0)

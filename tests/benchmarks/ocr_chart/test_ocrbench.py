"""OCRBench: rows, groups, prompt, scorers and the count out of 1000."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval.benchmarks.ocr_chart.ocrbench import OCRBench

ROW: dict[str, Any] = {
    "dataset": "IIIT5K",
    "question": "what is written in the image?",
    "question_type": "Regular Text Recognition",
    "answer": ["CENTRE"],
}
FORMULA = {**ROW, "question_type": "Handwritten Mathematical Expression Recognition", "answer": ["x ^ { 2 }"]}


@pytest.mark.parametrize(
    ("kind", "group"),
    [
        ("Regular Text Recognition", "Text Recognition"),
        ("Irregular Text Recognition", "Text Recognition"),
        ("Artistic Text Recognition", "Text Recognition"),
        ("Handwriting Recognition", "Text Recognition"),
        ("Digit String Recognition", "Text Recognition"),
        ("Non-Semantic Text Recognition", "Text Recognition"),
        ("Doc-oriented VQA", "Doc-oriented VQA"),
        ("Handwritten Mathematical Expression Recognition",) * 2,
    ],
)
def test_groups(kind: str, group: str) -> None:
    sample = OCRBench().to_sample({**ROW, "question_type": kind}, 7)
    assert sample.tags == {"group": group, "question_type": kind}
    assert sample.id == "7"


def test_prompt_and_metrics() -> None:
    sample = OCRBench().to_sample(ROW, 0)
    assert OCRBench().prompt(sample) == "what is written in the image?\nGive the short answer directly."
    assert OCRBench().metrics(["all"])["points_of_1000"] == {"all": 1000.0}


def test_scorers_and_the_equality_switch() -> None:
    sample = OCRBench().to_sample({**ROW, "answer": ["milk"]}, 0)
    assert OCRBench().fuzzy(sample, "milkshake").value == 0
    assert OCRBench().official(sample, "milkshake").value == 1
    assert OCRBench(equality=True).official(sample, "milkshake").value == 0
    assert OCRBench(equality=True).official(sample, "Milk ").value == 1
    assert OCRBench().fuzzy(sample, "").parsed is False


def test_formula_rows_keep_case() -> None:
    sample = OCRBench().to_sample(FORMULA, 0)
    assert OCRBench().fuzzy(sample, "$x^{2}$").value == 1
    assert OCRBench().fuzzy(sample, "X^{2}").value == 0
    assert OCRBench().official(sample, "so x^{2} = 1").value == 1

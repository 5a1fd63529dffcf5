"""DocVQA: rows, prompt, both scorers, the two splits and the submission file."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cambrian_eval.benchmarks.ocr_chart.docvqa import DocVQA
from cambrian_eval.errors import UserError

ROW: dict[str, Any] = {
    "questionId": "337",
    "question": "what is the company?",
    "question_types": ["handwritten", "form"],
    "docId": 279,
    "ucsf_document_id": "ffbf0023",
    "ucsf_document_page_no": "4",
    "answers": ["ITC Limited", "itc"],
    "data_split": "val",
}


def test_row_to_sample_and_prompt() -> None:
    sample = DocVQA().to_sample(ROW, 5)
    assert (sample.id, sample.index, sample.answers) == ("337", 5, ("ITC Limited", "itc"))
    assert sample.image_id == "ffbf0023_4"
    assert sample.tags == {"question_types": ("handwritten", "form")}
    for style in ("official", "paper"):
        assert DocVQA().prompt(sample, style) == "what is the company?\nGive the short answer directly."


def test_scorers_differ_on_trailing_blanks_only_as_the_script_does() -> None:
    sample = DocVQA().to_sample({**ROW, "answers": ["abcde"]}, 0)
    assert DocVQA().fuzzy(sample, "abxyz     ").value == 0
    assert DocVQA().official(sample, "abxyz     ").value == pytest.approx(0.7)
    empty = DocVQA().fuzzy(sample, " \n")
    assert (empty.value, empty.parsed, empty.extracted) == (0, False, None)


def test_test_split_withholds_answers_and_writes_the_submission() -> None:
    bench = DocVQA(split="test")
    assert (bench.source.split, bench.source.n_rows, bench.source.config) == ("test", 5188, "DocVQA")
    rows = [
        {**ROW, "answers": None},
        {k: v for k, v in {**ROW, "questionId": "12"}.items() if k != "answers"},
    ]
    samples = [bench.to_sample(row, i) for i, row in enumerate(rows)]
    assert all(s.answers == () for s in samples)
    made = bench.submission(samples, ["ITC \n", "café"])
    assert made is not None
    assert json.loads(made[1]) == [{"questionId": 337, "answer": "ITC"}, {"questionId": 12, "answer": "café"}]
    with pytest.raises(ValueError):
        bench.submission(samples, ["one"])
    assert DocVQA().submission(samples, ["a", "b"]) is None


def test_validation_is_the_default_and_says_so() -> None:
    assert DocVQA().source.split == "validation"
    assert "validation" in DocVQA().scoring_notes("fuzzy")[0]
    assert any("no local DocVQA scorer" in note for note in DocVQA().scoring_notes("official"))
    with pytest.raises(UserError, match=r"docvqa\.split"):
        DocVQA(split="train")

"""`import` of what each of Cambrian-1's released scripts writes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.imports import originals as o
from tests.imports.test_import import imported, scores

CAMBRIAN: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    # The first number of a question is 1 in the dataset and 0 in the log; "(a)" is the letter.
    "mmvp": (
        [
            {"Index": i + 1, "Question": q, "Options": "(a) Open (b) Closed", "Correct Answer": f"({a})"}
            for i, (q, a) in enumerate([("Is it open?", "a"), ("Is it open?", "b")])
        ],
        [
            {"question_id": i, "prompt": "USER: <image>\nIs it open? Options:\nA. Open\nB. Closed", "answer": said,
             "gt_answer": f"({gold})", "text_options": ["Open", "Closed"]}
            for i, (said, gold) in enumerate([("A", "a"), ("B", "b")])
        ],
    ),
    # The gold answer is the option's number.
    "ai2d": (
        [{"question": "Which?", "options": ["leaf", "root"], "answer": "1"}],
        [{"question_id": 0, "prompt": "Which?\nA. leaf\nB. root", "answer": "B", "gt_answer": "1",
          "text_answer": "root"}],
    ),
    "mmbench": (
        [
            {"index": 7, "question": "Which?", "hint": "nan", "A": "leaf", "B": "root", "C": "nan", "D": "nan",
             "answer": "B", "category": "x", "l2-category": "y", "source": "s", "split": "dev"}
        ],
        [
            {"index": 7, "question": "Which?", "prediction": "B", "gt_answer": "B", "A": "leaf", "B": "root",
             "C": "nan", "D": "nan", "source_id": "Which? 0 s", "model_id": "m", "category": "x"}
        ],
    ),
    "docvqa": (
        [{"questionId": "337", "question": "who?", "answers": ["Miller"], "docId": 1, "ucsf_document_id": "u",
          "ucsf_document_page_no": "1", "question_types": [], "data_split": "val"}],
        [{"questionId": "337", "prompt": "who?\nGive the short answer directly.", "answer": "Miller", "model_id": "m"}],
    ),
    # The scripts number their own files: 0 is another question here.
    "cvbench_2d": (
        [
            {"idx": i, "type": "2D", "task": "Count", "source": "COCO", "choices": choices, "answer": "(B)",
             "question": "How many cars?", "prompt": "How many cars?\n(A) .."}
            for i, choices in enumerate([["1", "3"], ["5", "4"]])
        ],
        [
            {"questionId": 0, "prompt": "How many cars?\n(A) 5\n(B) 4", "answer": "B", "gt_answer": "(B)",
             "category": "Count", "options": ["5", "4"], "model_id": "m"},
            {"questionId": 1, "prompt": "How many cars?\n(A) 1\n(B) 3", "answer": "(B)", "gt_answer": "(B)",
             "category": "Count", "options": ["1", "3"], "model_id": "m"},
        ],
    ),
    # No prompt at all; a list is one answer.
    "mathvista": (
        [{"pid": "1", "question": "Which?", "query": "q", "choices": None, "answer": "[9, 1]",
          "question_type": "free_form", "answer_type": "list", "precision": None}],
        [{"question_id": 0, "answer": "[9, 1]", "gt_answer": "[9, 1]", "category": "x", "type": "free_form"}],
    ),
}  # fmt: skip
"""Rows of benchmarks, and the lines that the authors' scripts write for right responses to them."""


@pytest.mark.parametrize("benchmark", CAMBRIAN)
def test_cambrian_answers_in_the_forms_of_each_script(tmp_path: Path, benchmark: str) -> None:
    rows, lines = CAMBRIAN[benchmark]
    data = o.root(tmp_path / "data", **{benchmark: rows})
    found = imported(o.lines(tmp_path / "answers.jsonl", lines), benchmark, data, tmp_path / "run")
    assert list(found["formats"].values()) == ["cambrian"]
    assert found["findings"][benchmark] == [] and found["missing"][benchmark] == []
    assert scores(found) == [100.0]

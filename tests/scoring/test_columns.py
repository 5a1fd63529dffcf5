"""Rows as different readers hand them over: arrays, numbers, lists as text, columns without a use for scoring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from cambrian_eval import grade

AI2D = {"question": "q", "options": ["stem", "root", "leaf", "flower"], "answer": "1"}
MMBENCH = {"index": 3, "question": "q", "A": "cat", "B": "dog", "C": "fish", "D": "nan", "answer": "B"}
CVBENCH = {"question": "q", "choices": ["3", "2"], "answer": "(B)", "source": "COCO"}
OPEN = {"question": "q", "options": "[]", "answer": "12/7", "question_type": "open"}
MMVP = {"Index": 1, "Question": "q", "Options": "(a) Open (b) Closed", "Correct Answer": "(b)"}
ROWS: list[tuple[str, dict[str, Any], str]] = [
    *(("ai2d", AI2D | {"answer": answer}, "B") for answer in (1, "1", np.int8(1), 1.0)),
    *(("ai2d", AI2D | {"options": options}, "B") for options in (str(AI2D["options"]), np.array(AI2D["options"]))),
    *(("mmbench", MMBENCH | {"index": index}, "B") for index in ("3", np.int64(3))),
    *(("mmbench", MMBENCH | {"D": absent, "hint": absent}, "B") for absent in (None, float("nan"), "nan")),
    *(("cvbench_2d", CVBENCH | {"choices": c}, "B") for c in ([3, 2], "['3', '2']", np.array(["3", "2"]))),
    *(("cvbench_2d", CVBENCH | {"answer": answer}, "B") for answer in ("B", "(b)")),
    *(("mmvp", MMVP | {"Correct Answer": answer}, "B") for answer in ("b", "B", " (b) ")),
    ("mmvp", MMVP | {"Options": "(a)Open\n(b)Closed", "Index": "1"}, "B"),
    ("scienceqa", {"question": "q", "choices": "['x', 'y']", "answer": "1", "hint": None}, "B"),
    ("mmmu", OPEN, "12/7"),
    ("mmmu", OPEN | {"options": ["x", "y"], "answer": "B", "question_type": "multiple-choice", "image_1": None}, "B"),
    ("textvqa", {"question": "q", "answers": str(["nokia"] * 10)}, "nokia"),
    ("docvqa", {"question": "q", "answers": np.array(["Paris"])}, "Paris"),
    ("ocrbench", {"question": "q", "answer": "['stop', 'halt']", "question_type": "Doc-oriented VQA"}, "stop"),
    ("chartqa", {"question": "q", "answer": 14}, "14"),
]


@pytest.mark.parametrize(("benchmark", "row", "text"), ROWS)
def test_same_verdict_however_the_row_is_written(benchmark: str, row: dict[str, Any], text: str) -> None:
    assert grade(benchmark, row, text).value == 1
    assert grade(benchmark, row, text, "official").value == 1


def test_gold_list_of_an_open_question() -> None:
    for stored in (["12/7", "1.714"], "['12/7', '1.714']"):
        assert grade("mmmu", OPEN | {"answer": stored}, "1.714").value == 1

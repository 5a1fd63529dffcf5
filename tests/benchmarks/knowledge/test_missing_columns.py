"""A missing column that scoring needs is named; a missing image, hint or tag is no error."""

from __future__ import annotations

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import grade

ROWS: dict[str, dict[str, object]] = {
    "mme": {"question_id": "a", "question": "q", "answer": "Yes", "category": "count"},
    "mmbench": {"index": 1, "question": "q", "hint": "nan", "A": "x", "B": "y", "C": "nan", "D": "nan", "answer": "A"}
    | {"category": "c", "source": "s"},
    "seed": {"question": "q", "choice_a": "x", "choice_b": "y", "choice_c": "z", "choice_d": "w", "answer": "A"}
    | {"data_type": "image", "question_id": "1", "question_type_id": 1},
    "gqa": {"id": "1", "imageId": "n", "question": "q", "answer": "a"},
    "scienceqa": {"question": "q", "choices": ["x", "y"], "answer": 0, "hint": ""},
    "mmmu": {"id": "validation_Art_1", "question": "q", "options": "['x', 'y']", "answer": "A"}
    | {"question_type": "multiple-choice"},
    "mathvista": {"pid": "1", "question": "q", "query": "q", "choices": ["x", "y"], "answer": "x", "precision": None}
    | {"question_type": "multi_choice", "answer_type": "text"},
    "ai2d": {"question": "q", "options": ["x", "y", "z", "w"], "answer": "0"},
}


NOT_SCORED = {
    "mmbench": {"hint", "C", "D", "category", "source"},
    "seed": {"data_type", "question_id", "question_type_id"},
    "gqa": {"id", "imageId"},
    "scienceqa": {"hint"},
    "mmmu": {"id"},
    "mathvista": {"pid", "query", "precision"},
}
"""Columns for prompts, ids and breakdowns; who only grades may leave them out. Loading a data set asks for all."""


@pytest.mark.parametrize(
    ("name", "column"), [(name, column) for name, unused in NOT_SCORED.items() for column in sorted(unused)]
)
def test_columns_that_scoring_does_not_need_may_be_absent(name: str, column: str) -> None:
    row = {key: value for key, value in ROWS[name].items() if key != column}
    assert grade(name, row, "A") == grade(name, ROWS[name], "A")


@pytest.mark.parametrize(
    ("name", "column"), [(name, c) for name, row in ROWS.items() for c in row if c not in NOT_SCORED.get(name, ())]
)
def test_every_missing_column_is_named(name: str, column: str) -> None:
    assert grade(name, ROWS[name], "A").value in (0.0, 1.0)
    row = {key: value for key, value in ROWS[name].items() if key != column}
    with pytest.raises(UserError, match=f"'{column}'"):
        grade(name, row, "A")

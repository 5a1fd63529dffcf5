"""Rows of any CV-Bench: a build, parquet files with the published columns, or a JSONL file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvbench_builder import dataset
from cvbench_builder.diff import load_any
from cvbench_builder.errors import BuilderError
from cvbench_builder.old_builds import current_row
from cvbench_builder.task import Row

_NEEDED = ("task", "question", "choices", "answer")


def load(path: Path) -> list[Row]:
    """The rows, checked: each has its options, and an answer that is one of them."""
    if path.suffix.lower() in (".jsonl", ".ndjson"):
        rows = [_jsonl_row(row, f"{path}: line {i}") for i, row in enumerate(dataset.read_jsonl(path), 1)]
    else:
        rows = [_answer_checked(row, f"{path}: row {i}") for i, row in enumerate(load_any(path), 1)]
    if not rows:
        raise BuilderError(f"{path}: contains no rows; check the path")
    return rows


def is_build(path: Path) -> bool:
    """Whether this is a folder that `build` wrote."""
    return path.is_dir() and (path / dataset.MANIFEST).is_file()


def _jsonl_row(row: dict[str, Any], where: str) -> Row:
    missing = [c for c in _NEEDED if c not in row]
    if missing:
        raise BuilderError(f"{where}: column `{missing[0]}` is missing; a row has {', '.join(_NEEDED)}")
    if not all(isinstance(row[c], str) for c in _NEEDED if c != "choices"):
        raise BuilderError(f"{where}: `task`, `question` and `answer` must be texts")
    checked = _answer_checked({"source": "", **row}, where)
    try:
        return current_row(checked)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise BuilderError(f"{where}: the question is not worded like one of task {row['task']}") from None


def _answer_checked(row: dict[str, Any], where: str) -> Row:
    choices, answer = row["choices"], row["answer"]
    if choices == [] and dataset.NUMBER.fullmatch(str(answer)):
        return row
    if not isinstance(choices, list) or len(choices) < 2 or not all(isinstance(c, str) for c in choices):
        raise BuilderError(f"{where}: `choices` is {str(choices)[:60]}; it must be a list of at least two texts")
    letters = [f"({chr(ord('A') + i)})" for i in range(len(choices))]
    given = f"({str(answer).strip().strip('()').upper()})"
    if given not in letters:
        raise BuilderError(f"{where}: `answer` is {str(answer)[:60]!r}; it must be one of {', '.join(letters)}")
    return {**row, "answer": given}

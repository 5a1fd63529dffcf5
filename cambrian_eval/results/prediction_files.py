"""Scoring a file of rows with predictions, for people who only want the verdicts."""

from __future__ import annotations

import ast
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, absent_answer, check_answers, row_to_sample
from cambrian_eval.data.jsonl import read_objects, read_text
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_scorer
from cambrian_eval.results.grading import summarize
from cambrian_eval.results.verdicts import decide, thought_notes
from cambrian_eval.safe_text import csv_cell
from cambrian_eval.sample import Result, Sample, Verdict
from cambrian_eval.scoring.reply import Reply

PREDICTION = ("prediction", "response")
"""Columns that may hold the prediction; the first one found counts."""


def grade_file(
    path: Path, benchmark: Benchmark, scorer: str, *, official_raw: bool = False
) -> tuple[list[dict[str, Any]], Result]:
    """One verdict for each row (plain values) and the result over all."""
    deciding = load_scorer(scorer, benchmark)
    samples: list[Sample] = []
    replies: list[Reply] = []
    verdicts: list[Verdict] = []
    lines: list[dict[str, Any]] = []
    empty: list[tuple[str, str]] = []
    rows = _read(path)
    for number, row in rows:
        column = next((c for c in PREDICTION if c in row), None)
        if column is None:
            raise UserError(f'{path} line {number}: the row has no "prediction"; found: {", ".join(row)}')
        if not isinstance(row[column], str):
            raise UserError(f'{path} line {number}: "{column}" must be a string')
        try:
            sample = row_to_sample(benchmark, row, len(lines))
        except UserError as error:
            raise UserError(f"{path} line {number}: {error}") from None
        if sample is None:
            raise UserError(
                f"{path} line {number}: this row is not part of {benchmark.name} (its own filter leaves it out)"
            )
        if absent := absent_answer(benchmark, row, sample):
            empty.append((f"line {number}", absent))
        reply = Reply(row[column])
        verdict = decide(deciding, benchmark, sample, reply, official_raw)
        replies.append(reply)
        samples.append(sample)
        verdicts.append(verdict)
        lines.append(
            {
                "id": sample.id,
                "prediction": row[column],
                "value": verdict.value,
                "extracted": verdict.extracted,
                "rule": verdict.rule,
                "outcome": verdict.outcome,
                "reason": verdict.reason,
            }
        )
    complete = benchmark.source.is_whole(len(rows), len(samples))
    twice = [name for name, n in Counter(s.id for s in samples).items() if n > 1]
    notes = check_answers(benchmark, samples, empty, str(path))
    if twice:
        notes.append(f"{len(twice)} ids occur on several lines and count each time, for example {twice[0]!r}")
    notes += thought_notes(deciding, sum(bool(r.thoughts) for r in replies), official_raw)
    return lines, summarize(benchmark, samples, verdicts, scorer, complete=complete, notes=notes)


def _read(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with their line numbers."""
    rows = _csv_rows(path) if path.suffix.lower() == ".csv" else list(read_objects(path))
    if not rows:
        raise UserError(f"{path} holds no rows")
    return rows


def _csv_rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """CSV rows; predictions stay the text they are, an empty cell elsewhere is a missing value."""
    text = read_text(path)
    csv.field_size_limit(max(csv.field_size_limit(), len(text) + 1))
    reader = csv.DictReader(io.StringIO(text, newline=""))
    rows = []
    try:
        names = list(reader.fieldnames or ())
        if twice := next((name for i, name in enumerate(names) if name in names[:i]), None):
            raise UserError(f"{path}: the heading has the column {twice!r} twice; keep one of them")
        for row in reader:
            where = f"{path} line {reader.line_num}"
            if None in row:
                raise UserError(f"{where}: more cells than the heading has columns; quote cells that hold commas")
            rows.append((reader.line_num, {k: v if k in PREDICTION else _cell(v, where) for k, v in row.items()}))
    except csv.Error as error:
        raise UserError(f"{path} line {reader.line_num} is not valid CSV ({error}); fix the line") from None
    return rows


def _cell(value: str | None, where: str) -> Any:
    """A cell's value: JSON lists and objects and Python dicts are read, Python lists stay text for the benchmark."""
    if not value:
        return None
    if value[0] + value[-1] not in ("[]", "{}"):
        return value
    try:
        return json.loads(value)
    except (ValueError, RecursionError):  # not JSON: a text
        pass
    if value[0] == "[" and _ARRAY.match(value):
        raise UserError(f'{where}: {value[:40]!r} is an array without commas; write lists as JSON, as in ["a", "b"]')
    try:
        return ast.literal_eval(value) if value[0] == "{" else value
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return value


_ARRAY = re.compile(r"""\[\s*(?:'[^']*'|"[^"]*")\s+['"]""")
"""How a NumPy array of texts prints, which Python would read as one joined text."""


def write_verdicts(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Verdicts as JSONL, or CSV where the name ends so, its cells safe for spreadsheets."""
    try:
        with path.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            if path.suffix.lower() == ".csv":
                writer = csv.DictWriter(file, list(lines[0]) if lines else [])
                writer.writeheader()
                writer.writerows({name: csv_cell(value) for name, value in line.items()} for line in lines)
            else:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error

"""Scoring a file of rows with predictions, for people who only want the verdicts."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.grading import row_to_sample, scorer_of, summarise
from cambrian_eval.sample import Result, Sample, Verdict

PREDICTION = ("prediction", "response")


def grade_file(path: Path, benchmark: Benchmark, scorer: str) -> tuple[list[dict[str, Any]], Result]:
    """One verdict for each row (plain values) and the result over all."""
    decide = scorer_of(benchmark, scorer)
    samples: list[Sample] = []
    verdicts: list[Verdict] = []
    lines: list[dict[str, Any]] = []
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
        verdict = decide(sample, row[column])
        samples.append(sample)
        verdicts.append(verdict)
        lines.append(
            {
                "id": sample.id,
                "prediction": row[column],
                "value": verdict.value,
                "extracted": verdict.extracted,
                "rule": verdict.rule,
                "parsed": verdict.parsed,
            }
        )
    complete = len(rows) == benchmark.source.n_rows
    return lines, summarise(benchmark, samples, verdicts, scorer, complete=complete)


def _read(path: Path) -> list[tuple[int, dict[str, Any]]]:
    """Rows with their line numbers. In CSV, cells that look like JSON lists or objects are read as such."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    if path.suffix == ".csv":
        reader = csv.DictReader(text.splitlines(keepends=True))
        return [(reader.line_num, {k: _cell(v) for k, v in row.items() if k}) for row in reader]
    rows = []
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except ValueError as error:
                raise UserError(f"{path} line {number} is no JSON ({error})") from None
            if not isinstance(row, dict):
                raise UserError(f"{path} line {number} is not a JSON object")
            rows.append((number, row))
    if not rows:
        raise UserError(f"{path} holds no rows")
    return rows


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in "[{" and value[-1:] in "]}":
        try:
            return json.loads(value)
        except ValueError:
            return value
    return value


def write_verdicts(path: Path, lines: Sequence[dict[str, Any]]) -> None:
    """Verdicts as JSONL, or CSV where the name ends so."""
    try:
        with path.open("w", encoding="utf-8", newline="") as file:
            if path.suffix == ".csv":
                writer = csv.DictWriter(file, list(lines[0]) if lines else [])
                writer.writeheader()
                writer.writerows(lines)
            else:
                file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror}") from error

"""The samples of runs as the page holds them: a small index for filters, and blocks that are read when needed.

A *question* is a sample of a benchmark; a *view* is a run under a vision condition. The index has one character for
each question, view and scorer; prompts, answers and verdicts lie in blocks of questions that the page parses lazily,
so that it opens at once however many samples it holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.running.store import Cell, Record
from cambrian_eval.sample import Sample, Verdict

from ..catalogue import entry, in_order
from ..runs import NamedRun

BLOCK = 100
"""Questions in one block."""
ABSENT, RIGHT, PARTLY, WRONG, UNPARSED, FAILED, WITHHELD = ".", "r", "p", "w", "u", "f", "h"


@dataclass(frozen=True)
class Browsable:
    """What the page's script reads."""

    index: dict[str, Any]
    blocks: tuple[list[dict[str, Any]], ...]
    images: frozenset[str]
    """Hashes of all images that some model was shown."""


@dataclass(frozen=True, slots=True)
class _Answers:
    """One view's stored answers and verdicts to one benchmark."""

    records: dict[str, Record]
    verdicts: dict[str, dict[str, Verdict]]


def outcome(sample: Sample, verdict: Verdict | None, record: Record | None) -> str:
    """The one character that filters look at."""
    if record is None or verdict is None:
        return ABSENT
    if record.finish == "failed":
        return FAILED
    if not sample.answers:
        return WITHHELD
    if not verdict.parsed:
        return UNPARSED
    return RIGHT if verdict.value >= 1.0 else WRONG if verdict.value <= 0.0 else PARTLY


def browsable(runs: Sequence[NamedRun]) -> Browsable:
    """Everything stored in the runs, question by question."""
    views = [(named, condition) for named in runs for condition in _conditions(named)]
    names = in_order(cell.benchmark for named in runs for cell in named.run.cells())
    scorers = _scorers(runs)
    values: dict[str, list[str]] = {f"{v}:{s}": [] for v in range(len(views)) for s in range(len(scorers))}
    differ: list[list[str]] = [[] for _ in views]
    ids: list[str] = []
    of_benchmark: list[int] = []
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()
    for b, name in enumerate(names):
        answers = [_answers(named, Cell(name, condition), scorers) for named, condition in views]
        for sample in _samples(runs, name):
            ids.append(sample.id)
            of_benchmark.append(b)
            row, hashes = _row(sample, answers, scorers)
            rows.append(row)
            shown |= hashes
            for v, have in enumerate(answers):
                record = have.records.get(sample.id)
                found = [have.verdicts[s].get(sample.id) for s in scorers]
                for s, verdict in enumerate(found):
                    values[f"{v}:{s}"].append(outcome(sample, verdict, record))
                graded = {round(x.value, 9) for x in found if x is not None} if record is not None else set()
                differ[v].append("1" if len(graded) > 1 else "0")
    index = {
        "benchmarks": [{"name": n, "title": entry(n).short, "category": entry(n).category} for n in names],
        "views": [{"model": named.name, "condition": condition} for named, condition in views],
        "scorers": scorers,
        "ids": ids,
        "of": of_benchmark,
        "values": {key: "".join(cells) for key, cells in values.items()},
        "differ": ["".join(cells) for cells in differ],
        "block": BLOCK,
    }
    blocks = tuple(rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK))
    return Browsable(index, blocks, frozenset(shown))


def _conditions(named: NamedRun) -> list[str]:
    order = ("on", "off", "shuffled", "noise")
    found = {cell.condition for cell in named.run.cells()}
    return [c for c in order if c in found] + sorted(found - set(order))


def _scorers(runs: Sequence[NamedRun]) -> list[str]:
    found = {s for named in runs for s in named.scorers}
    return sorted(found, key=lambda s: (s != "fuzzy", s))


def _answers(named: NamedRun, cell: Cell, scorers: Sequence[str]) -> _Answers:
    return _Answers(named.run.responses(cell), {s: named.run.verdicts(cell, s) for s in scorers})


def _samples(runs: Sequence[NamedRun], benchmark: str) -> Iterator[Sample]:
    """The questions of a benchmark over all runs, each once; one id must mean one question."""
    seen: dict[str, Sample] = {}
    for named in runs:
        if not named.run.has_samples(benchmark):
            continue
        for sample in named.run.samples(benchmark):
            known = seen.get(sample.id)
            if known is None:
                seen[sample.id] = sample
                yield sample
            elif (known.question, known.answers, known.choices) != (sample.question, sample.answers, sample.choices):
                raise UserError(
                    f"{named.run.path}: {benchmark} sample {sample.id} is another question than in "
                    f"{runs[0].run.path}; runs in one report need the same data"
                )


def _row(sample: Sample, answers: Sequence[_Answers], scorers: Sequence[str]) -> tuple[dict[str, Any], set[str]]:
    """One question with every view's answer, in short keys; and the images the views were shown."""
    prompts: list[str] = []
    cells: dict[str, Any] = {}
    shown: set[str] = set()
    for v, have in enumerate(answers):
        record = have.records.get(sample.id)
        if record is None:
            continue
        if record.prompt not in prompts:
            prompts.append(record.prompt)
        shown.update(record.images)
        cell: dict[str, Any] = {"p": prompts.index(record.prompt), "x": record.text, "f": record.finish}
        if record.error:
            cell["e"] = record.error
        if record.new_tokens is not None:
            cell["n"] = record.new_tokens
        if record.seconds is not None:
            cell["t"] = round(record.seconds, 3)
        if record.images:
            cell["i"] = [h[:24] for h in record.images]
        verdicts = {
            s: [round(x.value, 6), x.extracted, x.rule, x.parsed]
            for s, name in enumerate(scorers)
            if (x := have.verdicts[name].get(sample.id)) is not None
        }
        if verdicts:
            cell["s"] = verdicts
        cells[str(v)] = cell
    row: dict[str, Any] = {"q": sample.question, "p": prompts, "a": list(sample.answers), "v": cells}
    if sample.choices:
        row["c"] = [[label, text] for label, text in sample.options.items()]
    if sample.tags:
        row["t"] = {k: v if isinstance(v, str) else list(v) for k, v in sample.tags.items()}
    if sample.group is not None:
        row["g"] = sample.group
    return row, shown


def script_json(value: Any) -> str:
    """JSON that can stand inside a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )

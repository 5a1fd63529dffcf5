"""The samples of runs as the page stores them: a small index for filters, and blocks that are parsed when needed.

A *view* is a run under a vision condition. The index has one character for each sample, view and scorer; prompts,
responses and verdicts are in blocks of samples that the page parses lazily, so that it opens quickly however many
samples it has.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import samples_of
from cambrian_eval.running.store import Cell, Record
from cambrian_eval.sample import Sample, Verdict

from ..catalogue import changes_answers, condition_style, conditions_in_order, entry, in_order, scorers_in_order
from ..runs import NamedRun

BLOCK = 100
"""Samples in one block."""
ABSENT, RIGHT, PARTLY, WRONG = ".", "r", "p", "w"
LETTERS = {"unparsed": "u", "failed": "f", "undecided": "n", "withheld": "h"}
"""Outcome of a verdict that has no value -> the character that filters read."""


@dataclass(frozen=True)
class Browsable:
    """The data of the page's script."""

    index: dict[str, Any]
    blocks: tuple[list[dict[str, Any]], ...]
    images: frozenset[str]
    """Hashes of all images that some model was shown."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """One view's stored responses and verdicts on one benchmark; of repeats the first."""

    records: dict[str, Record]
    verdicts: dict[str, dict[str, Verdict]]
    answers: dict[str, tuple[str, ...]]
    """Gold answers of the samples for which the condition changes them."""
    repeats: int


def outcome(sample: Sample, verdict: Verdict | None, record: Record | None) -> str:
    """The character that filters read."""
    if record is None or verdict is None:
        return ABSENT
    if verdict.outcome != "failed" and not sample.answers:
        return LETTERS["withheld"]  # scorers by rule do not know it
    if verdict.outcome != "read":
        return LETTERS[verdict.outcome]
    return RIGHT if verdict.value >= 1.0 else WRONG if verdict.value <= 0.0 else PARTLY


def browsable(runs: Sequence[NamedRun]) -> Browsable:
    """Everything stored in the runs, sample by sample."""
    views = [
        (named, condition)
        for named in runs
        for condition in conditions_in_order(cell.condition for cell in named.run.cells())
    ]
    names = in_order(cell.benchmark for named in runs for cell in named.run.cells())
    scorers = scorers_in_order(scorer for named in runs for scorer in named.scorers)
    values: dict[str, list[str]] = {f"{v}:{s}": [] for v in range(len(views)) for s in range(len(scorers))}
    differ: list[list[str]] = [[] for _ in views]
    ids: list[str] = []
    of_benchmark: list[int] = []
    rows: list[dict[str, Any]] = []
    shown: set[str] = set()
    for b, name in enumerate(names):
        answers = [_stored(named, Cell(name, condition), scorers) for named, condition in views]
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
        "conditions": {condition: asdict(condition_style(condition)) for _, condition in views},
        "scorers": scorers,
        "ids": ids,
        "of": of_benchmark,
        "values": {key: "".join(cells) for key, cells in values.items()},
        "differ": ["".join(cells) for cells in differ],
        "block": BLOCK,
    }
    blocks = tuple(rows[i : i + BLOCK] for i in range(0, len(rows), BLOCK))
    return Browsable(index, blocks, frozenset(shown))


def _stored(named: NamedRun, cell: Cell, scorers: Sequence[str]) -> _Stored:
    usable = {s: (cell.benchmark, cell.condition, s) not in named.unusable for s in scorers}
    verdicts = {s: named.run.verdicts(cell, s) if usable[s] else {} for s in scorers}
    return _Stored(named.run.responses(cell), verdicts, _changed_answers(named, cell), named.run.repeats)


def _changed_answers(named: NamedRun, cell: Cell) -> dict[str, tuple[str, ...]]:
    """Gold answers that the cell's condition changes."""
    if not named.run.has_samples(cell.benchmark) or not changes_answers(cell.condition):
        return {}
    before = {s.id: s.answers for s in named.run.samples(cell.benchmark)}
    return {s.id: s.answers for s in samples_of(named.run, cell) if s.answers != before[s.id]}


def _samples(runs: Sequence[NamedRun], benchmark: str) -> Iterator[Sample]:
    """The samples of a benchmark over all runs, each once; one id must mean one question."""
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
                    f"{named.run.path}: {benchmark} sample {sample.id} differs from that in {runs[0].run.path}; "
                    "report runs over different data separately"
                )


def _row(sample: Sample, answers: Sequence[_Stored], scorers: Sequence[str]) -> tuple[dict[str, Any], set[str]]:
    """One sample with every view's response, in short keys; and the images the views were shown."""
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
        if sample.id in have.answers:
            cell["a"] = list(have.answers[sample.id])
        if record.error:
            cell["e"] = record.error
        if record.new_tokens is not None:
            cell["n"] = record.new_tokens
        if record.thoughts and record.thoughts not in record.text:
            cell["h"] = record.thoughts
        if record.thought_tokens is not None:
            cell["k"] = record.thought_tokens
        if have.repeats > 1:
            cell["r"] = have.repeats
        if record.seconds is not None:
            cell["t"] = round(record.seconds, 3)
        if record.images:
            cell["i"] = [h[:24] for h in record.images]
        verdicts = {
            s: [round(x.value, 6), x.extracted, x.rule, outcome(sample, x, record)]
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
    """JSON for a script element: nothing in it can end the element or open a comment."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return (
        text.replace("<", "\\u003c")
        .replace(">", "\\u003e")
        .replace("&", "\\u0026")
        .replace("\u2028", "\\u2028")
        .replace("\u2029", "\\u2029")
    )

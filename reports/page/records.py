"""The samples of runs as the page stores them: columns for filters, and blocks of rows that are loaded when needed.

A *view* is a run under a vision condition. The columns have one character for each sample: for every view and scorer
the outcome and the rule, for every view how long the model thought. Prompts, responses and verdicts are in blocks of
samples, so that the page opens and filters quickly however many samples it has. The texts that the search looks through
are apart from them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.results.grading import samples_of
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.sample import Sample, Verdict

from ..catalogue import changes_answers, condition_style, conditions_in_order, entry, in_order, scorers_in_order
from ..runs import NamedRun
from .search import divided, text_of

BLOCK = 100
"""Samples in one block."""
ABSENT, RIGHT, PARTLY, WRONG = ".", "r", "p", "w"
LETTERS = {"unparsed": "u", "failed": "f", "undecided": "n", "withheld": "h"}
"""Outcome of a verdict that has no value -> the character that filters read."""
MOST_RULES = 200
"""Rules that have a place in the filter; later ones (judges write their own) share one."""
OTHER_RULES = "other rules"
FIRST_RULE = 0x100
"""The rule of number k is this character plus k: characters that need no escape in a script."""
THOUGHT_BOUNDS = (1, 100, 500, 2000)
"""Tokens (words, where the model does not count them) at which a thought enters the next class of the filter."""

Owners = Mapping[str, tuple[str, str] | None]
"""Hash of an image -> benchmark and id of the sample it belongs to; None where it was shown under changes alone."""


@dataclass(frozen=True)
class Browsable:
    """The data of the page's script."""

    index: dict[str, Any]
    """Names and counts, small: part of the page itself."""
    columns: dict[str, Any]
    """Ids, groups, and a character a sample for each filter."""
    blocks: tuple[str, ...]
    """Each a list of rows, as JSON that is safe in a script."""
    texts: tuple[str, ...]
    """Each a list of the texts of samples, for the search, in the same form."""
    images: Owners
    """All images that some model was shown."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """One view's stored responses and verdicts on one benchmark; of repeats the first."""

    records: dict[str, Record]
    verdicts: tuple[dict[str, Verdict], ...]
    """By the number of the scorer."""
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


def thought_class(record: Record | None) -> str:
    """How long the model thought, as the number of a class: 0 is not at all."""
    if record is None or not (record.thoughts or record.thought_tokens):
        return "0"
    length = record.thought_tokens if record.thought_tokens is not None else len(record.thoughts.split())
    return str(sum(length >= bound for bound in THOUGHT_BOUNDS))


class _Columns:
    """Collects the columns, sample by sample."""

    def __init__(self, views: int, scorers: int) -> None:
        self.ids: list[str] = []
        self.groups: list[int] = []
        self.outcomes: dict[tuple[int, int], list[str]] = {(v, s): [] for v in range(views) for s in range(scorers)}
        self.rules: dict[tuple[int, int], list[str]] = {key: [] for key in self.outcomes}
        self.thoughts: list[list[str]] = [[] for _ in range(views)]
        self._rules: dict[str, str] = {}
        self._groups: dict[tuple[str, str], int] = {}

    def add(self, benchmark: str, sample: Sample) -> None:
        """The next sample: its id, and the number of its group."""
        self.ids.append(sample.id)
        key = benchmark, sample.group or ""
        self.groups.append(-1 if sample.group is None else self._groups.setdefault(key, len(self._groups)))

    def rule(self, verdict: Verdict | None) -> str:
        """The character of a verdict's rule."""
        if verdict is None:
            return ABSENT
        found = self._rules.get(verdict.rule)
        if found is None:
            name = verdict.rule if len(self._rules) < MOST_RULES else OTHER_RULES
            found = self._rules.setdefault(name, chr(FIRST_RULE + len(self._rules)))
        return found

    def values(self) -> dict[str, Any]:
        """The columns as the page reads them; groups of one sample are none."""
        sizes: dict[int, int] = {}
        for number in self.groups:
            sizes[number] = sizes.get(number, 0) + 1
        groups = [g if g >= 0 and sizes[g] > 1 else -1 for g in self.groups]
        return {
            "ids": self.ids,
            "groups": groups if max(groups, default=-1) >= 0 else [],
            "outcomes": {f"{v}:{s}": "".join(cells) for (v, s), cells in self.outcomes.items()},
            "rules": {f"{v}:{s}": "".join(cells) for (v, s), cells in self.rules.items()},
            "ruleNames": list(self._rules),
            "thoughts": ["".join(cells) if set(cells) - {"0"} else "" for cells in self.thoughts],
        }


def browsable(runs: Sequence[NamedRun]) -> Browsable:
    """Everything stored in the runs, sample by sample."""
    cells_of = [(named, named.run.cells()) for named in runs]
    views = [(n, condition) for n, cells in cells_of for condition in conditions_in_order(c.condition for c in cells)]
    names = in_order(cell.benchmark for _, cells in cells_of for cell in cells)
    scorers = scorers_in_order(scorer for named in runs for scorer in named.scorers)
    columns = _Columns(len(views), len(scorers))
    counts: list[int] = []
    rows: list[dict[str, Any]] = []
    blocks: list[str] = []
    texts: list[str] = []
    shown: dict[str, tuple[str, str] | None] = {}
    for name in names:
        stored = [_stored(named, Cell(name, condition), scorers) for named, condition in views]
        before = len(columns.ids)
        for sample in _samples(runs, name):
            columns.add(name, sample)
            rows.append(_row(sample, stored, columns))
            texts.append(text_of(f"{name}/{sample.id}", rows[-1]))
            if len(rows) == BLOCK:
                blocks.append(script_json(rows))
                rows = []
            for (_, condition), have in zip(views, stored, strict=True):
                if (record := have.records.get(sample.id)) is not None:
                    for digest in record.images:
                        if condition == "on" and shown.get(digest) is None:
                            shown.pop(digest, None)  # so that owned images are in the order of the samples
                            shown[digest] = name, sample.id
                        else:
                            shown.setdefault(digest, None)
        counts.append(len(columns.ids) - before)
    divisions = list(divided(texts))
    index = {
        "benchmarks": [
            {"name": n, "title": entry(n).short, "category": entry(n).category, "n": count}
            for n, count in zip(names, counts, strict=True)
        ],
        "views": [{"model": named.name, "condition": condition} for named, condition in views],
        "conditions": {condition: asdict(condition_style(condition)) for _, condition in views},
        "scorers": scorers,
        "block": BLOCK,
        "texts": [start for start, _ in divisions],
        "thoughtBounds": THOUGHT_BOUNDS,
    }
    if rows:
        blocks.append(script_json(rows))
    return Browsable(index, columns.values(), tuple(blocks), tuple(script_json(part) for _, part in divisions), shown)


def _stored(named: NamedRun, cell: Cell, scorers: Sequence[str]) -> _Stored:
    usable = {s: (cell.benchmark, cell.condition, s) not in named.unusable for s in scorers}
    verdicts = tuple(named.run.verdicts(cell, s) if usable[s] else {} for s in scorers)
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


def _row(sample: Sample, stored: Sequence[_Stored], columns: _Columns) -> dict[str, Any]:
    """One sample with every view's response, in short keys; enters its columns."""
    prompts: list[str] = []
    cells: dict[str, Any] = {}
    for v, have in enumerate(stored):
        record = have.records.get(sample.id)
        columns.thoughts[v].append(thought_class(record))
        verdicts: dict[str, list[Any]] = {}
        for s, by_id in enumerate(have.verdicts):
            verdict = by_id.get(sample.id)
            letter = outcome(sample, verdict, record)
            columns.outcomes[v, s].append(letter)
            columns.rules[v, s].append(columns.rule(verdict))
            if verdict is not None:
                verdicts[str(s)] = [round(verdict.value, 6), verdict.extracted, verdict.rule, letter]
        if record is not None:
            cells[str(v)] = _cell(record, prompts, verdicts, have, sample.id)
    row: dict[str, Any] = {"q": sample.question, "p": prompts, "a": list(sample.answers), "v": cells}
    if sample.choices:
        row["c"] = [[label, text] for label, text in sample.options.items()]
    if sample.tags:  # pairs: in a script, a key `__proto__` would not be a key
        row["t"] = [[k, v if isinstance(v, str) else ", ".join(v)] for k, v in sample.tags.items()]
    if sample.group is not None:
        row["g"] = sample.group
    return row


def _cell(
    record: Record, prompts: list[str], verdicts: dict[str, list[Any]], have: _Stored, identity: str
) -> dict[str, Any]:
    """A view's response to one sample; enters its prompt."""
    if record.prompt not in prompts:
        prompts.append(record.prompt)
    cell: dict[str, Any] = {"p": prompts.index(record.prompt), "x": record.text, "f": record.finish}
    if identity in have.answers:
        cell["a"] = list(have.answers[identity])
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
    if verdicts:
        cell["s"] = verdicts
    return cell


def script_json(value: Any) -> str:
    """JSON for a script: nothing in it can end the element, open a comment, or is no text."""
    import orjson

    try:
        text = orjson.dumps(value).decode("utf-8")
    except TypeError:  # lone surrogates
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text

"""Why two runs have different scores: the difference split into parts that add up to it.

Samples are aligned by id. Every sample of both runs has one cause, the first that applies: other gold answers or
options; the same response (then its reading differs, if anything does); another prompt or other images; a response that
was cut off in one run; thoughts; another text. Beginning with the score of the first run on the common samples, the
verdicts of the second run are put in place cause by cause; each part is the change of the score that this makes. What
then remains comes from the metric (other scorer, settings or order), and samples that only one run has are a part of
their own. For a plain mean the order does not matter; where samples count in pairs or groups, it is that of `PARTS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import lcm
from typing import TYPE_CHECKING, Any

from cambrian_eval.benchmark import Benchmark, Unit
from cambrian_eval.errors import UserError
from cambrian_eval.formula import Ratio
from cambrian_eval.json_input import parse_object
from cambrian_eval.registry import check_conditions
from cambrian_eval.results import repeats, statistics
from cambrian_eval.results.grading import benchmark_of, samples_of
from cambrian_eval.results.rows import Rows, notes_of
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.shapes import MOST_REPEATS
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict, clusters

if TYPE_CHECKING:
    from cambrian_eval.results.statistics import Array

PARTS: Mapping[str, str] = {
    "rows": "rows present in one run only",
    "gold": "other gold answers or options",
    "request": "other prompt or images",
    "truncated": "response cut off in one run",
    "thoughts": "thoughts",
    "reading": "same response, other verdict",
    "text": "other text",
    "metric": "other metric or aggregation",
}
"""The parts of a difference, in the order in which they are taken."""
CAUSES = ("gold", "request", "truncated", "thoughts", "reading", "text")
LOG = "log"
"""Names the verdicts of the other harness in an imported run."""
SHOWN = 20
"""Samples of each part that are shown with both texts."""


@dataclass(frozen=True, slots=True)
class Side:
    """What one run has for a sample."""

    value: float | None
    """The verdict, a mean over repeats; None where the run does not have the sample."""
    text: str = ""
    """The first response."""
    prompt: str = ""
    """The prompt it was given."""
    gold: str = ""
    """Gold answers and options."""
    finish: str = ""
    """How the response ended."""
    rule: str = ""
    """The rule of the verdict."""


@dataclass(frozen=True, slots=True)
class Case:
    """A sample of a part, with both sides."""

    id: str
    question: str
    points: float
    """What its verdicts contribute, by its weight in the first run's metric."""
    a: Side
    b: Side


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the difference."""

    name: str
    """One of `PARTS`."""
    points: float
    """On the benchmark's scale, second run minus first."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval, resampled by image."""
    ids: tuple[str, ...]
    """Every sample of the part."""
    changed: int
    """How many of them have another verdict in the second run."""
    shown: tuple[Case, ...]
    """Those that matter most, by the size of their contribution."""

    @property
    def label(self) -> str:
        """The part in words."""
        return PARTS[self.name]


@dataclass(frozen=True, slots=True)
class Explanation:
    """The difference of two scores on one benchmark."""

    benchmark: str
    scorer_a: str
    scorer_b: str
    a: float
    """The first run's score."""
    b: float
    """The second run's score."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the difference."""
    common: int
    """Samples of both runs."""
    parts: tuple[Part, ...]
    """Their points add up to the difference."""

    @property
    def difference(self) -> float:
        """Second run minus first."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class _Scored:
    """One cell of a run under a scorer."""

    benchmark: Benchmark
    scorer: str
    samples: Mapping[str, Sample]
    """In dataset order; only those with verdicts."""
    records: Mapping[tuple[str, int], Record]
    verdicts: Mapping[str, tuple[Verdict, ...]]
    """One for each repeat."""


def explain(
    a: Run,
    b: Run,
    scorer_a: str,
    scorer_b: str,
    condition_a: str = "on",
    condition_b: str = "on",
    names: Sequence[str] = (),
) -> list[Explanation]:
    """An explanation for each benchmark that both runs have, or for those named."""
    check_conditions((condition_a, condition_b))
    cells_a, cells_b = a.cells(), b.cells()
    common = [n for n in a.benchmarks() if Cell(n, condition_a) in cells_a and Cell(n, condition_b) in cells_b]
    if absent := [n for n in names if n not in common]:
        raise UserError(f"{', '.join(absent)}: not in both runs; both have: {', '.join(common) or 'none'}")
    wanted = [n for n in common if not names or n in names]
    if not wanted:
        raise UserError(
            f"{a.path} ({condition_a}) and {b.path} ({condition_b}) have no benchmark in common: "
            f"{', '.join(a.benchmarks()) or 'none'} and {', '.join(b.benchmarks()) or 'none'}"
        )
    return [
        _explained(name, _scored(a, Cell(name, condition_a), scorer_a), _scored(b, Cell(name, condition_b), scorer_b))
        for name in wanted
    ]


def _scored(run: Run, cell: Cell, scorer: str) -> _Scored:
    found = log_verdicts(run, cell) if scorer == LOG else run.all_verdicts(cell, scorer)
    if not found:
        has = ", ".join(run.scorers(cell)) or "none"
        remedy = (
            "the log has none"
            if scorer == LOG
            else f"create them with: cambrian-eval score {run.path} --scorer {scorer}"
        )
        raise UserError(f"{run.path} has no {scorer!r} verdicts for {cell.stem} (it has: {has}); {remedy}")
    rows: dict[str, dict[int, Verdict]] = {}
    for (identity, number), verdict in found.items():
        rows.setdefault(identity, {})[number] = verdict
    n = max(map(len, rows.values()))
    verdicts = {i: tuple(row[k] for k in sorted(row)) for i, row in rows.items() if len(row) == n}
    samples = {s.id: s for s in samples_of(run, cell) if s.id in verdicts}
    if samples and not any(s.answers for s in samples.values()):
        raise UserError(f"{cell.benchmark}: the gold answers are withheld, so the scores cannot be explained")
    return _Scored(benchmark_of(run, cell.benchmark), scorer, samples, run.all_responses(cell), verdicts)


def log_verdicts(run: Run, cell: Cell) -> dict[tuple[str, int], Verdict]:
    """The verdicts of the other harness in an imported run, where they are yes or no or a number from 0 to 1."""
    path = run.path / "imports" / f"{cell.stem}.jsonl"
    if not path.is_file():
        return {}
    found = {}
    for number, line in enumerate(path.read_bytes().splitlines(), 1):
        values = parse_object(line, f"{path} line {number}")
        for name, stored in values.get("verdict", {}).items():
            if (value := _as_value(stored)) is not None:
                key = str(values["id"]), int(values.get("repeat", 0))
                found[key] = Verdict(value, None, f"log: {name} {stored}")
                break
    return found


def _as_value(stored: Any) -> float | None:
    words = {"1": 1.0, "0": 0.0, "true": 1.0, "false": 0.0, "c": 1.0, "i": 0.0, "correct": 1.0, "incorrect": 0.0}
    if isinstance(stored, str):
        return words.get(stored.strip().lower())
    return float(stored) if isinstance(stored, (bool, int, float)) and 0 <= stored <= 1 else None


def _cause(a: _Scored, b: _Scored, i: str) -> str:
    """The cause of whatever differs in a common sample."""
    left, right = a.samples[i], b.samples[i]
    if (set(left.answers), left.options) != (set(right.answers), right.options):
        return "gold"
    mine, theirs = ([s.records[i, n] for n in range(len(s.verdicts[i])) if (i, n) in s.records] for s in (a, b))
    if [(r.text, r.thoughts) for r in mine] == [(r.text, r.thoughts) for r in theirs]:
        return "reading"
    pairs = list(zip(mine, theirs, strict=False))
    if any(_asked_otherwise(x, y) for x, y in pairs):
        return "request"
    cut = [any(r.finish in ("length", "unfinished_thought") for r in row) for row in (mine, theirs)]
    if cut[0] != cut[1]:
        return "truncated"
    if any(bool(x.thoughts) != bool(y.thoughts) or (x.thoughts != y.thoughts and x.reply == y.reply) for x, y in pairs):
        return "thoughts"
    return "text"


def _asked_otherwise(x: Record, y: Record) -> bool:
    """Whether prompt or images are known to differ; a log of another harness may not have them."""
    known = not (x.notes.get("prompt_assumed") or y.notes.get("prompt_assumed"))
    return (known and x.prompt != y.prompt) or bool(x.images and y.images and x.images != y.images)


def _units(scored: _Scored, ids: Sequence[str], verdicts: Mapping[str, Sequence[Verdict]]) -> list[Unit]:
    """The units of some samples, in this run's order and by its metric; values are means over repeats."""
    samples = [scored.samples[i] for i in ids]
    count = lcm(*{len(verdicts[i]) for i in ids}) if ids else 1
    if count > MOST_REPEATS:
        raise UserError("the numbers of repeats of the two runs have no small common multiple; compare equal numbers")
    rows = [[verdicts[i][k % len(verdicts[i])] for i in ids] for k in range(count)]
    scorer = "fuzzy" if scored.scorer == LOG else scored.scorer
    return repeats.mean(repeats.units_of(scored.benchmark, samples, rows, scorer))


@dataclass(frozen=True, slots=True)
class _State:
    """A score on the way from the first run's to the second's."""

    score: float
    table: statistics.ClusterTable


def _state(
    scored: _Scored, ids: Sequence[str], verdicts: Mapping[str, Sequence[Verdict]], cluster: Mapping[str, int], n: int
) -> _State:
    import numpy as np

    units = _units(scored, ids, verdicts)
    weights = scored.benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    score = statistics.score(units, weights)
    if score is None:
        raise UserError(f"{scored.benchmark.name}: the samples contribute nothing to the headline metric")
    table = statistics.cluster_table(units, weights, [cluster[i] for i in ids], keep_empty=True)
    missing = n - table.sums.shape[0]
    padded = [np.vstack([x, np.zeros((missing, x.shape[1]))]) for x in (table.sums, table.counts)]
    return _State(score, statistics.ClusterTable(padded[0], padded[1], table.terms))


def _explained(name: str, a: _Scored, b: _Scored) -> Explanation:
    union = {**b.samples, **a.samples}
    numbers = clusters(list(union.values()))
    cluster, n = dict(zip(union, numbers, strict=True)), max(numbers) + 1
    shared = [i for i in a.samples if i in b.samples]
    if not shared:
        raise UserError(f"{name}: the runs have no sample in common")
    causes = {i: _cause(a, b, i) for i in shared}
    only = [i for i in a.samples if i not in b.samples] + [i for i in b.samples if i not in a.samples]
    now: dict[str, Sequence[Verdict]] = {i: a.verdicts[i] for i in shared}
    states = [_state(a, list(a.samples), a.verdicts, cluster, n), _state(a, shared, now, cluster, n)]
    for cause in CAUSES:
        for i in shared:
            if causes[i] == cause:
                now[i] = b.verdicts[i]
        states.append(_state(a, shared, now, cluster, n))
    in_order = [i for i in b.samples if i in a.samples]
    states += [_state(b, in_order, now, cluster, n), _state(b, list(b.samples), b.verdicts, cluster, n)]
    drawn = statistics.Draws(n).metrics(*(s.table for s in states)) if n > 1 else None

    def part(which: str, ids: Sequence[str], *steps: int) -> Part:
        points = sum(states[k + 1].score - states[k].score for k in steps)
        bounds = None if drawn is None else _bounds([drawn[k + 1] - drawn[k] for k in steps])
        changed = [i for i in ids if _value(a, i) != _value(b, i)]
        return Part(which, points, bounds, tuple(ids), len(changed), _cases(a, b, changed, share))

    share = _shares(a, shared)
    parts = [part("rows", only, 0, len(states) - 2)]
    parts += [part(c, [i for i in shared if causes[i] == c], k) for k, c in enumerate(CAUSES, 1)]
    parts.append(part("metric", [], len(CAUSES) + 1))
    kept = tuple(replace(p, ids=_differing(a, b, p)) for p in parts)
    whole = None if drawn is None else _bounds([drawn[-1] - drawn[0]])
    return Explanation(name, a.scorer, b.scorer, states[0].score, states[-1].score, whole, len(shared), kept)


def _differing(a: _Scored, b: _Scored, part: Part) -> tuple[str, ...]:
    """The samples of a part; of those with equal responses, only those whose verdicts differ."""
    return tuple(i for i in part.ids if part.name != "reading" or _value(a, i) != _value(b, i))


def _bounds(steps: Sequence[Array]) -> tuple[float, float] | None:
    total = steps[0]
    for more in steps[1:]:
        total = total + more
    return statistics.percentile_interval(total)


def _value(scored: _Scored, i: str) -> float | None:
    rows = scored.verdicts.get(i)
    return None if rows is None or i not in scored.samples else sum(v.value for v in rows) / len(rows)


def _shares(a: _Scored, shared: Sequence[str]) -> dict[str, float]:
    """Points that the verdict of each sample is worth in the first run's metric; in a quotient all count the same."""
    units = _units(a, shared, a.verdicts)
    weights = a.benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    if isinstance(weights, Ratio):
        return dict.fromkeys(shared, a.benchmark.scale / len(shared))
    counts: dict[str, int] = {}
    for unit in units:
        counts[unit.stratum] = counts.get(unit.stratum, 0) + 1
    found = dict.fromkeys(shared, 0.0)
    for unit in units:
        for member in unit.members if unit.stratum in weights else ():
            found[shared[member]] += weights[unit.stratum] / counts[unit.stratum]
    return found


def _cases(a: _Scored, b: _Scored, ids: Sequence[str], share: Mapping[str, float]) -> tuple[Case, ...]:
    usual = sum(share.values()) / len(share)
    found = []
    for i in ids:
        gain = (_value(b, i) or 0.0) - (_value(a, i) or 0.0)
        found.append((gain * share.get(i, usual), i))
    found.sort(key=lambda one: -abs(one[0]))
    question = {i: (a.samples.get(i) or b.samples[i]).question for _, i in found[:SHOWN]}
    return tuple(Case(i, question[i], points, _side(a, i), _side(b, i)) for points, i in found[:SHOWN])


def _side(scored: _Scored, i: str) -> Side:
    sample, record = scored.samples.get(i), scored.records.get((i, 0))
    if sample is None or record is None:
        return Side(None)
    listed = "".join(f" {letter}. {text}" for letter, text in sample.options.items())
    gold = " | ".join(dict.fromkeys(sample.answers)) + (f" of{listed}" if listed else "")
    return Side(_value(scored, i), record.text, record.prompt, gold, record.finish, scored.verdicts[i][0].rule)


def page(found: Sequence[Explanation], rows: Mapping[str, Rows], a: str, b: str) -> str:
    """One HTML page with the parts and both texts of each case side by side; `rows` are those of each benchmark."""
    from importlib.resources import files

    from jinja2 import Environment

    template = (files("cambrian_eval.results") / "explain.html.jinja").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(found=found, rows=rows, notes=notes_of(rows), a=a, b=b)
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""Runs as reports read them: named, with their results as a ScoreTable. All reading goes through the store."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import zip_longest
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.results import circumstances
from cambrian_eval.results.averages import judges
from cambrian_eval.results.basis import Key, key_of, mixed_rules, problems, remedy, unchecked
from cambrian_eval.results.rows import size_of
from cambrian_eval.running.store import Run, open_run
from cambrian_eval.sample import Result

from .attributes import attribute_named
from .catalogue import canonical, conditions_in_order, entry, scorers_in_order
from .scores import ScoreTable, build, csv_rows, number, score

YOUR_RUNS = "your runs"
"""What tables and figures call the runs a command was given."""
SYNTHETIC = "synthetic data"
"""What is written beside every score on rows that a program drew."""


@dataclass(frozen=True)
class Scored:
    """A model with its results, under its name in tables and figures."""

    name: str
    results: tuple[Result, ...]

    def result(self, benchmark: str, condition: str, scorer: str) -> Result | None:
        """One score, where it exists."""
        for r in self.results:
            if (r.benchmark, r.condition, r.scorer) == (benchmark, condition, scorer):
                return r
        return None

    @property
    def synthetic(self) -> bool:
        """Whether any of the scores is on rows that a program drew."""
        return any(r.synthetic for r in self.results)

    @property
    def partial(self) -> bool:
        """Whether any of the scores is on a part of the rows."""
        return any(r.partial or r.subset is not None for r in self.results)

    @property
    def on_subset(self) -> bool:
        """Whether any of the scores is on the samples of a named subset."""
        return any(r.subset is not None for r in self.results)

    @property
    def conditions(self) -> list[str]:
        """Vision conditions with results, in the registry's order."""
        return conditions_in_order(r.condition for r in self.results)

    @property
    def scorers(self) -> list[str]:
        """Scorers with results, in the registry's order."""
        return scorers_in_order(r.scorer for r in self.results)


@dataclass(frozen=True)
class NamedRun(Scored):
    """A model whose samples are known, too."""

    run: Run
    unusable: Mapping[Key, str] = field(default_factory=dict)
    """Stored results that no longer belong to the run, with the message about each; they are not among `results`."""


class _ReadOnce(Run):
    """A run whose files are kept as they were when first read: figures and page of a report need them in turn."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, keep_all=True)

    @cached_property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        return super().info

    @cached_property
    def _results(self) -> list[Result]:
        return super().results()

    def results(self) -> list[Result]:
        """The stored results."""
        return list(self._results)


def open_runs(paths: Sequence[Path]) -> list[NamedRun]:
    """Runs by folder; a model that occurs twice gets its folder as a suffix."""
    opened = [_ReadOnce(open_run(path).path) for path in paths]
    seen: set[Path] = set()
    for path in paths:
        if path.resolve() in seen:
            raise UserError(f"{path} is named twice; name each run once")
        seen.add(path.resolve())
    names = [_name(run) for run in opened]
    distinct = [n if names.count(n) == 1 else f"{n} ({p.name})" for n, p in zip(names, paths, strict=True)]
    if len(set(distinct)) < len(distinct):
        distinct = [f"{n} ({p})" for n, p in zip(names, paths, strict=True)]
    found = []
    for name, run in zip(distinct, opened, strict=True):
        stored = run.results()
        if not stored:
            raise UserError(
                f"{run.path} has no results yet; finish the run, or score it: cambrian-eval score {run.path}"
            )
        unusable = {key: remedy(run, key, reason) for key, reason in problems(run, stored).items()}
        results = tuple(r for r in stored if key_of(r) not in unusable)
        if not results:
            raise UserError(next(iter(unusable.values())))
        synthetic = any(r.synthetic for r in results)
        found.append(NamedRun(f"{name} ({SYNTHETIC})" if synthetic else name, results, run, unusable))
    return found


def label_of(runs: Sequence[NamedRun]) -> str:
    """What captions and headings call these runs: synthetic data and subsets are named there too."""
    return label(any(named.synthetic for named in runs), any(named.partial for named in runs))


def label(synthetic: bool, subset: bool) -> str:
    """Your runs, with the mark that their scores need; of synthetic data every score is on a subset."""
    return ", ".join([YOUR_RUNS, *([SYNTHETIC] if synthetic else ["subset"] if subset else [])])


def read_results(path: Path) -> list[Scored]:
    """Models from a long CSV with a column `condition`, as `report` writes it (exports/results.csv)."""
    head, *rows = csv_rows(path) or [[]]
    records = [dict(zip_longest(head, row[: len(head)], fillvalue="")) for row in rows if any(row)]
    needed = ("model", "benchmark", "condition", "score")
    absent = [c for c in needed if not records or c not in records[0]]
    if absent:
        raise UserError(
            f"{path}: column {absent[0]!r} is missing; a CSV of results has the columns {', '.join(needed)}"
        )
    found: dict[str, dict[tuple[str, str, str], Result]] = {}
    for line, record in enumerate(records, start=2):
        if not record["model"] or not record["benchmark"]:
            raise UserError(f"{path} line {line}: model or benchmark is empty; fill in both")
        cell = {k: number(path, line, k, record.get(k) or "") for k in ("low", "high", "chance", "n")}
        cell["score"] = score(path, line, "score", record["benchmark"], record["score"])
        if not (math.isnan(cell["n"]) or (cell["n"] >= 0 and cell["n"] == int(cell["n"]))):
            raise UserError(f"{path} line {line}: n is {record['n']!r}, not a number of samples")
        if cell["low"] > cell["high"]:
            raise UserError(f"{path} line {line}: low is above high; exchange them")
        if record.get("complete", "yes") not in ("yes", "no", ""):
            raise UserError(f"{path} line {line}: complete is {record['complete']!r}; write yes or no")
        result = _result(record, cell)
        model = record["model"]
        key = result.benchmark, result.condition, result.scorer
        if key in found.setdefault(model, {}):
            raise UserError(f"{path} line {line}: {model} has two scores for {' '.join(key)}; keep one")
        found[model][key] = result
    return [Scored(name, tuple(results.values())) for name, results in found.items()]


def _result(record: Mapping[str, str], cell: Mapping[str, float]) -> Result:
    """A row of a results CSV as a result; columns that are absent give unknown values."""

    def known(key: str) -> float | None:
        return None if math.isnan(cell[key]) else cell[key]

    name = canonical(record["benchmark"]) or record["benchmark"]
    low, high = known("low"), known("high")
    return Result(
        benchmark=name,
        condition=record["condition"] or "on",
        scorer=record.get("scorer") or "fuzzy",
        score=known("score"),
        interval=None if low is None or high is None else (low, high),
        n=int(known("n") or 0),
        n_failed=0,
        n_unparsed=0,
        scale=entry(name).scale,
        chance=known("chance"),
        breakdown={},
        complete=record.get("complete", "yes") != "no",
    )


def _name(run: Run) -> str:
    name = run.info.get("model", {}).get("name")
    if not isinstance(name, str) or not name:
        raise UserError(f"{run.path / 'run.json'}: model.name is missing; restore the file")
    # A checkpoint folder is shown by its last part, a Hub id as a whole.
    return (Path(name).name or name) if name.startswith(("/", ".", "~")) else name


def score_table(runs: Sequence[NamedRun], scorer: str = "fuzzy", condition: str = "on") -> ScoreTable:
    """The runs' scores under one scorer and condition."""
    cells: dict[str, dict[str, float]] = {}
    intervals: dict[tuple[str, str], tuple[float, float]] = {}
    notes: list[str] = []
    for message in (m for named in runs for key, m in named.unusable.items() if key[1:] == (condition, scorer)):
        raise UserError(message)
    subsets: dict[str, list[str]] = {}
    chosen: dict[str, list[str]] = {}
    for named in runs:
        cells[named.name] = {}
        partial: list[Result] = []
        stopped: list[str] = []
        withheld: list[str] = []
        for r in named.results:
            if (r.scorer, r.condition) != (scorer, condition):
                continue
            if r.score is None:
                withheld.append(r.benchmark)
                continue
            cells[named.name][r.benchmark] = r.score
            if r.interval is not None:
                intervals[named.name, r.benchmark] = r.interval
            if r.subset is not None:
                chosen.setdefault(f"{entry(r.benchmark).short}: {r.subset}", []).append(named.name)
            elif r.partial:
                partial.append(r)
            if r.stopped is not None:
                stopped.append(f"{entry(r.benchmark).short} {r.n:,} of {r.stopped.of:,} samples ({r.stopped.rule})")
        if not cells[named.name]:
            raise UserError(
                f"{named.run.path} has no scores under scorer {scorer!r} and vision {condition!r}; it has scorers "
                f"{', '.join(named.scorers)} and conditions {', '.join(named.conditions)}"
            )
        if partial and not named.synthetic:
            subsets.setdefault(", ".join(map(_subset, partial)), []).append(named.name)
        if stopped:
            notes.append(f"{named.name}: stopped by rule, the intervals are for all samples: {', '.join(stopped)}")
        if withheld:
            why = "whose answers are withheld, or not known under this condition"
            notes.append(f"{named.name}: no scores for {', '.join(withheld)}, {why}")
    for which, names in subsets.items():
        notes.append(f"subset: {'all models' if len(names) == len(runs) > 1 else ', '.join(names)}: {which}")
    notes += [f"{'all models' if len(n) == len(runs) > 1 else ', '.join(n)}: {which}" for which, n in chosen.items()]
    if drawn := [named.name for named in runs if named.synthetic]:
        notes.append(
            f"{SYNTHETIC}: the rows of {', '.join(drawn)} were drawn by a program; these scores say nothing about the "
            "published benchmarks"
        )
    shown_of = {n.name: [r for r in n.results if (r.scorer, r.condition) == (scorer, condition)] for n in runs}
    shown = [r for mine in shown_of.values() for r in mine]
    if len(different := judges(shown)) > 1:
        notes.append(f"these scores and their averages come from different judges: {'; '.join(different)}")
    refuse_mixed_rules(shown)
    if unknown := [
        name for name, mine in shown_of.items() if any(r.basis is None and r.score is not None for r in mine)
    ]:
        notes.append(f"scored by a version that is not recorded: {', '.join(unknown)}")
    if bare := [named.name for named in runs if unchecked(named.run, shown_of[named.name])]:
        notes.append(
            f"not checked, because samples, responses or verdicts are missing in the folder: {', '.join(bare)}"
        )
    made: dict[str, list[str]] = {}
    for named in runs:
        for text in circumstances.notes(named.run.info):
            made.setdefault(text, []).append(named.name)
    notes += [f"{', '.join(names)}: {text}" for text, names in made.items()]
    label = label_of(runs)
    table = build(cells, label, notes)
    return replace(
        table,
        own=frozenset(cells),
        intervals=intervals,
        groups={name: label.capitalize() for name in cells},
        attributes={named.name: _attributes(named.run.info) for named in runs},
    )


def refuse_mixed_rules(results: Iterable[Result]) -> None:
    """Scores that different versions of a scorer made do not stand beside each other."""
    by_scorer: dict[str, list[Result]] = {}
    for r in results:
        by_scorer.setdefault(r.scorer, []).append(r)
    for scorer, mine in by_scorer.items():
        if (mixed := mixed_rules(mine)) is not None:
            raise UserError(
                f"the {scorer!r} scores were made by different versions ({mixed}); score the runs with this one: "
                f"cambrian-eval score RUN --scorer {scorer}"
            )


def _subset(r: Result) -> str:
    """How much of a benchmark a result covers, in words."""
    whole = size_of(r.benchmark)
    return f"{entry(r.benchmark).short} {r.n:,}" + (f" of {whole:,} rows" if whole else " rows")


def _attributes(info: Mapping[str, object]) -> dict[str, float]:
    """Numbers that the model adapter stored: visual tokens, resolution, parameters in billions."""
    model = info.get("model")
    details = model.get("details", {}) if isinstance(model, dict) else {}
    found = {}
    for key, value in details.items():
        name = attribute_named(key)
        if name is None or not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            continue
        found[name] = float(value) / 1e9 if name == "params" and value > 1e6 else float(value)
    return found


def inputs(paths: Iterable[Path]) -> dict[str, str]:
    """SHA-256 of the files a figure was made from; of a run, its results."""
    found = {}
    for path in paths:
        file = path / "results.json" if path.is_dir() else path
        if file.is_file():
            found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found

"""Runs as Python users see them: `run` and `open_run` return them, `score` scores one again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec

from cambrian_eval.errors import UserError
from cambrian_eval.html_repr import card, table
from cambrian_eval.numbers import number, span
from cambrian_eval.results import evaluation
from cambrian_eval.results.frames import results_frame, samples_frame, usable_results
from cambrian_eval.results.rows import rows_of
from cambrian_eval.running import store
from cambrian_eval.running.settings import RunOutcome
from cambrian_eval.running.shapes import is_synthetic
from cambrian_eval.sample import Result

if TYPE_CHECKING:
    import pandas as pd

    from cambrian_eval.scoring.judge.requests import JudgeSettings

P = ParamSpec("P")

SYNTHETIC = "synthetic data: a program drew these rows, so the scores say nothing about the published benchmarks"
"""The note under scores on drawn rows."""


@dataclass(frozen=True)
class Run:
    """A run folder, open for reading."""

    stored: store.Run
    """The run in plain values, as the modules of the package use it."""

    @property
    def path(self) -> Path:
        """The folder."""
        return self.stored.path

    @property
    def model(self) -> str:
        """The model's name."""
        return str(self.info["model"]["name"])

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        return self.stored.info

    @property
    def benchmarks(self) -> list[str]:
        """The benchmarks that have responses."""
        return self.stored.benchmarks()

    @property
    def conditions(self) -> list[str]:
        """The vision conditions that have responses."""
        return list(dict.fromkeys(cell.condition for cell in self.stored.cells()))

    @property
    def synthetic(self) -> bool:
        """Whether rows of any benchmark were drawn by a program."""
        about = self.info["benchmarks"]
        return any(is_synthetic(about[name]) for name in self.benchmarks)

    def results(self) -> pd.DataFrame:
        """A row for each benchmark, condition and scorer: score, interval, chance, counts, notes."""
        return results_frame(self.model, usable_results(self.stored))

    def samples(
        self, benchmark: str | Sequence[str] | None = None, condition: str | Sequence[str] | None = None
    ) -> pd.DataFrame:
        """A row for each stored response: question, answers, tags, prompt, response, and every scorer's verdict.

        The column of a scorer's name has the value from 0 to 1; the columns that begin with its name say what was
        read, by which rule, and the outcome.
        """
        return samples_frame(self.stored, _names(benchmark), _names(condition))

    def __repr__(self) -> str:
        return f"<Run {self.path}: {self._title()}>"

    def _title(self) -> str:
        partial = any(rows_of(name, self.stored).subset for name in self.benchmarks)
        drawn = ", synthetic data" if self.synthetic else ", subset" if partial else ""
        return (
            f"{self.model}, {', '.join(self.benchmarks) or 'no responses'}, vision {', '.join(self.conditions)}{drawn}"
        )

    def _repr_html_(self) -> str:
        results = usable_results(self.stored)
        if not results:
            return card(str(self.path), [("run", self._title()), ("results", "not scored yet")])
        return results_html(self._title(), results)


@dataclass(frozen=True)
class Outcome:
    """What a call of `run` came to."""

    run: Run
    """The run folder."""
    results: tuple[Result, ...]
    """A result for each finished benchmark, condition and scorer."""
    n: int
    """Responses, earlier starts included."""
    n_failed: int
    """Those among them that failed."""
    interrupted: bool
    """Whether it was stopped before the end; the same call resumes it."""
    n_outage: int = 0
    """The failed samples whose endpoint was not available; the same call requests them again."""
    n_cached: int | None = None
    """The responses that came from the cache in this start; None without a cache."""

    def __repr__(self) -> str:
        ended = ", interrupted" if self.interrupted else ""
        lines = [f"<Outcome {self.run.path}: {self.n:,} responses, {self.n_failed:,} failed{ended}>"]
        return "\n  ".join([*lines, *map(repr, self.results)])

    def _repr_html_(self) -> str:
        ended = "; interrupted: call run again to resume" if self.interrupted else ""
        counts = f"{self.n:,} responses, {self.n_failed:,} failed{ended}"
        return results_html(f"{self.run.model}: {counts}", self.results)


def results_html(title: str, results: Sequence[Result]) -> str:
    """Results as a table for a notebook: a row for each benchmark and scorer, a column for each condition."""
    conditions = list(dict.fromkeys(r.condition for r in results))
    conditions.sort(key=lambda name: (name != "on", name != "off"))
    first = conditions[0]
    of = {(r.benchmark, r.scorer, r.condition): r for r in results}
    rows = []
    for benchmark, scorer in dict.fromkeys((r.benchmark, r.scorer) for r in results):
        found = [of.get((benchmark, scorer, c)) for c in conditions]
        main = next(r for r in found if r is not None)
        scores = [number(None if r is None else r.score) for r in found]
        limits = span(found[0].interval if found[0] else None)
        counts = f"{main.n:,}" + ("" if main.complete and main.subset is None else " (subset)")
        rows.append((benchmark, scorer, scores[0], limits, *scores[1:], number(main.chance), counts))
    heads = ("benchmark", "scorer", first, "95 % interval", *conditions[1:], "chance", "samples")
    notes = [SYNTHETIC] if any(r.synthetic for r in results) else []
    notes += dict.fromkeys(f"{r.benchmark}: {note}" for r in results if r.score is None for note in r.notes)
    return table(heads, rows, title, notes, texts=2)


def open_run(path: str | Path) -> Run:
    """The run in a folder."""
    return Run(store.open_run(path))


def folder(run: str | Path | Run | Outcome) -> Path:
    """The folder of a run that is named by its path, or open."""
    if isinstance(run, Outcome):
        return run.run.path
    return run.path if isinstance(run, Run) else Path(run)


AnyRun = str | Path | Run | Outcome
"""A run: its folder, or what `run` or `open_run` returned."""


def _names(given: str | Iterable[str] | None) -> list[str] | None:
    """`a,b` or a list as a list."""
    if given is None:
        return None
    return [part.strip() for part in given.split(",") if part.strip()] if isinstance(given, str) else list(given)


def _with_frames(made: Callable[P, RunOutcome]) -> Callable[P, Outcome]:
    """The function with an outcome whose run has data frames."""

    @wraps(made)
    def wrapped(*args: P.args, **more: P.kwargs) -> Outcome:
        found = made(*args, **more)
        counts = (found.n, found.n_failed, found.interrupted, found.n_outage, found.n_cached)
        return Outcome(Run(found.run), found.results, *counts)

    wrapped.__annotations__ = {**made.__annotations__, "return": "Outcome"}
    return wrapped


run = _with_frames(evaluation.run)


def score(
    run: AnyRun,
    scorers: str | Sequence[str] = ("fuzzy", "official"),
    benchmarks: str | Sequence[str] | None = None,
    *,
    judge: JudgeSettings | None = None,
    official_raw: bool = False,
    processes: int = 1,
) -> pd.DataFrame:
    """Scores stored responses again and stores the results; never runs the model. Returns the new results.

    Benchmarks are scored in so many processes; a script that asks for several needs `if __name__ == "__main__":`.
    `judge` is needed for the scorer `judge`: `scoring.judge.requests.JudgeSettings("gpt-4o-mini")`.
    """
    from cambrian_eval.judging import SCORER
    from cambrian_eval.names import named
    from cambrian_eval.results.grading import score_run
    from cambrian_eval.results.judging import judge_run

    stored = store.open_run(folder(run))
    names = _names(scorers) or []
    only = None if benchmarks is None else list(named(_names(benchmarks) or []).benchmarks)
    if not names:
        raise UserError('no scorer named; give scorers="fuzzy,official"')
    if (SCORER in names) != (judge is not None):
        raise UserError('the scorer "judge" needs judge=JudgeSettings(MODEL), and those settings need that scorer')
    rules = [name for name in names if name != SCORER]
    found = score_run(stored, rules, only, official_raw=official_raw, say=_warn, processes=processes) if rules else []
    if judge is not None:
        outcome = judge_run(stored, judge, only)
        found += outcome.results
        if outcome.stopped is not None:
            _warn(f"the judge did not finish: {outcome.stopped}")
    return results_frame(str(stored.info["model"]["name"]), found)


def _warn(text: str) -> None:
    import warnings

    warnings.warn(text, UserWarning, stacklevel=3)

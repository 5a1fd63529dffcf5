"""Manual review of disagreements: the page to mark them on, the exported marks, and the resulting error rates.

A mark says which of two scorers is right about one response. Error rates are proportions of the marked disagreements.
Over all responses they are lower bounds, because responses on which the scorers agree are not reviewed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object
from cambrian_eval.results.agreement import ScorerAgreement, mean_difference
from cambrian_eval.results.rows import notes_of
from cambrian_eval.results.statistics import wilson

KIND = "cambrian-eval marks"
"""Identifies a file of exported marks."""
MARKS = ("a", "b", "unclear")
"""The possible marks: the first scorer is right, the second is, or it cannot be decided."""


@dataclass(frozen=True, slots=True)
class Proportion:
    """k of n with its 95 % Wilson interval."""

    k: int
    n: int

    @property
    def value(self) -> float | None:
        """k / n; None where n is 0."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The bounds of the Wilson interval; None where n is 0."""
        return wilson(self.k, self.n)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """Error rates of both scorers on one benchmark and condition, or on all together."""

    name: str
    """`benchmark.condition`, or `all`."""
    decided: int
    """Responses that both scorers decided."""
    disagreements: int
    """Responses on which the scorers disagree."""
    marked: int
    """Marked disagreements, unclear ones included."""
    unclear: int
    """Disagreements marked as unclear."""
    a_wrong: Proportion
    """Errors of the first scorer among the marked disagreements that are clear."""
    b_wrong: Proportion
    """Errors of the second scorer among the same disagreements."""

    def overall(self, proportion: Proportion) -> tuple[float, float, float] | None:
        """Lower bound of the error rate over all responses, with its interval; None without a clear mark."""
        bounds = proportion.interval
        if proportion.value is None or bounds is None or not self.decided:
            return None
        rate = self.disagreements / self.decided
        return rate * proportion.value, rate * bounds[0], rate * bounds[1]


def page(found: Sequence[ScorerAgreement], a: str, b: str, run: str, model: str, marking: bool) -> str:
    """A static HTML page with the agreement and every disagreement; with `marking`, disagreements can be marked."""
    from jinja2 import Environment

    template = (files("cambrian_eval.results") / "agreement.html.jinja").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(
        found=found,
        notes=notes_of({r.benchmark: r.rows for r in found}),
        a=a,
        b=b,
        run=run,
        model=model,
        marking=marking,
        mean=mean_difference(found),
        kind=KIND,
    )
    return text.encode("utf-8", "replace").decode("utf-8")


def read_marks(path: Path, a: str, b: str) -> dict[str, str]:
    """The marks in an exported file, by `Disagreement.key`."""
    stored = read_object(path, "export the marks again")
    if stored.get("kind") != KIND or not isinstance(stored.get("marks"), dict):
        raise UserError(f"{path} contains no marks; use the button 'export marks' of the adjudication page")
    if (stored.get("a"), stored.get("b")) != (a, b):
        raise UserError(
            f"{path} has marks for the scorers {stored.get('a')!r} and {stored.get('b')!r}, not {a!r} and {b!r}; "
            f"use --a {stored.get('a')} --b {stored.get('b')}"
        )
    marks: Mapping[Any, Any] = stored["marks"]
    for key, mark in marks.items():
        if not isinstance(mark, str) or mark not in MARKS:
            raise UserError(f"{path}: the mark {mark!r} of {key} is not one of {', '.join(MARKS)}")
    return {str(k): str(v) for k, v in marks.items()}


def error_rates(found: Sequence[ScorerAgreement], marks: Mapping[str, str]) -> list[ErrorRates]:
    """Error rates for each benchmark and condition, followed by those over all of them."""
    known = {d.key for r in found for d in r.disagreements}
    if marks and not known & set(marks):
        raise UserError(
            "none of the marks belongs to a disagreement of this run; use the marks exported from this run's page"
        )
    rates = [
        _rates(f"{r.benchmark}.{r.condition}", r.confusion.n, [d.key for d in r.disagreements], marks) for r in found
    ]
    keys = [d.key for r in found for d in r.disagreements]
    return [*rates, _rates("all", sum(r.confusion.n for r in found), keys, marks)]


def _rates(name: str, decided: int, keys: Sequence[str], marks: Mapping[str, str]) -> ErrorRates:
    given = [marks[k] for k in keys if k in marks]
    clear = [m for m in given if m != "unclear"]
    return ErrorRates(
        name=name,
        decided=decided,
        disagreements=len(keys),
        marked=len(given),
        unclear=len(given) - len(clear),
        a_wrong=Proportion(clear.count("b"), len(clear)),
        b_wrong=Proportion(clear.count("a"), len(clear)),
    )

"""A person decides who was right: the page of disagreements, the marks it exports, the error rates they give.

A mark says which scorer was right about one answer the two differ on. Error rates are shares of the marked
disagreements; over all answers they are lower bounds, because nobody looked at answers the scorers agree on.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.results.agreement import Agreement, mean_difference

KIND = "cambrian-eval marks"
MARKS = ("a", "b", "unclear")
"""What a person may say: which scorer was right, or that it cannot be told."""


@dataclass(frozen=True, slots=True)
class Share:
    """k of n with its 95 % Wilson interval."""

    k: int
    n: int

    @property
    def value(self) -> float | None:
        """k / n; None where n is 0."""
        return self.k / self.n if self.n else None

    @property
    def interval(self) -> tuple[float, float] | None:
        """The Wilson bounds, as shares; None where n is 0."""
        return wilson(self.k, self.n)


@dataclass(frozen=True, slots=True)
class ErrorRates:
    """What the marks say about both scorers on one benchmark, or on all together."""

    name: str
    """A benchmark, or all of them together."""
    decided: int
    """Answers both scorers decided."""
    disagreements: int
    """Answers on which the two differ."""
    marked: int
    """Disagreements that a person marked, unclear ones included."""
    unclear: int
    """Marked ones of which nobody can tell who is right."""
    a_wrong: Share
    """Of the marked disagreements that are clear."""
    b_wrong: Share
    """Likewise for the second scorer."""

    def overall(self, share: Share) -> tuple[float, float, float] | None:
        """At least this share of all answers is graded wrongly, with its interval; None without a mark."""
        bounds = share.interval
        if share.value is None or bounds is None or not self.decided:
            return None
        rate = self.disagreements / self.decided
        return rate * share.value, rate * bounds[0], rate * bounds[1]


def wilson(k: int, n: int) -> tuple[float, float] | None:
    """The 95 % Wilson interval of k of n; None for n = 0."""
    if n == 0:
        return None
    z = 1.959963984540054
    p = k / n
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def page(found: Sequence[Agreement], a: str, b: str, run: str, model: str, marking: bool) -> str:
    """A static HTML page of the agreement and every disagreement; with `marking`, one that takes marks."""
    from jinja2 import Environment

    template = (files("cambrian_eval.results") / "agreement.html.jinja").read_text("utf-8")
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    text = environment.from_string(template).render(
        found=found, a=a, b=b, run=run, model=model, marking=marking, mean=mean_difference(found), kind=KIND
    )
    return text.encode("utf-8", "replace").decode("utf-8")


def read_marks(path: Path, a: str, b: str) -> dict[str, str]:
    """The marks in an exported file by answer."""
    try:
        stored = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}); export the marks again") from None
    if not isinstance(stored, dict) or stored.get("kind") != KIND or not isinstance(stored.get("marks"), dict):
        raise UserError(f"{path} holds no marks; use the button 'export marks' of the adjudication page")
    if (stored.get("a"), stored.get("b")) != (a, b):
        raise UserError(
            f"{path} marks {stored.get('a')!r} against {stored.get('b')!r}, not {a!r} against {b!r}; "
            f"give --a {stored.get('a')} --b {stored.get('b')}"
        )
    marks: Mapping[Any, Any] = stored["marks"]
    for key, mark in marks.items():
        if mark not in MARKS:
            raise UserError(f"{path}: the mark {mark!r} of {key} is none of {', '.join(MARKS)}")
    return {str(k): str(v) for k, v in marks.items()}


def error_rates(found: Sequence[Agreement], marks: Mapping[str, str]) -> list[ErrorRates]:
    """Error rates per benchmark and condition, and over all of them as the last."""
    known = {d.key for r in found for d in r.disagreements}
    if marks and not known & set(marks):
        raise UserError("none of the marks names a disagreement of this run; were they made for another run?")
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
        a_wrong=Share(clear.count("b"), len(clear)),
        b_wrong=Share(clear.count("a"), len(clear)),
    )

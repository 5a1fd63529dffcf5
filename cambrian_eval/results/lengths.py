"""How long the responses of two runs are: models that were trained on short answers only respond with a word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run


@dataclass(frozen=True, slots=True)
class Lengths:
    """Mean lengths of the responses to the samples of one benchmark that both runs have."""

    benchmark: str
    """The benchmark's name."""
    n: int
    """Samples with a response in both runs; failed requests are left out."""
    tokens: tuple[float | None, float | None]
    """Tokens of the answers, in a and in b; None where the model does not count them."""
    characters: tuple[float, float]
    """Characters of the answers."""
    thought_tokens: tuple[float | None, float | None]
    """Tokens of the thoughts; None where none are told apart."""


def lengths(a: Run, b: Run, cells_a: Sequence[Cell], cells_b: Sequence[Cell]) -> list[Lengths]:
    """The lengths in pairs of cells of the same benchmarks; every repeat counts."""
    found = []
    for x, y in zip(cells_a, cells_b, strict=True):
        left, right = _answered(a, x), _answered(b, y)
        shared = {r.id for r in left} & {r.id for r in right}
        if shared:
            sides = [[r for r in side if r.id in shared] for side in (left, right)]
            found.append(
                Lengths(
                    x.benchmark,
                    len(shared),
                    tokens=(_mean(sides[0], "new_tokens"), _mean(sides[1], "new_tokens")),
                    characters=(fmean(len(r.text) for r in sides[0]), fmean(len(r.text) for r in sides[1])),
                    thought_tokens=(_mean(sides[0], "thought_tokens"), _mean(sides[1], "thought_tokens")),
                )
            )
    return found


def _answered(run: Run, cell: Cell) -> list[Record]:
    return [r for r in run.all_responses(cell).values() if r.finish != "failed"]


def _mean(records: Sequence[Record], name: str) -> float | None:
    """The mean of a count; thoughts that are absent from some responses count 0 where others have them."""
    known = [value for r in records if (value := getattr(r, name)) is not None]
    if not known or (name == "new_tokens" and len(known) < len(records)):
        return None
    return float(sum(known)) / len(records)

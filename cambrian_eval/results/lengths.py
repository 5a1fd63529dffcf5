"""How long the responses of two runs are: models that were trained on short answers only respond with a word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from cambrian_eval.running.store import Cell, Record, Run


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
    """The lengths in pairs of cells of the same benchmarks."""
    found = []
    for x, y in zip(cells_a, cells_b, strict=True):
        left, right = _answered(a.responses(x)), _answered(b.responses(y))
        pairs = [(left[i], right[i]) for i in left if i in right]
        if pairs:
            sides = list(zip(*pairs, strict=True))
            tokens, thoughts, characters = (
                tuple(map(measure, sides))
                for measure in (
                    lambda side: _mean([r.new_tokens for r in side]),
                    lambda side: _mean([r.thought_tokens for r in side]),
                    lambda side: fmean(len(r.text) for r in side),
                )
            )
            found.append(Lengths(x.benchmark, len(pairs), tokens, characters, thoughts))  # type: ignore[arg-type]
    return found


def _answered(records: Mapping[str, Record]) -> dict[str, Record]:
    return {i: r for i, r in records.items() if r.finish != "failed"}


def _mean(values: Sequence[int | None]) -> float | None:
    known = [v for v in values if v is not None]
    return fmean(known) if known and len(known) == len(values) else None

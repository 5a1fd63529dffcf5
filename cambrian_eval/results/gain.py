"""Multimodal gain and leakage: how much of a score comes from the images, and how much the language model knew before.

Gain MG = S(on) - S(off). Leakage ML = max(0, S(off) - S(language model alone)), after MMStar; the language model's
score comes from a second run, of the model that the multimodal one was built on, with vision off.
"""

from __future__ import annotations

from dataclasses import dataclass

from cambrian_eval.errors import UserError
from cambrian_eval.results.comparison import compare_runs
from cambrian_eval.running.store import Run


@dataclass(frozen=True, slots=True)
class Gain:
    """The gain of one benchmark, and its leakage where the language model was run."""

    benchmark: str
    """Its name."""
    on: float
    """Score with images."""
    off: float
    """Score without."""
    gain: float
    """on - off."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the gain, images resampled."""
    language_model: float | None
    """Score of the language model alone; None where it was not run."""
    leakage: float | None
    """max(0, off - language model)."""


def gains(run: Run, language_model: Run | None, scorer: str) -> list[Gain]:
    """The gain of every benchmark that the run has with vision on and off."""
    alone = {} if language_model is None else _text_only(language_model, scorer)
    found = []
    for compared in compare_runs(run, run, "off", "on", scorer):
        name, paired = compared.benchmark, compared.paired
        if language_model is not None and name not in alone:
            raise UserError(f"{language_model.path} has no {scorer!r} score of {name}; run it there with --vision off")
        text = alone.get(name)
        leakage = None if text is None else max(0.0, paired.a - text)
        found.append(Gain(name, paired.b, paired.a, paired.difference, paired.interval, text, leakage))
    return found


def _text_only(run: Run, scorer: str) -> dict[str, float]:
    """The scores without images of a run, by benchmark."""
    found = (r for r in run.results() if (r.condition, r.scorer) == ("off", scorer))
    return {r.benchmark: r.score for r in found if r.score is not None}

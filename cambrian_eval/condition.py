"""Condition: what a vision condition declares.

A condition says which images a model is shown instead of a sample's own, and, for the few that change more than the
images, which words it is asked. Some take an amount: `blur:2` is the condition `blur` at 2. The built-in ones are in
`conditions.py`; third parties add theirs by an entry point in the group `cambrian_eval.conditions`, and
`registry.conditions` finds both.
"""

from __future__ import annotations

import copy
import math
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.image import MAX_PIXELS, LazyImage
from cambrian_eval.sample import Sample

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """What a condition may know besides the sample: one object for each benchmark and condition of a run."""

    samples: Sequence[Sample]
    """All samples of the benchmark, in dataset order."""
    seed: int = 0
    """The run's random seed; the same seed must give the same images."""
    max_pixels: int = MAX_PIXELS
    """Images with more pixels are not decoded."""
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute`, computed at the first call with this name; safe across threads."""
        with self._lock:
            if name not in self._memory:
                self._memory[name] = compute()
            value: T = self._memory[name]
            return value


class Condition(ABC):
    """The declaration of one vision condition."""

    name: str
    """What commands and files call it; letters, digits and `_`; a colon and the amount follow where it has one."""
    title: str
    """What tables and figures call it."""
    summary: ClassVar[str]
    """One line: what the model sees."""
    color: ClassVar[str]
    """Its color in figures, as #rrggbb."""
    hatch: ClassVar[str] = ""
    """Its hatching in bar charts, in Matplotlib's notation."""
    needs_images: ClassVar[bool] = True
    """Whether a sample without its images cannot be asked under this condition."""

    def graded(self, sample: Sample, benchmark: Benchmark) -> Sample | None:
        """The sample with the gold answers that hold under this condition; None where they are not known.

        Such a sample is left out with its whole group, and the result counts it.
        """
        return sample

    def words(self, prompt: str, sample: Sample) -> str:
        """The prompt as it is sent; raises `ValueError` where it cannot be made, which fails the sample."""
        return prompt

    @property
    def changes_answers(self) -> bool:
        """Whether gold answers may be others than with the sample's own images."""
        return type(self).graded is not Condition.graded

    @abstractmethod
    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """The images that are shown instead of the sample's. Called from several threads; deterministic."""

    def check(self, context: Context) -> None:
        """Raises `UserError` where it cannot be applied to these samples; called before the first request."""
        return None


def graded_samples(condition: Condition, samples: Sequence[Sample], benchmark: Benchmark) -> list[Sample]:
    """The samples that can be graded under a condition, groups whole, with the gold answers that hold there."""
    if not condition.changes_answers:
        return list(samples)
    found = [condition.graded(sample, benchmark) for sample in samples]
    broken = {s.group for s, kept in zip(samples, found, strict=True) if kept is None and s.group is not None}
    return [s for s in found if s is not None and s.group not in broken]


class Dose(Condition):
    """A condition that takes an amount. The registry holds one without; `at` gives the condition with it."""

    amounts: ClassVar[str]
    """What the amount is and which values it has, for help and error messages."""
    unchanged: ClassVar[float]
    """The amount at which the image stays as it is."""
    amount: float | None = None
    """How much; None for the one in the registry, which cannot be applied (`registry.load_condition` refuses it)."""

    def at(self, text: str) -> Condition:
        """The condition at an amount, named by it: equal amounts give equal names."""
        try:
            amount = float(text)
        except ValueError:
            amount = math.nan
        if not (math.isfinite(amount) and self.allows(amount)):
            raise UserError(f"condition {self.name}:{text} is not known; the amount is {self.amounts}")
        made = copy.copy(self)
        made.amount = amount
        made.name, made.title = f"{self.name}:{amount:g}", f"{self.title} {amount:g}"
        return made

    @abstractmethod
    def allows(self, amount: float) -> bool:
        """Whether it can be applied at this amount."""

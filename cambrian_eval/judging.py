"""How an LLM judge grades the responses of a benchmark that has no rule for right and wrong.

The judge's replies are requested and stored by `results.judging`; a grade is a `Verdict` like any other. A reply that
cannot be read is no grade: its sample is left out of the means and counted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from cambrian_eval.sample import Sample, Verdict

SCORER = "judge"
"""The scorer's name, under which its verdicts are stored."""


class Judging(ABC):
    """The declaration of a judge's task: what is sent, and how the reply is read."""

    version: ClassVar[str]
    """Increased whenever the text that is sent changes."""
    max_new_tokens: ClassVar[int]
    """The most tokens of a reply."""
    system: ClassVar[str | None] = None
    """The system message."""
    reminder: ClassVar[str] = ""
    """Added to the message when a reply could not be read and is requested once more."""

    @abstractmethod
    def message(self, sample: Sample, response: str) -> str:
        """The user's message about one response."""

    @abstractmethod
    def read(self, reply: str) -> Verdict | None:
        """The grade in a reply of the judge; None where it has none."""

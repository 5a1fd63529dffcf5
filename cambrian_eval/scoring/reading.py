"""What a reader says about a response: the answer it read and by which rule, or why it read none."""

from __future__ import annotations

from typing import Generic, NamedTuple, TypeVar

from cambrian_eval.sample import Reason, Verdict

T = TypeVar("T")

WHY: dict[Reason, str] = {
    "empty": "the response is empty",
    "unfinished thought": "the thought never ends",
    "refusal": "the response declines to answer",
    "cut off": "the response ends before its answer",
    "several answers": "the response names several answers",
    "nothing found": "no answer found",
}
"""The reasons as rules, in words."""


class Reading(NamedTuple, Generic[T]):
    """An answer read out of a response."""

    value: T | None
    """The answer; None where none was read."""
    rule: str
    """How it was read, in words; where nothing was read, why not."""
    reason: Reason | None = None
    """Why nothing was read; None where something was."""
    text: str | None = None
    """The words that were read, where they are not the value itself."""

    def verdict(self, right: bool | float, compared: str = "the answer") -> Verdict:
        """The verdict that follows from the comparison of what was read with the gold answer."""
        if self.reason is not None:
            return unread(self.reason, self.rule)
        said = self.value if isinstance(self.value, str) else self.text
        outcome = f"equal to {compared}" if right else f"differs from {compared}"
        return Verdict(float(right), said, f"{self.rule}: {outcome}")


def nothing(reason: Reason, rule: str | None = None) -> Reading[T]:
    """No answer, and why."""
    return Reading(None, rule or WHY[reason], reason)


def unread(reason: Reason, rule: str | None = None) -> Verdict:
    """The verdict on a response in which no answer was read."""
    return Verdict(0.0, None, rule or WHY[reason], outcome="unparsed", reason=reason)

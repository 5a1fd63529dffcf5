"""Which questions run together: a bounded window over the stream, and batches of groups of similar length.

Pulls no more requests than the next two batches need. The oldest group leads a batch, and those nearest to it in
length join, so that there is little padding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from .questions import Group, ImageSource, Question

MOST_PENDING = 512
"""The most questions in the window, however short."""
EXPECTED_ANSWER = 16
"""New tokens per question that planning assumes; longer limits are rarely used up."""

MAX_PADDING = 1 / 16
"""The largest fraction of padding in a batch of more than `SMALL_BATCH` positions."""
SMALL_BATCH = 1024
"""Positions up to which padding does not matter."""


@dataclass(frozen=True)
class Batch:
    """Groups that run together, and whether their questions are split from a shared prefix."""

    groups: tuple[Group, ...]
    split: bool
    tokens: int


@dataclass(frozen=True)
class Rules:
    """What limits a batch. With `alone` every question is computed without any other."""

    token_limit: int | None
    width: int
    most_questions: int | None = None
    alone: bool = False


class Window:
    """Questions pulled from the stream and not yet in a batch, in groups, oldest first."""

    def __init__(
        self,
        questions: Iterator[Question],
        visual: Callable[[ImageSource], int],
        prefetch: Callable[[ImageSource], None],
        rules: Rules,
    ) -> None:
        self._questions, self._visual, self._prefetch, self.rules = questions, visual, prefetch, rules
        self._groups: list[Group] = []
        self._exhausted = False

    def fill(self, tokens: int) -> None:
        """Pull questions for two batches of `tokens` positions; the last group is not counted, because it may grow."""
        most = MOST_PENDING
        if self.rules.most_questions is not None:
            # Enough that the questions about one image stay together.
            most = min(most, max(64, 2 * self.rules.most_questions + 1))
        while not self._exhausted and self._held < most and self._cost_at_hand < 2 * tokens:
            question = next(self._questions, None)
            if question is None:
                self._exhausted = True
                return
            if question.image is not None:
                self._prefetch(question.image)
            self._add(question)

    def take(self, tokens: int) -> Batch | None:
        """The next batch within `tokens` positions, or None at the end."""
        if not self._groups:
            return None
        lead = self._groups[0]
        if self.rules.alone:
            self._groups.remove(lead)
            has_image = lead.image is not None and lead.can_split
            return Batch((lead.split_at_image() if has_image else lead,), has_image, self._cost(lead))
        split = len(lead.questions) > 1
        decoding = lead.questions[0].decoding
        like = [
            group
            for group in self._groups[1:]
            if (len(group.questions) > 1) == split and group.questions[0].decoding == decoding
        ]
        if len(self._groups) > 1 and not self._exhausted and like and like[-1] is self._groups[-1]:
            like.pop()
        like.sort(key=lambda group: abs(self._cost(group) - self._cost(lead)))
        chosen, widest, filled, running = [lead], self._cost(lead), self._cost(lead), self._running_questions(lead)
        for group in like:
            cost = self._cost(group)
            wider = max(widest, cost)
            padded = wider * (len(chosen) + 1)
            running += self._running_questions(group)
            most = self.rules.most_questions
            if padded > tokens or (most is not None and running > most):
                break
            if padded > SMALL_BATCH and filled + cost < (1 - MAX_PADDING) * padded:
                break
            chosen.append(group)
            widest, filled = wider, filled + cost
        taken = set(map(id, chosen))
        self._groups = [group for group in self._groups if id(group) not in taken]
        return Batch(tuple(chosen), split, widest * len(chosen))

    @property
    def _held(self) -> int:
        return sum(len(group.questions) for group in self._groups)

    @property
    def _cost_at_hand(self) -> int:
        return sum(self._cost(group) for group in self._groups[:-1])

    def _running_questions(self, group: Group) -> int:
        return min(self.rules.width, len(group.questions))

    def _cost(self, group: Group) -> int:
        """Positions of a group's row with as many of its questions as run side by side."""
        if not group.can_split:
            return group.prompt_tokens(group.questions[0]) + EXPECTED_ANSWER
        sizes = sorted((len(group.own_ids(q)) + min(q.limit, EXPECTED_ANSWER) for q in group.questions), reverse=True)
        return group.prefix_tokens + sum(sizes[: self.rules.width])

    def _add(self, question: Question) -> None:
        if self._groups and not self._apart and self._groups[-1].admits(question):
            self._groups[-1].add(question)
            return
        visual = 0 if question.image is None else self._visual(question.image)
        self._groups.append(Group.of(question, visual, self.rules.token_limit))

    @property
    def _apart(self) -> bool:
        """Text-only questions are not grouped where each is computed without any other."""
        return self.rules.alone and self._groups[-1].image is None

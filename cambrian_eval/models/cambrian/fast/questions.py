"""What the driver is asked: questions, and the bundles of those that begin alike.

Pure bookkeeping on ids and sizes: no tensors, no device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from ..config import IMAGE_TOKEN_ID

SHORTEST_TEXT_PREFIX = 8
"""Text-only questions are bundled when they have at least this many first ids in common."""


@dataclass(frozen=True, eq=False)
class Shown:
    """The image of a question: its identity, its size, and how to get its pixels."""

    key: str
    size: tuple[int, int]
    load: Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Question:
    """One prompt, as ids with the image's mark, and how many new tokens its answer may have."""

    tag: Any
    ids: tuple[int, ...]
    limit: int
    shown: Shown | None = None

    @property
    def head(self) -> tuple[int, ...] | None:
        """The ids before the image; None where there is no image."""
        return None if self.shown is None else self.ids[: self.ids.index(IMAGE_TOKEN_ID)]


@dataclass(frozen=True, eq=False)
class Answer:
    """New ids, the stop id included where there was one."""

    tag: Any
    ids: tuple[int, ...]
    stopped: bool
    prompt_tokens: int


@dataclass
class Bundle:
    """Questions whose prompts begin with the same `shared` ids; an image's mark stands for `visual` tokens.

    `token_limit` cuts prompts that hold an image, as the checkpoint's configuration says.
    """

    questions: list[Question]
    shared: int
    visual: int = 0
    token_limit: int | None = None
    shown: Shown | None = field(init=False)

    def __post_init__(self) -> None:
        self.shown = self.questions[0].shown
        if self.shown is None:
            self.token_limit = None

    @classmethod
    def of(cls, question: Question, visual: int, token_limit: int | None) -> Bundle:
        """A bundle of one question; its last id is not prefix, because something must be asked after the prefix."""
        return cls([question], len(question.ids) - 1, visual, token_limit)

    def admits(self, question: Question) -> bool:
        """Whether a question may join: the same image after the same head, or text that begins alike."""
        first = self.questions[0]
        if self.shown is None or question.shown is None:
            return self.shown is question.shown and self._common(question) >= SHORTEST_TEXT_PREFIX
        if self.shown.key != question.shown.key or first.head != question.head:
            return False
        return self.can_split and self._common(question) > len(first.head or ())

    def add(self, question: Question) -> None:
        """Takes a question in; what all share shrinks to what it has in common with them."""
        self.shared = self._common(question)
        self.questions.append(question)

    def _common(self, question: Question) -> int:
        """Leading ids in common, leaving at least one of every prompt to be asked after the prefix."""
        most = min(self.shared, len(question.ids) - 1)
        first = self.questions[0].ids
        return next((i for i in range(most) if first[i] != question.ids[i]), most)

    @property
    def can_split(self) -> bool:
        """Whether the length limit leaves anything of a prompt behind its image."""
        head = self.questions[0].head
        return self.token_limit is None or head is None or len(head) + self.visual < self.token_limit

    def split_at_image(self) -> Bundle:
        """The bundle with nothing shared behind the image, so that the split depends on no neighbour."""
        head = self.questions[0].head
        return self if head is None else replace(self, shared=len(head) + 1)

    def part(self, start: int, stop: int) -> Bundle:
        """Some of the questions, after the same prefix."""
        return replace(self, questions=self.questions[start:stop])

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """The ids that are read once for all questions, the mark of the image among them."""
        return self.questions[0].ids[: self._split]

    @property
    def prefix_tokens(self) -> int:
        """Positions of the shared prefix, its image included."""
        return self._split + self._extra

    def own_ids(self, question: Question) -> tuple[int, ...]:
        """What a question has after the shared prefix, as far as the length limit leaves it."""
        own = question.ids[self._split :]
        return own if self.token_limit is None else own[: self.token_limit - self.prefix_tokens]

    def prompt_tokens(self, question: Question) -> int:
        """Positions of a whole prompt."""
        length = len(question.ids) + self._extra
        return length if self.token_limit is None else min(length, self.token_limit)

    @property
    def _extra(self) -> int:
        """Positions that an image takes beyond the one of its mark."""
        return 0 if self.shown is None else self.visual - 1

    @property
    def _split(self) -> int:
        """How many ids the prefix has: those in common, but so few that the limit leaves every question one."""
        return self.shared if self.token_limit is None else min(self.shared, self.token_limit - self.visual)

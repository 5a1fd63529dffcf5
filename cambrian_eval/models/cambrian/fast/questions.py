"""The driver's input and output: questions, groups of questions that share a prefix, and generated ids.

Plain values of ids and sizes: no tensors, no device.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from cambrian_eval.decoding import GREEDY, Decoding

from ..config import IMAGE_TOKEN_ID

SHORTEST_TEXT_PREFIX = 8
"""Text-only questions are grouped when they share at least this many first ids."""


@dataclass(frozen=True, eq=False)
class ImageSource:
    """The image of a question: its identity, its size, and how to get its pixels."""

    key: str
    size: tuple[int, int]
    load: Callable[[], Any]


@dataclass(frozen=True, eq=False)
class Question:
    """One prompt, as ids with the image's mark, and the most new tokens. The caller gets `tag` back.

    `stream` names the random numbers of its draws, where `decoding` samples.
    """

    tag: Any
    ids: tuple[int, ...]
    limit: int
    image: ImageSource | None = None
    decoding: Decoding = GREEDY
    stream: str = ""

    @property
    def head(self) -> tuple[int, ...] | None:
        """The ids before the image; None where there is no image."""
        return None if self.image is None else self.ids[: self.ids.index(IMAGE_TOKEN_ID)]


@dataclass(frozen=True, eq=False)
class Generated:
    """New ids, including the stop id where there was one."""

    tag: Any
    ids: tuple[int, ...]
    stopped: bool
    prompt_tokens: int


@dataclass
class Group:
    """Questions whose prompts begin with the same `shared` ids; an image's mark stands for `visual` tokens.

    `token_limit` cuts prompts with an image, as the checkpoint's configuration states.
    """

    questions: list[Question]
    shared: int
    visual: int = 0
    token_limit: int | None = None
    image: ImageSource | None = field(init=False)

    def __post_init__(self) -> None:
        self.image = self.questions[0].image
        if self.image is None:
            self.token_limit = None

    @classmethod
    def of(cls, question: Question, visual: int, token_limit: int | None) -> Group:
        """A group of one question; its last id is not part of the prefix, because at least one must follow it."""
        return cls([question], len(question.ids) - 1, visual, token_limit)

    def admits(self, question: Question) -> bool:
        """Whether a question may join: the same image after the same ids, or text that begins with the same ids."""
        first = self.questions[0]
        if first.decoding != question.decoding:
            return False
        if self.image is None or question.image is None:
            return self.image is question.image and self._common(question) >= SHORTEST_TEXT_PREFIX
        if self.image.key != question.image.key or first.head != question.head:
            return False
        return self.can_split and self._common(question) > len(first.head or ())

    def add(self, question: Question) -> None:
        """Add a question; the shared prefix shrinks to what it has in common with the others."""
        self.shared = self._common(question)
        self.questions.append(question)

    def _common(self, question: Question) -> int:
        """Number of first ids in common, such that at least one id of every prompt follows the prefix."""
        most = min(self.shared, len(question.ids) - 1)
        first = self.questions[0].ids
        return next((i for i in range(most) if first[i] != question.ids[i]), most)

    @property
    def can_split(self) -> bool:
        """Whether the length limit leaves any part of a prompt after its image."""
        head = self.questions[0].head
        return self.token_limit is None or head is None or len(head) + self.visual < self.token_limit

    def split_at_image(self) -> Group:
        """The group with nothing shared after the image, so that the split depends on no other question."""
        head = self.questions[0].head
        return self if head is None else replace(self, shared=len(head) + 1)

    def part(self, start: int, stop: int) -> Group:
        """Some of the questions, after the same prefix."""
        return replace(self, questions=self.questions[start:stop])

    @property
    def prefix_ids(self) -> tuple[int, ...]:
        """The ids that are computed once for all questions, including the mark of the image."""
        return self.questions[0].ids[: self._split]

    @property
    def prefix_tokens(self) -> int:
        """Positions of the shared prefix, its image included."""
        return self._split + self._extra

    def own_ids(self, question: Question) -> tuple[int, ...]:
        """The ids of a question after the shared prefix, within the length limit."""
        own = question.ids[self._split :]
        return own if self.token_limit is None else own[: self.token_limit - self.prefix_tokens]

    def prompt_tokens(self, question: Question) -> int:
        """Positions of a whole prompt."""
        length = len(question.ids) + self._extra
        return length if self.token_limit is None else min(length, self.token_limit)

    @property
    def _extra(self) -> int:
        """Positions of the image beyond the one of its mark."""
        return 0 if self.image is None else self.visual - 1

    @property
    def _split(self) -> int:
        """Number of ids in the prefix: those in common, but few enough to leave every question one within the limit."""
        return self.shared if self.token_limit is None else min(self.shared, self.token_limit - self.visual)

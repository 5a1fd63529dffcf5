"""A response becomes a `Reply`, once: thoughts apart, the answer in a comparable form, and what is declared in it.

A `Reply` is a string: its value is the answer as the model wrote it, without thoughts, so that scorers which take
text keep working. `said` is the same answer without end marks, containers (`\\boxed{}`, `<answer>`), markdown, LaTeX,
odd quotes and odd digits: what the readers (`letter`, `yes_no`, `number`, `phrase`) work on. All of it is computed when
it is first asked for, in linear time; of very long responses the readers see the beginning and the end.
"""

from __future__ import annotations

import re
from typing import Self

from cambrian_eval.sample import Reason
from cambrian_eval.scoring.lazy import lazy
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.text import clean, contained
from cambrian_eval.scoring.thoughts import may_have_marks, split

SHORTEST_TURN = 16
"""Characters that a model writes at least before a question of its own making."""
BEGINNING, END = 1_500, 4_500
"""Characters at the beginning and at the end of a long response that are read."""


class Reply(str):
    """A response as scorers see it; equal to its answer without thoughts."""

    raw: str
    """The response, whole, with its thoughts."""
    thoughts: str
    """What the model thought; empty where it did not."""
    unfinished: bool
    """Whether a thought began and never ended; the answer is empty then."""
    answer_start: int | None
    """Where the answer begins in `raw`; None where a thought never ended."""

    def __new__(cls, text: str, keep_thoughts: bool = False, thoughts: str = "", unfinished: bool = False) -> Self:
        """`keep_thoughts` takes the whole response as the answer, thoughts included.

        `thoughts` and `unfinished` are for responses whose thoughts do not stand in the text.
        """
        if type(text) is cls:
            if not keep_thoughts:
                return text
            text = text.raw
        parts = split(text) if not keep_thoughts and may_have_marks(text) else None
        whole = parts is None or (parts.start == 0 and parts.end == len(text))
        reply = super().__new__(cls, text if whole or parts is None else text[parts.start : parts.end])
        inside = parts.thoughts if parts else ""
        reply.raw = f"{thoughts}\n\n{text}" if thoughts and not inside else str(text)
        reply.thoughts = inside or thoughts
        reply.unfinished = unfinished or (parts is not None and parts.unfinished)
        reply.answer_start = None if reply.unfinished else parts.start if parts else 0
        return reply

    @lazy
    def said(self) -> str:
        """The answer in comparable form."""
        return clean(shortened(str(self)))

    @lazy
    def own(self) -> str:
        """`said` up to where the model goes on with a question of its own making."""
        turn = _NEXT_TURN.search(self.said, SHORTEST_TURN) if "\n" in self.said else None
        return self.said[: turn.start()].rstrip() if turn else self.said

    @lazy
    def bold(self) -> tuple[str, ...]:
        """What the answer sets in bold, cleaned."""
        return tuple(clean(found) for found in _BOLD.findall(shortened(str(self)))) if "**" in self else ()

    @lazy
    def boxed(self) -> bool:
        """Whether `said` is the content of a container such as `\\boxed{}`."""
        return contained(shortened(str(self)))

    @lazy
    def sentences(self) -> tuple[str, ...]:
        """`own`, cut at line ends and at punctuation that ends a sentence."""
        return sentences(self.own)

    @lazy
    def silence(self) -> Reason | None:
        """Why there is nothing to read, where there is nothing."""
        if self.unfinished:
            return "unfinished thought"
        if not self.said:
            return "empty"
        return "nothing found" if "print(" in self and _PROGRAM.fullmatch(shortened(str(self)).strip()) else None


_PROGRAM = pattern(
    r"(?:```\w*\s*)?(?:#|import\b|from\b|def\b|class\b|for\b|if\b|print\("
    r"|[\w, ]{1,40}=)[\s\S]*\n(?:\s*print\([^\n]*|\s*#[^\n]*|```|\s*(?:break|continue|pass|return\b[^\n]*|\S{1,3}))"
    r"|print\([^\n]*"
)
"""A response that is a program: its result is not in it, and it was not run."""
_NEXT_TURN = pattern(
    r"(?<![:\n])\n\s{0,6}(?:#{1,4} ?)?"
    r"(?:(?:new |next |another )?question(?: \d+)?|human|user|instruction|query|问题|题目)\s*:",
    re.IGNORECASE,
)
_BOLD = pattern(r"\*\*([^*\n]{1,80})\*\*")
_SENTENCE = pattern(r"(?<=[.!?;。！？；])(?<!\b[A-Z]\.)(?<!\bSt\.)(?<!\bNo\.)(?<!\bvs\.)\s+|(?<=[。！？；])|\s*\n\s*")
_INNER_END = pattern(r"[.!?;]\s|[。！？；\n]")
"""A place where `_SENTENCE` may cut."""


def sentences(text: str) -> tuple[str, ...]:
    """The text cut at line ends and at punctuation that ends a sentence."""
    parts = _SENTENCE.split(text) if _INNER_END.search(text) else (text,)
    return tuple(piece for part in parts if (piece := part.strip()))


def shortened(text: str) -> str:
    """A very long text without its middle."""
    return text if len(text) <= BEGINNING + END else f"{text[:BEGINNING]}\n{text[-END:]}"

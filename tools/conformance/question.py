"""A question of the set, as it stands in `questions.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked, in no harness's form."""

    name: str
    """What cases call it."""
    kind: str
    """choice, yes or no, integer, number or phrase."""
    question: str
    """The question alone."""
    answers: tuple[str, ...]
    """What is right: the letter of a choice, else the text."""
    benchmarks: tuple[str, ...]
    """The benchmarks whose scoring functions it is given to."""
    options: tuple[str, ...] = ()
    """The options of a choice."""

    @property
    def gold(self) -> str:
        """The first answer."""
        return self.answers[0]

    @property
    def place(self) -> int:
        """The position of the right option from 0."""
        return LETTERS.index(self.gold)

    @property
    def lettered(self) -> dict[str, str]:
        """Letter to option."""
        return dict(zip(LETTERS, self.options, strict=False))


@dataclass(frozen=True, slots=True)
class Case:
    """A response with the verdict of a careful reader."""

    question: str
    response: str
    right: bool
    why: str


def questions() -> dict[str, Question]:
    """All questions by name."""
    found = json.loads((FOLDER / "questions.json").read_text("utf-8"))
    return {
        name: Question(name, **{key: tuple(v) if isinstance(v, list) else v for key, v in one.items()})
        for name, one in found.items()
    }


def cases() -> list[Case]:
    """All responses in the order of the file."""
    return [Case(**json.loads(line)) for line in (FOLDER / "cases.jsonl").read_text("utf-8").splitlines()]

"""Where a response thinks and where it answers: the marks that models put around thoughts.

`MARKS` is the list of known forms. Extend it for a model of your own, from Python or from an installed package
(entry point group `cambrian_eval.thoughts`, each a `Marks`):

    from cambrian_eval.scoring.thoughts import Marks, add
    add(Marks("<ponder>", "</ponder>"))

Marks are matched without regard to case, in one pass over the response.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Marks:
    """One pair of marks around a thought, or (`answer=True`) around the answer that stands beside thoughts."""

    opening: str
    """What begins the thought; empty where nothing does (the chat template holds it)."""
    closing: str
    """What ends it."""
    answer: bool = False
    """Whether the pair holds the answer instead of a thought."""


MARKS: list[Marks] = [
    *(
        Marks(f"<{tag}>", f"</{tag}>")
        for tag in ("think", "thinking", "thought", "thoughts", "reasoning", "reflection")
    ),
    *(Marks(f"<{tag}>", f"</{tag}>") for tag in ("summary", "caption")),
    Marks("<conclusion>", "</conclusion>", answer=True),
    Marks("[think]", "[/think]"),
    Marks("◁think▷", "◁/think▷"),
    Marks("<|begin_of_thought|>", "<|end_of_thought|>"),
    Marks("<|begin_of_solution|>", "<|end_of_solution|>", answer=True),
    Marks("<|begin_of_box|>", "<|end_of_box|>", answer=True),
    Marks("<seed:think>", "</seed:think>"),
    Marks("<|channel|>analysis<|message|>", "<|channel|>final<|message|>"),
    Marks("<|channel|>commentary<|message|>", "<|channel|>final<|message|>"),
    Marks("<|channel|>analysis", "<|channel|>final"),
]
"""The known forms: DeepSeek, Qwen and others; LLaVA-CoT; Magistral; Kimi-VL; OpenThinker; GLM; Seed; harmony."""


def add(marks: Marks) -> None:
    """Adds a form to `MARKS`."""
    if not marks.closing.strip():
        raise ValueError("the closing mark of a thought cannot be empty")
    MARKS.append(marks)
    _table.cache_clear()


@dataclass(frozen=True, slots=True)
class Split:
    """A response in two parts."""

    thoughts: str
    """What the model thought; empty where it did not."""
    start: int
    """Where the answer begins in the response."""
    end: int
    """Where it ends."""
    unfinished: bool = False
    """Whether a thought began and never ended; there is no answer then."""


def split(text: str) -> Split:
    """Thoughts and answer of a response.

    Text outside thoughts is the answer: what follows the last thought, or, where nothing follows, what stands before
    the first. A closing mark without an opening one ends a thought that began in the prompt.

    >>> text = "<think>B? No.</think> A"
    >>> text[split(text).start :]
    'A'
    >>> split("<think>B? No, ").unfinished
    True
    """
    table = _table()
    if not any(char in text for char in table.firsts):
        return Split("", 0, len(text))
    outside: list[tuple[int, int]] = []
    opened, at, box, boxed = _NONE, 0, -1, None
    for mark in table.pattern.finditer(text):
        name = mark.group().casefold()
        if opened:
            if table.closings.get(name, _NONE) & opened:
                opened, at = _NONE, mark.end()
        elif name in table.answer_openings:
            box = mark.end()
        elif name in table.answer_closings:
            if box >= 0 and text[box : mark.start()].strip():
                boxed, box = (box, mark.start()), -1
        elif name in table.openings:
            outside.append((at, mark.start()))
            opened = table.openings[name]
        elif name in table.closings:  # the thought began in the prompt
            outside, at = [], mark.end()
    if opened and boxed is None:
        return Split(text[outside[0][1] :], len(text), len(text), unfinished=True)
    if boxed is None and box >= 0 and text[box:].strip():
        boxed = (box, len(text))
    thinks = at > 0 or bool(outside)
    if not thinks and boxed is None:
        return Split("", 0, len(text))
    rest = (at, len(text))
    start, end = boxed or next((span for span in (rest, *outside) if text[slice(*span)].strip()), rest)
    answer = text[start:end]
    start += len(answer) - len(answer.lstrip())
    end -= len(answer) - len(answer.rstrip()) if end < len(text) else 0
    end = max(start, end)
    thoughts = text[:start] if start >= at else text[end:at]
    return Split(thoughts.strip() if thinks else "", start, end)


@dataclass(frozen=True, slots=True)
class _Table:
    """`MARKS` prepared for search."""

    pattern: re.Pattern[str]
    firsts: str
    """The first characters of all marks: a response without them has no marks."""
    openings: dict[str, frozenset[int]]
    closings: dict[str, frozenset[int]]
    """Mark -> the forms it opens or closes."""
    answer_openings: frozenset[str]
    answer_closings: frozenset[str]


_NONE: frozenset[int] = frozenset()


@cache
def _table() -> _Table:
    from importlib.metadata import entry_points

    forms = [*MARKS, *(point.load() for point in entry_points(group="cambrian_eval.thoughts"))]
    openings: dict[str, frozenset[int]] = {}
    closings: dict[str, frozenset[int]] = {}
    for i, form in enumerate(forms):
        if not form.answer and form.opening:
            openings[form.opening.casefold()] = openings.get(form.opening.casefold(), _NONE) | {i}
        if not form.answer:
            closings[form.closing.casefold()] = closings.get(form.closing.casefold(), _NONE) | {i}
    answer_openings = frozenset(form.opening.casefold() for form in forms if form.answer)
    answer_closings = frozenset(form.closing.casefold() for form in forms if form.answer)
    literals = sorted({*openings, *closings, *answer_openings, *answer_closings}, key=len, reverse=True)
    return _Table(
        re.compile("|".join(map(re.escape, literals)), re.IGNORECASE),
        "".join(sorted({literal[0] for literal in literals})),
        openings,
        closings,
        answer_openings,
        answer_closings,
    )

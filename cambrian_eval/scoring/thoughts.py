"""Where a response thinks and where it answers: the marks that models put around thoughts.

`MARKS` is the list of known forms. Extend it for a model of your own, from Python or from an installed package
(entry point group `cambrian_eval.thoughts`, each a `Marks`):

    from cambrian_eval.scoring.thoughts import Marks, add
    add(Marks("<ponder>", "</ponder>"))

Marks are found as they stand here, in lower case and in capitals, in one pass over the response.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial


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
    forget()


def forget() -> None:
    """Makes a change of `MARKS` count: they are prepared for search once."""
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
    if not may_have_marks(text):
        return Split("", 0, len(text))
    table = _table()
    outside: list[tuple[int, int]] = []
    thinks, opened, at, box, boxed = False, False, 0, -1, None
    for _ in range(MOST_MARKS):
        mark = table.pattern.search(text, max(at, box))
        if mark is None:
            break
        name = mark.group().casefold()
        if name in table.answer_openings:
            box = mark.end()
        elif name in table.answer_closings:
            if box >= 0 and text[box : mark.start()].strip():
                boxed = (box, mark.start())
            box, at = -1, mark.end()
        elif name in table.openings:
            thinks = True
            outside.append((at, mark.start()))
            closing = min((c for c in map(partial(_find, text, mark.end()), table.openings[name]) if c), default=None)
            if closing is None:
                opened = True
                break
            at, box = closing[1], -1
        else:  # the thought began in the prompt
            thinks, outside, at, box = True, [], mark.end(), -1
    if opened and boxed is None:
        return Split(text[outside[-1][1] :], len(text), len(text), unfinished=True)
    if boxed is None and box >= 0 and text[box:].strip():
        boxed = (box, len(text))
    if not thinks and boxed is None:
        return Split("", 0, len(text))
    rest = (at, len(text))
    start, end = boxed or next((span for span in (rest, *outside) if text[slice(*span)].strip()), rest)
    answer = text[start:end]
    start += len(answer) - len(answer.lstrip())
    end -= len(answer) - len(answer.rstrip()) if end < len(text) else 0
    end = max(start, end)
    return Split((text[:start] + text[end:]).strip() if thinks else "", start, end)


def may_have_marks(text: str) -> bool:
    """Whether a character stands in the text with which marks begin: a quick look before `split`."""
    return any(map(text.__contains__, _table().firsts))


def bare(thoughts: str) -> str:
    """Thoughts without the marks at their beginning and end.

    >>> bare("<think>B? No.</think>")
    'B? No.'
    """
    text = thoughts.strip()
    if not text:
        return ""
    for form in MARKS:
        if not form.answer and form.opening and text[: len(form.opening)].casefold() == form.opening.casefold():
            text = text[len(form.opening) :].strip()
        if not form.answer and text[-len(form.closing) :].casefold() == form.closing.casefold():
            text = text[: -len(form.closing)].strip()
    return text


def _find(text: str, at: int, mark: str) -> tuple[int, int] | None:
    """Where the mark next begins and ends."""
    places = [place for written in _written(mark) if (place := text.find(written, at)) >= 0]
    return (min(places), min(places) + len(mark)) if places else None


@cache
def _written(mark: str) -> tuple[str, ...]:
    """The ways in which a mark is written."""
    return tuple(dict.fromkeys((mark, mark.lower(), mark.upper(), mark.title())))


@dataclass(frozen=True, slots=True)
class _Table:
    """`MARKS` prepared for search."""

    pattern: re.Pattern[str]
    firsts: str
    """The first characters of all marks: a response without them has no marks."""
    openings: dict[str, tuple[str, ...]]
    """Opening mark -> the marks that end the thought."""
    answer_openings: frozenset[str]
    answer_closings: frozenset[str]


@cache
def _table() -> _Table:
    from importlib.metadata import entry_points

    forms = [*MARKS, *(point.load() for point in entry_points(group="cambrian_eval.thoughts"))]
    openings: dict[str, tuple[str, ...]] = {}
    for form in forms:
        if not form.answer and form.opening:
            name = form.opening.casefold()
            openings[name] = (*openings.get(name, ()), form.closing)
    marks = {mark for form in forms for mark in (form.opening, form.closing) if mark}
    written = {way for mark in marks for way in _written(mark)}
    return _Table(
        re.compile(_any_of(sorted(written, reverse=True))),
        "".join(sorted({mark[0] for mark in marks})),
        openings,
        frozenset(form.opening.casefold() for form in forms if form.answer),
        frozenset(form.closing.casefold() for form in forms if form.answer),
    )


def _any_of(words: Sequence[str]) -> str:
    """A pattern for sorted words, longest first, in which words that begin alike share their beginning."""
    groups: dict[str, list[str]] = {}
    for word in words:
        groups.setdefault(word[:1], []).append(word[1:])
    parts = [re.escape(first) + (_any_of(rest) if first else "") for first, rest in groups.items()]
    return parts[0] if len(parts) == 1 else f"(?:{'|'.join(parts)})"


MOST_MARKS = 1000
"""How many marks of one response are looked at."""

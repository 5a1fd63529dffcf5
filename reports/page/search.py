"""The text that the page's search looks through: all words of a sample in lower case, without its other data.

It is in parts of about a megabyte, which the page loads ahead while it has nothing else to do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PART = 1 << 20
"""A part ends with the sample at which it has this many characters."""


def text_of(name: str, row: Mapping[str, Any]) -> str:
    """The lower-case text of one row: its name, question, prompts, answers, options, responses and what was read.

    A text that is a part of one before it (the question of the prompt, the answer of the response) is there once.
    """
    cells = row["v"].values()
    texts = [*row["p"], row["q"], name, *(text for _, text in row.get("c", ()))]
    for cell in cells:
        texts += (cell["x"], cell.get("h", ""), cell.get("e", ""))
    texts += row["a"]
    for cell in cells:
        texts += [verdict[1] for verdict in cell.get("s", {}).values() if verdict[1]]
    found = ""
    for text in texts:
        if (small := text.lower()) not in found:
            found += f"\n{small}"
    return found


def divided(texts: Sequence[str]) -> Iterator[tuple[int, Sequence[str]]]:
    """The texts in parts, each with the number of its first sample."""
    start = size = 0
    for number, text in enumerate(texts, 1):
        size += len(text)
        if size >= PART or number == len(texts):
            yield start, texts[start:number]
            start, size = number, 0

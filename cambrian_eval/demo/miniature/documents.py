"""Paper documents: a heading and a few fields in large type.

The possible values of the fields, the page and the questions about it. Values are chosen so that no two of a field
are similar: a wrong value scores 0 under an edit-distance metric.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import INK, PAPER, Canvas
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch
from cambrian_eval.demo.miniature.words import NAMES, NUMERALS

if TYPE_CHECKING:
    from PIL.Image import Image

HEADINGS = ("BILL", "MEMO", "FORM", "NOTE")
FIELDS: dict[str, tuple[str, ...]] = {
    "NAME": NAMES,
    "TOTAL": NUMERALS,
    "DAY": ("MON", "TUE", "WED", "FRI", "SAT"),
    "ROOM": NUMERALS,
    "CITY": ("ROME", "PARIS", "OSLO", "DELHI", "QUITO", "KYIV", "TOKYO", "CAIRO"),
}
QUESTIONS = {
    "NAME": ("What is the name on the document?", "Who is named on this page?"),
    "TOTAL": ("What is the total?", "What is the total amount mentioned?"),
    "DAY": ("What is the day mentioned?", "On which day was this written?"),
    "ROOM": ("What is the room number?", "Which room is mentioned?"),
    "CITY": ("Which city is mentioned?", "What is the city given on the page?"),
}


@dataclass(frozen=True)
class Page:
    """The content of a page."""

    heading: str
    fields: tuple[tuple[str, str], ...]
    ruled: bool
    """Fields in a ruled table rather than on plain lines."""


def draw_page(look: Look, page: Page) -> Image:
    """The page: heading on top, label and value on each line."""
    canvas = Canvas(look)
    canvas.rectangle(3, 3, 125, 125, PAPER, INK, 1)
    canvas.text(64, 17, page.heading, 19, bold=1)
    canvas.line([(10, 31), (118, 31)], INK, 1.5)
    high = 92 / len(page.fields)
    for i, (label, value) in enumerate(page.fields):
        middle = 33 + high * (i + 0.5)
        if page.ruled:
            canvas.rectangle(7, middle - high / 2 + 1, 121, middle + high / 2 - 1, None, (120, 122, 128), 1.2)
            canvas.line([(55, middle - high / 2 + 1), (55, middle + high / 2 - 1)], (120, 122, 128), 1.2)
        canvas.text(10, middle, label, canvas.fitting(label, 42, 15), (70, 72, 80), anchor="lm", bold=0)
        canvas.text(89, middle, value, canvas.fitting(value, 62, 28), INK, bold=0.75)
    return canvas.finish()


def page_with(sampler: Sampler, asked: tuple[str, ...], n_fields: int) -> tuple[Sketch, Mapping[str, str], Page]:
    """A page with the `asked` fields among others: its image, the values of those fields, and the page."""
    others = sampler.rng.sample([f for f in FIELDS if f not in asked], n_fields - len(asked))
    labels = sampler.rng.sample([*asked, *others], n_fields)
    gold = {field: sampler.balanced(field, FIELDS[field]) for field in asked}
    filled = tuple((label, gold[label] if label in gold else sampler.rng.choice(FIELDS[label])) for label in labels)
    page = Page(sampler.rng.choice(HEADINGS), filled, sampler.rng.random() < 0.5)
    return partial(draw_page, sampler.look(), page), gold, page

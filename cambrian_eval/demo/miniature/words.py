"""Text in scenes: shop signs, shirts, line numbers, and single words in many lettering styles; formulas.

The word lists, the lettering and the questions about the text.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.canvas import COLORS, GRAY, INK, PAPER, Canvas
from cambrian_eval.demo.miniature.places import GRASS, SKY
from cambrian_eval.demo.miniature.sampling import Look, Sampler, Sketch, Template

if TYPE_CHECKING:
    from PIL.Image import Image

WORDS = (
    "BANK",
    "BUS",
    "CAFE",
    "EXIT",
    "FIRE",
    "GYM",
    "HOME",
    "INN",
    "JAZZ",
    "MILK",
    "OPEN",
    "PARK",
    "PUB",
    "SHOP",
    "SPA",
    "STOP",
    "TAXI",
    "TEA",
    "WIFI",
    "ZOO",
)
NUMERALS = tuple(f"{n}{(n * 3) % 10}" for n in range(1, 10))
"""Nine numbers of two digits that differ in both places: 13, 26, 39, ..."""
STRINGS = ("374", "502", "618", "845", "960", "127", "239", "481", "753", "096")
NONWORDS = ("QXV", "ZKJ", "WVT", "XHR", "KQF", "JWL", "VZM", "TXQ", "RKZ", "FJX")
FORMULAS = (
    r"\frac { 1 } { 2 }",
    r"\frac { 3 } { 4 }",
    r"\frac { 5 } { 8 }",
    "x ^ { 2 }",
    "y ^ { 3 }",
    "a + b",
    "7 - x",
    r"\sqrt { 5 }",
    r"\sqrt { 9 }",
    "2 y = 6",
)
NAMES = ("ANN", "BOB", "EVE", "IDA", "JIM", "LEO", "MAX", "PAUL", "GUS", "FAY")
_BOARD = ("red", "green", "blue", "purple", "black")


def draw_word(look: Look, word: str, style: str) -> Image:
    """One word across the image in a lettering style."""
    canvas = Canvas(look)
    size = canvas.fitting(word, 106, 50)
    if style == "regular":
        color = canvas.tone(canvas.rng.choice(_BOARD))
        canvas.rectangle(4, 30, 124, 98, color, INK, 2)
        canvas.text(64 + canvas.jitter(3), 64 + canvas.jitter(4), word, size, PAPER, bold=1)
    elif style == "irregular":
        angle = canvas.rng.choice((-1, 1)) * canvas.rng.uniform(14, 28)
        canvas.turned_text(64, 64, word, size * 0.9, angle, canvas.tone(canvas.rng.choice(_BOARD)))
    else:
        step = 112 / len(word)
        for i, letter in enumerate(word):
            x, y = 8 + step * (i + 0.5), 64 + canvas.jitter(9)
            if style == "artistic":
                canvas.ellipse(x, y, step * 0.52, step * 0.66, canvas.tone("yellow"), INK, 1)
                canvas.text(x, y, letter, min(40, step * 1.05), canvas.tone(canvas.rng.choice(_BOARD)), bold=1)
            else:
                canvas.turned_text(x, y, letter, min(46, step * 1.15), canvas.jitter(16), canvas.tone((40, 50, 120)))
    return canvas.finish()


def draw_formula(look: Look, formula: str) -> Image:
    """A short formula as if written by hand."""
    canvas = Canvas(look)
    ink = canvas.tone((40, 50, 120))
    tokens = [t for t in formula.split() if t not in ("{", "}")]

    def write(x: float, y: float, text: str, size: float) -> None:
        canvas.turned_text(x + canvas.jitter(2), y + canvas.jitter(2), text, size, canvas.jitter(7), ink)

    if tokens[0] == r"\frac":
        write(64, 34, tokens[1], 48)
        canvas.line([(36, 64 + canvas.jitter(2)), (92, 64 + canvas.jitter(2))], ink, 4)
        write(64, 94, tokens[2], 48)
    elif tokens[0] == r"\sqrt":
        canvas.line([(18, 70), (30, 66), (42, 104), (54, 26), (112, 26)], ink, 4)
        write(82, 68, tokens[1], 54)
    elif "^" in tokens:
        write(50, 74, tokens[0], 62)
        write(90, 38, tokens[2], 36)
    else:
        step = 116 / len(tokens)
        for i, token in enumerate(tokens):
            write(6 + step * (i + 0.5), 64, token, min(44, step * 1.1))
    return canvas.finish()


@dataclass(frozen=True)
class Board:
    """A colored sign with a word on it."""

    color: str
    word: str


def draw_shop(look: Look, word: str) -> Image:
    """A shop with its name over the door."""
    canvas = Canvas(look)
    canvas.rectangle(0, 0, 128, 110, canvas.tone((215, 190, 160)), None)
    canvas.rectangle(0, 110, 128, 128, GRAY, None)
    canvas.rectangle(6, 10, 122, 58, canvas.tone(canvas.rng.choice(_BOARD)), INK, 2)
    canvas.text(64, 34, word, canvas.fitting(word, 106, 44), PAPER, bold=1)
    canvas.rectangle(16, 68, 70, 102, canvas.tone(SKY), INK, 2)
    canvas.rectangle(82, 66, 112, 112, canvas.tone((120, 75, 45)), INK, 2)
    return canvas.finish()


def draw_shirt(look: Look, number: str) -> Image:
    """A shirt with a number on it."""
    canvas = Canvas(look)
    color = canvas.tone(canvas.rng.choice(_BOARD))
    outline = [
        (36, 14),
        (54, 22),
        (74, 22),
        (92, 14),
        (124, 40),
        (108, 60),
        (98, 52),
        (98, 122),
        (30, 122),
        (30, 52),
        (20, 60),
        (4, 40),
    ]
    canvas.polygon(outline, color, INK, 2)
    canvas.text(64, 74, number, 52, PAPER, bold=1)
    return canvas.finish()


def draw_bus(look: Look, number: str) -> Image:
    """A bus from the front with its line number."""
    canvas = Canvas(look)
    canvas.rectangle(0, 0, 128, 70, canvas.tone(SKY), None)
    canvas.rectangle(0, 70, 128, 128, canvas.tone(GRASS), None)
    canvas.rectangle(14, 6, 114, 112, canvas.tone(canvas.rng.choice(("red", "blue", "green"))), INK, 2)
    canvas.rectangle(24, 12, 104, 54, INK, None)
    canvas.text(64, 33, number, 42, COLORS["yellow"], bold=1)
    canvas.rectangle(22, 62, 106, 90, (215, 240, 255), INK, 2)
    for x in (30, 98):
        canvas.ellipse(x, 101, 6, 6, COLORS["yellow"])
        canvas.ellipse(x, 118, 12, 8, INK)
    return canvas.finish()


def draw_boards(look: Look, boards: Sequence[Board]) -> Image:
    """Colored boards one above the other."""
    canvas = Canvas(look)
    high = 120 / len(boards)
    for i, board in enumerate(boards):
        top = 4 + high * i
        canvas.rectangle(8, top + 3, 120, top + high - 3, canvas.tone(board.color), INK, 2)
        size = min(canvas.fitting(board.word, 100, 40), high * 0.66)
        canvas.text(64, top + high / 2, board.word, size, PAPER, bold=1)
    return canvas.finish()


def draw_poster(look: Look, title: str) -> Image:
    """A film poster: a title over a star."""
    canvas = Canvas(look)
    canvas.rectangle(8, 4, 120, 124, canvas.tone(canvas.rng.choice(_BOARD)), INK, 2)
    canvas.text(64, 34, title, canvas.fitting(title, 98, 42), PAPER, bold=1)
    canvas.shape("star", canvas.rng.choice(("yellow", "orange", "pink")), 64, 88, 28)
    return canvas.finish()


def draw_badge(look: Look, name: str) -> Image:
    """A portrait with a name tag under it."""
    canvas = Canvas(look)
    hair = canvas.tone(canvas.rng.choice(((60, 40, 30), (230, 190, 90), (150, 60, 30))))
    canvas.ellipse(64, 36, 31, 32, hair)
    canvas.ellipse(64, 42, 23, 25, canvas.tone(canvas.rng.choice(((250, 220, 190), (150, 100, 65)))))
    for x in (56, 72):
        canvas.ellipse(x, 40, 2.5, 3, INK)
    canvas.arc(64, 46, 9, 20, 160, INK, 2)
    canvas.rectangle(14, 78, 114, 122, PAPER, INK, 2)
    canvas.text(64, 100, name, canvas.fitting(name, 88, 36), bold=1)
    return canvas.finish()


def poster(sampler: Sampler) -> Template:
    """The title of a poster."""
    return sampler.template(
        draw_poster, WORDS, "What is the title of the poster?", 'Is the title of this poster "{value}"?'
    )


def badge(sampler: Sampler) -> Template:
    """The name of a person who wears a tag."""
    return sampler.template(
        draw_badge, NAMES, "What is the name of the person?", "Is {value} the name of the person in this image?"
    )


def word(sampler: Sampler, style: str = "regular", values: tuple[str, ...] = WORDS) -> Template:
    """One word in a lettering style."""
    look = sampler.look()

    def image(value: str) -> Sketch:
        return partial(draw_word, look, value, style)

    return Template("what is written in the image?", values, image, 'Is the word in this image "{value}"?')


def formula(sampler: Sampler) -> Template:
    """A formula to write down."""
    return sampler.template(
        draw_formula, FORMULAS, "Please write out the expression of the formula in the image using LaTeX format."
    )


def shop(sampler: Sampler, values: tuple[str, ...] = WORDS) -> Template:
    """The name over a shop."""
    return sampler.template(
        draw_shop, values, "What does the sign over the shop say?", 'Is the name of this shop "{value}"?'
    )


def shirt(sampler: Sampler) -> Template:
    """The number on a shirt."""
    return sampler.template(draw_shirt, NUMERALS, "What number is on the shirt?", "Is the number on the shirt {value}?")


def bus(sampler: Sampler) -> Template:
    """The number of a bus."""
    return sampler.template(draw_bus, NUMERALS, "What is the number of the bus?")


def board(sampler: Sampler) -> tuple[Template, tuple[str, str]]:
    """The word on the board of one color, and the words on the other two boards."""
    colors = sampler.rng.sample(_BOARD, 3)
    look, place, spare = sampler.look(), sampler.rng.randrange(3), sampler.rng.sample(WORDS, 3)

    def other_words(value: str) -> tuple[str, str]:
        first, second = [w for w in spare if w != value][:2]
        return first, second

    def image(value: str) -> Sketch:
        boards = [Board(c, w) for c, w in zip(colors[1:], other_words(value), strict=True)]
        boards.insert(place, Board(colors[0], value))
        return partial(draw_boards, look, tuple(boards))

    value = sampler.balanced("board", WORDS)
    template = Template(f"What is the word on the {colors[0]} sign?", (value,), image)
    return template, other_words(value)

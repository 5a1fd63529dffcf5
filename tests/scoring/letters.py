"""Options that the tests of letters share, and how they read a response."""

from __future__ import annotations

from cambrian_eval.scoring.letter import read
from cambrian_eval.scoring.reading import Reading
from cambrian_eval.scoring.reply import Reply

Cases = list[tuple[dict[str, str], str, str | None]]
"""Options, a response, the letter that a careful reader takes."""


def extract(text: str, given_options: dict[str, str], question: str = "") -> Reading[str]:
    return read(Reply(text), given_options, question)


def options(*texts: str) -> dict[str, str]:
    return dict(zip("ABCDEFGHI", texts, strict=False))


FRUIT = options("apple", "A basket", "Cherry")
COUNTS = options("Zero", "Five", "Six", "Ten")
STATES = options("solid", "liquid", "gas")
STYLES = options("Baroque", "Gothic", "Rococo", "Romanesque")
ANGLES = options("30°", "45°", "60°", "90°")
PLANT = options("stem", "root", "leaf", "flower")
OPEN = options("Open", "Closed")
TURNS = options("Left", "Straight", "Right")
DIGITS = options("3", "2", "1", "0")
MANY = options("4", "5", "8", "0", "6", "7")
LAMP = options("lamp", "chair")
YES_NO = options("Yes", "No")
CATS = options("The cat is black.", "The cat is white.", "There is no cat.", "The dog is black.")
BOAT = options("car", "boat", "A plane", "train")

"""Draws the data of clock pairs: `python -m clock_pairs.draw FOLDER [SEED]` writes FOLDER/clock_pairs/.

That folder then holds `test.jsonl`, with one row on each line, and `images/`. The image column of a row is a path
relative to the folder.
"""

from __future__ import annotations

import json
import random
import sys
from math import cos, pi, sin
from pathlib import Path

from PIL import Image, ImageDraw

HOURS = (1, 2, 3, 4, 5)
"""With their mirror images 11, 10, 9, 8, 7, these are all hours that differ from their mirror image."""
DIALS = {"white": "#ffffff", "yellow": "#ffe680", "blue": "#a8d0ff", "pink": "#ffc0cb"}
SIZE = 96


def draw(folder: Path, seed: int = 0) -> Path:
    """Writes 20 pairs and returns the path of the file of rows."""
    rng = random.Random(seed)
    root = folder / "clock_pairs"
    (root / "images").mkdir(parents=True, exist_ok=True)
    rows = []
    for number, (hour, dial) in enumerate((hour, dial) for dial in DIALS for hour in HOURS):
        others = [h for h in range(1, 13) if h not in (hour, 12 - hour)]
        options = rng.sample([hour, 12 - hour, *rng.sample(others, 2)], 4)
        width, length = rng.randint(4, 7), rng.uniform(0.45, 0.6)
        for side, shown in (("a", hour), ("b", 12 - hour)):
            name = f"images/{number}{side}.png"
            clock(shown, DIALS[dial], width, length).save(root / name)
            row = {
                "id": f"{number}{side}",
                "pair": str(number),
                "question": "Which hour does the clock show?",
                "options": [f"{h} o'clock" for h in options],
                "answer": f"{shown} o'clock",
                "dial": dial,
                "image": name,
            }
            rows.append(row)
    path = root / "test.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def clock(hour: int, dial: str, width: int, length: float) -> Image.Image:
    """A clock at a full hour: twelve marks, the minute hand at 12, the hour hand at the hour."""
    image = Image.new("RGB", (SIZE, SIZE), "#d0d0d0")
    canvas = ImageDraw.Draw(image)
    canvas.ellipse((4, 4, SIZE - 4, SIZE - 4), fill=dial, outline="black", width=2)
    for mark in range(12):
        canvas.line((*_point(mark, 0.8), *_point(mark, 0.9)), fill="black", width=2)
    canvas.line((*_point(0, 0.0), *_point(0, 0.75)), fill="black", width=2)
    canvas.line((*_point(hour, 0.0), *_point(hour, length)), fill="black", width=width)
    return image


def _point(hour: int, reach: float) -> tuple[float, float]:
    """The end of a hand that points at an hour; `reach` is its length as a fraction of the radius."""
    angle, radius = hour * pi / 6, (SIZE / 2 - 4) * reach
    return SIZE / 2 + radius * sin(angle), SIZE / 2 - radius * cos(angle)


if __name__ == "__main__":
    print(draw(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0))

"""What all questions share: box colors, option letters, the prompt, and the record of a box."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from cvbench_builder.catalog import Catalog

INTRODUCTION = " Select from the following choices."


@dataclass(frozen=True)
class Palette:
    """Three (name, RGB) in the order of the roles."""

    colors: tuple[tuple[str, tuple[int, int, int]], ...]

    def name(self, place: int) -> str:
        """The color of a role."""
        return self.colors[place][0]

    def with_article(self, place: int) -> str:
        """As the question says it: "a red", "an orange"."""
        name = self.name(place)
        return f"{'an' if name[0] in 'aeiou' else 'a'} {name}"


PALETTES = {
    "published": Palette((("red", (255, 0, 0)), ("blue", (0, 0, 255)), ("green", (0, 255, 0)))),
    # distinguishable with every common color blindness
    "safe": Palette((("orange", (230, 159, 0)), ("blue", (0, 114, 178)), ("yellow", (240, 228, 66)))),
}


def prompt(question: str, choices: list[str]) -> str:
    """The `prompt` column: question, introduction, and a lettered line for each option; else the question alone."""
    if not choices:
        return question
    lines = "".join(f"\n({letter(i)}) {choice}" for i, choice in enumerate(choices))
    return question + INTRODUCTION + lines


def letter(place: int) -> str:
    """A, B, C ... for places 0, 1, 2 ..."""
    return chr(ord("A") + place)


def box_record(catalog: Catalog, object_row: int, role: str, color: str) -> dict[str, Any]:
    """An entry of the `boxes` column; a box without a color is not drawn."""
    xyxy = [round(v, 4) for v in catalog.object_box[object_row].tolist()]
    return {"colour": color, "role": role, "xyxy": xyxy, "object_id": str(catalog.object_id[object_row])}

"""The canvas of the miniature suite: a few drawing functions over Pillow, in units of a 128-pixel image.

Colors, the font (Pillow's own scalable one), anti-aliasing and PNG encoding are decided here; what is drawn is decided
in the scene files. Images are drawn at twice the size and halved, which smooths every edge.
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random
from typing import TYPE_CHECKING

from cambrian_eval.demo.miniature.sampling import Look

if TYPE_CHECKING:
    from PIL.Image import Image
    from PIL.ImageFont import FreeTypeFont

Rgb = tuple[int, int, int]
Point = tuple[float, float]

COLORS: dict[str, Rgb] = {
    "red": (220, 35, 40),
    "green": (35, 160, 65),
    "blue": (35, 85, 220),
    "yellow": (250, 215, 40),
    "purple": (135, 50, 170),
    "orange": (250, 135, 20),
    "black": (30, 30, 34),
    "pink": (250, 150, 195),
}
SHAPES = ("circle", "square", "triangle", "diamond", "star", "cross")
INK: Rgb = (25, 25, 30)
PAPER: Rgb = (255, 255, 255)
GRAY: Rgb = (150, 152, 158)
SIDE = 128
_SCALE = 2


@lru_cache(maxsize=64)
def _font(size: int) -> FreeTypeFont:
    from PIL import ImageFont

    font = ImageFont.load_default(size)
    if not isinstance(font, ImageFont.FreeTypeFont):
        raise RuntimeError("Pillow was built without FreeType; install a Pillow wheel that has it")
    return font


class Canvas:
    """An image while it is drawn; coordinates are in pixels of the final image."""

    def __init__(self, look: Look, width: int = SIDE, height: int = SIDE, plain: bool = False) -> None:
        from PIL import Image, ImageDraw

        self.width, self.height = width, height
        self.look = look
        self.rng = Random(look.seed)
        self._image = Image.new("RGB", (width * _SCALE, height * _SCALE), PAPER if plain else look.background)
        self._draw = ImageDraw.Draw(self._image)
        if look.varied and not plain:
            self._faint_marks()

    def _faint_marks(self) -> None:
        """A few pale strokes without meaning, so that a model learns to ignore them."""
        red, green, blue = self.look.background
        for _ in range(self.rng.randrange(4)):
            ends = [(self.rng.uniform(0, self.width), self.rng.uniform(0, self.height)) for _ in range(2)]
            self.line(ends, (red - 18, green - 18, blue - 18), self.rng.uniform(1, 3))

    def tone(self, color: str | Rgb) -> Rgb:
        """A named color with small random changes (larger on the train split)."""
        exact = COLORS[color] if isinstance(color, str) else color
        stray = 18 if self.look.varied else 8
        near = [min(255, max(0, part + self.rng.randint(-stray, stray))) for part in exact]
        return near[0], near[1], near[2]

    def jitter(self, amount: float) -> float:
        """A small random shift, at most `amount` in either direction; larger on the train split."""
        reach = amount * (1.0 if self.look.varied else 0.7)
        return self.rng.uniform(-reach, reach)

    def polygon(self, points: Sequence[Point], fill: Rgb | None, edge: Rgb | None = INK, width: float = 1.5) -> None:
        """A closed outline, filled."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.polygon(scaled, fill=fill)
        if edge is not None:
            self._draw.line([*scaled, scaled[0]], fill=edge, width=round(width * _SCALE), joint="curve")

    def line(self, points: Sequence[Point], color: Rgb = INK, width: float = 2) -> None:
        """An open stroke through the points."""
        scaled = [(x * _SCALE, y * _SCALE) for x, y in points]
        self._draw.line(scaled, fill=color, width=max(1, round(width * _SCALE)), joint="curve")

    def rectangle(
        self,
        left: float,
        top: float,
        right: float,
        bottom: float,
        fill: Rgb | None,
        edge: Rgb | None = INK,
        width: float = 1.5,
    ) -> None:
        """An upright box."""
        corners = (left * _SCALE, top * _SCALE, right * _SCALE, bottom * _SCALE)
        self._draw.rectangle(corners, fill=fill, outline=edge, width=round(width * _SCALE) if edge else 0)

    def ellipse(
        self,
        x: float,
        y: float,
        rx: float,
        ry: float,
        fill: Rgb | None,
        edge: Rgb | None = INK,
        width: float = 1.5,
    ) -> None:
        """An ellipse around its center."""
        corners = ((x - rx) * _SCALE, (y - ry) * _SCALE, (x + rx) * _SCALE, (y + ry) * _SCALE)
        self._draw.ellipse(corners, fill=fill, outline=edge, width=round(width * _SCALE) if edge else 0)

    def arc(self, x: float, y: float, r: float, start: float, end: float, color: Rgb = INK, width: float = 2) -> None:
        """Part of a circle's outline, degrees clockwise from three o'clock."""
        corners = ((x - r) * _SCALE, (y - r) * _SCALE, (x + r) * _SCALE, (y + r) * _SCALE)
        self._draw.arc(corners, start, end, fill=color, width=round(width * _SCALE))

    def slice(self, x: float, y: float, r: float, start: float, end: float, fill: Rgb) -> None:
        """A slice of a pie, degrees clockwise from three o'clock."""
        corners = ((x - r) * _SCALE, (y - r) * _SCALE, (x + r) * _SCALE, (y + r) * _SCALE)
        self._draw.pieslice(corners, start, end, fill=fill, outline=INK, width=_SCALE)

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        color: Rgb = INK,
        anchor: str = "mm",
        bold: float = 0.5,
    ) -> None:
        """Text around (x, y) in the font's `size`; `bold` thickens the strokes, in pixels."""
        self._draw.text(
            (x * _SCALE, y * _SCALE),
            text,
            font=_font(round(size * _SCALE)),
            fill=color,
            anchor=anchor,
            stroke_width=round(bold * _SCALE),
            stroke_fill=color,
        )

    def fitting(self, text: str, width: float, largest: float) -> float:
        """The largest font size up to `largest` at which the text is at most `width` wide."""
        length = _font(100).getlength(text) / 100 + 0.06
        return min(largest, width / length)

    def turned_text(self, x: float, y: float, text: str, size: float, angle: float, color: Rgb = INK) -> None:
        """Text around (x, y), rotated by `angle` degrees counterclockwise."""
        from PIL import Image, ImageDraw

        font = _font(round(size * _SCALE))
        box = font.getbbox(text, stroke_width=1)
        patch = Image.new("L", (int(box[2] - box[0]) + 4, int(box[3] - box[1]) + 4), 0)
        place = (2 - box[0], 2 - box[1])
        ImageDraw.Draw(patch).text(place, text, font=font, fill=255, stroke_width=1, stroke_fill=255)
        turned = patch.rotate(angle, resample=Image.Resampling.BILINEAR, expand=True)
        corner = (round(x * _SCALE - turned.width / 2), round(y * _SCALE - turned.height / 2))
        self._image.paste(color, corner, turned)

    def arrow(self, start: Point, end: Point, color: Rgb = INK, width: float = 3, head: float = 9) -> None:
        """A stroke with a filled head at its end."""
        angle = math.atan2(end[1] - start[1], end[0] - start[0])
        neck = (end[0] - head * 0.8 * math.cos(angle), end[1] - head * 0.8 * math.sin(angle))
        self.line([start, neck], color, width)
        wings = [(end[0] - head * math.cos(angle + s), end[1] - head * math.sin(angle + s)) for s in (0.5, -0.5)]
        self.polygon([end, *wings], color, None)

    def shape(self, name: str, color: str, x: float, y: float, r: float) -> None:
        """One of `SHAPES` around (x, y) with radius `r`."""
        fill = self.tone(color)
        if name == "circle":
            self.ellipse(x, y, r, r, fill)
        elif name == "square":
            self.rectangle(x - r * 0.88, y - r * 0.88, x + r * 0.88, y + r * 0.88, fill)
        else:
            self.polygon([(x + r * dx, y + r * dy) for dx, dy in _OUTLINES[name]], fill)

    def finish(self) -> Image:
        """The image at its final size."""
        return self._image.reduce(_SCALE)


def _star() -> list[Point]:
    return [
        (
            (1.1 if i % 2 == 0 else 0.45) * math.sin(i * math.pi / 5),
            -(1.1 if i % 2 == 0 else 0.45) * math.cos(i * math.pi / 5),
        )
        for i in range(10)
    ]


_T = 0.36
_OUTLINES: dict[str, list[Point]] = {
    "triangle": [(0, -1.05), (1.05, 0.85), (-1.05, 0.85)],
    "diamond": [(0, -1.15), (0.8, 0), (0, 1.15), (-0.8, 0)],
    "star": _star(),
    "cross": [
        (-_T, -1),
        (_T, -1),
        (_T, -_T),
        (1, -_T),
        (1, _T),
        (_T, _T),
        (_T, 1),
        (-_T, 1),
        (-_T, _T),
        (-1, _T),
        (-1, -_T),
        (-_T, -_T),
    ],
}


def png(image: Image) -> bytes:
    """The image's PNG bytes, compressed for speed rather than size."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", compress_level=1)
    return buffer.getvalue()

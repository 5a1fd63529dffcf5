"""Labels beside points that overlap neither each other nor the edge of the axes, nor markers where there is room.

Placement is greedy and exact in pixels: candidate places lie on rings around each point, crowded points come first,
the nearest free place is taken, and rings grow until one is free. A label far from its point gets a thin line to it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

GAP = 2.0
"""Points of free space kept around a label."""
ANGLES = tuple(math.radians(a) for a in (0, 90, 270, 180, 45, 315, 135, 225, 22, 338, 158, 202, 67, 113, 247, 293))


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels."""

    x0: float
    y0: float
    x1: float
    y1: float

    def overlap(self, other: Box) -> float:
        """The area shared with another box, in square pixels; 0 where they only touch."""
        width = min(self.x1, other.x1) - max(self.x0, other.x0)
        height = min(self.y1, other.y1) - max(self.y0, other.y0)
        return width * height if width > 0 and height > 0 else 0.0

    def inside(self, other: Box) -> bool:
        """Whether it is within another."""
        return self.x0 >= other.x0 and self.x1 <= other.x1 and self.y0 >= other.y0 and self.y1 <= other.y1


def place(
    axes: Axes,
    points: Sequence[tuple[float, float]],
    names: Sequence[str],
    radii: Sequence[float],
    others: Sequence[tuple[float, float]] = (),
    **style: Any,
) -> list[Text]:
    """Writes a name beside every point; `radii` are those of the markers, in points. Axis limits must be final.

    `others` are markers without a name: labels keep off them, and are nearer to their own marker.
    """
    figure = axes.get_figure(root=True)
    if figure is None:
        raise ValueError("labels need axes that are part of a figure")
    figure.draw_without_rendering()
    pixels = figure.dpi / 72.0
    centers = [tuple(map(float, axes.transData.transform(p))) for p in points]
    window = axes.get_window_extent()
    frame = Box(window.x0, window.y0, window.x1, window.y1)
    texts = [
        axes.text(x, y, name, ha="center", va="center", **style) for (x, y), name in zip(points, names, strict=True)
    ]
    sizes = []
    for text in texts:
        extent = text.get_window_extent()
        sizes.append((extent.width + 2 * GAP * pixels, extent.height + GAP * pixels))
    reach = [r * pixels for r in radii]
    markers = [Box(x - r, y - r, x + r, y + r) for (x, y), r in zip(centers, reach, strict=True)]
    spare = max(reach, default=0.0)
    for x, y in (map(float, axes.transData.transform(p)) for p in others):
        markers.append(Box(x - spare, y - spare, x + spare, y + spare))
    placed: dict[int, Box] = {}
    for i in sorted(range(len(points)), key=lambda i: (-_crowd(centers, i), names[i])):
        placed[i] = _free(centers[i], reach[i], sizes[i], frame, list(placed.values()), markers, i, pixels)
    inverse = axes.transData.inverted()
    for i, text in enumerate(texts):
        box = placed[i]
        x, y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        text.set_position(tuple(inverse.transform((x, y))))
        text.set_in_layout(False)
        _lead(axes, centers[i], reach[i], box, inverse, pixels)
    # The layout is final: a later pass would move the axes under the labels.
    figure.set_layout_engine("none")
    return texts


def _crowd(centers: Sequence[tuple[float, ...]], i: int) -> float:
    """How many neighbors are close to a point."""
    x, y = centers[i]
    return sum(1.0 / (25.0 + math.hypot(x - a, y - b)) for j, (a, b) in enumerate(centers) if j != i)


def _free(
    center: tuple[float, ...],
    radius: float,
    size: tuple[float, float],
    frame: Box,
    taken: Sequence[Box],
    markers: Sequence[Box],
    me: int,
    pixels: float,
) -> Box:
    """The best free place: never on another label, and inside the axes and off markers where that is possible."""
    width, height = size
    best: tuple[float, Box] | None = None
    for ring in range(400):
        distance = radius + ring * 3.0 * pixels
        if best is not None and ring * 3.0 * pixels > best[0]:
            break
        for angle in ANGLES:
            x = center[0] + math.cos(angle) * (distance + width / 2)
            y = center[1] + math.sin(angle) * (distance + height / 2)
            box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
            if any(box.overlap(other) > 0 for other in taken) or not box.inside(frame):
                continue
            covered = sum(box.overlap(marker) for marker in markers) / (width * height)
            cost = ring * 3.0 * pixels + 120.0 * pixels * covered
            if any(_distance(box, m) <= _distance(box, markers[me]) for i, m in enumerate(markers) if i != me):
                cost += 40.0 * pixels  # a reader would take it for the name of the nearer marker
            if best is None or cost < best[0]:
                best = cost, box
    if best is not None:
        return best[1]
    # No room inside the axes: below the frame, in rows.
    x, y = frame.x0 + width / 2, frame.y0 - 40.0 * pixels
    while True:
        box = Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
        if not any(box.overlap(other) > 0 for other in taken):
            return box
        x += width / 2
        if x > frame.x1:
            x, y = frame.x0 + width / 2, y - height


def _distance(box: Box, marker: Box) -> float:
    """From the edge of a box to the center of a marker."""
    x, y = (marker.x0 + marker.x1) / 2, (marker.y0 + marker.y1) / 2
    return math.hypot(max(box.x0 - x, x - box.x1, 0.0), max(box.y0 - y, y - box.y1, 0.0))


def _lead(axes: Axes, center: tuple[float, ...], radius: float, box: Box, inverse: Any, pixels: float) -> None:
    """A thin line from a point to a label that had to move away."""
    x = min(max(center[0], box.x0), box.x1)
    y = min(max(center[1], box.y0), box.y1)
    if math.hypot(x - center[0], y - center[1]) - radius < 6.0 * pixels:
        return
    ends = inverse.transform([center, (x, y)])
    axes.plot(
        ends[:, 0], ends[:, 1], color="#777777", linewidth=0.5, zorder=1.5, scalex=False, scaley=False, gid="lead"
    )

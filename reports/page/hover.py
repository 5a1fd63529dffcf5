"""Where the marks of a drawn figure are and what they show, for the values under the pointer.

Read from matplotlib's objects after the figure was saved, so it works for every figure that draws bars, points,
lines with markers or a grid of cells, those of other packages too.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

MOST = 800
"""Marks that get a value in one figure."""
HALF = 5.0
"""Half the size of a point's area in pixels."""


@dataclass(frozen=True)
class Mark:
    """One mark: its area in per mille of the figure, from the top left, and its text."""

    x: float
    y: float
    width: float
    height: float
    text: str


def marks(figure: Any) -> list[Mark]:
    """The marks of all axes of a figure, at most `MOST`."""
    found: list[Mark] = []
    width, height = figure.bbox.width, figure.bbox.height
    names = _legend(figure)
    for axes in figure.axes:
        if not axes.get_visible():
            continue
        for (x0, y0, x1, y1), text in _of_axes(axes, names):
            if not np.all(np.isfinite((x0, y0, x1, y1))):
                continue
            left, right = sorted((x0 / width, x1 / width))
            top, bottom = sorted((1 - y1 / height, 1 - y0 / height))
            if right < 0 or left > 1 or bottom < 0 or top > 1:
                continue
            place = [round(1000 * float(v), 1) for v in (left, top, right - left, bottom - top)]
            found.append(Mark(place[0], place[1], place[2], place[3], text))
            if len(found) == MOST:
                return found
    return found


def _legend(figure: Any) -> dict[tuple[float, ...], str]:
    """What the legends of a figure call each color; a color of two names is none."""
    found: dict[tuple[float, ...], str] = {}
    for legend in [*figure.legends, *(axes.get_legend() for axes in figure.axes)]:
        for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True) if legend else ():
            color = _color(handle)
            if color is not None:
                found[color] = text.get_text() if color not in found else ""
    return found


def _color(artist: Any) -> tuple[float, ...] | None:
    """The color of a bar, a set of points or a line."""
    from matplotlib.colors import to_rgba_array

    get = getattr(artist, "get_facecolor", None) or getattr(artist, "get_color", None)
    rgba = np.atleast_2d(to_rgba_array(get())) if get is not None else np.empty((0, 4))
    return tuple(np.round(rgba[0, :3], 3).tolist()) if len(rgba) else None


def _of_axes(axes: Any, names: dict[tuple[float, ...], str]) -> Iterator[tuple[tuple[float, float, float, float], str]]:
    """Area in pixels and text of every mark of one pair of axes."""
    to_pixels = axes.transData.transform

    def named(x: float, y: float, label: Any, artist: Any) -> str:
        series = str(label) if label and not str(label).startswith("_") else names.get(_color(artist) or (), "")
        parts = (_value(axes.xaxis, x), _value(axes.yaxis, y))
        return " · ".join(part for part in (series, *parts) if part)

    for container in axes.containers:
        for patch in getattr(container, "patches", ()):
            (x0, y0), (x1, y1) = to_pixels(patch.get_bbox().get_points())
            flat = getattr(container, "orientation", "vertical") == "horizontal"
            bar = patch.get_bbox()
            end = (bar.x1, (bar.y0 + bar.y1) / 2) if flat else ((bar.x0 + bar.x1) / 2, bar.y1)
            yield (x0, y0, x1, y1), named(*end, container.get_label(), patch)
    for collection in axes.collections:
        if hasattr(collection, "get_coordinates"):
            yield from _cells(axes, collection)
        elif len(collection.get_paths()) and collection.get_offset_transform() == axes.transData:
            for x, y in np.asarray(np.ma.filled(collection.get_offsets(), np.nan), float):
                px, py = to_pixels((x, y))
                yield (px - HALF, py - HALF, px + HALF, py + HALF), named(x, y, collection.get_label(), collection)
    for line in axes.lines:
        if line.get_marker() in ("None", "", " ", None) or line.get_transform() != axes.transData:
            continue
        for x, y in np.asarray(line.get_xydata(), float):
            px, py = to_pixels((x, y))
            yield (px - HALF, py - HALF, px + HALF, py + HALF), named(x, y, line.get_label(), line)
    for image in axes.images:
        yield from _pixels(axes, image)


def _pixels(axes: Any, image: Any) -> Iterator[tuple[tuple[float, float, float, float], str]]:
    values: npt.NDArray[np.float64] = np.ma.filled(np.ma.asarray(image.get_array(), float), np.nan)
    if values.ndim != 2:
        return
    left, right, bottom, top = image.get_extent()
    rows, columns = values.shape
    for r in range(rows):
        for c in range(columns):
            if not np.isfinite(values[r, c]):
                continue
            x = left + (right - left) * np.array((c, c + 1)) / columns
            ends = (bottom, top) if image.origin == "lower" else (top, bottom)
            y = ends[0] + (ends[1] - ends[0]) * np.array((r, r + 1)) / rows
            (x0, y0), (x1, y1) = axes.transData.transform(np.column_stack((x, y)))
            yield (x0, y0, x1, y1), _cell_text(axes, x.mean(), y.mean(), values[r, c])


def _cells(axes: Any, mesh: Any) -> Iterator[tuple[tuple[float, float, float, float], str]]:
    corners = np.asarray(mesh.get_coordinates(), float)
    values: npt.NDArray[np.float64] = np.ma.filled(np.ma.asarray(mesh.get_array(), float), np.nan)
    rows, columns = corners.shape[0] - 1, corners.shape[1] - 1
    if values.size != rows * columns:
        return
    for (r, c), value in np.ndenumerate(values.reshape(rows, columns)):
        if np.isfinite(value):
            ends = np.array((corners[r, c], corners[r + 1, c + 1]))
            (x0, y0), (x1, y1) = axes.transData.transform(ends)
            yield (x0, y0, x1, y1), _cell_text(axes, float(ends[:, 0].mean()), float(ends[:, 1].mean()), value)


def _cell_text(axes: Any, x: float, y: float, value: float) -> str:
    return f"{_tick(axes.yaxis, y) or ''} × {_tick(axes.xaxis, x) or ''}: {value:.3g}"


def _tick(axis: Any, value: float) -> str | None:
    """The label of the tick at a place on an axis of names; None on an axis of numbers."""
    places = axis.get_majorticklocs()
    labels = [label.get_text() for label in axis.get_majorticklabels()]
    words = [text for text in labels if any(c.isalpha() for c in text) and "$" not in text]  # numbers are formulas
    if not len(places) or len(labels) != len(places) or not words:
        return None
    nearest = int(np.argmin(np.abs(np.asarray(places, float) - value)))
    return " ".join(labels[nearest].split()) if abs(places[nearest] - value) <= 0.5 else ""


def _value(axis: Any, value: float) -> str:
    """A place on an axis in words: the name of its tick, or the number with the axis's title."""
    name = _tick(axis, value)
    if name is not None:
        return name
    title = " ".join(axis.get_label().get_text().split())
    text = f"{value:,.1f}" if abs(value) >= 1 or value == 0 else f"{value:.3g}"
    return f"{title}: {text}" if title else text

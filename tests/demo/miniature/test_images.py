"""Equal seeds give equal rows, the splits have nothing in common, and the images show what the answers say.

The last part reads answers off the pixels with plain numpy, knowing nothing of how the scenes were drawn.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.demo import miniature
from tests.demo.miniature.conftest import GROUPS

Rows = Callable[[str, int, str], Sequence[dict[str, Any]]]
Images = Callable[[Mapping[str, Any]], list[bytes]]

DIGEST = """
import hashlib, sys
from cambrian_eval.demo import miniature
assert not {"PIL", "numpy", "matplotlib"} & set(sys.modules), "importing the suite loads a drawing library"
print(hashlib.sha256(repr([miniature.rows(name, 6) for name in miniature.names()]).encode()).hexdigest())
"""


def pixels(row: Mapping[str, Any], column: str = "image") -> Any:
    """The image as an array of signed numbers, height x width x 3."""
    from PIL import Image

    with Image.open(io.BytesIO(row[column]["bytes"])) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def near(made_image: Any, color: tuple[int, int, int], reach: int = 40) -> Any:
    """Where the image has about that color."""
    return np.abs(made_image - np.array(color)).max(axis=2) <= reach


def box_of(mask: Any) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of a mask."""
    ys, xs = np.nonzero(mask)
    return int(xs.min()), int(ys.min()), int(xs.max()), int(ys.max())


def gold_choice(row: Mapping[str, Any]) -> str:
    choice = row["choices"]["ABCDEF".index(row["answer"][1])]
    assert isinstance(choice, str)
    return choice


def test_rows_are_the_same_in_every_process_and_importing_is_light() -> None:
    here = hashlib.sha256(repr([miniature.rows(name, 6) for name in miniature.names()]).encode()).hexdigest()
    said = subprocess.run([sys.executable, "-c", DIGEST], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == here


@settings(max_examples=30, deadline=None)
@given(
    name=st.sampled_from([n for n in miniature.names() if n != "mmbench"]),
    n=st.integers(1, 12),
    seed=st.integers(0, 10**6),
    split=st.sampled_from(["eval", "train"]),
)
def test_a_row_does_not_depend_on_how_many_are_asked_for(name: str, n: int, seed: int, split: Any) -> None:
    few, many = miniature.rows(name, n, split, seed), miniature.rows(name, 14, split, seed)
    assert n <= len(few) < n + GROUPS.get(name, 1)
    assert list(many[: len(few)]) == list(few)


@pytest.mark.slow
@pytest.mark.parametrize("name", miniature.names())
def test_splits_and_seeds_share_no_image(name: str, rows_of: Rows, images_in: Images) -> None:
    def seen(rows: Sequence[dict[str, Any]]) -> set[bytes]:
        return {data for row in rows for data in images_in(row)}

    n = 300 if name in miniature.NAMES else 100
    ours, train = seen(rows_of(name, n, "eval")), seen(rows_of(name, 2 * n, "train"))
    assert not ours & train
    assert not ours & seen(miniature.rows(name, 48, "eval", seed=1))


@pytest.mark.parametrize("name", miniature.names())
def test_only_rows_of_one_group_share_a_image(name: str, rows_of: Rows, images_in: Images) -> None:
    largest = GROUPS.get(name, 1)
    first = [images_in(row)[0] for row in rows_of(name, 300 if name in miniature.NAMES else 100, "eval")]
    for i, data in enumerate(first):
        assert data not in first[i + largest :]


def test_depth_is_the_box_that_stands_lower(rows_of: Rows) -> None:
    for row in rows_of("cvbench_3d", 300, "eval"):
        if row["task"] != "Depth":
            continue
        made_image = pixels(row)
        red, blue = (box_of(near(made_image, color, 30)) for color in ((255, 0, 0), (0, 0, 255)))
        assert gold_choice(row) == row["choices"][0 if red[3] > blue[3] else 1]
        for stored, seen in zip(row["bbox"], (red, blue), strict=True):
            assert np.abs(np.array(stored) - np.array(seen)).max() <= 4


def test_distance_is_the_gap_between_box_middles(rows_of: Rows) -> None:
    for row in rows_of("cvbench_3d", 300, "eval"):
        if row["task"] != "Distance":
            continue
        middles = [np.array([(b[0] + b[2]) / 2, (b[1] + b[3]) / 2]) for b in row["bbox"]]
        gaps = [float(np.linalg.norm(middles[0] - other)) for other in middles[1:]]
        assert gold_choice(row) == row["choices"][gaps.index(min(gaps))]
        assert min(gaps) * 1.2 < max(gaps)
        made_image = pixels(row)
        for color, stored in zip(((255, 0, 0), (0, 0, 255), (0, 255, 0)), row["bbox"], strict=True):
            mask = near(made_image, color, 30)
            assert mask[round(stored[3]) - 1 : round(stored[3]) + 4, round(stored[0]) : round(stored[2])].any()
            assert min(stored) >= 0 and max(stored) <= 128


def test_relation_is_where_the_red_box_lies(rows_of: Rows) -> None:
    for row in rows_of("cvbench_2d", 300, "eval"):
        if row["task"] != "Relation":
            continue
        frame = near(pixels(row), (255, 0, 0), 12)
        left, top, right, bottom = box_of(frame)
        x, y = (left + right) / 2 - 63.5, (top + bottom) / 2 - 63.5
        truth = {"left": x < 0, "right": x > 0, "above": y < 0, "below": y > 0}
        assert truth[gold_choice(row)], row["question"]


COLORS = {
    "red": (220, 35, 40),
    "green": (35, 160, 65),
    "blue": (35, 85, 220),
    "yellow": (250, 215, 40),
    "purple": (135, 50, 170),
    "orange": (250, 135, 20),
    "black": (30, 30, 34),
    "pink": (250, 150, 195),
}


def nearest(color: Any) -> str:
    """The name of the nearest of the named colors."""
    return min(COLORS, key=lambda name: int(np.abs(np.array(COLORS[name]) - color).sum()))


def rise(column: Any) -> int:
    """Length of the first color in a column of pixels."""
    return int(np.argmin(np.abs(column - column[0]).max(axis=1) < 10))


def patches(made_image: Any) -> list[tuple[int, tuple[int, int, int]]]:
    """Connected patches inside dark outlines: size and inner color, without the background."""
    from scipy import ndimage

    background = made_image[0, 0]
    other = np.abs(made_image - background).max(axis=2) > 24
    labels, n = ndimage.label(other)
    found = []
    for i in range(1, n + 1):
        mask = labels == i
        values = made_image[ndimage.binary_erosion(mask, iterations=4)]
        median = np.median(values, axis=0)
        found.append((int(mask.sum()), (int(median[0]), int(median[1]), int(median[2]))))
    return found


def test_counts_are_the_patches_of_the_asked_kind(rows_of: Rows) -> None:
    """All patches of one color: those of the shape in the question, those of the distractor, or none."""
    for row in rows_of("cvbench_2d", 300, "eval"):
        if row["task"] == "Count":
            colors = [nearest(color) for _, color in patches(pixels(row))]
            counts = {color: colors.count(color) for color in colors}
            assert int(gold_choice(row)) in {*counts.values(), 0}
            assert len(counts) <= 2 and len(colors) - int(gold_choice(row)) in range(3)


def test_the_tallest_bar_has_the_gold_color(rows_of: Rows) -> None:
    """Up the middle of each of three evenly spread bars: its color at the bottom, and the length of that color."""
    for row in rows_of("chartqa", 300, "eval"):
        if row["question"].startswith(("Which color is the tallest", "Which color is the shortest")):
            made_image = pixels(row)
            heights = {nearest(made_image[110, x]): rise(made_image[110::-1, x]) for x in (32, 68, 104)}
            assert len(heights) == 3
            extreme = max if "tallest" in row["question"] else min
            assert heights[row["answer"]] == extreme(heights.values())


def test_the_lit_lamp_is_the_one_that_is_not_dark(rows_of: Rows) -> None:
    for row in rows_of("realworldqa", 300, "eval"):
        if row["question"].startswith("What color is the traffic light"):
            named = dict(re.findall(r"(?m)^([A-D])\. (.+)$", row["question"]))
            places = {"red": slice(0, 33), "yellow": slice(33, 59), "green": slice(59, 86)}
            dark = near(pixels(row), (85, 85, 90), 12)
            darkness = {name: int(dark[place].sum()) for name, place in places.items()}
            assert darkness[named[row["answer"]]] == min(darkness.values())


def test_pairs_of_mmvp_differ_in_a_part_of_the_image_only(rows_of: Rows) -> None:
    made = rows_of("mmvp", 48, "eval")
    for first, second in zip(made[::2], made[1::2], strict=True):
        changed = np.abs(pixels(first) - pixels(second)).max(axis=2) > 24
        assert 0 < changed.mean() < 0.75

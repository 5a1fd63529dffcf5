"""Valid regions, masks and windows against the published table and against counting cell by cell."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.models.cambrian.geometry import (
    cut_windows,
    region_windows,
    valid_map,
    valid_region,
    visual_tokens,
    window_masks,
)


@pytest.mark.parametrize(
    ("size", "grid", "tokens", "fine"),
    [
        ((640, 480), (18, 24), 450, (72, 96)),
        ((480, 640), (24, 18), 456, (96, 72)),
        ((500, 500), (24, 24), 600, (96, 96)),
        ((1000, 200), (4, 24), 100, (20, 96)),
        ((200, 1000), (24, 4), 120, (96, 20)),
        ((3, 5), (24, 14), 360, (96, 58)),
        ((5, 3), (14, 24), 350, (58, 96)),
        ((1920, 1080), (14, 24), 350, (54, 96)),
        ((1000, 50), (2, 24), 50, (4, 96)),
    ],
)
def test_published_table(size: tuple[int, int], grid: tuple[int, int], tokens: int, fine: tuple[int, int]) -> None:
    region = valid_region(size, 24)
    assert (region.height, region.width) == grid
    assert visual_tokens(size, 24) == tokens
    wide = valid_region(size, 96)
    assert (wide.height, wide.width) == fine


@pytest.mark.parametrize("size", [(88, 55), (176, 110), (352, 220)])
def test_the_quotient_is_rounded_before_the_product(size: tuple[int, int]) -> None:
    # Exactly, 55 * 24 / 88 = 15, which would leave 16 rows; in double precision it is 14.99..., which leaves 14.
    assert valid_region(size, 24).height == 14


def test_376_by_47_follows_double_precision() -> None:
    kept = int(47 * (24 / 376))
    assert kept == 2  # 47 * 24 / 376 is 3 exactly
    assert valid_region((376, 47), 24).height == 24 - 2 * ((24 - 2) // 2)


@pytest.mark.parametrize("size", [(1000, 40), (1000, 1), (40, 1000), (5000, 3)])
def test_extreme_shapes_keep_one_row_or_column(size: tuple[int, int]) -> None:
    region = valid_region(size, 24)
    assert min(region.height, region.width) == 1
    assert max(region.height, region.width) == 24
    assert 0 <= region.top < 24 and 0 <= region.left < 24


@given(st.integers(1, 3000), st.integers(1, 3000), st.sampled_from([1, 4, 5, 24, 27, 96]))
def test_region_is_a_centred_band(width: int, height: int, side: int) -> None:
    region = valid_region((width, height), side)
    ratio = min(width, height) / max(width, height)
    assert region.top + region.height <= side and region.left + region.width <= side
    kept = region.height if width > height else region.width
    assert abs(kept - side * ratio) < 2
    if kept > 1:
        start = region.top if width > height else region.left
        assert start == side - start - kept
    assert int(valid_map((width, height), side).sum()) == region.cells


@given(st.integers(1, 400), st.integers(1, 400))
def test_turning_the_image_turns_the_region(width: int, height: int) -> None:
    region, turned = valid_region((width, height), 24), valid_region((height, width), 24)
    assert (region.top, region.height) == (turned.left, turned.width)


def test_windows_by_counting() -> None:
    grid = torch.arange(2 * 6 * 6).view(2, 6, 6, 1)
    windows = cut_windows(grid, 3)
    assert windows.shape == (2, 9, 4, 1)
    for y in range(3):
        for x in range(3):
            expected = [int(grid[1, 2 * y + a, 2 * x + b, 0]) for a in range(2) for b in range(2)]
            assert windows[1, y * 3 + x, :, 0].tolist() == expected


@given(st.integers(1, 300), st.integers(1, 300))
def test_masks_by_counting(width: int, height: int) -> None:
    coarse, fine = window_masks((width, height), (24, 96), 24)
    assert bool(coarse.all())
    valid = np.zeros((96, 96), dtype=bool)
    region = valid_region((width, height), 96)
    valid[region.top : region.top + region.height, region.left : region.left + region.width] = True
    for y, x in [(0, 0), (11, 3), (12, 12), (5, 20), (23, 23)]:
        window = valid[4 * y : 4 * y + 4, 4 * x : 4 * x + 4].ravel()
        expected = window if window.any() else np.ones(16, dtype=bool)
        assert fine[y * 24 + x].tolist() == expected.tolist()


def test_region_windows_are_row_major() -> None:
    region = valid_region((1000, 200), 24)
    assert region_windows(region, 24).tolist() == [row * 24 + column for row in range(10, 14) for column in range(24)]

"""Pixels against a transcription that uses plain numpy for all but the bicubic filter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image

from cambrian_eval.models.cambrian.preprocess import pad_to_square, tower_pixels
from cambrian_eval.models.cambrian.towers.specs import resolve_towers

RELEASED = (
    "siglip/CLIP-ViT-SO400M-14-384",
    "openai/clip-vit-large-patch14-336",
    "facebook/dinov2-giant-res378",
    "clip-convnext-XXL-multi-stage",
)
CLIP = ([0.48145466, 0.4578275, 0.40821073], [0.26862954, 0.26130258, 0.27577711])
EXPECTED = (
    (384, ([0.5] * 3, [0.5] * 3), (122, 116, 104)),
    (336, CLIP, (122, 116, 104)),
    (378, ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]), (123, 116, 103)),
    (1024, CLIP, (122, 116, 104)),
)


@pytest.fixture(autouse=True)
def _no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambrian_eval.models.cambrian.towers.specs.cached_snapshot", lambda hub_id, **kwargs: None)


@pytest.mark.parametrize("tower", range(4))
@pytest.mark.parametrize("size", [(64, 48), (31, 90), (77, 77), (50, 1)])
def test_released_towers(tower: int, size: tuple[int, int], made_image: Callable[..., Image.Image]) -> None:
    side, (mean, std), color = EXPECTED[tower]
    shown = made_image(*size)
    long = max(size)
    canvas = np.empty((long, long, 3), dtype=np.uint8)
    canvas[:] = color
    top, left = (long - size[1]) // 2, (long - size[0]) // 2
    canvas[top : top + size[1], left : left + size[0]] = np.asarray(shown)
    resized = np.asarray(Image.fromarray(canvas).resize((side, side), Image.Resampling.BICUBIC), dtype=np.float64)
    expected = ((resized / 255 - mean) / std).transpose(2, 0, 1)
    (spec,) = resolve_towers([RELEASED[tower]], None)
    pixels = tower_pixels(shown, spec)
    assert pixels.dtype == np.float32 and pixels.shape == (3, side, side)
    np.testing.assert_allclose(pixels, expected, atol=2e-6)


def test_other_modes_become_rgb_and_the_odd_pixel_goes_below() -> None:
    (spec,) = resolve_towers([RELEASED[1]], None)
    grey = Image.new("L", (10, 10), 200)
    assert np.ptp(tower_pixels(grey, spec), axis=(1, 2)).max() < 1e-6
    square = pad_to_square(Image.new("RGB", (5, 2), (255, 0, 0)), (1, 2, 3))
    assert [square.getpixel((0, y)) == (255, 0, 0) for y in range(5)] == [False, True, True, False, False]

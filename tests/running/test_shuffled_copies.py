"""`shuffled` never shows a sample a copy of its own image, and leaves partners alone where there is no copy."""

from __future__ import annotations

import hashlib
import io

import numpy as np
import pytest
from PIL import Image

from cambrian_eval.condition import Context
from cambrian_eval.conditions import Shuffled
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Sample
from tests.conftest import png


def sample(name: str, data: bytes) -> Sample:
    return Sample(name, 0, "?", images=(LazyImage.of(data),), image_id=name)  # type: ignore[arg-type]


def partners(samples: list[Sample], seed: int) -> dict[str, bytes]:
    context = Context(samples, seed)
    Shuffled().check(context)
    return {s.id: Shuffled().apply(s, context)[0].data() for s in samples}


@pytest.mark.parametrize("seed", range(5))
def test_copies_under_other_ids(seed: int) -> None:
    """Six samples, three of which hold one image under three ids."""
    samples = [sample(f"s{i}", png(i if i > 2 else 0)) for i in range(6)]
    shown = partners(samples, seed)
    for one in samples:
        assert shown[one.id] != one.images[0].data()
    assert partners(samples, seed) == shown


@pytest.mark.parametrize("seed", range(3))
def test_without_copies_the_partner_is_the_next_in_the_circle(seed: int) -> None:
    samples = [sample(f"s{i}", png(i)) for i in range(7)]
    circle = sorted(samples, key=lambda s: hashlib.sha256(f"{seed}\0{s.id}".encode()).digest())
    expected = {s.id: circle[(i + 1) % 7].images[0].data() for i, s in enumerate(circle)}
    assert partners(samples, seed) == expected


def test_copies_alone_are_refused() -> None:
    with pytest.raises(UserError, match="two different images"):
        partners([sample(f"s{i}", png(0)) for i in range(4)], 0)


def test_sixteen_bit_images_keep_their_tones() -> None:
    out = io.BytesIO()
    Image.fromarray(np.linspace(0, 65535, 64 * 64).astype(np.uint16).reshape(64, 64)).save(out, "PNG")
    pixels = np.asarray(LazyImage.of(out.getvalue()).load())  # type: ignore[union-attr]
    assert pixels.min() == 0 and pixels.max() == 255 and abs(float(pixels.mean()) - 127.5) < 2

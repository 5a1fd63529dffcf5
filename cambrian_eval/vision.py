"""Vision conditions: what each does to the pictures of a request. The prompt text never changes.

`on` shows the sample's pictures, `off` shows none (no image tokens at all, as in the paper), `shuffled` shows the
pictures of another sample and `noise` pixels without content of the same size. `off` separates 'needs an image'
from 'does not'; `shuffled` and `noise` separate 'needs an image' from 'needs this image'. Random guessing needs no
model: its exact expectation stands beside every result as `chance`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.picture import MAX_PIXELS, Picture
from cambrian_eval.sample import Sample

CONDITIONS = ("on", "off", "shuffled", "noise")
"""In the order in which they are told and drawn."""


def check_conditions(names: Sequence[str]) -> tuple[str, ...]:
    """The conditions in the order given, each once; an unknown name is an error, and so is none."""
    if not names:
        raise UserError(f"no vision condition named; known: {', '.join(CONDITIONS)}")
    for name in names:
        if name not in CONDITIONS:
            if name == "random":
                raise UserError("condition 'random' needs no run: every result carries its exact chance score")
            raise unknown("vision condition", name, CONDITIONS)
    return tuple(dict.fromkeys(names))


def partners(samples: Sequence[Sample], seed: int) -> dict[str, Sample]:
    """For `shuffled`: picture id -> the sample whose pictures are shown instead.

    All distinct pictures are put in one seeded circle and each is replaced by its neighbour, so no picture stands
    in for itself, every picture is shown once, and all questions about a picture see the same replacement.
    """
    owners: dict[str, Sample] = {}
    for sample in samples:
        if sample.images:
            owners.setdefault(sample.image_id or sample.id, sample)
    if len(owners) == 1:
        raise UserError("condition 'shuffled' needs at least two different pictures; raise --limit")
    circle = sorted(owners, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    return {name: owners[circle[(i + 1) % len(circle)]] for i, name in enumerate(circle)}


def shown(
    condition: str,
    sample: Sample,
    swap: Mapping[str, Sample],
    seed: int,
    limit: int | None,
    max_pixels: int = MAX_PIXELS,
    decode: bool = True,
) -> tuple[tuple[Picture, ...], int]:
    """The pictures a model may look at under a condition, and how many the model's limit dropped.

    They are decoded unless `decode` is False, which leaves that to whoever receives them.
    """
    if condition == "off" or not sample.images:
        return (), 0
    pictures = sample.images
    if condition == "shuffled":
        pictures = swap[sample.image_id or sample.id].images
    kept = pictures if limit is None else pictures[:limit]
    if condition == "noise":
        return tuple(_noise(p, f"{seed}\0{sample.image_id}\0{i}", max_pixels) for i, p in enumerate(kept)), len(
            pictures
        ) - len(kept)
    return tuple(p.decoded(max_pixels) if decode else p.fetched() for p in kept), len(pictures) - len(kept)


def _noise(picture: Picture, seed: str, max_pixels: int) -> Picture:
    """Uniform random pixels of the picture's size; equal seeds give equal bytes."""
    import numpy as np
    from PIL import Image

    width, height = picture.load(max_pixels).size
    rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
    return Picture.from_image(Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8), "RGB"))

"""Vision conditions: what each does to the images of a request. The prompt text never changes.

`on` shows the sample's images, `off` shows none (no image tokens at all, as in the paper), `shuffled` shows the
images of another sample and `noise` random pixels of the same size. `off` separates "needs an image" from "does
not"; `shuffled` and `noise` separate "needs an image" from "needs this image". Random guessing needs no model: its
exact expectation stands beside every result as `chance`.

A condition is one class. Third parties add theirs by an entry point in the group `cambrian_eval.conditions`;
`registry.conditions` finds both.
"""

from __future__ import annotations

import hashlib
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from cambrian_eval.errors import UserError
from cambrian_eval.image import MAX_PIXELS, LazyImage
from cambrian_eval.sample import Sample

T = TypeVar("T")


@dataclass(frozen=True)
class Context:
    """What a condition may know besides the sample: one object for each benchmark and condition of a run."""

    samples: Sequence[Sample]
    """All samples of the benchmark, in dataset order."""
    seed: int = 0
    """The run's random seed; the same seed must give the same images."""
    max_pixels: int = MAX_PIXELS
    """Images with more pixels are not decoded."""
    _memory: dict[str, Any] = field(default_factory=dict, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def once(self, name: str, compute: Callable[[], T]) -> T:
        """The result of `compute`, computed at the first call with this name; safe across threads."""
        with self._lock:
            if name not in self._memory:
                self._memory[name] = compute()
            value: T = self._memory[name]
            return value


class Condition(ABC):
    """The declaration of one vision condition."""

    name: ClassVar[str]
    """What commands and files call it; letters, digits and `_`."""
    title: ClassVar[str]
    """What tables and figures call it."""
    summary: ClassVar[str]
    """One line: what the model sees."""
    color: ClassVar[str]
    """Its color in figures, as #rrggbb."""
    hatch: ClassVar[str] = ""
    """Its hatching in bar charts, in Matplotlib's notation."""
    needs_images: ClassVar[bool] = True
    """Whether a sample without its images cannot be asked under this condition."""

    @abstractmethod
    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """The images that are shown instead of the sample's. Called from several threads; deterministic."""

    def check(self, context: Context) -> None:
        """Raises `UserError` where it cannot be applied to these samples; called before the first request."""
        return None


class On(Condition):
    """The sample's own images."""

    name = "on"
    title = "Vision on"
    summary = "the sample's own images"
    color = "#4a7fbd"

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """All of them, in order."""
        return sample.images


class Off(Condition):
    """No image."""

    name = "off"
    title = "Vision off"
    summary = "no image at all"
    color = "#f0b95a"
    needs_images = False

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """None."""
        return ()


class Shuffled(Condition):
    """The images of another sample.

    All distinct images are put in one seeded circle and each is replaced by its neighbor, so no image stands in
    for itself, every image is shown once, and all questions about an image see the same replacement. Where the dataset
    has copies of an image under several ids, the next image with other contents is taken.
    """

    name = "shuffled"
    title = "Another image"
    summary = "the images of another sample"
    color = "#a999cc"
    hatch = "///"

    def check(self, context: Context) -> None:
        """Every image needs a different one to be replaced by, unless no sample has any."""
        owners = {sample.image_id or sample.id: sample for sample in reversed(context.samples) if sample.images}
        if any(partner is owners[name] for name, partner in self._partners(context).items()):
            raise UserError("condition 'shuffled' needs at least two different images; raise --limit")

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """The images of the next sample in the circle; none where the sample has none."""
        if not sample.images:
            return ()
        return self._partners(context)[sample.image_id or sample.id].images

    def _partners(self, context: Context) -> dict[str, Sample]:
        """Image id -> the sample whose images are shown instead."""
        return context.once(self.name, lambda: _circle(context.samples, context.seed))


class Noise(Condition):
    """Random pixels of the same size."""

    name = "noise"
    title = "Noise"
    summary = "random pixels in the size of the sample's images"
    color = "#bdbdbd"
    hatch = "..."

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """One image of noise for each image of the sample, drawn when it is read."""
        return [
            _noise(image, f"{context.seed}\0{sample.image_id}\0{i}", context.max_pixels)
            for i, image in enumerate(sample.images)
        ]


CONDITIONS: tuple[Condition, ...] = (On(), Off(), Shuffled(), Noise())
"""The conditions that ship with the package, in the order in which they are listed and drawn."""


def _circle(samples: Sequence[Sample], seed: int) -> dict[str, Sample]:
    owners: dict[str, Sample] = {}
    for sample in samples:
        if sample.images:
            owners.setdefault(sample.image_id or sample.id, sample)
    circle = sorted(owners, key=lambda name: hashlib.sha256(f"{seed}\0{name}".encode()).digest())
    partners = {}
    contents: dict[str, tuple[str, ...]] = {}

    def content(name: str) -> tuple[str, ...]:
        """What the images are: two ids may name copies of one image."""
        if name not in contents:
            contents[name] = _hashes(owners[name])
        return contents[name]

    for i, name in enumerate(circle):
        following = (circle[(i + step) % len(circle)] for step in range(1, len(circle) + 1))
        partners[name] = owners[next((other for other in following if not _share(content(name), content(other))), name)]
    return partners


def _share(a: tuple[str, ...], b: tuple[str, ...]) -> bool:
    return not set(a).isdisjoint(b)


def _hashes(sample: Sample) -> tuple[str, ...]:
    """The hashes of a sample's images; one that cannot be read is like no other."""
    found = []
    for i, image in enumerate(sample.images):
        try:
            found.append(image.sha256)
        except (OSError, ValueError):
            found.append(f"unreadable:{sample.id}:{i}")
    return tuple(found)


def _noise(image: LazyImage, seed: str, max_pixels: int) -> LazyImage:
    """Uniform random pixels of the image's size; equal seeds give equal bytes."""

    def draw() -> bytes:
        import numpy as np
        from PIL import Image

        width, height = image.load(max_pixels).size
        rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
        pixels = rng.integers(0, 256, (height, width, 3), dtype=np.uint8)
        return LazyImage.from_image(Image.fromarray(pixels, "RGB")).data()

    return LazyImage(draw)

"""The built-in vision conditions.

`on` shows the sample's images, `off` shows none (no image tokens at all, as in the paper), `shuffled` shows the
images of another sample and `noise` random pixels of the same size. `off` separates "needs an image" from "does
not"; `shuffled` and `noise` separate "needs an image" from "needs this image". Random guessing needs no model: its
exact expectation stands beside every result as `chance`.

`no_question` and `nothing` take the question away. The others show the sample's own images with something taken away;
most take an amount, so that a score can be drawn against it (`plot dose`). Pixels are computed when an image is read,
and equal inputs give equal bytes: random choices are seeded by the run's seed and the image.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.condition import Condition, Context, Dose
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import MARK
from cambrian_eval.sample import Sample

if TYPE_CHECKING:
    from numpy.random import Generator
    from PIL.Image import Image

GRID = 16
"""`occlude` covers cells of a grid with so many rows and columns."""


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


class NoQuestion(Condition):
    """The image and the options without the question."""

    name = "no_question"
    title = "No question"
    summary = "the image and the options, without the question"
    color = "#7fa88f"
    hatch = "--"

    def words(self, prompt: str, sample: Sample) -> str:
        """The prompt without its question; options and instructions stay. Some prompts leave out image marks."""
        for question in (sample.question.strip(), MARK.sub("", sample.question).strip()):
            if question in prompt:
                return prompt.replace(question, "", 1).strip()
        raise ValueError("the prompt does not hold the question as the dataset has it, so it cannot be taken out")

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """The sample's own images."""
        return sample.images


class Nothing(NoQuestion):
    """The options alone."""

    name = "nothing"
    title = "Options alone"
    summary = "neither image nor question: the options alone"
    color = "#d9d9d9"
    hatch = "oo"
    needs_images = False

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """None."""
        return ()


class _Degraded(Condition):
    """One changed image for each image of the sample."""

    @abstractmethod
    def changed(self, image: Image, rng: Generator) -> Image:
        """The image to show."""

    def apply(self, sample: Sample, context: Context) -> Sequence[LazyImage]:
        """Each image of the sample, changed when it is read; random choices do not depend on an amount."""
        seed = f"{type(self).name}\0{context.seed}\0{sample.image_id or sample.id}"
        return [self._lazy(image, f"{seed}\0{i}", context.max_pixels) for i, image in enumerate(sample.images)]

    def _lazy(self, image: LazyImage, seed: str, max_pixels: int) -> LazyImage:
        def draw() -> bytes:
            import numpy as np

            rng = np.random.default_rng(int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8], "big"))
            return LazyImage.from_image(self.changed(image.load(max_pixels), rng)).data()

        return LazyImage(draw)


class _Amount(_Degraded, Dose):
    """A changed image that depends on an amount."""

    @property
    def dose(self) -> float:
        """The amount; `check` has refused a condition without one."""
        assert self.amount is not None
        return self.amount


class Blur(_Amount):
    """Gaussian blur."""

    name = "blur"
    title = "Blur"
    summary = "the image blurred; blur:N has a standard deviation of N pixels"
    color = "#66a3c7"
    unchanged = 0.0
    amounts = "the standard deviation in pixels, at least 0 and at most 1000"

    def allows(self, amount: float) -> bool:
        """0 to 1000 pixels."""
        return 0 <= amount <= 1000

    def changed(self, image: Image, rng: Generator) -> Image:
        """Blurred; at 0 the image itself."""
        from PIL import ImageFilter

        return image.filter(ImageFilter.GaussianBlur(self.dose)) if self.dose else image


class Downscale(_Amount):
    """Fewer pixels in the same size."""

    name = "downscale"
    title = "Downscale"
    summary = "the image at lower resolution; downscale:N has N times fewer pixels along each side, at the same size"
    color = "#5b8f8f"
    unchanged = 1.0
    amounts = "the factor, at least 1 and at most 1000"

    def allows(self, amount: float) -> bool:
        """Factors of 1 to 1000."""
        return 1 <= amount <= 1000

    def changed(self, image: Image, rng: Generator) -> Image:
        """Reduced by area and enlarged to the old size, so that the number of image tokens stays."""
        from PIL import Image as pil

        small = max(1, round(image.width / self.dose)), max(1, round(image.height / self.dose))
        if small == image.size:
            return image
        return image.resize(small, pil.Resampling.BOX).resize(image.size, pil.Resampling.BICUBIC)


class Crop(_Amount):
    """The center alone."""

    name = "crop"
    title = "Center crop"
    summary = "the center of the image; crop:F keeps the share F of each side and covers the rest in gray"
    color = "#c78f66"
    unchanged = 1.0
    amounts = "the share of each side that is kept, above 0 and at most 1"

    def allows(self, amount: float) -> bool:
        """Shares above 0, at most 1."""
        return 0 < amount <= 1

    def changed(self, image: Image, rng: Generator) -> Image:
        """The border in gray; the size stays."""
        from PIL import Image as pil

        width, height = (max(1, round(side * self.dose)) for side in image.size)
        left, top = (image.width - width) // 2, (image.height - height) // 2
        made = pil.new("RGB", image.size, (127, 127, 127))
        made.paste(image.crop((left, top, left + width, top + height)), (left, top))
        return made


class Occlude(_Amount):
    """Random patches covered."""

    name = "occlude"
    title = "Occluded"
    summary = "the image with random patches in gray; occlude:F covers the share F of it"
    color = "#8f7fb8"
    unchanged = 0.0
    amounts = "the share of the image that is covered, from 0 to 1"

    def allows(self, amount: float) -> bool:
        """Shares from 0 to 1."""
        return 0 <= amount <= 1

    def changed(self, image: Image, rng: Generator) -> Image:
        """Cells of a 16 by 16 grid in gray. A larger share covers the cells of a smaller one and more."""
        made = image.copy()
        order = rng.permutation(GRID * GRID)
        for cell in order[: round(self.dose * GRID * GRID)]:
            row, column = divmod(int(cell), GRID)
            made.paste((127, 127, 127), _cell(image.size, row, column, GRID))
        return made


class Patches(_Amount):
    """Tiles in random order."""

    name = "patches"
    title = "Shuffled tiles"
    summary = "the image cut into tiles in random order; patches:N has N rows and N columns"
    color = "#b87f9f"
    unchanged = 1.0
    amounts = "the number of rows and of columns, a whole number from 1 to 64"

    def allows(self, amount: float) -> bool:
        """Whole numbers from 1 to 64."""
        return amount == int(amount) and 1 <= amount <= 64

    def changed(self, image: Image, rng: Generator) -> Image:
        """Every tile once; tiles of another size than their new place are resized to it."""
        n = min(int(self.dose), *image.size)
        made = image.copy()
        for place, tile in enumerate(rng.permutation(n * n)):
            to, source = (_cell(image.size, *divmod(int(i), n), n) for i in (place, tile))
            size = to[2] - to[0], to[3] - to[1]
            piece = image.crop(source)
            made.paste(piece if piece.size == size else piece.resize(size), to)
        return made


class Grey(_Degraded):
    """Without color."""

    name = "grey"
    title = "Grayscale"
    summary = "the image without its colors"
    color = "#9a9a9a"

    def changed(self, image: Image, rng: Generator) -> Image:
        """Luminance in all three channels."""
        return image.convert("L").convert("RGB")


class Mirror(_Degraded):
    """Left and right exchanged."""

    name = "mirror"
    title = "Mirrored"
    summary = "the image with left and right exchanged; questions about sides get the other answer or are left out"
    color = "#c7a34a"

    def graded(self, sample: Sample, benchmark: Benchmark) -> Sample | None:
        """The sample with the gold answer of the mirrored image; None where the benchmark cannot tell it."""
        return benchmark.mirrored(sample)

    def changed(self, image: Image, rng: Generator) -> Image:
        """Mirrored at the vertical axis."""
        from PIL import ImageOps

        return ImageOps.mirror(image)


CONDITIONS: tuple[Condition, ...] = (
    *(On(), Off(), Shuffled(), Noise(), NoQuestion(), Nothing()),
    *(Blur(), Downscale(), Crop(), Occlude(), Patches(), Grey(), Mirror()),
)
"""All of them, in the order in which they are listed and drawn; `registry.conditions` adds those of third parties."""


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


def _cell(size: tuple[int, int], row: int, column: int, n: int) -> tuple[int, int, int, int]:
    """The box of one cell of an n by n grid; the cells cover every pixel once."""
    width, height = size
    return (column * width // n, row * height // n, (column + 1) * width // n, (row + 1) * height // n)

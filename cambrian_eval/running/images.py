"""Whether samples have the images that they need, before a model is loaded."""

from __future__ import annotations

from collections.abc import Sequence

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.running.progress import Progress
from cambrian_eval.running.settings import Settings
from cambrian_eval.sample import Sample


def missing_image(benchmark: Benchmark, sample: Sample) -> str | None:
    """Why a sample cannot be asked with vision, as far as this is known without reading its images."""
    needed = benchmark.images_needed(sample)
    if len(sample.images) < needed:
        return "the sample has no image" if not sample.images else f"{len(sample.images)} of {needed} images"
    return next((image.problem for image in sample.images if image.problem is not None), None)


def check_images(benchmark: Benchmark, samples: Sequence[Sample], settings: Settings, progress: Progress) -> None:
    """Refuses to run blind: too many samples without their images end the run before the model is loaded."""
    asked = [n for n in settings.conditions if registry.load_condition(n).needs_images]
    if not asked or settings.images_optional:
        return
    missing = [(s, reason) for s in samples if (reason := missing_image(benchmark, s)) is not None]
    if not missing:
        return
    first, reason = missing[0]
    text = (
        f"{benchmark.name}: {len(missing)} of {len(samples)} samples cannot be asked with vision "
        f"{', '.join(asked)}; the first, {first.id}: {reason}"
    )
    if len(missing) > settings.max_failures * len(samples):
        raise UserError(f"{text}; add the images, or use --vision off, or raise --max-failures")
    progress.say(f"warning: {text}")

"""Exercises for the demo checkpoint: rows of the miniature suite's train split as prompts, answers and pixels.

Each benchmark's own adapter makes the prompt, so the model is trained on exactly the prompts of an evaluation. Images
are scaled once to the towers' input size and stored as bytes in one memory-mapped array. The evaluation split is not
used: the train split has seeds of its own.
"""

from __future__ import annotations

import io
import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark
from cambrian_eval.sample import Sample

SIDE = 64
"""Pixels per side of every tower's input."""

_OPTION = re.compile(r"\n(?:\(([A-F])\)|([A-F])\.) ([^\n]+)")


@dataclass(frozen=True)
class Exercise:
    """One image with the benchmark's own prompt, and the responses that are learned with and without it.

    Where options are listed, `letter` and `answer` are the letter and the text of the correct one. `blind` is the
    response without an image: a guess, uniform over what is possible.
    """

    benchmark: str
    image: int
    prompt: str
    answer: str
    letter: str | None
    blind: str

    @property
    def reply(self) -> str:
        """The response that the benchmark expects: the letter where there are options."""
        return self.letter or self.answer


def options_of(prompt: str) -> list[tuple[str, str]]:
    """The lettered options listed in a prompt."""
    return [(found[1] or found[2], found[3]) for found in _OPTION.finditer(prompt)]


def exercises(name: str, count: int, seed: int) -> Iterator[tuple[Exercise, bytes]]:
    """Exercises of one benchmark with their images' PNG bytes; `image` stays 0."""
    benchmark = load_benchmark(name)
    rng = Random(f"{name}/{seed}")
    for index, row in enumerate(miniature.rows(name, count, split="train", seed=seed)):
        sample = benchmark.to_sample(row, index)
        if sample is None:
            raise ValueError(f"{name}: row {index} of the train split is not part of the benchmark")
        yield _exercise(name, sample, benchmark.prompt(sample), rng), _png(row)


def _exercise(name: str, sample: Sample, prompt: str, rng: Random) -> Exercise:
    answer = Counter(text for text in sample.answers if text != "unanswerable").most_common(1)[0][0]
    options = dict(options_of(prompt))
    if options:
        return Exercise(name, 0, prompt, options[answer], answer, rng.choice(list(options)))
    if name == "mme":
        # Both claims about an image are scored together: a blind guess must be independent for each claim, otherwise
        # a pair could never be guessed.
        return Exercise(name, 0, prompt, answer, None, Random(f"guess/{prompt}").choice(("Yes", "No")))
    return Exercise(name, 0, prompt, answer, None, answer)


def _png(row: dict[str, Any]) -> bytes:
    """The bytes of a row's first image, in whichever column it is."""
    found: Any = next(row[name] for name in ("decoded_image", "image_1", "image") if name in row)
    content: bytes = (found[0] if isinstance(found, list) else found)["bytes"]
    return content


def pixels(png: bytes) -> NDArray[np.uint8]:
    """An image as the towers' preprocessing scales it, before normalization."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    if image.width != image.height:
        raise ValueError("the miniature suite draws squares; a padded image needs another corpus")
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def write_part(folder: Path, name: str, count: int, seed: int) -> None:
    """Draws one benchmark's exercises into `folder`: NAME.SEED.jsonl and NAME.SEED.npy."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{name}.{seed}"
    if stem.with_name(stem.name + ".npy").exists():
        return
    lines: list[str] = []
    images: list[NDArray[np.uint8]] = []
    last = b""
    for exercise, png in exercises(name, count, seed):
        if png != last:
            images.append(pixels(png))
            last = png
        lines.append(json.dumps(asdict(exercise) | {"image": len(images) - 1}, ensure_ascii=False))
    stem.with_name(stem.name + ".jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    part = stem.with_name(stem.name + ".part.npy")
    np.save(part, np.stack(images))
    part.rename(stem.with_name(stem.name + ".npy"))


def read_part(folder: Path, name: str, seed: int) -> tuple[list[Exercise], NDArray[np.uint8]]:
    """A part written by `write_part`; images are memory-mapped."""
    rows = [json.loads(line) for line in (folder / f"{name}.{seed}.jsonl").read_text(encoding="utf-8").splitlines()]
    found = [Exercise(**row) for row in rows]
    return found, np.load(folder / f"{name}.{seed}.npy", mmap_mode="r")

"""Tiny models, mixed questions for them, and the answers that transformers' own `generate` gives one by one."""

from __future__ import annotations

import importlib.util
import random
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cambrian_eval.models.cambrian.fast import Driver, Generated, ImageSource, Question

ROOT = Path(__file__).resolve().parents[3]
SIZES = [(64, 48), (48, 64), (50, 50), (100, 20), (20, 100), (300, 200), (7, 5), (400, 10)]
STOPS = [1, *range(20, 260, 9)]
"""Enough stop ids for a random model to meet one after a handful of tokens."""


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)


def load_tool(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, ROOT / f"tools/{name}.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@dataclass(frozen=True)
class Loaded:
    """A model with its processor, and a way to put questions to it."""

    model: Any
    processor: Any

    def question(self, tag: Any, text: str, limit: int, made_image: int | None) -> Question:
        content = [] if made_image is None else [{"type": "image"}]
        chat = [{"role": "user", "content": [*content, {"type": "text", "text": text}]}]
        prompt = self.processor.apply_chat_template(chat, add_generation_prompt=True)
        shown = None if made_image is None else show(made_image)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return Question(tag, tuple(self.processor.token_ids(prompt)), limit, shown)

    def mixed(self, count: int, seed: int, limits: Sequence[int] = (1, 2, 5, 12)) -> list[Question]:
        """Questions in runs of one to nine about an image or about none, of all aspect ratios and lengths."""
        draw, made = random.Random(seed), list[Question]()
        while len(made) < count:
            made_image = draw.choice([None, *range(len(SIZES))])
            for _ in range(draw.choice([1, 1, 2, 3, 9])):
                text = "".join(draw.choice("abc ?xyz") for _ in range(draw.randint(1, 60)))
                made.append(self.question(len(made), text, draw.choice(limits), made_image))
        return made[:count]

    def alone(self, question: Question) -> tuple[int, ...]:
        """What `generate` answers to one question by itself."""
        pixels: dict[str, Any] = {}
        if question.image is not None:
            image = question.image.load()
            pixels = {"pixel_values": self.processor.pixels([image]), "image_sizes": [image.size]}
        ids = torch.tensor([question.ids])
        new = self.model.generate(
            input_ids=ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=question.limit,
            do_sample=False,
            **pixels,
        )
        return tuple(new[0].tolist())


def show(number: int) -> ImageSource:
    coarse = np.random.default_rng(number).integers(0, 256, (5, 5, 3), dtype=np.uint8)
    size = SIZES[number % len(SIZES)]
    return ImageSource(f"image {number}", size, lambda: Image.fromarray(coarse).resize(size))


def answered(driver: Driver, questions: Sequence[Question]) -> dict[Any, tuple[int, ...]]:
    """Every question's ids; each must have been answered once."""
    found: dict[Any, tuple[int, ...]] = {}
    for batch in driver.batches(iter(questions)):
        for answer in batch:
            assert isinstance(answer, Generated), answer
            assert answer.tag not in found
            found[answer.tag] = answer.ids
    assert set(found) == {question.tag for question in questions}
    return found


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Loaded]:
    """A tiny model of a kind. The Phi-3 template is the shortest, which keeps byte-level prompts short."""
    maker = load_tool("make_tiny_checkpoint")

    @cache
    def make(kind: str = "sva", attention: str = "sdpa", dtype: str = "float32", **overrides: Any) -> Loaded:
        from cambrian_eval.models.cambrian import CambrianForConditionalGeneration, CambrianProcessor

        out = tmp_path_factory.mktemp(kind)
        folder = maker.make_checkpoint(out, kind, template="phi3", overrides=overrides)
        model = CambrianForConditionalGeneration.from_pretrained(folder, dtype=dtype, attn_implementation=attention)
        model.generation_config.eos_token_id = STOPS
        return Loaded(model, CambrianProcessor.from_pretrained(folder, template="phi3"))

    return make

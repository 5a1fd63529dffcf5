"""Tiny checkpoints in the official layout, made once per session, and the means to drive them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture(scope="session", autouse=True)
def _one_thread() -> None:
    """Networks this small lose more to waking threads than they gain from them."""
    torch.set_num_threads(1)


@pytest.fixture(scope="session")
def maker() -> ModuleType:
    """The tool that makes tiny checkpoints."""
    spec = importlib.util.spec_from_file_location("make_tiny_checkpoint", ROOT / "tools/make_tiny_checkpoint.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def checkpoint(maker: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """A checkpoint's folder by kind and tower layout; do not write into it."""

    @cache
    def make(kind: str = "sva", towers: str = "transformers", template: str | None = None) -> Path:
        out = tmp_path_factory.mktemp(f"{kind}_{towers}")
        return Path(maker.make_checkpoint(out, kind, towers=towers, template=template))

    return make


@pytest.fixture(scope="session")
def loaded(checkpoint: Callable[..., Path]) -> Callable[..., tuple[Any, Any]]:
    """Model and processor of a tiny checkpoint."""

    @cache
    def load(kind: str = "sva", towers: str = "transformers") -> tuple[Any, Any]:
        from cambrian_eval.models.cambrian import CambrianForConditionalGeneration, CambrianProcessor

        folder = checkpoint(kind, towers)
        return CambrianForConditionalGeneration.from_pretrained(folder), CambrianProcessor.from_pretrained(folder)

    return load


@pytest.fixture(scope="session")
def made_image() -> Callable[..., Image.Image]:
    """An image of noise and shapes of any size, the same for the same arguments."""

    def draw(width: int, height: int, seed: int = 0) -> Image.Image:
        random = np.random.default_rng(seed + 1000 * width + height)
        coarse = random.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)

    return draw


@pytest.fixture(scope="session")
def ask() -> Callable[..., str]:
    """A prompt by a processor's template, with or without an image."""

    def render(processor: Any, question: str, shown: bool = True) -> str:
        content = [{"type": "image"}] if shown else []
        content.append({"type": "text", "text": question})
        chat = [{"role": "user", "content": content}]
        return str(processor.apply_chat_template(chat, add_generation_prompt=True))

    return render

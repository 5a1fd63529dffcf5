"""The demo checkpoint as shipped: its layout, its size, and that it sees what it is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open

import cambrian_eval
from cambrian_eval.demo import checkpoint, miniature
from cambrian_eval.models.cambrian import CambrianForConditionalGeneration, CambrianProcessor

pytestmark = pytest.mark.slow

VISION_CENTRIC = ("mmvp", "realworldqa", "cvbench_2d", "cvbench_3d")
LIMIT = 12_000_000


@pytest.fixture(scope="module")
def loaded() -> tuple[Any, Any]:
    folder = checkpoint()
    model = CambrianForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return model.eval(), CambrianProcessor.from_pretrained(folder)


@pytest.fixture(scope="module")
def scores(tmp_path_factory: pytest.TempPathFactory) -> Mapping[tuple[str, str], float]:
    """Vision-Centric scores, on and off, on rows of the evaluation split."""
    outcome = cambrian_eval.run(
        f"cambrian:{checkpoint()}", VISION_CENTRIC, tmp_path_factory.mktemp("run"), vision=("on", "off"), data="mini:48"
    )
    found = {(r.benchmark, r.condition): r.score for r in outcome.results if r.scorer == "fuzzy"}
    return {key: score for key, score in found.items() if score is not None}


def test_the_folder_is_small_and_complete() -> None:
    files = [path for path in checkpoint().rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LIMIT
    assert not any(path.is_symlink() for path in files)
    config = json.loads((checkpoint() / "config.json").read_text())
    kinds = set()
    for entry in config["mm_vision_tower_aux_list"]:
        assert not Path(entry).is_absolute()
        folder = checkpoint() / entry
        assert (folder / "model.safetensors").is_file()
        kinds.add(json.loads((folder / "config.json").read_text())["model_type"])
    assert kinds == {"siglip_vision_model", "clip_vision_model", "dinov2", "convnext"}
    assert config["mm_projector_type"] == "sva"
    assert config["num_of_vision_sampler_layers"] > 0 and not config["connector_only"]


def test_all_weights_are_stored_in_half_precision() -> None:
    for path in checkpoint().rglob("*.safetensors"):
        with safe_open(path, framework="pt") as file:
            assert {file.get_slice(name).get_dtype() for name in file.keys()} <= {"BF16", "F16"}  # noqa: SIM118


def test_every_sampler_changes_what_the_language_model_reads(loaded: tuple[Any, Any]) -> None:
    model, processor = loaded
    row = miniature.rows("cvbench_2d", 1)[0]
    made_image = _image(row)
    inputs = processor(text=_prompt(processor, row["prompt"]), images=made_image)
    with torch.no_grad():
        whole = model(**inputs).logits
        for number in range(model.config.num_of_vision_sampler_layers):
            layer = model.model.vision_sampler_layers[number]
            handle = layer.register_forward_hook(lambda module, args, output: args[0])
            without = model(**inputs).logits
            handle.remove()
            assert (whole - without).abs().max() > 1e-2


def test_the_tokenizer_spells_any_text(loaded: tuple[Any, Any]) -> None:
    _, processor = loaded
    for text in ("ünïcode 漢字 \U0001f600", "line\nbreak\ttab", "(A) beach\nB. forest", "\\frac { 1 } { 2 }"):
        assert processor.tokenizer.decode(processor.tokenizer(text)["input_ids"]) == text


def test_the_template_puts_the_image_where_training_did(loaded: tuple[Any, Any], recwarn: Any) -> None:
    _, processor = loaded
    ids = processor.token_ids(_prompt(processor, "Is there a star?"))
    assert ids.index(-200) == processor.config.image_position
    assert not recwarn.list


def test_it_replies_with_the_letter_of_an_option(loaded: tuple[Any, Any]) -> None:
    """As the prompts ask; nothing runs on to the limit."""
    model, processor = loaded
    for name in ("mmvp", "cvbench_3d"):
        benchmark = cambrian_eval.load(name)
        for index, row in enumerate(miniature.rows(name, 4)):
            sample = benchmark.to_sample(row, index)
            assert sample is not None
            inputs = processor(text=_prompt(processor, benchmark.prompt(sample)), images=_image(row))
            ids = model.generate(**inputs, max_new_tokens=8, do_sample=False)[0]
            assert processor.decode(ids) in sample.options
            assert ids[-1] == model.generation_config.eos_token_id


def test_it_needs_the_image(scores: Mapping[tuple[str, str], float]) -> None:
    gains = [scores[name, "on"] - scores[name, "off"] for name in VISION_CENTRIC]
    assert sum(gains) / len(gains) >= 20


def _prompt(processor: Any, text: str) -> str:
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}]
    prompt: str = processor.apply_chat_template(chat, add_generation_prompt=True)
    return prompt


def _image(row: Mapping[str, Any]) -> Any:
    import io

    from PIL import Image

    return Image.open(io.BytesIO(row["image"]["bytes"])).convert("RGB")

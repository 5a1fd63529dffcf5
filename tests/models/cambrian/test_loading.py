"""Loading, saving, Auto classes, and what a wrong folder is told."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoConfig, AutoModelForImageTextToText

from cambrian_eval.errors import UserError
from cambrian_eval.models.cambrian import (
    CambrianConfig,
    CambrianForConditionalGeneration,
    CambrianLlamaForCausalLM,
    CambrianLlavaLlamaForCausalLM,
    CambrianPhi3ForCausalLM,
    CambrianProcessor,
)
from cambrian_eval.models.tensor_files import open_folder

pytestmark = pytest.mark.slow

Make = Callable[..., Path]


@pytest.fixture
def copy(checkpoint: Make, tmp_path: Path) -> Callable[..., Path]:
    """A private copy of a tiny checkpoint, its tower list made absolute."""

    def make(kind: str = "sva", **keys: Any) -> Path:
        source, folder = checkpoint(kind), tmp_path / "copy"
        shutil.copytree(source, folder)
        raw = json.loads((folder / "config.json").read_text())
        raw["mm_vision_tower_aux_list"] = [str((source / entry).resolve()) for entry in raw["mm_vision_tower_aux_list"]]
        (folder / "config.json").write_text(json.dumps(raw | keys))
        return folder

    return make


def _logits(model: Any, folder: Path, made_image: Any) -> torch.Tensor:
    processor = CambrianProcessor.from_pretrained(folder)
    prompt = processor.apply_chat_template([{"role": "user", "content": "<image>\nWhat?"}], True)
    with torch.no_grad():
        output: torch.Tensor = model(**processor(text=[prompt], images=[made_image])).logits
    return output


@pytest.mark.parametrize(("kind", "expected"), [("sva", CambrianLlamaForCausalLM), ("phi3", CambrianPhi3ForCausalLM)])
def test_auto_classes_and_round_trip(
    kind: str, expected: type, checkpoint: Make, tmp_path: Path, made_image: Callable[..., Any]
) -> None:
    folder = checkpoint(kind)
    assert isinstance(AutoConfig.from_pretrained(folder), CambrianConfig)
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(model) is expected and isinstance(model, CambrianForConditionalGeneration)
    before = _logits(model, folder, made_image(50, 30))
    saved = tmp_path / "deep" / "saved"
    model.save_pretrained(saved, max_shard_size="60KB")
    CambrianProcessor.from_pretrained(folder).save_pretrained(saved)
    assert len(list(saved.glob("*.safetensors"))) > 2
    names = set(open_folder(saved, "it"))
    assert names == set(open_folder(folder, "it")), "the official names, and no tower"
    again = CambrianForConditionalGeneration.from_pretrained(saved)
    assert torch.equal(_logits(again, saved, made_image(50, 30)), before)
    assert again.generation_config.eos_token_id == model.generation_config.eos_token_id
    first, second = (json.loads((f / "config.json").read_text()) for f in (folder, saved))
    assert first["architectures"] == second["architectures"] and first["model_type"] == second["model_type"]


def test_early_files_and_foreign_types(
    copy: Callable[..., Path], made_image: Callable[..., Any], checkpoint: Make
) -> None:
    folder = copy(model_type="llava_llama")
    assert AutoConfig.from_pretrained(folder).model_type == "llava_llama"
    model = AutoModelForImageTextToText.from_pretrained(folder)
    assert type(model) is CambrianLlavaLlamaForCausalLM
    other = CambrianForConditionalGeneration.from_pretrained(checkpoint("sva"))
    assert torch.equal(_logits(model, folder, made_image(50, 30)), _logits(other, folder, made_image(50, 30)))
    early = {"model_type": "llava_llama", "architectures": ["CambrianPhi3ForCausalLM"]}
    raw = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(raw | early))
    assert AutoConfig.from_pretrained(folder).model_type == "cambrian_phi3"
    raw = raw | {"model_type": "llama"}
    (folder / "config.json").write_text(json.dumps(raw))
    assert type(CambrianForConditionalGeneration.from_pretrained(folder)) is CambrianLlamaForCausalLM


def test_types_and_devices(checkpoint: Make, made_image: Callable[..., Any]) -> None:
    folder = checkpoint("sva")
    exact = _logits(CambrianForConditionalGeneration.from_pretrained(folder), folder, made_image(50, 30))
    half = CambrianForConditionalGeneration.from_pretrained(folder, dtype="bfloat16", device_map="auto")
    assert {p.dtype for p in half.parameters()} == {torch.bfloat16}
    assert (_logits(half, folder, made_image(50, 30)).float() - exact).abs().max() < 0.2
    eager = CambrianForConditionalGeneration.from_pretrained(folder, attn_implementation="eager")
    assert eager.model.layers[0].self_attn.config._attn_implementation == "eager"
    assert (_logits(eager, folder, made_image(50, 30)) - exact).abs().max() < 2e-5
    with pytest.raises(UserError, match="not a floating point type"):
        CambrianForConditionalGeneration.from_pretrained(folder, dtype="float8")
    with pytest.raises(UserError, match="attention 'fast'"):
        CambrianForConditionalGeneration.from_pretrained(folder, attn_implementation="fast")
    with pytest.raises(UserError, match="quantize must be 4bit or 8bit, not '3bit'"):
        CambrianForConditionalGeneration.from_pretrained(folder, quantize="3bit")


def test_quantization_without_its_library(checkpoint: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match="needs bitsandbytes; install it"):
        CambrianForConditionalGeneration.from_pretrained(checkpoint("sva"), quantize="4bit")


def test_stop_ids_come_from_the_generation_file(checkpoint: Make) -> None:
    model = CambrianForConditionalGeneration.from_pretrained(checkpoint("sva"))
    assert model.generation_config.eos_token_id == [1, 4]
    assert model.generation_config.do_sample is True


def test_the_vocabulary_shrinks_to_the_tokenizer(checkpoint: Make) -> None:
    folder = checkpoint("phi3")
    processor = CambrianProcessor.from_pretrained(folder)
    stored = open_folder(folder, "it")["lm_head.weight"]
    model = CambrianForConditionalGeneration.from_pretrained(folder)
    assert stored.shape[0] == len(processor.tokenizer) + 5 == model.lm_head.weight.shape[0] + 5
    assert torch.equal(model.lm_head.weight.data, stored[...][:-5])
    assert model.config.vocab_size == len(processor.tokenizer)


def _rewrite(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    state = {k: v for name in set(index["weight_map"].values()) for k, v in load_file(folder / name).items()}
    for path in folder.glob("model*"):
        path.unlink()
    change(state)
    save_file(state, folder / "model.safetensors")


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("model.vision_query", None, r"model\.vision_query of shape \[1, 32\] is missing"),
        (
            "model.mm_projector_aux_3.0.weight",
            torch.zeros(32, 7),
            r"mm_projector_aux_3\.0\.weight has shape \[32, 7\], expected \[32, 80\]",
        ),
        ("model.extra.weight", torch.zeros(3), r"model\.extra\.weight of shape \[3\] is unexpected"),
        ("model.layers.0.self_attn.rotary_emb.inv_freq", torch.zeros(8), None),
    ],
)
def test_tensors_that_do_not_fit_are_named(
    name: str, tensor: torch.Tensor | None, message: str | None, copy: Callable[..., Path]
) -> None:
    folder = copy()

    def change(state: dict[str, torch.Tensor]) -> None:
        state.pop(name, None)
        if tensor is not None:
            state[name] = tensor

    _rewrite(folder, change)
    if message is None:
        CambrianForConditionalGeneration.from_pretrained(folder)
        return
    with pytest.raises(UserError, match=message) as caught:
        CambrianForConditionalGeneration.from_pretrained(folder)
    assert "\n" not in str(caught.value)


def test_broken_files(copy: Callable[..., Path]) -> None:
    folder = copy()
    shard = sorted(folder.glob("model-*.safetensors"))[1]
    content = shard.read_bytes()
    shard.write_bytes(content[:-10])
    with pytest.raises(UserError, match=f"{shard.name} ends inside tensor"):
        CambrianForConditionalGeneration.from_pretrained(folder)
    shard.unlink()
    with pytest.raises(UserError, match=f"names the shard {shard.name}"):
        CambrianForConditionalGeneration.from_pretrained(folder)
    (folder / "config.json").write_text("{")
    with pytest.raises(UserError, match="not valid JSON"):
        CambrianForConditionalGeneration.from_pretrained(folder)


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"config.json": {"model_type": "llava_llama", "mm_vision_tower": "openai/clip"}}, "LLaVA-style"),
        ({"config.json": {"model_type": "llava", "vision_config": {"a": 1}}}, "LLaVA-style"),
        ({"config.json": {"model_type": "llama"}}, "no mm_vision_tower_aux_list"),
        ({"adapter_config.json": {"peft_type": "LORA"}}, "LoRA adapter"),
        (
            {"adapter_config.json": {"peft_type": "LORA"}, "config.json": {"mm_vision_tower_aux_list": ["a"]}},
            "LoRA adapter",
        ),
        ({}, "no config.json"),
    ],
)
@pytest.mark.parametrize("loader", [CambrianForConditionalGeneration, CambrianProcessor])
def test_other_folders_are_told_what_they_are(files: dict[str, Any], message: str, loader: Any, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(json.dumps(content))
    with pytest.raises(UserError, match=message) as caught:
        loader.from_pretrained(tmp_path)
    assert "\n" not in str(caught.value) and str(tmp_path) in str(caught.value)


def test_a_name_that_is_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambrian_eval.models.cambrian.checkpoint.cached_snapshot", lambda hub_id, **kwargs: None)
    with pytest.raises(UserError, match="cambrian-eval fetch --model nyu-visionx/cambrian-8b"):
        CambrianProcessor.from_pretrained("nyu-visionx/cambrian-8b")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"mm_vision_tower_aux_token_len_list": [16, 16, 16, 60]}, "60, which is not"),
        ({"mm_vision_tower_aux_token_len_list": [16, 16, 64]}, "names 4 towers"),
        ({"mm_vision_tower_aux_token_len_list": [16, 16, 16, 36]}, "side 6 cannot be cut into 4 x 4"),
        ({"query_num_list": [16, 4]}, "num_query_group is 1"),
        ({"stride_of_vision_sampler_layers": 9}, "after decoder layer 9"),
        ({"mm_projector_type": "perceiver"}, "'perceiver' must be"),
        ({"mm_vision_select_feature": "cls_patch"}, "leaves a class token"),
    ],
)
def test_impossible_configurations(keys: dict[str, Any], message: str, copy: Callable[..., Path]) -> None:
    with pytest.raises(UserError, match=message):
        CambrianForConditionalGeneration.from_pretrained(copy(**keys))


def test_without_the_aggregator_every_tower_is_brought_to_the_grid_of_tokens(
    copy: Callable[..., Path], checkpoint: Make, made_image: Callable[..., Any]
) -> None:
    uneven = copy("mlp", mm_vision_tower_aux_token_len_list=[16, 16, 16, 64])
    model = CambrianForConditionalGeneration.from_pretrained(uneven)
    expected = _logits(CambrianForConditionalGeneration.from_pretrained(checkpoint("mlp")), uneven, made_image(60, 40))
    assert torch.equal(_logits(model, uneven, made_image(60, 40)), expected)


def test_a_lost_tokenizer_is_told_in_one_line(copy: Callable[..., Path]) -> None:
    folder = copy()
    (folder / "tokenizer.json").unlink()
    with pytest.raises(UserError, match="has no tokenizer") as told:
        CambrianProcessor.from_pretrained(folder)
    assert "\n" not in str(told.value)


def test_a_model_without_towers_says_so(checkpoint: Make) -> None:
    config = CambrianConfig.from_pretrained(checkpoint("sva"))
    config.mm_vision_tower_aux_width_list = [32, 32, 32, 80]
    model = CambrianForConditionalGeneration(config)
    with pytest.raises(UserError, match="without vision towers"):
        model.encode_images([torch.zeros(1, 3, 8, 8)] * 4, [(3, 4)])
    assert model.generate(torch.tensor([[3, 4]]), max_new_tokens=2, do_sample=False).shape[1] <= 2

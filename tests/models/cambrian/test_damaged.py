"""`cambrian:` with a damaged checkpoint or tower: one line, before the first batch."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval.errors import UserError
from cambrian_eval.registry import resolve
from tests.models.damage import (
    Change,
    bfloat16_called_float16,
    cast,
    drop,
    fifo,
    fill,
    header,
    index,
    one_value,
    raw_header,
    text,
    values,
)

pytestmark = pytest.mark.slow

DEEP = '{"a":' * 5000 + "1" + "}" * 5000


@pytest.fixture(scope="module")
def shelf(maker: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint with its towers beside it, its weights in one file."""
    folder = Path(maker.make_checkpoint(tmp_path_factory.mktemp("shelf"), "sva", template="phi3"))
    from safetensors.torch import load_file, save_file

    state = {k: v for path in folder.glob("*.safetensors") for k, v in load_file(path).items()}
    for path in folder.glob("model*"):
        path.unlink()
    save_file(state, folder / "model.safetensors")
    return folder.parent


@pytest.fixture
def folder(shelf: Path, tmp_path: Path) -> Path:
    shutil.copytree(shelf, tmp_path / "all")
    return tmp_path / "all" / "checkpoint"


def tower(name: str, change: Change) -> Change:
    return lambda folder: change(folder.parent / name)


def a_list(content: dict[str, Any]) -> Any:
    return [content]


CASES: dict[str, tuple[Change, str]] = {
    "no head": (drop("lm_head"), r"lm_head\.weight of shape .* is missing.*--allow-missing"),
    "NaN": (one_value("q_proj", float("nan")), r"q_proj.* NaN or infinite"),
    "infinite tower": (tower("clip", one_value("mlp", float("inf"))), r"mlp.* NaN or infinite"),
    "all zero": (fill("", 0.0), r"all zero"),
    "zero tower": (tower("siglip", fill("", 0.0)), r"all zero"),
    "float8": (cast("q_proj", torch.float8_e4m3fn), r"float8_e4m3fn.*quantization"),
    "integers": (tower("dinov2", cast("mlp", torch.int8)), r"int8.*quantization"),
    "dtype lies": (bfloat16_called_float16, r"states float16 .*bytes are bfloat16"),
    "header is a list": (header(a_list), r"header of .* is not a JSON object"),
    "tower header nested": (tower("clip", raw_header(b"[" * 200_000 + b"]" * 200_000)), r"nested more than"),
    "FIFO": (fifo("model.safetensors"), r"model\.safetensors is not a regular file"),
    "tower FIFO": (tower("clip", fifo("model.safetensors")), r"model\.safetensors is not a regular file"),
    "index without map": (index({}), r"no weight_map"),
    "config a list": (text("config.json", "[]"), r"not a JSON object"),
    "config nested": (text("config.json", DEEP), r"nested"),
    "negative size": (values("config.json", hidden_size=-8), r"hidden_size must be an integer"),
    "text size": (values("config.json", vocab_size="many"), r"vocab_size must be an integer"),
    "zero size": (values("config.json", image_token_len=0), r"image_token_len must be an integer"),
    "many layers": (values("config.json", num_hidden_layers=10**7), r"at most 1,000"),
    "many samplers": (values("config.json", num_of_vision_sampler_layers=10**7), r"at most 1,000"),
    "deep projector": (values("config.json", mm_projector_type="mlp9999999x_gelu"), r"mm_projector_type"),
    "towers as text": (values("config.json", mm_vision_tower_aux_list="clip"), r"mm_vision_tower_aux_list"),
    "towers as numbers": (values("config.json", mm_vision_tower_aux_list=[1, 2, 3, 4]), r"mm_vision_tower_aux_list"),
    "stride as text": (values("config.json", stride_of_vision_sampler_layers="x"), r"cannot be loaded"),
    "wide": (values("config.json", hidden_size=1 << 20), r"has shape"),
    "eps": (values("config.json", rms_norm_eps=float("nan")), r"rms_norm_eps is NaN"),
    "eps zero": (values("config.json", rms_norm_eps=0), r"rms_norm_eps must be a number above 0"),
    "eos": (values("generation_config.json", eos_token_id=[1, 10**6]), r"eos_token_id 1000000 is not in the vocab"),
    "tokenizer": (text("tokenizer.json", "{"), r"cannot be loaded"),
    "tokenizer bytes": (text("tokenizer.json", b"\xff\xfe"), r"cannot be loaded"),
    "generation a list": (text("generation_config.json", "[]"), r"not a JSON object"),
    "tower std": (tower("clip", values("preprocessor_config.json", image_std=[0, 1, 1])), r"image_std must not"),
    "tower side": (tower("clip", values("preprocessor_config.json", crop_size=10**6)), r"at most 8,192"),
    "tower crop": (tower("siglip", values("preprocessor_config.json", crop_size=0)), r"crop_size must be"),
    "wide tower": (tower("clip", values("config.json", intermediate_size=1 << 24)), r"describes a network of"),
    "tower size": (tower("clip", values("config.json", hidden_size=0)), r"hidden_size must be an integer"),
    "tower layers": (tower("clip", values("config.json", num_hidden_layers=10**7)), r"at most 1,000"),
    "tower config": (tower("clip", text("config.json", "[]")), r"not a JSON object"),
}


@pytest.mark.parametrize("case", CASES)
def test_one_line_says_what_is_wrong(case: str, folder: Path) -> None:
    change, expected = CASES[case]
    change(folder)
    with pytest.raises(UserError) as caught:
        resolve(f"cambrian:{folder}", {"device": "cpu", "template": "phi3"})
    message = str(caught.value)
    assert re.search(expected, message), message
    assert "\n" not in message and len(message) < 900


def test_a_model_that_does_not_see_is_refused(folder: Path) -> None:
    drop_vision = fill("mm_projector", 0.0)
    drop_vision(folder)
    fill("vision_sampler", 0.0)(folder)
    options = {"device": "cpu", "template": "phi3", "allow_missing": "*mm_projector*,*vision_sampler*"}
    with pytest.raises(UserError, match="two different images give exactly the same logits"):
        resolve(f"cambrian:{folder}", options)
    model = resolve(f"cambrian:{folder}", {**options, "self_check": False})
    assert model.describe()["self_check"] == "off"


def test_missing_tensors_are_allowed_by_pattern(folder: Path) -> None:
    drop("vision_sampler_layers.1")(folder)
    options = {"device": "cpu", "template": "phi3", "allow_missing": "model.vision_sampler_layers.1.*"}
    first, second = (resolve(f"cambrian:{folder}", options) for _ in range(2))
    states = [m.driver.model.state_dict() for m in (first, second)]  # type: ignore[attr-defined]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_inspect_is_one_line_too(folder: Path) -> None:
    from cambrian_eval.cli.inspect_ import inspect

    for change in (values("config.json", num_hidden_layers=10**7), text("config.json", json.dumps([1]))):
        change(folder)
        with pytest.raises(UserError) as caught:
            inspect(str(folder), ["640x480"], None, False)  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)

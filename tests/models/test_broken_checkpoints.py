"""A checkpoint that is damaged, incomplete or put together wrongly is refused with one line that says what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from cambrian_eval.errors import UserError
from cambrian_eval.registry import resolve
from tests.models.tiny_vlms import llava

Change = Callable[[Path], None]
State = dict[str, torch.Tensor]

HEAD = "language_model.model.embed_tokens.weight"


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return llava(tmp_path_factory.mktemp("shelf") / "llava")


@pytest.fixture
def folder(shelf: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "llava"
    shutil.copytree(shelf, copy)
    return copy


def weights(change: Callable[[State], None]) -> Change:
    """Rewrites the tensors."""

    def apply(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        change(state)
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return apply


def drop(*parts: str) -> Change:
    def change(state: State) -> None:
        names = [name for name in state if any(part in name for part in parts)]
        assert names
        for name in names:
            del state[name]

    return weights(change)


def fill(part: str, value: float) -> Change:
    def change(state: State) -> None:
        for name in [name for name in state if part in name]:
            state[name] = torch.full_like(state[name], value)

    return weights(change)


def one_value(part: str, value: float) -> Change:
    def change(state: State) -> None:
        next(t for name, t in state.items() if part in name).view(-1)[-1] = value

    return weights(change)


def cast(part: str, dtype: torch.dtype) -> Change:
    def change(state: State) -> None:
        for name in [name for name in state if part in name]:
            state[name] = state[name].to(dtype)

    return weights(change)


def extra(state: State) -> None:
    state["model.surplus.weight"] = torch.ones(3, 3)


def values(name: str, **keys: Any) -> Change:
    """Sets keys of a JSON file; `a__b` is b inside a."""

    def apply(folder: Path) -> None:
        path = folder / name
        content = json.loads(path.read_text()) if path.exists() else {}
        for key, value in keys.items():
            *outer, last = key.split("__")
            place = content
            for part in outer:
                place = place[part]
            place[last] = value
        path.write_text(json.dumps(content))

    return apply


def text(name: str, content: str | bytes) -> Change:
    def apply(folder: Path) -> None:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())

    return apply


def fifo(name: str) -> Change:
    def apply(folder: Path) -> None:
        (folder / name).unlink(missing_ok=True)
        os.mkfifo(folder / name)

    return apply


def header(change: Callable[[dict[str, Any]], Any]) -> Change:
    """Rewrites the header of the weights and leaves their bytes as they are."""

    def apply(folder: Path) -> None:
        path = folder / "model.safetensors"
        data = path.read_bytes()
        (length,) = struct.unpack("<Q", data[:8])
        content = json.loads(data[8 : 8 + length])
        changed = change(content)
        written = json.dumps(content if changed is None else changed).encode()
        path.write_bytes(struct.pack("<Q", len(written)) + written + data[8 + length :])

    return apply


def raw_header(content: bytes) -> Change:
    return text("model.safetensors", struct.pack("<Q", len(content)) + content)


def entry(**keys: Any) -> Change:
    """Changes the header's entry of one tensor."""

    def change(content: dict[str, Any]) -> None:
        content[next(name for name in content if "layernorm.weight" in name)] |= keys

    return header(change)


def overlapping(content: dict[str, Any]) -> None:
    entries = [about for name, about in content.items() if name != "__metadata__"]
    first = next(a for a in entries if any(b is not a and b["shape"] == a["shape"] for b in entries))
    next(b for b in entries if b is not first and b["shape"] == first["shape"])["data_offsets"] = first["data_offsets"]


def without_offsets(content: dict[str, Any]) -> None:
    del content[next(name for name in content if name != "__metadata__")]["data_offsets"]


def a_number(content: dict[str, Any]) -> None:
    content[next(name for name in content if name != "__metadata__")] = 7


def index(content: Any) -> Change:
    def apply(folder: Path) -> None:
        (folder / "model.safetensors.index.json").write_text(json.dumps(content))
        (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")

    return apply


def bfloat16_called_float16(folder: Path) -> None:
    cast("", torch.bfloat16)(folder)

    def change(content: dict[str, Any]) -> None:
        for name, about in content.items():
            if name != "__metadata__":
                about["dtype"] = "F16"

    header(change)(folder)


def template(content: str) -> Change:
    return text("chat_template.jinja", content)


def byte_tokenizer(size: int) -> Change:
    def apply(folder: Path) -> None:
        path = folder / "tokenizer.json"
        content = json.loads(path.read_text())
        content["model"]["vocab"] |= {f"word{i}": 10_000 + i for i in range(size)}
        path.write_text(json.dumps(content))

    return apply


DEEP = '{"a":' * 5000 + "1" + "}" * 5000
LOOP = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"

WEIGHTS: dict[str, tuple[Change, str]] = {
    "no language head": (drop("lm_head"), r"lm_head.weight is missing.*--allow-missing"),
    "no projector": (drop("multi_modal_projector"), r"multi_modal_projector.* missing"),
    "no vision": (drop("vision_tower"), r"vision_tower.* more are missing"),
    "one layer": (drop("layers.1.mlp"), r"layers\.1\.mlp.* missing"),
    "unexpected": (weights(extra), r"model\.surplus\.weight is unexpected"),
    "another shape": (
        values("config.json", text_config__intermediate_size=64),
        r"has shape \[.*config\.json describes",
    ),
    "NaN": (one_value("q_proj", float("nan")), r"q_proj.* NaN or infinite"),
    "infinite": (one_value("mlp", float("inf")), r"mlp.* NaN or infinite"),
    "all zero": (fill("", 0.0), r"all zero"),
    "zero projector": (fill("multi_modal_projector", 0.0), r"multi_modal_projector.* all zero"),
    "float8": (cast("q_proj", torch.float8_e4m3fn), r"float8_e4m3fn.*quantization"),
    "integers": (cast("mlp", torch.int8), r"int8.*quantization"),
    "dtype lies": (bfloat16_called_float16, r"states float16 .*bytes are bfloat16"),
    "truncated": (lambda f: os.truncate(f / "model.safetensors", 40_000), r"ends inside tensor|needs"),
    "header is a list": (header(lambda content: [content]), r"header of .* is not a JSON object"),
    "header is empty": (text("model.safetensors", b""), r"not a readable safetensors file"),
    "header is nested": (raw_header(b"[" * 200_000 + b"]" * 200_000), r"nested more than"),
    "header length": (text("model.safetensors", b"\xff" * 64), r"not a readable safetensors file"),
    "entry without offsets": (header(without_offsets), r"data_offsets of tensor"),
    "entry a number": (header(a_number), r"is not an object"),
    "offsets as text": (entry(data_offsets=["0", "4"]), r"data_offsets of tensor"),
    "negative offsets": (entry(data_offsets=[-128, 0]), r"data_offsets of tensor"),
    "short": (entry(data_offsets=[0, 4]), r"needs 128 bytes"),
    "overlap": (header(overlapping), r"overlap"),
    "shape as text": (entry(shape="32"), r"shape of tensor"),
    "wider dtype": (entry(dtype="F64"), r"needs 256 bytes"),
    "FIFO": (fifo("model.safetensors"), r"model\.safetensors is not a regular file"),
    "index a list": (index([1]), r"index\.json is not a JSON object"),
    "index without map": (index({"metadata": {}}), r"no weight_map"),
    "index names a path": (index({"weight_map": {"a": "../b.safetensors"}}), r"weight_map gives no file"),
    "index lacks a shard": (index({"weight_map": {"a": "b.safetensors"}}), r"names the shard b\.safetensors"),
}
CONFIGS: dict[str, tuple[Change, str]] = {
    "a list": (text("config.json", "[1]"), r"config\.json is not a JSON object"),
    "nested": (text("config.json", DEEP), r"config\.json is nested"),
    "negative": (values("config.json", text_config__hidden_size=-32), r"hidden_size must be an integer"),
    "text": (values("config.json", text_config__num_hidden_layers="two"), r"num_hidden_layers must be an integer"),
    "zero": (values("config.json", text_config__vocab_size=0), r"vocab_size must be an integer"),
    "zero heads": (values("config.json", vision_config__num_attention_heads=0), r"num_attention_heads must be"),
    "many layers": (values("config.json", text_config__num_hidden_layers=10**7), r"num_hidden_layers is 10000000"),
    "wide": (values("config.json", text_config__hidden_size=32_768), r"describes a network of"),
    "heads": (values("config.json", text_config__num_attention_heads=5), r"cannot be loaded|has shape"),
    "eps NaN": (values("config.json", text_config__rms_norm_eps=float("nan")), r"rms_norm_eps is NaN"),
    "eps text": (values("config.json", text_config__rms_norm_eps="small"), r"rms_norm_eps must be a number"),
    "eos outside": (values("generation_config.json", eos_token_id=99_999), r"eos_token_id 99999 is not in the voc"),
    "eos text": (values("generation_config.json", eos_token_id="</s>"), r"eos_token_id"),
    "not an image model": (values("config.json", model_type="llama"), r"llama|image-text|processor"),
    "model type a list": (values("config.json", model_type=["llava"]), r"llava|model"),
    "std zero": (values("preprocessor_config.json", image_std=[0, 0.2, 0.2]), r"image_std must not contain 0"),
    "std text": (values("preprocessor_config.json", image_std=["a", 1, 1]), r"image_std must not contain"),
    "tokenizer": (text("tokenizer.json", "{"), r"cannot be loaded"),
    "tokenizer bytes": (text("tokenizer.json", b"\xff\x00"), r"cannot be loaded"),
    "tokenizer empty": (text("tokenizer.json", "{}"), r"cannot be loaded"),
    "larger tokenizer": (byte_tokenizer(3), r"tokenizer of another model"),
    "tokenizer FIFO": (fifo("tokenizer.json"), r"tokenizer\.json is not a regular file"),
    "config FIFO": (fifo("config.json"), r"config\.json"),
    "generation list": (text("generation_config.json", "[]"), r"generation_config\.json is not a JSON object"),
}


def refused(spec: str, options: dict[str, Any] | None = None) -> str:
    with pytest.raises(UserError) as caught:
        resolve(spec, {"device": "cpu", **(options or {})})
    message = str(caught.value)
    assert "\n" not in message and len(message) < 900
    return message


def test_the_whole_checkpoint_loads(folder: Path) -> None:
    model = resolve(f"hf:{folder}", {"device": "cpu"})
    facts = model.describe()
    assert facts["self_check"] == {"logits": "finite", "image_changes_logits": True, "tokenizer_round_trip": True}
    assert "note" not in facts


@pytest.mark.parametrize("case", WEIGHTS)
def test_damaged_weights(case: str, folder: Path) -> None:
    change, expected = WEIGHTS[case]
    change(folder)
    import re

    message = refused(f"hf:{folder}")
    assert re.search(expected, message), message


@pytest.mark.parametrize("case", CONFIGS)
def test_impossible_configurations(case: str, folder: Path) -> None:
    change, expected = CONFIGS[case]
    change(folder)
    import re

    message = refused(f"hf:{folder}")
    assert re.search(expected, message), message

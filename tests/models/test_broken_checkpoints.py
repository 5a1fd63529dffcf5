"""A checkpoint that is damaged, incomplete or put together wrongly is refused with one line that says what is wrong."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval.errors import UserError
from cambrian_eval.registry import resolve
from cambrian_eval.sample import Request, Response
from tests.models.damage import (
    Change,
    a_number,
    bfloat16_called_float16,
    byte_tokenizer,
    cast,
    drop,
    entry,
    extra,
    fifo,
    fill,
    header,
    index,
    one_value,
    overlapping,
    raw_header,
    text,
    values,
    weights,
    without_offsets,
)
from tests.models.tiny_vlms import llava

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return llava(tmp_path_factory.mktemp("shelf") / "llava")


@pytest.fixture
def folder(shelf: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "llava"
    shutil.copytree(shelf, copy)
    return copy


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
        r"has shape \[.*json describes",
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
    "std negative": (values("preprocessor_config.json", image_std=-1), r"image_std must not contain -1"),
    "std huge": (values("preprocessor_config.json", image_std=[1, 1e308, 1]), r"image_std must not contain 1e\+308"),
    "crop zero": (values("preprocessor_config.json", crop_size__height=0), r"height must be an integer"),
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
    message = refused(f"hf:{folder}")
    assert re.search(expected, message), message


@pytest.mark.parametrize("case", CONFIGS)
def test_impossible_configurations(case: str, folder: Path) -> None:
    change, expected = CONFIGS[case]
    change(folder)
    message = refused(f"hf:{folder}")
    assert re.search(expected, message), message


TEMPLATES: dict[str, tuple[str, str]] = {
    "drops the question": ("{% for m in messages %}USER: <image> ASSISTANT:{% endfor %}", r"does not show the text"),
    "fails": ("{{ raise_exception('no') }}", r"cannot be used \(no\)"),
    "is broken": ("{% for m in %}", r"cannot be used"),
    "leaves the sandbox": ("{{ ''.__class__.__mro__ }}", r"cannot be used"),
}


@pytest.mark.parametrize("case", TEMPLATES)
def test_chat_templates_that_cannot_be_used(case: str, folder: Path) -> None:
    content, expected = TEMPLATES[case]
    (folder / "chat_template.jinja").write_text(content)
    message = refused(f"hf:{folder}")
    assert re.search(expected, message), message


def test_a_chat_template_that_never_ends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambrian_eval.models.transformers_vlm.chat_template.SECONDS", 0.5)
    (folder / "chat_template.jinja").write_text(LOOP)
    assert "did not end within 0.5 seconds" in refused(f"hf:{folder}")


def ask(model: Any, prompt: str) -> Response:
    return next(iter(model.respond(iter([Request("a", "toy", "off", prompt, (), 0, 3, "key")]))))


def test_a_question_that_the_template_drops_fails_alone(folder: Path) -> None:
    own = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").write_text(own.replace("c['text']", "c['text'][:80]"))
    model = resolve(f"hf:{folder}", {"device": "cpu"})
    assert ask(model, "short?").finish == "length"
    long = ask(model, "a longer question, " * 9)
    assert long.finish == "failed" and "left out the question" in str(long.error)


def test_a_template_that_prints_the_date_prints_the_same_one_every_day(folder: Path) -> None:
    own = (folder / "chat_template.jinja").read_text()
    before = ask(resolve(f"hf:{folder}", {"device": "cpu"}), "Why?")
    plain, dated = (
        own.replace("{{ bos_token }}", "{{ bos_token }}" + date)
        for date in ("26 Jul 2024, July 26, 2024-07-26 ", "{{ strftime_now('%d %b %Y, %B %-d, %Y-%m-%d') }} ")
    )
    (folder / "chat_template.jinja").write_text(plain)
    expected = ask(resolve(f"hf:{folder}", {"device": "cpu"}), "Why?")
    (folder / "chat_template.jinja").write_text(dated)
    model = resolve(f"hf:{folder}", {"device": "cpu"})
    found = ask(model, "Why?")
    assert (found.text, found.prompt_tokens) == (expected.text, expected.prompt_tokens)
    assert found.prompt_tokens != before.prompt_tokens
    assert model.describe()["date_in_prompts"] == "fixed: 2024-07-26"


def test_missing_and_surplus_tensors_are_allowed_by_pattern(folder: Path) -> None:
    weights(extra)(folder)
    drop("multi_modal_projector.linear_2")(folder)
    patterns = "model.surplus.*, model.multi_modal_projector.*"
    assert "multi_modal_projector" in refused(f"hf:{folder}", {"allow_missing": "model.surplus.*"})
    assert "surplus" in refused(f"hf:{folder}", {"allow_missing": "model.multi*"})
    first, second = (resolve(f"hf:{folder}", {"device": "cpu", "allow_missing": patterns}) for _ in range(2))
    asked = "Which is larger?"
    assert ask(first, asked).text == ask(second, asked).text, "what is missing is the same at every start"


def test_a_model_that_does_not_see_is_refused_by_the_self_check(folder: Path) -> None:
    fill("multi_modal_projector", 0.0)(folder)
    allow = {"allow_missing": "*multi_modal_projector*"}
    assert "two different images give exactly the same logits" in refused(f"hf:{folder}", allow)
    model = resolve(f"hf:{folder}", {"device": "cpu", "self_check": False, **allow})
    assert model.describe()["self_check"] == "off"


def test_code_that_is_not_run_is_reported(folder: Path) -> None:
    values("config.json", auto_map={"AutoConfig": "own.OwnConfig"})(folder)
    (folder / "own.py").write_text("raise SystemExit('run')")
    with pytest.warns(UserWarning, match="code of its own"):
        model = resolve(f"hf:{folder}", {"device": "cpu"})
    assert "--trust-remote-code" in model.describe()["note"]


def test_what_is_not_the_model_does_not_change_the_fingerprint(folder: Path) -> None:
    def fingerprint(**options: Any) -> str:
        return resolve(f"hf:{folder}", {"device": "cpu", **options}).fingerprint

    before = fingerprint()
    (folder / "README.md").write_text("New text.")
    (folder / ".git").mkdir()
    (folder / ".git" / "config").write_text("x")
    assert fingerprint(batch_size=3) == before
    assert fingerprint(self_check=False) == before
    (folder / "vocab.txt").write_text("x")
    assert fingerprint() != before

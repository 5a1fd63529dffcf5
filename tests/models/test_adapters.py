"""`--adapter`: LoRA adapters made by peft, merged into `hf:` and `cambrian:` models."""

from __future__ import annotations

import importlib.util
import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from cambrian_eval import Request, UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.models.adapters import apply_adapter, find_adapter
from cambrian_eval.registry import resolve
from tests.conftest import png
from tests.models.tiny_vlms import llava

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    return llava(tmp_path_factory.mktemp("base") / "llava")


@pytest.fixture(scope="module")
def cambrian(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = Path(__file__).resolve().parents[2] / "tools/make_tiny_checkpoint.py"
    spec = importlib.util.spec_from_file_location("make_tiny_checkpoint_for_adapters", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return Path(module.make_checkpoint(tmp_path_factory.mktemp("cambrian"), "sva"))


def random_adapter(model: Any, folder: Path, **settings: Any) -> Any:
    """peft's own model with a random adapter, which is also written to the folder."""
    from peft import LoraConfig, PeftModel

    made = PeftModel(model, LoraConfig(r=2, lora_alpha=8, **settings))
    torch.manual_seed(5)
    with torch.no_grad():
        for name, weight in made.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                weight.normal_(0.0, 0.2)
    made.save_pretrained(str(folder))
    return made.eval()


def llava_adapter(base: Path, folder: Path, **settings: Any) -> Any:
    from transformers import LlavaForConditionalGeneration

    settings = {"target_modules": r".*language_model.*\.(q_proj|v_proj)"} | settings
    return random_adapter(LlavaForConditionalGeneration.from_pretrained(base), folder, **settings)


def asked() -> Request:
    image = LazyImage.of(png(3, (40, 30)))
    assert image is not None
    return Request("1", "docvqa", "on", "what is this?", (image.decoded(),), 0, 8, "key")


def test_responses_of_a_merged_adapter_equal_those_of_peft(base: Path, tmp_path: Path) -> None:
    adapted = llava_adapter(base, tmp_path / "lora")
    plain = resolve(f"hf:{base}", {})
    merged = resolve(f"hf:{base}", {"adapter": str(tmp_path / "lora")})
    request = asked()
    processor = plain.checkpoint.processor  # type: ignore[attr-defined]
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": request.prompt}]}]
    text = processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False)
    images = request.images[0].load()
    inputs = processor(text=text, images=images, return_tensors="pt", add_special_tokens=False)
    ids = adapted.generate(**inputs, max_new_tokens=8, do_sample=False)[0, inputs["input_ids"].shape[1] :]
    expected = processor.tokenizer.decode(ids, skip_special_tokens=True).strip()
    (with_adapter,), (without,) = (list(m.respond(iter([request]))) for m in (merged, plain))
    assert with_adapter.text == expected != without.text
    assert merged.name == "llava+lora"
    assert merged.describe()["adapter"] == {"type": "LORA", "tensors": 8, "merged": True}  # 2 layers, q and v, A and B


def test_the_fingerprint_follows_the_adapters_content_and_not_its_place(base: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    llava_adapter(base, tmp_path / "lora")
    shutil.copytree(tmp_path / "lora", tmp_path / "moved")
    shutil.copytree(tmp_path / "lora", tmp_path / "other")
    weights = tmp_path / "other" / "adapter_model.safetensors"
    save_file({name: tensor * 1.5 for name, tensor in load_file(weights).items()}, weights)
    marks = [
        resolve(f"hf:{base}", options).fingerprint
        for options in ({}, *({"adapter": str(tmp_path / n)} for n in ("lora", "moved", "other")))
    ]
    assert marks[1] == marks[2] and len(set(marks)) == 3


def test_cambrian_with_language_model_and_connector_adapted_equals_peft(cambrian: Path, tmp_path: Path) -> None:
    """The forward pass of the language model and the encoded image, against peft's unmerged modules."""
    from cambrian_eval.models.cambrian import CambrianForConditionalGeneration

    def load() -> Any:
        return CambrianForConditionalGeneration.from_pretrained(cambrian, dtype=torch.float32)

    targets = r"model\.(layers\.\d+\..*(q_proj|down_proj)|mm_projector\.[02])"
    adapted = random_adapter(load(), tmp_path / "lora", target_modules=targets)
    trained = {name for name, _ in adapted.named_parameters() if "lora_A" in name}
    assert {".layers." in name for name in trained} == {True, False}, "language model and connector"
    merged = load()
    apply_adapter(merged, tmp_path / "lora")
    assert not [name for name, _ in merged.named_modules() if "lora" in name]
    ids = torch.tensor([[5, 9, 17, 3, 8]])
    with torch.no_grad():
        expected, found = (model(input_ids=ids).logits for model in (adapted, merged))
        untouched = load()(input_ids=ids).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)
    assert float((untouched - expected).abs().max()) > 1e-2
    with torch.no_grad():
        width = next(merged.model.mm_projector.children()).in_features
        image = torch.rand(3, width)
        expected, found = (m.mm_projector(image) for m in (adapted.base_model.model.model, merged.model))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


def test_a_cambrian_run_with_an_adapter_and_a_whole_connector(cambrian: Path, tmp_path: Path) -> None:
    """The layout of the training scripts: LoRA of the language model, and the trained connector in a pickled file."""
    from cambrian_eval.models.cambrian import CambrianForConditionalGeneration

    model = CambrianForConditionalGeneration.from_pretrained(cambrian)
    weights = {name: w.detach().clone() for name, w in model.named_parameters() if "mm_projector." in name}
    random_adapter(model, tmp_path / "lora", target_modules=r"model\.layers\.\d+\..*q_proj")
    changed = {f"base_model.model.{name}": -weight for name, weight in weights.items()}
    torch.save(changed, tmp_path / "lora" / "non_lora_trainables.bin")
    options = {"adapter": str(tmp_path / "lora"), "allow_pickle": True}
    loaded = resolve(f"cambrian:{cambrian}", options)
    own = dict(loaded.driver.model.named_parameters())  # type: ignore[attr-defined]
    assert weights and all(torch.equal(own[name], -weight) for name, weight in weights.items())
    (response,) = loaded.respond(iter([asked()]))
    assert response.finish != "failed" and loaded.describe()["adapter"]["merged"]
    with pytest.raises(UserError, match="--allow-pickle"):
        resolve(f"cambrian:{cambrian}", {"adapter": str(tmp_path / "lora")})


def test_an_adapter_beside_quantized_weights_computes_the_same(base: Path, tmp_path: Path) -> None:
    from transformers import LlavaForConditionalGeneration

    adapted = llava_adapter(base, tmp_path / "lora")
    model = LlavaForConditionalGeneration.from_pretrained(base).eval()
    assert apply_adapter(model, tmp_path / "lora", merge=False)["merged"] is False
    ids = torch.tensor([[5, 9, 17]])
    with torch.no_grad():
        assert torch.equal(model(input_ids=ids).logits, adapted(input_ids=ids).logits)


def _renamed(folder: Path, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    from safetensors.torch import load_file, save_file

    path = folder / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)


def test_an_adapter_that_does_not_fit_names_its_tensors(base: Path, tmp_path: Path) -> None:
    llava_adapter(base, tmp_path / "lora")
    first = "base_model.model.model.language_model.layers.0.self_attn.q_proj.lora_A.weight"

    def damaged(name: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
        shutil.copytree(tmp_path / "lora", tmp_path / name)
        _renamed(tmp_path / name, change)
        with pytest.raises(UserError) as caught:
            resolve(f"hf:{base}", {"adapter": str(tmp_path / name)})
        assert "\n" not in str(caught.value) and str(tmp_path / name) in str(caught.value)
        return str(caught.value)

    narrow = damaged("narrow", lambda t: {n: x[:, :5].contiguous() if n == first else x for n, x in t.items()})
    assert f"{first} has shape [2, 5], the model needs [2, 32]" in narrow
    missing = damaged("missing", lambda t: {n: x for n, x in t.items() if n != first})
    assert f"{first} is missing" in missing
    surplus = damaged("surplus", lambda t: t | {first.replace("layers.0", "layers.7"): t[first].clone()})
    assert "no place for tensor" in surplus and "layers.7" in surplus
    assert "NaN" in damaged("nan", lambda t: {n: x * float("nan") for n, x in t.items()})
    config = tmp_path / "lora" / "adapter_config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"target_modules": ["of_another_model"]}))
    with pytest.raises(UserError, match=r"does not fit the base model: .*of_another_model.* tensor base_model\.model"):
        resolve(f"hf:{base}", {"adapter": str(tmp_path / "lora")})


def test_what_is_no_adapter_is_one_line(base: Path, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    for adapter, words in (
        (str(tmp_path / "absent"), "is not a folder"),
        (str(tmp_path / "bare"), "no adapter_config.json; name the folder of a LoRA adapter"),
        (str(base), "whole checkpoint; give it to --model"),
    ):
        with pytest.raises(UserError, match=words):
            find_adapter(adapter)
    (tmp_path / "bare" / "adapter_config.json").write_text('{"peft_type": "LORA"')
    with pytest.raises(UserError, match=r"no adapter_model\.safetensors"):
        find_adapter(str(tmp_path / "bare"))
    (tmp_path / "bare" / "adapter_model.safetensors").write_bytes(b"")
    for text, words in (
        ('{"peft_type": "LORA"', "adapter_config.json"),
        ('{"peft_type": "SOMETHING"}', "not a configuration of peft"),
        ('{"peft_type": "PROMPT_TUNING", "num_virtual_tokens": 4}', "PROMPT_TUNING are not supported"),
        ('{"peft_type": "LORA", "r": 4}', "not a readable safetensors file"),
    ):
        (tmp_path / "bare" / "adapter_config.json").write_text(text)
        with pytest.raises(UserError, match=words) as caught:
            resolve(f"hf:{base}", {"adapter": str(tmp_path / "bare")})
        assert "\n" not in str(caught.value)

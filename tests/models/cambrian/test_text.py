"""Tokenization around the image, the processor's choices, and what `inspect` tells."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cambrian_eval.models.cambrian import CambrianProcessor
from cambrian_eval.models.cambrian.inspect import describe_checkpoint, needed_repositories
from cambrian_eval.models.cambrian.sentencepiece_tokenizer import SentencePieceTokenizer
from cambrian_eval.models.cambrian.tokens import load_tokenizer, prompt_ids

CORPUS = "A chat between a curious user and an artificial intelligence assistant. USER: ASSISTANT: what is it?\n"


class _Letters:
    """A tokenizer of letters that may add a BOS of its own."""

    def __init__(self, adds: bool) -> None:
        self.bos_token_id, self.adds = 1, adds

    def __call__(self, text: str) -> dict[str, list[int]]:
        ids = [1 if letter == "^" else ord(letter) for letter in text]
        return {"input_ids": [1, *ids] if self.adds else ids}


def test_the_drop_rule_is_literal() -> None:
    a, b, new = ord("a"), ord("b"), ord("\n")
    assert prompt_ids("a<image>\nb", _Letters(True)) == [1, a, -200, new, b]
    # The template's own BOS makes the rule drop the line break, as the published results had it.
    assert prompt_ids("^a<image>\nb", _Letters(False)) == [1, a, -200, b]
    assert prompt_ids("a<image>\nb", _Letters(False)) == [a, -200, new, b]
    assert prompt_ids("^a<image>", _Letters(False)) == [1, a, -200]
    assert prompt_ids("^^a<image>b", _Letters(True)) == [1, 1, 1, a, -200, b]
    assert prompt_ids("ab", _Letters(True)) == [1, a, b]


@pytest.fixture(scope="module")
def sentencepiece_folder(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    import sentencepiece

    root = tmp_path_factory.mktemp("sentencepiece")
    (root / "corpus.txt").write_text(CORPUS * 20)
    options = "--model_type=bpe --vocab_size=340 --byte_fallback --normalization_rule_name=identity"
    options += " --remove_extra_whitespaces=false --minloglevel=2"
    sentencepiece.SentencePieceTrainer.train(f"--input={root}/corpus.txt --model_prefix={root}/m {options}")

    def make(legacy: bool) -> Path:
        folder = root / f"legacy_{legacy}"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer.model").write_bytes((root / "m.model").read_bytes())
        added = {"340": {"content": "<|end|>", "rstrip": True, "special": True}}
        settings = {"tokenizer_class": "LlamaTokenizer", "legacy": legacy, "added_tokens_decoder": added}
        (folder / "tokenizer_config.json").write_text(json.dumps(settings))
        return folder

    return make


@pytest.mark.parametrize("legacy", [True, False])
def test_sentencepiece_rules(legacy: bool, sentencepiece_folder: Callable[[bool], Path]) -> None:
    tokenizer = load_tokenizer(sentencepiece_folder(legacy))
    assert isinstance(tokenizer, SentencePieceTokenizer) and len(tokenizer) == 341
    names = {index: piece for piece, index in tokenizer.get_vocab().items()}

    def pieces(text: str) -> list[str]:
        return [names[index] for index in tokenizer(text)["input_ids"]]

    # The space marker before a line break, and the one that a trailing space leaves.
    assert pieces("\nwhat")[:3] == ["<s>", "▁", "<0x0A>"]
    assert pieces("USER: ")[-2:] == [":", "▁"]
    # After a special token the legacy rule adds the dummy prefix again, the newer one does not.
    after = pieces("what</s>USER:")
    assert after[after.index("</s>") + 1].startswith("▁") is legacy
    # The newer rule puts a marker before a special token and takes it back where that token has a role.
    assert pieces("</s>what")[1] == "</s>"
    assert pieces("<|end|>what")[1] == ("<|end|>" if legacy else "▁")
    # A token that swallows blanks on its right.
    assert pieces("<|end|>\n\nwhat") == pieces("<|end|>what")
    ids = tokenizer("what is it? USER")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "what is it? USER"
    assert prompt_ids("what: <image>\nwhat", tokenizer).count(-200) == 1


def test_a_sentencepiece_checkpoint_works_whole(
    sentencepiece_folder: Callable[[bool], Path], maker: Any, tmp_path: Path
) -> None:
    folder = maker.make_checkpoint(tmp_path, "sva", template="vicuna_v1", overrides={"image_position": 1})
    for path in sentencepiece_folder(True).iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    (folder / "tokenizer.json").unlink()
    with pytest.warns(UserWarning, match="template vicuna_v1 puts the image at position"):
        processor = CambrianProcessor.from_pretrained(folder)
    assert processor.template.name == "vicuna_v1"


def test_template_choice_and_override(checkpoint: Callable[..., Path]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert CambrianProcessor.from_pretrained(checkpoint("sva")).template.name == "llama_3"
        assert CambrianProcessor.from_pretrained(checkpoint("phi3")).template.name == "phi3"
    with pytest.warns(UserWarning, match="is it the template this checkpoint was trained with"):
        other = CambrianProcessor.from_pretrained(checkpoint("sva"), template="vicuna_v1")
    assert other.apply_chat_template([{"role": "user", "content": "Hi"}], True).endswith("USER: Hi ASSISTANT:")


def test_processor_shapes(loaded: Callable[..., Any], made_image: Callable[..., Image.Image]) -> None:
    _, processor = loaded("sva")
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Hi"}]}]
    shown = [
        {"role": "user", "content": [{"type": "image", "image": made_image(9, 5)}, {"type": "text", "text": "Hi"}]}
    ]
    prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
    assert processor.apply_chat_template([chat, chat], add_generation_prompt=True) == [prompt, prompt]
    inputs = processor(text=prompt, images=made_image(9, 5))
    assert [tuple(p.shape) for p in inputs["pixel_values"]] == [(1, 3, side, side) for side in (72, 56, 70, 64)]
    assert inputs["image_sizes"].tolist() == [[9, 5]]
    direct = processor.apply_chat_template(shown, add_generation_prompt=True, tokenize=True)
    assert direct["input_ids"].tolist() == inputs["input_ids"].tolist()
    moved = inputs.to("cpu")
    assert moved["input_ids"].dtype.is_floating_point is False and "pixel_values" not in processor(text=["x"])
    left = processor(text=["abc", "a"], padding_side="left")
    assert left["attention_mask"].tolist() == [[1, 1, 1], [0, 0, 1]]
    assert processor(text=["abc", "a"])["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_inspect(checkpoint: Callable[..., Path]) -> None:
    folder = checkpoint("groups")
    told = describe_checkpoint(folder, [(640, 160)])
    assert told["template"] == "llama_3" and told["missing"] == [] and told["sampler_layers"] == [0, 2]
    # 160 of 640 on a grid of 4 is one row, kept as two: (4 - 1) // 2 = 1 above and below.
    assert told["image"] == {"size": [640, 160], "grid": [2, 4], "visual_tokens": 10}
    assert told["memory_bytes"]["float32"] == 4 * told["parameters"]["total"]
    assert [tower["kind"] for tower in told["towers"]] == ["siglip", "clip", "dinov2", "convnext"]
    assert json.loads(json.dumps(told)) == told


def test_inspect_counts_what_is_loaded(checkpoint: Callable[..., Path], loaded: Callable[..., Any]) -> None:
    model, _ = loaded("sva")
    told = describe_checkpoint(checkpoint("sva"))
    assert told["parameters"]["total"] == sum(parameter.numel() for parameter in model.parameters())


def test_inspect_lists_what_is_missing(checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr("cambrian_eval.models.cambrian.towers.specs.cached_snapshot", lambda hub_id, **kwargs: None)
    raw = json.loads((checkpoint("sva") / "config.json").read_text())
    raw["mm_vision_tower_aux_list"] = [
        "siglip/CLIP-ViT-SO400M-14-384",
        "openai/clip-vit-large-patch14-336",
        "facebook/dinov2-giant-res378",
        "clip-convnext-XXL-multi-stage",
    ]
    (tmp_path / "config.json").write_text(json.dumps(raw))
    told = describe_checkpoint(tmp_path)
    assert len(told["missing"]) == 5 and "no weight file" in told["missing"][0]
    assert told["towers"][2]["parameters"] > 1.1e9 and told["towers"][3]["width"] == 5760
    assert [repository.hub_id for repository in needed_repositories(str(tmp_path))][1:3] == [
        "openai/clip-vit-large-patch14-336",
        "facebook/dinov2-giant",
    ]


def test_a_config_in_the_cache_is_enough_to_inspect(
    checkpoint: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hub cache as an interrupted fetch leaves it: settings and tokenizer, no weights, no towers."""
    name, revision = "nyu-visionx/cambrian-8b", "0" * 40
    cache = tmp_path / "hub"
    snapshot = cache / "models--nyu-visionx--cambrian-8b" / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(revision)
    raw = json.loads((checkpoint("sva") / "config.json").read_text())
    raw["mm_vision_tower_aux_list"] = ["siglip/CLIP-ViT-SO400M-14-384", "openai/clip-vit-large-patch14-336"]
    raw["mm_vision_tower_aux_token_len_list"] = [16, 16]
    (snapshot / "config.json").write_text(json.dumps(raw))
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (snapshot / file).write_bytes((checkpoint("sva") / file).read_bytes())
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    told = describe_checkpoint(name)
    assert told["template"] == "llama_3" and len(told["missing"]) == 3
    assert told["fetch_command"] == f"cambrian-eval fetch --model {name}"
    assert [(found.hub_id, found.present) for found in needed_repositories(name)] == [
        (name, False),
        ("timm/ViT-SO400M-14-SigLIP-384", False),
        ("openai/clip-vit-large-patch14-336", False),
    ]


def test_published_sizes() -> None:
    from cambrian_eval.models.cambrian import CambrianConfig
    from cambrian_eval.models.cambrian.inspect import count_parameters

    shared = {
        "mm_vision_tower_aux_list": ["a", "b", "c", "d"],
        "mm_vision_tower_aux_token_len_list": [576, 576, 576, 9216],
        "mm_vision_tower_aux_width_list": [1152, 1024, 1536, 5760],
        "query_num_list": [576],
        "num_key_value_heads": 8,
    }
    sizes = {
        "8b": (4096, 14336, 32, 32, 8, 128256, 10, 3, 8_333_022_208, 302_760_960),
        "13b": (5120, 13824, 40, 40, 40, 32000, 10, 4, 13_350_085_632, 334_221_312),
        "34b": (7168, 20480, 60, 56, 8, 64000, 9, 7, 34_764_002_304, 375_085_056),
        "phi3": (3072, 8192, 32, 32, 32, 32064, 10, 3, 4_094_477_312, 273_397_760),
    }
    for name, (hidden, inner, layers, heads, kv, words, number, stride, total, vision) in sizes.items():
        keys: dict[str, Any] = {
            "model_type": "cambrian_phi3" if name == "phi3" else "cambrian_llama",
            "hidden_size": hidden,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": kv,
            "vocab_size": words,
            "num_of_vision_sampler_layers": number,
            "stride_of_vision_sampler_layers": stride,
        }
        counts = count_parameters(CambrianConfig.from_dict(shared | keys))
        assert sum(counts.values()) == total
        assert counts["connector"] + counts["samplers"] == vision

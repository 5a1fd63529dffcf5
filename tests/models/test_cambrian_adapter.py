"""`cambrian:PATH` as a user meets it: requests in, responses out, a fingerprint, and clear refusals."""

from __future__ import annotations

import dataclasses
import importlib.util
import io
import json
import shutil
import sys
import warnings
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cambrian_eval.decoding import Decoding
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.model import Model
from cambrian_eval.models.cambrian_adapter import CambrianModel
from cambrian_eval.models.checkpoint_identity import content_hash
from cambrian_eval.models.sampling import choose, stream_of, uniforms
from cambrian_eval.registry import resolve
from cambrian_eval.sample import Request, Response, request_id

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PHI3 = {"template": "phi3"}


def create(rest: str, options: dict[str, Any]) -> Model:
    return resolve(f"cambrian:{rest}", options)


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    torch.set_num_threads(1)
    spec = importlib.util.spec_from_file_location("make_tiny_checkpoint", ROOT / "tools/make_tiny_checkpoint.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = maker
    spec.loader.exec_module(maker)

    @cache
    def make(seed: int = 0) -> Path:
        out = tmp_path_factory.mktemp("checkpoint")
        return Path(maker.make_checkpoint(out, "sva", template="phi3", seed=seed))

    return make


@pytest.fixture(scope="module")
def model(checkpoint: Callable[..., Path]) -> CambrianModel:
    made = create(str(checkpoint()), PHI3)
    assert isinstance(made, CambrianModel)
    return made


def made_image(seed: int, size: tuple[int, int] = (64, 48)) -> LazyImage:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return LazyImage.of(buffer.getvalue()).decoded()  # type: ignore[union-attr]


def request(tag: str, prompt: str, shown: LazyImage | None = None, limit: int = 6) -> Request:
    images = () if shown is None else (shown,)
    return Request(tag, "toy", "on" if shown else "off", prompt, images, 0, limit, f"key of {tag}")


def responses(model: Model, requests: list[Request]) -> dict[str, Response]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(model.respond(iter(requests)))
    assert sorted(r.id for r in found) == sorted(r.id for r in requests)
    return {r.id: r for r in found}


def test_a_folder_resolves_to_the_cambrian_network(checkpoint: Callable[..., Path]) -> None:
    found = resolve(str(checkpoint()), PHI3)
    assert isinstance(found, Model)
    assert found.max_images == 1
    assert found.name == "checkpoint"
    assert resolve(f"cambrian:{checkpoint()}", PHI3).fingerprint == found.fingerprint


def test_answers_are_those_of_generate(model: CambrianModel) -> None:
    shown = [made_image(0), made_image(1, (48, 64)), made_image(2, (100, 20))]
    requests = [request(f"{n}", f"What is {'so ' * (n % 4)}{n}?", (*shown, None)[n % 4], 1 + n % 5) for n in range(16)]
    found = responses(model, requests)
    network, processor = model.driver.model, model.processor
    stops = set(model.driver.runner.decoder.stops.tolist())
    for asked in requests:
        chat = [{"role": "user", "content": ("<image>\n" if asked.images else "") + asked.prompt}]
        prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
        images = [asked.images[0].load()] if asked.images else None
        inputs = processor(text=[prompt], images=images)
        new = network.generate(**inputs, max_new_tokens=asked.max_new_tokens, do_sample=False)[0].tolist()
        response = found[asked.id]
        assert response.text == processor.decode(new)
        assert response.new_tokens == len(new)
        assert response.finish == ("stop" if new[-1] in stops else "length")
        visual = processor.visual_tokens(asked.images[0].load().size) - 1 if asked.images else 0
        assert response.prompt_tokens == inputs["input_ids"].shape[1] + visual
        assert response.seconds is not None and response.seconds > 0


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": "1"},
        {"batch_size": "3"},
        {"vision_cache_gb": 0.0},
        {"deterministic": True},
        {"attention": "eager"},
    ],
    ids=str,
)
def test_options_of_speed_change_no_answer(
    model: CambrianModel, checkpoint: Callable[..., Path], options: dict[str, Any]
) -> None:
    requests = [request(f"{n}", f"Is it {n}?", made_image(n // 3) if n % 5 else None) for n in range(12)]
    other = create(str(checkpoint()), {**PHI3, **options})
    texts = {tag: r.text for tag, r in responses(other, requests).items()}
    assert texts == {tag: r.text for tag, r in responses(model, requests).items()}


def test_one_request_at_a_time(model: CambrianModel) -> None:
    requests = [request(f"{n}", f"Is it {n}?", made_image(0)) for n in range(3)]
    together = responses(model, requests)
    for asked in requests:
        assert responses(model, [asked])[asked.id].text == together[asked.id].text


def test_no_requests(model: CambrianModel) -> None:
    assert responses(model, []) == {}


def test_the_stream_is_pulled_as_needed(model: CambrianModel) -> None:
    pulled = 0

    def stream() -> Iterator[Request]:
        nonlocal pulled
        shown = made_image(0)
        for n in range(50_000):
            pulled += 1
            yield request(f"{n}", "?", shown, 1)

    next(iter(model.respond(stream())))
    assert pulled < 2000


def test_a_mark_in_the_question_is_taken_out_and_noted(model: CambrianModel) -> None:
    found = responses(
        model, [request("a", "Look at <image>this", made_image(0)), request("b", "Look at this", made_image(0))]
    )
    assert found["a"].finish != "failed"
    assert found["a"].notes == {"image_marks_removed": 1}
    assert found["a"].text == found["b"].text


def test_a_bad_request_fails_alone(model: CambrianModel) -> None:
    good = request("good", "?", made_image(0))
    bad = dataclasses.replace(good, id="bad", images=(made_image(0), made_image(1)))
    found = responses(model, [bad, good])
    assert found["bad"].finish == "failed" and "takes one" in str(found["bad"].error)
    assert found["good"].finish != "failed"


class TestFingerprint:
    def test_speed_is_no_part_of_it(self, model: CambrianModel, checkpoint: Callable[..., Path]) -> None:
        faster = {**PHI3, "batch_size": 7, "vision_cache_gb": 0.1}
        assert create(str(checkpoint()), faster).fingerprint == model.fingerprint

    @pytest.mark.parametrize("options", [{"dtype": "bfloat16"}, {"attention": "eager"}, {"template": "vicuna_v1"}])
    def test_settings_are(self, model: CambrianModel, checkpoint: Callable[..., Path], options: dict[str, Any]) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            other = create(str(checkpoint()), {**PHI3, **options})
        assert other.fingerprint != model.fingerprint

    def test_weights_are_and_their_place_is_not(self, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
        def of(folder: Path) -> str:
            return content_hash([folder / "checkpoint", folder / "siglip"])

        first = checkpoint(0).parent
        assert of(first) != of(checkpoint(1).parent)
        copy = tmp_path / "elsewhere"
        shutil.copytree(first, copy)
        assert of(copy) == of(first)
        weights = copy / "siglip/model.safetensors"
        data = bytearray(weights.read_bytes())
        data[-1] ^= 1
        weights.write_bytes(data)
        assert of(copy) != of(first)

    def test_what_else_changes_it_and_what_does_not(self, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
        folder = tmp_path / "checkpoint"
        shutil.copytree(checkpoint(), folder)
        before = content_hash([folder])
        harmless = ("README.md", "LICENSE.txt", ".gitattributes", ".git/config.json", "trainer_state.json", "a.png")
        for name in harmless:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("x")
            assert content_hash([folder]) == before, name
        names = (
            *("spiece.model", "sentencepiece.bpe.model", "merges.txt", "vocab.txt", "vocab.json", "qwen.tiktoken"),
            *("chat_template.jinja", "chat_template.json", "additional_chat_templates/tools.jinja"),
            *("processor_config.json", "preprocessor_config.json", "modeling_own.py", "layers/attention.py"),
        )
        seen = {before}
        for name in names:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text("x")
            seen.add(content_hash([folder]))
            (folder / name).write_text("y")
            seen.add(content_hash([folder]))
        assert len(seen) == 1 + 2 * len(names)

    def test_one_bit_in_the_middle_of_a_large_file_changes_it(self, tmp_path: Path) -> None:
        from safetensors.torch import save_file

        path = tmp_path / "model.safetensors"
        save_file({"t": torch.zeros(12_000_000)}, path)
        before = content_hash([tmp_path])
        with path.open("r+b") as file:
            file.seek(23_456_789)
            file.write(b"\x01")
        assert content_hash([tmp_path]) != before


def test_facts_for_the_record(model: CambrianModel, checkpoint: Callable[..., Path]) -> None:
    facts = json.loads(json.dumps(dict(model.describe())))
    assert facts["self_check"] == {"logits": "finite", "image_changes_logits": True, "tokenizer_round_trip": True}
    assert create(str(checkpoint()), {**PHI3, "self_check": "false"}).describe()["self_check"] == "off"
    assert facts["dtype"] == "float32" and facts["template"] == "phi3" and facts["device"] == "cpu"
    assert facts["parameters"] == sum(p.numel() for p in model.driver.model.parameters())
    assert "note" not in facts
    half = create(str(checkpoint()), {**PHI3, "dtype": "bfloat16"})
    assert "--deterministic" in half.describe()["note"]
    alone = create(str(checkpoint()), {**PHI3, "deterministic": True})
    assert "do not depend on batches" in alone.describe()["note"]


@pytest.mark.parametrize(
    ("rest", "options", "said"),
    [
        ("", {}, "no checkpoint named"),
        ("/nowhere/at/all", {}, "/nowhere/at/all"),
        (
            "CHECKPOINT",
            {"batch_size": "many"},
            "option batch_size must be auto or an integer of at least 1, not 'many'",
        ),
        ("CHECKPOINT", {"batch_size": "0"}, "option batch_size"),
        ("CHECKPOINT", {"device": "warp"}, "option device"),
        ("CHECKPOINT", {"device": "cpu", "device_map": "auto"}, "contradict"),
        ("CHECKPOINT", {"dtype": "int8"}, "option dtype"),
        ("CHECKPOINT", {"template": "chatml_indirect"}, "chatml_direct"),
        ("CHECKPOINT", {"attention": "magic"}, "option attention"),
        ("CHECKPOINT", {"quantize": "2bit"}, "option quantize"),
        ("CHECKPOINT", {"base_url": "http://localhost"}, "no option 'base_url'"),
    ],
)
def test_refusals_are_one_clear_line(
    checkpoint: Callable[..., Path], rest: str, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UserError, match=said) as caught, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        create(rest.replace("CHECKPOINT", str(checkpoint())), options)
    assert "\n" not in str(caught.value)


class TestInspect:
    @staticmethod
    def run(*words: str) -> Any:
        import typer
        from typer.testing import CliRunner

        from cambrian_eval.cli.inspect_ import inspect

        app = typer.Typer()
        app.command()(inspect)
        return CliRunner().invoke(app, list(words))

    def test_json_counts_the_tokens_of_every_size(self, checkpoint: Callable[..., Path]) -> None:
        done = self.run(f"cambrian:{checkpoint()}", "--json", "--size", "640x480", "--size", "200X1000")
        found = json.loads(done.stdout)
        # On a 4 x 4 grid 640 x 480 has int(480 * (4 / 640)) = 3 valid rows, so a border of (4 - 3) // 2 = 0: 4 rows
        # of 4 + 1 tokens. 200 x 1000 has int(0.8) = 0 valid columns, of which one is kept: 4 rows of 1 + 1.
        assert [p["visual_tokens"] for p in found["images"]] == [20, 8]
        assert [t["kind"] for t in found["towers"]] == ["siglip", "clip", "dinov2", "convnext"]
        assert found["sampler_layers"] == [0, 2]

    def test_text_names_what_matters(self, checkpoint: Callable[..., Path]) -> None:
        text = self.run(str(checkpoint())).stdout
        for said in (
            "after decoder layers 0, 2",
            "2048 tokens",
            "640 x 480",
            "weights in bfloat16",
            "missing: nothing",
        ):
            assert said in text

    def test_missing_towers_are_named_with_the_remedy(self, checkpoint: Callable[..., Path], tmp_path: Path) -> None:
        copy = tmp_path / "checkpoint"
        shutil.copytree(checkpoint(), copy)
        config = json.loads((copy / "config.json").read_text())
        config["mm_vision_tower_aux_list"] = ["siglip/CLIP-ViT-SO400M-14-384"]
        config["mm_vision_tower_aux_token_len_list"] = [16]
        (copy / "config.json").write_text(json.dumps(config))
        text = self.run(str(copy)).stdout
        assert "missing: vision tower siglip/CLIP-ViT-SO400M-14-384" in text
        assert "cambrian-eval fetch --model" in text

    @pytest.mark.parametrize("size", ["640", "0x5", "640x", "axb"])
    def test_a_size_is_width_times_height(self, checkpoint: Callable[..., Path], size: str) -> None:
        error = self.run(str(checkpoint()), "--size", size).exception
        assert isinstance(error, UserError) and "WIDTHxHEIGHT" in str(error)


def test_a_pickled_tower_needs_the_flag(tmp_path: Path) -> None:
    spec = importlib.util.spec_from_file_location("make_tiny_checkpoint", ROOT / "tools/make_tiny_checkpoint.py")
    assert spec is not None and spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = maker
    spec.loader.exec_module(maker)
    folder = Path(maker.make_checkpoint(tmp_path, "sva", template="phi3"))
    weights = folder.parent / "clip" / "model.safetensors"
    from safetensors.torch import load_file

    torch.save(load_file(weights), weights.with_name("pytorch_model.bin"))
    weights.unlink()
    with pytest.raises(UserError, match=r"pytorch_model\.bin is a pickled file.*--allow-pickle"):
        create(str(folder), PHI3)
    allowed = create(str(folder), {**PHI3, "allow_pickle": True})
    assert allowed.describe()["kind"] == "Cambrian-1"


class TestDecoding:
    """Sampling, penalties, stop texts and system prompts."""

    WARM = Decoding(temperature=0.9, top_p=0.95, repetition_penalty=1.2, frequency_penalty=0.1)

    def requests(self, repeats: int = 1) -> list[Request]:
        asked = [
            request(f"{n}", f"Is it {'so ' * (n % 3)}{n}?", made_image(n // 3) if n % 5 else None, 3 + n % 4)
            for n in range(10)
        ]
        return [
            dataclasses.replace(one, id=request_id(one.id, k), repeat=k, decoding=self.WARM)
            for one in asked
            for k in range(repeats)
        ]

    def test_draws_depend_on_no_batch_and_no_order(self, model: CambrianModel, checkpoint: Callable[..., Path]) -> None:
        asked = self.requests(repeats=3)
        together = {k: r.text for k, r in responses(model, asked).items()}
        assert {k: r.text for k, r in responses(model, asked[::-1]).items()} == together
        alone = create(str(checkpoint()), {**PHI3, "batch_size": "1"})
        assert {k: r.text for k, r in responses(alone, asked).items()} == together
        few = create(str(checkpoint()), {**PHI3, "batch_size": "3", "deterministic": True})
        assert {k: r.text for k, r in responses(few, asked[::2]).items()} == {r.id: together[r.id] for r in asked[::2]}
        assert len({together[f"1{suffix}"] for suffix in ("", "#1", "#2")}) == 3
        assert {k: r.text for k, r in responses(model, self.requests()).items()} == {
            k: text for k, text in together.items() if "#" not in k
        }

    def test_draws_are_those_of_a_loop_over_the_network(self, model: CambrianModel) -> None:
        """Token by token: full forward passes without a cache, and the choice by its definition."""
        asked = self.requests()[1]
        network, processor = model.driver.model, model.processor
        chat = [{"role": "user", "content": "<image>\n" + asked.prompt}]
        prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
        inputs = processor(text=[prompt], images=[asked.images[0].load()])
        numbers, new = torch.from_numpy(uniforms(stream_of(asked), 9)), list[int]()
        first = inputs["input_ids"][0].tolist()
        for step in range(asked.max_new_tokens):
            ids = torch.tensor([first + new])
            with torch.no_grad():
                logits = network(**{**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}).logits[0, -1]
            for token in set(first + new) - {-200}:
                factor = 1.2 if logits[token] < 0 else 1 / 1.2
                logits[token] = logits[token] * factor
            for token in set(new):
                logits[token] -= 0.1 * new.count(token)
            new.append(int(choose(logits[None], self.WARM, numbers[step : step + 1]).ids))
            if new[-1] in model.driver.runner.decoder.stopping:
                break
        assert responses(model, [asked])[asked.id].text == processor.decode(new)

    def test_a_stop_text_ends_the_response(self, model: CambrianModel) -> None:
        asked = request("a", "Is it?", made_image(0), 12)
        whole = responses(model, [asked])["a"]
        stop = whole.text[3:5]
        cut = responses(model, [dataclasses.replace(asked, decoding=Decoding(stop=(stop,)))])["a"]
        assert cut.text == whole.text[: whole.text.index(stop)].strip() and cut.finish == "stop"
        assert 0 < (cut.new_tokens or 0) < (whole.new_tokens or 0)

    def test_a_system_prompt_replaces_the_templates(self, model: CambrianModel) -> None:
        assert model.prompt("q", False, "Be brief.").startswith("<|system|>\nBe brief.<|end|>")
        asked = request("a", "Is it?", None)
        one, other = (responses(model, [dataclasses.replace(asked, system=s)])["a"] for s in (None, "Be " * 40))
        assert (other.prompt_tokens or 0) > (one.prompt_tokens or 0)

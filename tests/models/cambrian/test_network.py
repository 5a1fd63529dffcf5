"""The whole network, after its towers, against a second one written the slow way: numpy connector, plain Llama.

The reference reads the checkpoint's files by itself, walks over windows with loops, and puts the in-LLM samplers
into transformers' unchanged Llama or Phi-3 with forward hooks.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from transformers import LlamaConfig, LlamaForCausalLM, Phi3Config, Phi3ForCausalLM

from cambrian_eval.models.cambrian.geometry import valid_map, valid_region

from .test_sva import Array, _gelu, _norm, sampler_reference

pytestmark = pytest.mark.slow


def _dense(x: Array, w: dict[str, Array], name: str) -> Array:
    return x @ w[name + ".weight"].T + w[name + ".bias"]


def _read(folder: Path) -> dict[str, torch.Tensor]:
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    return {k: v for name in sorted(set(index["weight_map"].values())) for k, v in load_file(folder / name).items()}


def _window(grid: Array, y: int, x: int, r: int) -> Array:
    return grid[y * r : (y + 1) * r, x * r : (x + 1) * r].reshape(r * r, -1)


def _windows(grids: list[Array], valid: list[Array], y: int, x: int, q: int) -> tuple[list[Array], list[Any]]:
    cells, masks = [], []
    for grid, seen in zip(grids, valid, strict=True):
        r = len(grid) // q
        mask = _window(seen[..., None], y, x, r)[:, 0].astype(bool)
        cells.append(_window(grid, y, x, r))
        masks.append(mask if mask.any() else np.ones_like(mask))
    return cells, masks


def _resample(grid: Array, side: int) -> Array:
    """Bilinear, cell centres, by hand."""
    source = len(grid)
    at = np.clip((np.arange(side) + 0.5) * source / side - 0.5, 0, source - 1)
    low = np.floor(at).astype(int)
    high, part = np.minimum(low + 1, source - 1), at - low
    rows = grid[low] * (1 - part)[:, None, None] + grid[high] * part[:, None, None]
    result: Array = rows[:, low] * (1 - part)[None, :, None] + rows[:, high] * part[None, :, None]
    return result


class Reference:
    """One prompt with at most one image, the slow way."""

    def __init__(self, folder: Path) -> None:
        self.raw = json.loads((folder / "config.json").read_text())
        self.tensors = _read(folder)
        self.w = {
            name.removeprefix("model."): tensor.double().numpy()
            for name, tensor in self.tensors.items()
            if any(mark in name for mark in ("mm_projector", "vision_", "image_newline"))
        }
        phi3 = self.raw["model_type"] == "cambrian_phi3"
        keys = (
            *("vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"),
            *("num_key_value_heads", "rms_norm_eps", "rope_theta", "max_position_embeddings"),
        )
        settings = {key: self.raw[key] for key in keys} | {"pad_token_id": None, "eos_token_id": 1}
        self.llm = Phi3ForCausalLM(Phi3Config(**settings)) if phi3 else LlamaForCausalLM(LlamaConfig(**settings))
        state = {name: t for name, t in self.tensors.items() if name.removeprefix("model.") not in self.w}
        self.llm.load_state_dict(state)
        self.llm.eval()

    def visual(self, features: list[Array], size: tuple[int, int]) -> tuple[Array, Any]:
        """Visual tokens [n, H], and what the samplers read."""
        q = int(self.raw["image_token_len"] ** 0.5)
        sides = [int(n**0.5) for n in self.raw["mm_vision_tower_aux_token_len_list"]]
        valid = [valid_map(size, side).numpy() for side in sides]
        grids: list[Array] = []
        context = np.zeros(0)
        if self.raw["mm_projector_type"] == "sva":
            for i, (feature, side) in enumerate(zip(features, sides, strict=True)):
                g = _dense(_gelu(_dense(feature, self.w, f"mm_projector_aux_{i}.0")), self.w, f"mm_projector_aux_{i}.2")
                grids.append(_norm(g, self.w, f"mm_projector_aux_{i}.3").reshape(side, side, -1))
            context = grids[0].reshape(sides[0] ** 2, -1).mean(0)
            groups = []
            for group, number in enumerate(self.raw["query_num_list"]):
                side = int(number**0.5)
                out = np.zeros((side, side, self.raw["vision_hidden_size"]))
                for y in range(side):
                    for x in range(side):
                        u = self.w["vision_query"][group]
                        cells, masks = _windows(grids, valid, y, x, side)
                        for d in range(self.raw["connector_depth"]):
                            u = sampler_reference(
                                u, context, cells, masks, self.w, f"vision_sampler_{group}.layers.{d}."
                            )
                        out[y, x] = u
                groups.append(_resample(out, q))
            joined = np.concatenate(groups, -1).reshape(q * q, -1)
        else:
            joined = np.concatenate(features, -1)
        if "mm_projector.weight" in self.w:
            flat = _dense(joined, self.w, "mm_projector")
        else:
            flat = _dense(_gelu(_dense(joined, self.w, "mm_projector.0")), self.w, "mm_projector.2")
        grid = flat.reshape(q, q, -1)
        region = valid_region(size, q)
        rows = []
        for y in range(region.top, region.top + region.height):
            rows += [grid[y, x] for x in range(region.left, region.left + region.width)]
            rows.append(self.w["image_newline"])
        return np.stack(rows), (grids, valid, context, region, q)

    def logits(self, ids: list[int], features: list[Array] | None, size: tuple[int, int]) -> torch.Tensor:
        embed = self.llm.get_input_embeddings()
        if features is None:
            with torch.no_grad():
                plain: torch.Tensor = self.llm(inputs_embeds=embed(torch.tensor([ids]))).logits[0]
            return plain
        place = ids.index(-200)
        tokens, vision = self.visual(features, size)
        text = embed(torch.tensor(ids[:place] + ids[place + 1 :]))
        visual = torch.from_numpy(tokens).float()
        sequence = torch.cat([text[:place], visual, text[place:]])[: self.raw["tokenizer_model_max_length"]]
        hooks = []
        if not self.raw["connector_only"]:
            for k in range(self.raw["num_of_vision_sampler_layers"]):
                layer = self.raw["start_of_vision_sampler_layers"] + k * self.raw["stride_of_vision_sampler_layers"]
                hooks.append(self.llm.model.layers[layer].register_forward_hook(self._hook(k, place, vision)))
        with torch.no_grad():
            logits: torch.Tensor = self.llm(inputs_embeds=sequence[None]).logits[0]
        for hook in hooks:
            hook.remove()
        return logits

    def _hook(self, k: int, place: int, vision: Any) -> Callable[..., torch.Tensor]:
        grids, valid, context, region, q = vision

        def change(module: Any, args: Any, output: Any) -> torch.Tensor:
            hidden: torch.Tensor = (output[0] if isinstance(output, tuple) else output).clone()
            for y in range(region.height):
                for x in range(region.width):
                    at = place + y * (region.width + 1) + x
                    if at >= hidden.shape[1]:
                        continue
                    cells, masks = _windows(grids, valid, region.top + y, region.left + x, q)
                    u = hidden[0, at].double().numpy()
                    u = sampler_reference(u, context, cells, masks, self.w, f"vision_sampler_layers.{k}.layers.0.")
                    hidden[0, at] = torch.from_numpy(u).float()
            return hidden

        return change


@pytest.mark.parametrize(
    ("kind", "towers", "sizes"),
    [
        ("sva", "transformers", [(64, 48), (30, 90), (50, 50), (200, 9)]),
        ("sva", "open_clip", [(48, 80)]),
        ("groups", "transformers", [(64, 40), (20, 70)]),
        ("sva36", "open_clip", [(64, 24)]),
        ("connector_only", "transformers", [(60, 25)]),
        ("mlp", "transformers", [(60, 25), (33, 33)]),
        ("linear", "open_clip", [(25, 60)]),
        ("phi3", "open_clip", [(25, 60), (90, 30)]),
    ],
)
def test_logits(
    kind: str,
    towers: str,
    sizes: list[tuple[int, int]],
    loaded: Callable[..., Any],
    checkpoint: Callable[..., Path],
    made_image: Callable[..., Any],
    ask: Callable[..., str],
) -> None:
    model, processor = loaded(kind, towers)
    reference = Reference(checkpoint(kind, towers))
    for size in sizes:
        inputs = processor(text=[ask(processor, "What?")], images=[made_image(*size)])
        features = [f[0].double().numpy() for f in model.run_towers(inputs["pixel_values"])]
        expected = reference.logits(inputs["input_ids"][0].tolist(), features, size)
        with torch.no_grad():
            got = model(**inputs).logits[0]
        # Phi-3's embedding has more rows than its tokenizer has ids: the ids beyond can never be produced.
        assert got.shape[0] == expected.shape[0] and got.shape[1] == len(processor.tokenizer)
        assert (got - expected[:, : got.shape[1]]).abs().max() < 2e-5


def test_the_cut_inside_the_image(
    loaded: Callable[..., Any], checkpoint: Callable[..., Path], made_image: Callable[..., Any], ask: Callable[..., str]
) -> None:
    model, processor = loaded("phi3")
    reference = Reference(checkpoint("phi3"))
    prompt = ask(processor, "What?")
    inputs = processor(text=[prompt, ask(processor, "Hello", False)], images=[made_image(64, 64)])
    single = processor(text=[prompt], images=[made_image(64, 64)])
    ids = single["input_ids"][0].tolist()
    features = [f[0].double().numpy() for f in model.run_towers(single["pixel_values"])]
    before = model.config.tokenizer_model_max_length
    try:
        for limit in (ids.index(-200) + 7, ids.index(-200), ids.index(-200) - 3, ids.index(-200) + 23):
            model.config.tokenizer_model_max_length = limit
            reference.raw["tokenizer_model_max_length"] = limit
            expected = reference.logits(ids, features, (64, 64))
            with torch.no_grad():
                assert (model(**single).logits[0] - expected[:, :262]).abs().max() < 2e-5
                both = model(**inputs)
            assert both.attention_mask[0].sum() == limit
            assert (both.logits[0, :limit] - expected[:, :262]).abs().max() < 2e-5
            # A text is not cut: without an image the sequence is the caller's own affair.
            assert both.attention_mask[1].sum() == inputs["attention_mask"][1].sum()
            new = model.generate(**single, max_new_tokens=3, do_sample=False)
            assert new.shape[1] <= 3
    finally:
        model.config.tokenizer_model_max_length = before


def test_hidden_states_show_the_samplers_effect(
    loaded: Callable[..., Any], made_image: Callable[..., Any], ask: Callable[..., str]
) -> None:
    model, processor = loaded("sva")
    inputs = processor(text=[ask(processor, "What?")], images=[made_image(64, 48)])
    with torch.no_grad():
        images = model.encode_images(inputs["pixel_values"], inputs["image_sizes"])
        batch = model.prepare(inputs["input_ids"], inputs["attention_mask"], images)
        with_samplers = model(**inputs, output_hidden_states=True)
        without = model(
            inputs_embeds=batch.inputs_embeds, attention_mask=batch.attention_mask, output_hidden_states=True
        )
    place = inputs["input_ids"][0].tolist().index(-200)
    states, plain = with_samplers.hidden_states, without.hidden_states
    assert len(states) == model.config.num_hidden_layers + 1
    assert torch.equal(states[0], plain[0])
    changed = (states[1] != plain[1]).any(-1)[0]
    region = images[0].region
    grid = torch.zeros(region.height, region.width + 1, dtype=torch.bool)
    grid[:, :-1] = True
    expected = torch.zeros_like(changed)
    expected[place : place + region.tokens] = grid.flatten()
    assert torch.equal(changed, expected)

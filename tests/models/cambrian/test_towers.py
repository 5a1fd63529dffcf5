"""Towers: which one an entry names, where weights come from, and the details the released ones need."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn import functional as F

from cambrian_eval.errors import UserError
from cambrian_eval.models.cambrian.towers.dinov2 import resample_positions
from cambrian_eval.models.cambrian.towers.network import load_tower, read_tower
from cambrian_eval.models.cambrian.towers.specs import KINDS, require_weights, resolve_towers

RELEASED = [
    "siglip/CLIP-ViT-SO400M-14-384",
    "openai/clip-vit-large-patch14-336",
    "facebook/dinov2-giant-res378",
    "clip-convnext-XXL-multi-stage",
]

KIND = {kind.name: kind for kind in KINDS}


@pytest.fixture
def no_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cambrian_eval.models.cambrian.towers.specs.cached_snapshot", lambda hub_id, **kwargs: None)


def _load(folder: Path, side: int = 4, select: int = -2) -> Any:
    (spec,) = resolve_towers([str(folder)], None)
    return load_tower(spec, side, select, torch.float32, "cpu")


def test_released_entries(no_cache: None) -> None:
    specs = resolve_towers(RELEASED, None)
    assert [spec.kind.name for spec in specs] == ["siglip", "clip", "dinov2", "convnext"]
    assert [spec.side for spec in specs] == [384, 336, 378, 1024]
    assert [spec.width for spec in specs] == [1152, 1024, 1536, 5760]
    (plain,) = resolve_towers(["clip-convnext-XXL"], None)
    assert (plain.width, plain.multi_stage) == (3072, False)
    (small,) = resolve_towers(["clip-convnext-L-multi-stage-res768"], None)
    assert (small.width, small.side) == (192 + 384 + 768 + 1536, 768)
    assert resolve_towers(["facebook/dinov2-giant"], None)[0].side == 518


def test_missing_towers_are_reported_together(no_cache: None) -> None:
    with pytest.raises(UserError) as caught:
        require_weights(resolve_towers(RELEASED, None), "nyu-visionx/cambrian-8b")
    message = str(caught.value)
    assert all(entry in message for entry in RELEASED) and "\n" not in message
    assert "cambrian-eval fetch --model nyu-visionx/cambrian-8b" in message


def test_unknown_entries_name_the_folder_looked_at(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"'\.\./nothing' is neither a folder"):
        resolve_towers(["../nothing"], tmp_path)


@pytest.mark.parametrize("name", ["siglip", "convnext"])
def test_timm_names_there_and_back(name: str, maker: ModuleType, tmp_path: Path) -> None:
    maker.write_tower(tmp_path / "a", name, "transformers", torch.Generator().manual_seed(3))
    maker.write_tower(tmp_path / "b", name, "open_clip", torch.Generator().manual_seed(3))
    ours, theirs = read_tower(tmp_path / "a", KIND[name]), read_tower(tmp_path / "b", KIND[name])
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[key][...], theirs[key][...]) for key in ours)


def test_timm_names_by_the_published_table(tmp_path: Path) -> None:
    """Freshly named tensors, each with its own values, must land where the table says, with its values."""
    random = torch.Generator().manual_seed(0)
    made = {
        "patch_embed.proj.weight": (8, 3, 14, 14),
        "patch_embed.proj.bias": (8,),
        "pos_embed": (1, 9, 8),
        "blocks.1.norm2.weight": (8,),
        "blocks.1.attn.qkv.weight": (24, 8),
        "blocks.1.attn.qkv.bias": (24,),
        "blocks.0.attn.proj.weight": (8, 8),
        "blocks.0.mlp.fc2.bias": (8,),
        "norm.bias": (8,),
        "attn_pool.latent": (1, 1, 8),
    }
    state = {f"visual.trunk.{key}": torch.randn(shape, generator=random) for key, shape in made.items()}
    torch.save(state | {"text.x": torch.zeros(3)}, tmp_path / "open_clip_pytorch_model.bin")
    found = {key: tensor[...] for key, tensor in read_tower(tmp_path, KIND["siglip"]).items()}
    layer = "vision_model.encoder.layers."
    fused = state["visual.trunk.blocks.1.attn.qkv.weight"]
    assert torch.equal(found[layer + "1.self_attn.q_proj.weight"], fused[:8])
    assert torch.equal(found[layer + "1.self_attn.k_proj.weight"], fused[8:16])
    assert torch.equal(found[layer + "1.self_attn.v_proj.weight"], fused[16:])
    for old, new in {
        "patch_embed.proj.weight": "vision_model.embeddings.patch_embedding.weight",
        "blocks.1.norm2.weight": layer + "1.layer_norm2.weight",
        "blocks.0.attn.proj.weight": layer + "0.self_attn.out_proj.weight",
        "blocks.0.mlp.fc2.bias": layer + "0.mlp.fc2.bias",
        "norm.bias": "vision_model.post_layernorm.bias",
    }.items():
        assert torch.equal(found[new], state["visual.trunk." + old])
    table = found["vision_model.embeddings.position_embedding.weight"]
    assert torch.equal(table, state["visual.trunk.pos_embed"][0])
    assert len(found) == 5 + 6 + 2 and not any("head" in key for key in found)


def test_convnext_details(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_tower(tmp_path, "convnext", "open_clip", torch.Generator().manual_seed(1))
    tower = _load(tmp_path, side=8)
    assert {m.eps for m in tower.modules() if isinstance(m, nn.LayerNorm)} == {1e-5}
    pixels = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    tower.train()
    first = tower(pixels)
    assert first.shape == (2, 64, 8 + 16 + 24 + 32)
    assert torch.equal(first, tower(pixels)), "stochastic depth must never run"
    assert torch.allclose(first, _convnext_reference(tmp_path, pixels, 8), atol=2e-5)
    raw = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(raw | {"multi_stage": False}))
    last = _load(tmp_path, side=8)(pixels)
    assert torch.allclose(last, first[..., -32:], atol=1e-6)


def _convnext_reference(folder: Path, x: torch.Tensor, side: int) -> torch.Tensor:
    """ConvNeXt from the timm file, written with functional calls."""
    file = torch.load(folder / "open_clip_pytorch_model.bin", weights_only=True)
    w = {key.removeprefix("visual.trunk."): value for key, value in file.items()}

    def norm(x: torch.Tensor, name: str) -> torch.Tensor:
        weight, bias = w[name + ".weight"], w[name + ".bias"]
        return F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, 1e-5).permute(0, 3, 1, 2)

    x = norm(F.conv2d(x, w["stem.0.weight"], w["stem.0.bias"], stride=4), "stem.1")
    maps = []
    for stage, depth in enumerate([1, 1, 2, 1]):
        if stage:
            x = norm(x, f"stages.{stage}.downsample.0")
            x = F.conv2d(x, w[f"stages.{stage}.downsample.1.weight"], w[f"stages.{stage}.downsample.1.bias"], stride=2)
        for block in range(depth):
            at = f"stages.{stage}.blocks.{block}."
            y = F.conv2d(x, w[at + "conv_dw.weight"], w[at + "conv_dw.bias"], padding=3, groups=x.shape[1])
            y = norm(y, at + "norm").permute(0, 2, 3, 1)
            y = F.linear(y, w[at + "mlp.fc1.weight"], w[at + "mlp.fc1.bias"])
            y = F.linear(F.gelu(y), w[at + "mlp.fc2.weight"], w[at + "mlp.fc2.bias"])
            x = x + (y * w[at + "gamma"]).permute(0, 3, 1, 2)
        maps.append(F.interpolate(x, size=(side, side), mode="bilinear", align_corners=False))
    return torch.cat(maps, 1).flatten(2).transpose(1, 2)


def test_siglip_uses_the_exact_gelu_and_drops_the_last_pixels(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_tower(tmp_path, "siglip", "open_clip", torch.Generator().manual_seed(4))
    pixels = torch.randn(1, 3, 72, 72, generator=torch.Generator().manual_seed(5))
    tower = _load(tmp_path, side=5)
    got = tower(pixels)
    w = torch.load(tmp_path / "open_clip_pytorch_model.bin", weights_only=True)
    w = {key.removeprefix("visual.trunk."): value for key, value in w.items()}
    x = F.conv2d(pixels, w["patch_embed.proj.weight"], w["patch_embed.proj.bias"], stride=14)
    x = x.flatten(2).transpose(1, 2) + w["pos_embed"]
    for block in range(2):
        at = f"blocks.{block}."
        y = F.layer_norm(x, (32,), w[at + "norm1.weight"], w[at + "norm1.bias"], 1e-6)
        qkv = F.linear(y, w[at + "attn.qkv.weight"], w[at + "attn.qkv.bias"])
        q, k, v = qkv.view(1, 25, 3, 4, 8).permute(2, 0, 3, 1, 4)
        y = ((q @ k.transpose(-1, -2)) / 8**0.5).softmax(-1) @ v
        x = x + F.linear(y.transpose(1, 2).flatten(2), w[at + "attn.proj.weight"], w[at + "attn.proj.bias"])
        y = F.layer_norm(x, (32,), w[at + "norm2.weight"], w[at + "norm2.bias"], 1e-6)
        y = F.gelu(F.linear(y, w[at + "mlp.fc1.weight"], w[at + "mlp.fc1.bias"]))
        x = x + F.linear(y, w[at + "mlp.fc2.weight"], w[at + "mlp.fc2.bias"])
    expected = F.layer_norm(x, (32,), w["norm.weight"], w["norm.bias"], 1e-6)
    assert torch.allclose(got, expected, atol=2e-5)
    pixels[:, :, 70:] = 9.0
    assert torch.equal(tower(pixels), got)


def test_clip_takes_the_state_before_the_last_block(maker: ModuleType, tmp_path: Path) -> None:
    from transformers import CLIPVisionConfig, CLIPVisionModel

    maker.write_tower(tmp_path, "clip", "transformers", torch.Generator().manual_seed(6))
    raw = json.loads((tmp_path / "config.json").read_text())
    whole = CLIPVisionModel.from_pretrained(None, config=CLIPVisionConfig(**raw), state_dict=_disk(tmp_path))
    pixels = torch.randn(2, 3, 56, 56, generator=torch.Generator().manual_seed(7))
    states = whole(pixels, output_hidden_states=True).hidden_states
    assert torch.allclose(_load(tmp_path)(pixels), states[-2][:, 1:], atol=1e-6)
    assert torch.allclose(_load(tmp_path, select=-1)(pixels), states[-1][:, 1:], atol=1e-6)
    assert torch.allclose(_load(tmp_path, select=1)(pixels), states[1][:, 1:], atol=1e-6)


def _disk(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_file(folder / "model.safetensors"))


def test_dinov2_positions_follow_the_old_rule(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_tower(tmp_path, "dinov2", "transformers", torch.Generator().manual_seed(8))
    table = _disk(tmp_path)["embeddings.position_embeddings"]
    tower = _load(tmp_path, side=5)
    held = tower.network.embeddings.position_embeddings
    assert held.shape == (1, 26, 32)
    grid = table[:, 1:].reshape(1, 6, 6, 32).permute(0, 3, 1, 2)
    old = F.interpolate(grid, scale_factor=(5.1 / 6, 5.1 / 6), mode="bicubic", align_corners=False)
    new = F.interpolate(grid, size=(5, 5), mode="bicubic", align_corners=False)
    assert torch.equal(held[:, 1:], old.flatten(2).transpose(1, 2))
    assert (old - new).abs().max() > 1e-3
    assert torch.equal(resample_positions(table, 6), table)
    pixels = torch.randn(1, 3, 70, 70, generator=torch.Generator().manual_seed(9))
    assert torch.equal(tower(pixels), tower.network(pixels).last_hidden_state[:, 1:])


def test_an_open_clip_folder_without_config_is_recognized(maker: ModuleType, tmp_path: Path) -> None:
    for name in ("siglip", "convnext"):
        folder = tmp_path / name
        maker.write_tower(folder, name, "open_clip", torch.Generator().manual_seed(10))
        (stated,) = resolve_towers([str(folder)], None)
        before = _load(folder, side=5)
        (folder / "config.json").unlink()
        pixels = torch.randn(1, 3, stated.side, stated.side, generator=torch.Generator().manual_seed(11))
        vision = {"image_size": stated.side, "timm_model_name": "vit", "heads": 4}
        timm = {"architecture": "vit", "model_args": {"num_heads": 4}, "pretrained_cfg": {"input_size": [3, 72, 72]}}
        timm["pretrained_cfg"] = {"input_size": [3, stated.side, stated.side]}
        for file, content in (
            ("open_clip_config.json", {"model_cfg": {"vision_cfg": vision}}),
            ("config.json", timm),
        ):
            (folder / file).write_text(json.dumps(content))
            (inferred,) = resolve_towers([str(folder)], None)
            assert (inferred.kind, inferred.side, inferred.width) == (stated.kind, stated.side, stated.width)
            assert torch.equal(before(pixels), _load(folder, side=5)(pixels))
            (folder / file).unlink()


def test_towers_root_stands_in_for_names(maker: ModuleType, tmp_path: Path, no_cache: None) -> None:
    maker.write_tower(tmp_path / "clip-vit-large-patch14-336", "clip", "transformers", torch.Generator())
    maker.write_tower(tmp_path / "dinov2-giant", "dinov2", "transformers", torch.Generator())
    clip, dino = resolve_towers([RELEASED[1], RELEASED[2]], None, tmp_path)
    assert clip.folder == tmp_path / "clip-vit-large-patch14-336" and clip.width == 32 and clip.side == 56
    assert dino.side == 378 and dino.width == 32


def test_a_wrong_dinov2_tensor_has_the_name_it_has_in_its_file(maker: ModuleType, tmp_path: Path) -> None:
    maker.write_tower(tmp_path, "dinov2", "transformers", torch.Generator())
    state = _disk(tmp_path)
    name = "encoder.layer.0.attention.attention.query.weight"
    save_file({key: value for key, value in state.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=re.escape(f"tensor {name} of shape [32, 32] is missing")):
        _load(tmp_path)


def test_a_bare_entry_may_be_a_neighbor_of_the_checkpoint(maker: ModuleType, tmp_path: Path) -> None:
    (tmp_path / "checkpoint").mkdir()
    (tmp_path / "small-clip").mkdir()
    maker.write_tower(tmp_path / "small-clip", "clip", "transformers", torch.Generator())
    (spec,) = resolve_towers(["small-clip"], tmp_path / "checkpoint")
    assert spec.folder == (tmp_path / "small-clip").resolve() and spec.kind.name == "clip"
    with pytest.raises(UserError, match="neither a folder"):
        resolve_towers(["small-clips"], tmp_path / "checkpoint")


def test_wrong_towers_are_named(maker: ModuleType, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    maker.write_tower(tmp_path, "clip", "transformers", torch.Generator())
    state = _disk(tmp_path)
    name = "vision_model.encoder.layers.0.mlp.fc1.weight"
    save_file(state | {name: torch.zeros(7, 32)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"layers\.0\.mlp\.fc1\.weight has shape \[7, 32\], expected \[48, 32\]"):
        _load(tmp_path)
    save_file({key: value for key, value in state.items() if key != name}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"tensor vision_model\.encoder.*fc1\.weight of shape \[48, 32\] is missing"):
        _load(tmp_path)
    # One line only: transformers' own table of keys is kept back.
    assert capfd.readouterr().err.count("MISSING") == 0
    save_file(state | {"vision_model.extra": torch.zeros(2)}, tmp_path / "model.safetensors")
    with pytest.raises(UserError, match=r"tensor vision_model\.extra is not expected"):
        _load(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "vit_mae"}))
    with pytest.raises(UserError, match="model_type 'vit_mae' is not a supported vision tower"):
        resolve_towers([str(tmp_path)], None)


def test_colors_and_sides_of_folders(maker: ModuleType, tmp_path: Path) -> None:
    for name in ("siglip", "clip", "dinov2", "convnext"):
        maker.write_tower(tmp_path / name, name, "transformers", torch.Generator())
    siglip, clip, dino, convnext = resolve_towers(["siglip", "clip", "dinov2", "convnext"], tmp_path)
    assert siglip.kind.padding == clip.kind.padding == convnext.kind.padding == (122, 116, 104)
    assert dino.kind.padding == (123, 116, 103)
    for spec in (siglip, clip, dino, convnext):
        expected = tuple(int(np.floor(255 * m)) for m in (clip.mean if spec is not dino else dino.mean))
        assert spec.kind.padding == expected
    assert (siglip.mean, siglip.std) == ((0.5,) * 3, (0.5,) * 3)
    assert [spec.side for spec in (siglip, clip, dino, convnext)] == [72, 56, 70, 64]
    (tmp_path / "dinov2" / "preprocessor_config.json").unlink()
    assert resolve_towers(["dinov2"], tmp_path)[0].side == 84


def test_whole_models_of_the_hub(maker: ModuleType, tmp_path: Path) -> None:
    """Repositories of CLIP and SigLIP nest the vision part, and hold a text part besides."""
    for name in ("clip", "siglip"):
        folder = tmp_path / name
        maker.write_tower(folder, name, "transformers", torch.Generator().manual_seed(12))
        side = resolve_towers([str(folder)], None)[0].side
        pixels = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(13))
        before = _load(folder)(pixels)
        vision = json.loads((folder / "config.json").read_text())
        whole = {"model_type": name, "text_config": {"hidden_size": 7}, "vision_config": vision, "projection_dim": 5}
        (folder / "config.json").write_text(json.dumps(whole))
        extra = {
            "text_model.embeddings.token_embedding.weight": torch.zeros(3, 7),
            "logit_scale": torch.zeros(()),
            "vision_model.embeddings.position_ids": torch.arange(9),
            "vision_model.head.probe": torch.zeros(1, 1, 32),
        }
        if name == "clip":
            extra.pop("vision_model.head.probe")
        save_file(_disk(folder) | extra, folder / "model.safetensors")
        assert torch.equal(_load(folder)(pixels), before)


def test_reading_converts_and_slices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from threading import Thread

    from cambrian_eval.models import tensor_files

    monkeypatch.setattr(tensor_files, "_PIECE", 256)
    made = {"a": torch.randn(37, 11), "b": torch.randn(5).bfloat16(), "c": torch.tensor(3.5), "d": torch.arange(4)}
    save_file(made, tmp_path / "model.safetensors")
    torch.save(made, tmp_path / "pytorch_model.bin")
    failures: list[str] = []

    def check() -> None:
        for file in ("model.safetensors", "pytorch_model.bin"):
            stored = tensor_files.open_file(tmp_path / file)
            for name, tensor in made.items():
                for dtype in (torch.float32, torch.bfloat16, torch.float16):
                    expected = tensor.to(dtype) if tensor.is_floating_point() else tensor
                    if not torch.equal(stored[name].cast(dtype)[...], expected):
                        failures.append(f"{file} {name} {dtype}")
            if not torch.equal(stored["a"].rows(3, 30).cast(torch.float16)[...], made["a"][3:30].half()):
                failures.append(f"{file} rows")

    thread = Thread(target=check)  # the reading buffer belongs to its thread
    thread.start()
    thread.join()
    assert failures == []

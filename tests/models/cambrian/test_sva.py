"""The sampler layer against a plain numpy transcription of its ten steps, query by query."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cambrian_eval.models.cambrian.sva import SamplerLayer, VisionSampler, Windows, resample_grid

Array = NDArray[np.float64]
SIDES = (1, 1, 1, 2)


def _norm(x: Array, weights: dict[str, Array], name: str) -> Array:
    centred = x - x.mean(-1, keepdims=True)
    scaled = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + 1e-5)
    result: Array = scaled * weights[name + ".weight"] + weights[name + ".bias"]
    return result


def _gelu(x: Array) -> Array:
    return np.asarray(x * 0.5 * (1 + torch.erf(torch.from_numpy(x / np.sqrt(2))).numpy()))


def sampler_reference(
    u: Array, c: Array, windows: list[Array], masks: list[NDArray[np.bool_]], w: dict[str, Array], prefix: str = ""
) -> Array:
    """One query [QD], context [C], windows [r*r, C] and masks per tower: steps 1 to 10 of the definition."""
    w = {name.removeprefix(prefix): value for name, value in w.items() if name.startswith(prefix)}
    width = len(c)
    z = w["proj_in.weight"] @ np.concatenate([u, w["proj_context.weight"] @ c])
    keys, values = [], []
    for i, window in enumerate(windows):
        if len(window) > 1:
            window = window + w[f"pos_embed_{i}"]
        keys.append(_norm(window, w, f"cross_attn.k_proj_{i}.0") @ w[f"cross_attn.k_proj_{i}.1.weight"].T)
        values.append(_norm(window, w, f"cross_attn.v_proj_{i}.0") @ w[f"cross_attn.v_proj_{i}.1.weight"].T)
    query = w["cross_attn.q_proj.1.weight"] @ _norm(z, w, "cross_attn.q_proj.0")
    k, v, mask = np.concatenate(keys), np.concatenate(values), np.concatenate(masks)
    mixed, head = np.zeros(width), width // 16
    for h in range(16):
        part = slice(h * head, (h + 1) * head)
        scores = np.where(mask, k[:, part] @ query[part] / np.sqrt(head), -np.inf)
        weights = np.exp(scores - scores.max())
        mixed[part] = (weights / weights.sum()) @ v[:, part]
    z = _norm(z + w["cross_attn.o_proj.weight"] @ mixed, w, "norm")
    return w["proj_out.linear_2.weight"] @ _gelu(w["proj_out.linear_1.weight"] @ z) + u


def _weights(module: torch.nn.Module) -> dict[str, Array]:
    return {name: tensor.detach().numpy().astype(np.float64) for name, tensor in module.state_dict().items()}


def _random(queries: int, width: int, images: int, generator: torch.Generator) -> Windows:
    masks = [torch.rand(queries, side * side, generator=generator) > 0.4 for side in SIDES]
    masks = [mask | ~mask.any(1, keepdim=True) for mask in masks]
    return Windows(
        tuple(torch.randn(queries, side * side, width, generator=generator) for side in SIDES),
        tuple(masks),
        torch.randn(images, width, generator=generator),
        torch.randint(images, (queries,), generator=generator),
    )


@pytest.mark.parametrize(("query_width", "depth"), [(32, 1), (48, 1), (32, 3)])
def test_against_numpy(query_width: int, depth: int) -> None:
    generator = torch.Generator().manual_seed(query_width + depth)
    sampler = VisionSampler(query_width, 32, SIDES, depth)
    with torch.no_grad():
        for parameter in sampler.parameters():
            parameter.copy_(0.4 * torch.randn(parameter.shape, generator=generator))
    windows = _random(12, 32, 3, generator)
    queries = torch.randn(12, query_width, generator=generator)
    got = sampler(queries, windows).detach().numpy()
    weights = _weights(sampler)
    for n in range(12):
        u = queries[n].numpy().astype(np.float64)
        for d in range(depth):
            u = sampler_reference(
                u,
                windows.context[windows.image[n]].numpy().astype(np.float64),
                [feature[n].numpy().astype(np.float64) for feature in windows.features],
                [mask[n].numpy() for mask in windows.masks],
                weights,
                f"layers.{d}.",
            )
        np.testing.assert_allclose(got[n], u, atol=2e-5)


def test_a_masked_cell_has_no_influence_and_gradients_flow() -> None:
    generator = torch.Generator().manual_seed(0)
    layer = SamplerLayer(32, 32, SIDES)
    windows = _random(4, 32, 1, generator)
    windows.masks[3][:, 1] = False
    windows.masks[3][:, 0] = True
    queries = torch.randn(4, 32, generator=generator, requires_grad=True)
    before = layer(queries, windows)
    windows.features[3][:, 1] += 100.0
    assert torch.equal(before, layer(queries, windows))
    before.sum().backward()
    assert queries.grad is not None
    assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in layer.parameters())


def test_queries_do_not_see_each_other() -> None:
    generator = torch.Generator().manual_seed(1)
    layer = SamplerLayer(48, 32, SIDES)
    windows, queries = _random(10, 32, 2, generator), torch.randn(10, 48, generator=generator)
    some = torch.tensor([7, 2, 2, 0])
    assert torch.allclose(layer(queries, windows)[some], layer(queries[some], windows.select(some)), atol=1e-6)


def test_resampling_is_bilinear_between_cell_centres() -> None:
    tokens = torch.tensor([0.0, 1.0, 2.0, 3.0]).view(1, 4, 1)
    # Two cells to four: centres at -0.25, 0.25, 0.75, 1.25 of the source, clamped at the border.
    line = torch.tensor([0.0, 0.25, 0.75, 1.0])
    expected = 2 * line[:, None] + line[None, :]
    assert torch.allclose(resample_grid(tokens, 4).view(4, 4), expected, atol=1e-6)

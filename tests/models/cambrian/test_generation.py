"""Batches, caches, padding, beams and chunks: all must give what one prompt at a time gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from cambrian_eval.errors import UserError

pytestmark = pytest.mark.slow

Load = Callable[..., tuple[Any, Any]]
LIMIT = 6


@pytest.fixture(scope="module")
def cases(made_image: Callable[..., Any], ask: Callable[..., str]) -> Callable[[Any], list[tuple[str, Any]]]:
    """Prompts of several lengths: wide, tall, square and extreme images, and none."""

    def make(processor: Any) -> list[tuple[str, Any]]:
        shown = [
            ("What is it?", made_image(64, 48)),
            ("How many of them are there in all?", made_image(20, 90)),
            ("Who are you?", None),
            ("Colour?", made_image(40, 40)),
            ("x", made_image(400, 7)),
        ]
        return [(ask(processor, question, image is not None), image) for question, image in shown]

    return make


def _inputs(processor: Any, cases: list[tuple[str, Any]], **kwargs: Any) -> Any:
    return processor(text=[prompt for prompt, _ in cases], images=[image for _, image in cases], **kwargs)


@pytest.mark.parametrize("kind", ["sva", "phi3", "mlp"])
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_batch_equals_single_runs(kind: str, side: str, loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded(kind)
    prompts = cases(processor)
    together = _inputs(processor, prompts, padding_side=side)
    with torch.no_grad():
        batch = model(**together)
    new = model.generate(**together, max_new_tokens=LIMIT, do_sample=False)
    for index, case in enumerate(prompts):
        alone = _inputs(processor, [case])
        with torch.no_grad():
            expected = model(**alone).logits[0]
        got = batch.logits[index][batch.attention_mask[index].bool()]
        assert got.shape == expected.shape
        assert (got - expected).abs().max() < 2e-5
        single = model.generate(**alone, max_new_tokens=LIMIT, do_sample=False)[0]
        assert new[index][: len(single)].tolist() == single.tolist()
        assert set(new[index][len(single) :].tolist()) <= {model.config.pad_token_id}


def test_cached_decoding_equals_a_full_forward(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    inputs = _inputs(processor, cases(processor)[:1])
    follow = torch.tensor([[40, 41, 42, 43]])
    full = dict(inputs) | {
        "input_ids": torch.cat([inputs["input_ids"], follow], 1),
        "attention_mask": torch.ones(1, inputs["input_ids"].shape[1] + 4, dtype=torch.long),
    }
    with torch.no_grad():
        expected = model(**full).logits[0, -5:]
        first = model(**inputs, use_cache=True)
        steps, mask, cache = [first.logits[0, -1]], first.attention_mask, first.past_key_values
        for token in follow[0]:
            mask = torch.cat([mask, mask.new_ones(1, 1)], 1)
            output = model.decode(token.view(1, 1), mask, cache)
            steps.append(output.logits[0, -1])
    assert (torch.stack(steps) - expected).abs().max() < 2e-5


@pytest.mark.parametrize("chunk", [1, 7, 64, 10_000])
def test_chunked_prefill(chunk: int, loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("phi3")
    inputs = _inputs(processor, cases(processor)[:3])
    with torch.no_grad():
        images = model.encode_images(inputs["pixel_values"], inputs["image_sizes"])
        batch = model.prepare(inputs["input_ids"], inputs["attention_mask"], images)
        whole = model.prefill(batch)
        parts = model.prefill(batch, chunk_size=chunk)
    assert (whole.logits - parts.logits).abs().max() < 2e-5
    plain = model.generate(**inputs, max_new_tokens=LIMIT, do_sample=False)
    chunked = model.generate(**inputs, max_new_tokens=LIMIT, do_sample=False, prefill_chunk_size=chunk)
    assert plain.tolist() == chunked.tolist()


def test_a_image_after_a_cached_prefix(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    inputs = _inputs(processor, cases(processor)[:1])
    ids, cut = inputs["input_ids"], 30
    with torch.no_grad():
        expected = model(**inputs).logits
        head = model(input_ids=ids[:, :cut], use_cache=True)
        tail = model(
            input_ids=ids[:, cut:],
            pixel_values=inputs["pixel_values"],
            image_sizes=inputs["image_sizes"],
            past_key_values=head.past_key_values,
            use_cache=True,
        )
    assert (torch.cat([head.logits, tail.logits], 1) - expected).abs().max() < 2e-5


def test_beams_and_samples(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    prompts = [cases(processor)[index] for index in (0, 1, 2)]
    options = {"max_new_tokens": LIMIT, "num_beams": 3, "do_sample": False}
    together = model.generate(**_inputs(processor, prompts), **options)
    for index, case in enumerate(prompts):
        alone = model.generate(**_inputs(processor, [case]), **options)[0]
        assert together[index][: len(alone)].tolist() == alone.tolist()
    greedy = model.generate(**_inputs(processor, prompts[:1]), max_new_tokens=LIMIT, do_sample=False)
    one = model.generate(**_inputs(processor, prompts[:1]), max_new_tokens=LIMIT, do_sample=True, top_k=1)
    assert one.tolist() == greedy.tolist()
    torch.manual_seed(0)
    several = model.generate(
        **_inputs(processor, prompts[:2]), max_new_tokens=LIMIT, do_sample=True, num_return_sequences=3
    )
    assert len(several) == 6


def test_beam_search_by_hand(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    inputs = _inputs(processor, cases(processor)[:1])
    width, steps = 3, 3
    got = model.generate(
        **inputs, max_new_tokens=steps, min_new_tokens=steps, num_beams=width, do_sample=False, eos_token_id=[]
    )

    def scores(new: list[int]) -> torch.Tensor:
        ids = torch.cat([inputs["input_ids"], torch.tensor([new], dtype=torch.long)], 1)
        full = dict(inputs) | {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.no_grad():
            output: torch.Tensor = model(**full).logits[0, -1].log_softmax(-1)
            return output

    beams: list[tuple[float, list[int]]] = [(0.0, [])]
    for _ in range(steps):
        grown = []
        for total, new in beams:
            best = scores(new).topk(width)
            grown += [(total + float(v), [*new, int(i)]) for v, i in zip(best.values, best.indices, strict=True)]
        beams = sorted(grown, reverse=True)[:width]
    assert got[0].tolist() == beams[0][1]


def test_logits_belong_to_the_image_given_now(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    prompts = cases(processor)
    with torch.no_grad():
        before = model(**_inputs(processor, prompts[:1])).logits
        text = model(**_inputs(processor, prompts[2:3])).logits
        model.generate(**_inputs(processor, prompts[1:2]), max_new_tokens=2, do_sample=False)
        assert torch.equal(model(**_inputs(processor, prompts[2:3])).logits, text)
        assert torch.equal(model(**_inputs(processor, prompts[:1])).logits, before)


@pytest.mark.filterwarnings("ignore:the image begins")
def test_one_token_prompts_and_shifted_prefixes(loaded: Load, made_image: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    text = processor(text=["a"])
    assert text["input_ids"].shape == (1, 1)
    alone = processor(text=["<image>"], images=[made_image(30, 30)])
    assert alone["input_ids"].tolist() == [[-200]]
    both = processor(text=["<image>", "a", "abcdefgh<image>"], images=[made_image(30, 30), made_image(9, 30)])
    new = model.generate(**both, max_new_tokens=4, do_sample=False)
    third = processor(text=["abcdefgh<image>"], images=[made_image(9, 30)])
    for row, inputs in zip(new, (alone, text, third), strict=True):
        single = model.generate(**inputs, max_new_tokens=4, do_sample=False)[0]
        assert row[: len(single)].tolist() == single.tolist()


def test_a_shifted_image_warns(loaded: Load, made_image: Callable[..., Any]) -> None:
    model, processor = loaded("sva")
    with pytest.warns(UserWarning, match="position 2 .* image_position = 441"):
        inputs = processor(text=["ab<image>"], images=[made_image(30, 30)])
    with pytest.warns(UserWarning, match="position 2"), torch.no_grad():
        model(**inputs)


def test_gradients_reach_every_trained_weight(loaded: Load, cases: Callable[..., Any]) -> None:
    model, processor = loaded("groups")
    inputs = _inputs(processor, cases(processor)[:2])
    model.train()
    try:
        assert not any(module.training for tower in model.vision_towers for module in tower.modules())
        labels = inputs["input_ids"].masked_fill(inputs["attention_mask"] == 0, -100)
        labels = labels.masked_fill(labels < 0, -100)
        loss = model(**inputs, labels=labels).loss
        loss.backward()
        trained = dict(model.model.named_parameters()) | dict(model.lm_head.named_parameters())
        assert all(p.grad is not None and bool(p.grad.isfinite().all()) for p in trained.values())
        assert all(p.grad is None for p in model.vision_towers.parameters())
    finally:
        model.zero_grad(set_to_none=True)
        model.eval()


def test_refusals(loaded: Load, made_image: Callable[..., Any], ask: Callable[..., str]) -> None:
    model, processor = loaded("sva")
    shown = made_image(30, 30)
    with pytest.raises(UserError, match="at most one image"):
        processor(text=["<image> and <image>"], images=[shown, shown])
    with pytest.raises(UserError, match="one image per prompt"):
        model(input_ids=torch.tensor([[5, -200, 6, -200]]))
    with pytest.raises(UserError, match=r"1 .*mark.* but 0 image"):
        processor(text=[ask(processor, "x")])
    with pytest.raises(UserError, match="prompt 1 has 0"):
        processor(text=[ask(processor, "x"), "y"], images=[shown, [shown]])
    with pytest.raises(UserError, match="1 image marks but 0"):
        model.generate(input_ids=torch.tensor([[5, -200, 6]]), max_new_tokens=1)
    with pytest.raises(UserError, match="key-value cache"):
        model.generate(**processor(text=["a"]), use_cache=False)

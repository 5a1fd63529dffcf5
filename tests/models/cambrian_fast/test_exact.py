"""Batched and shared results are those of one question at a time, in float32 to the id."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from cambrian_eval.models.cambrian.fast import Driver, decode

from .conftest import Loaded, answered

pytestmark = pytest.mark.slow

Make = Callable[..., Loaded]


@pytest.fixture(scope="module")
def reference() -> Callable[..., dict[Any, tuple[int, ...]]]:
    """One-by-one answers, computed once for every set of questions."""
    known: dict[tuple[int, int, int], dict[Any, tuple[int, ...]]] = {}

    def answers(loaded: Loaded, count: int, seed: int) -> dict[Any, tuple[int, ...]]:
        key = (id(loaded.model), count, seed)
        if key not in known:
            known[key] = {q.tag: loaded.alone(q) for q in loaded.mixed(count, seed)}
        return known[key]

    return answers


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"batch_size": 1},
        {"batch_size": 5},
        {"width": 3},
        {"vision_cache_bytes": 0},
        {"deterministic": True},
    ],
    ids=str,
)
def test_hundreds_of_mixed_questions(tiny: Make, reference: Any, settings: dict[str, Any]) -> None:
    loaded = tiny("sva")
    assert answered(Driver(loaded.model, loaded.processor, **settings), loaded.mixed(200, 1)) == reference(
        loaded, 200, 1
    )


@pytest.mark.parametrize("kind", ["groups", "connector_only", "mlp", "phi3"])
def test_every_kind_of_checkpoint(tiny: Make, reference: Any, kind: str) -> None:
    loaded = tiny(kind)
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(60, 2)) == reference(loaded, 60, 2)


def test_eager_attention(tiny: Make, reference: Any) -> None:
    loaded = tiny("sva", attention="eager")
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(40, 3)) == reference(loaded, 40, 3)


def test_attention_that_takes_no_mask_gives_way_to_one_that_does(tiny: Make, reference: Any) -> None:
    loaded = tiny("sva")
    loaded.model.model.config._attn_implementation = "flash_attention_2"
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(200, 1)) == reference(loaded, 200, 1)


def test_sliding_window(tiny: Make, reference: Any) -> None:
    loaded = tiny("phi3", sliding_window=90)
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(40, 4)) == reference(loaded, 40, 4)


@pytest.mark.parametrize("limit", [70, 110, 125, 140])
def test_prompts_cut_by_the_length_limit(tiny: Make, reference: Any, limit: int) -> None:
    """From within the image to within the question, so that prefixes, images and own tokens are cut."""
    loaded = tiny("sva", tokenizer_model_max_length=limit)
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(40, 5)) == reference(loaded, 40, 5)


def test_answers_of_one_and_of_512_tokens(tiny: Make) -> None:
    loaded = tiny("sva")
    stops = loaded.model.generation_config.eos_token_id
    loaded.model.generation_config.eos_token_id = [1]
    try:
        questions = loaded.mixed(6, 6, limits=(1, 512))
        assert {q.limit for q in questions} == {1, 512}
        expected = {q.tag: loaded.alone(q) for q in questions}
        found = answered(Driver(loaded.model, loaded.processor), questions)
        assert found == expected
        assert max(map(len, found.values())) > 100
    finally:
        loaded.model.generation_config.eos_token_id = stops


def test_looking_one_pass_late_changes_no_answer(tiny: Make, reference: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a GPU does: the host learns of ended questions one pass after the fact."""
    loaded = tiny("sva")
    arrived = SimpleNamespace(synchronize=lambda: None)

    def late(self: Any, device: torch.device) -> None:
        self.late, self._posted = True, None

    monkeypatch.setattr(decode._Watch, "__init__", late)
    monkeypatch.setattr(decode, "_posted", lambda done: (done.clone(), arrived))
    assert answered(Driver(loaded.model, loaded.processor), loaded.mixed(200, 1)) == reference(loaded, 200, 1)


def test_text_without_any_image(tiny: Make) -> None:
    loaded = tiny("sva")
    questions = [loaded.question(n, "why " * (n % 7), 5, None) for n in range(40)]
    driver = Driver(loaded.model, loaded.processor)
    assert answered(driver, questions) == {q.tag: loaded.alone(q) for q in questions}
    assert driver.clock.counts["images"] == 0


def test_more_questions_than_are_asked_side_by_side(tiny: Make) -> None:
    loaded = tiny("sva")
    questions = [loaded.question(n, f"question {n}", 3, 0) for n in range(70)]
    assert answered(Driver(loaded.model, loaded.processor), questions) == {q.tag: loaded.alone(q) for q in questions}


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_deterministic_answers_do_not_depend_on_neighbors(tiny: Make, dtype: str) -> None:
    """Bit for bit: the logits of a question are the same whatever stands before, behind and beside it."""
    loaded = tiny("sva", dtype=dtype)
    questions = [loaded.question(n, f"{'so ' * (n % 5)}what {n}?", 6, n % 3 if n % 4 else None) for n in range(12)]

    def logits(order: list[int]) -> dict[Any, Any]:
        driver, seen = Driver(loaded.model, loaded.processor, deterministic=True), dict[Any, Any]()

        def note(pending: Any) -> None:
            for row, slots in enumerate(pending.slots):
                for column, slot in enumerate(slots):
                    if slot is not None:
                        seen[slot.question.tag] = loaded.model.lm_head(pending.hidden)[row, column].clone()

        driver.runner.decoder.on_prompts = note
        return {tag: (ids, seen[tag]) for tag, ids in answered(driver, [questions[n] for n in order]).items()}

    forwards = logits(list(range(12)))
    for order in ([*range(11, -1, -1)], sorted(range(12), key=lambda n: n % 3)):
        again = logits(order)
        for tag, (ids, values) in forwards.items():
            assert again[tag][0] == ids
            assert torch.equal(again[tag][1], values)


def test_near_ties_are_decided_as_for_one_question_alone(tiny: Make) -> None:
    """Every id gets a twin whose logit is the same to within rounding, so that sums decide which of them wins."""
    shared = tiny("sva")
    loaded = Loaded(deepcopy(shared.model), shared.processor)
    head = loaded.model.lm_head.weight
    with torch.no_grad():
        half = len(head) // 2
        head[half : 2 * half] = head[:half] * (1 + torch.tensor([-1e-7, 1e-7]).repeat(half)[:half, None])
    questions = loaded.mixed(60, 9)
    driver = Driver(loaded.model, loaded.processor)
    found = answered(driver, questions)
    assert found == {q.tag: loaded.alone(q) for q in questions}
    assert driver.clock.counts["alone"] > 30


def test_answers_of_clear_margins_are_not_asked_again(tiny: Make) -> None:
    loaded = tiny("sva")
    driver = Driver(loaded.model, loaded.processor)
    answered(driver, loaded.mixed(60, 1))
    assert driver.clock.counts["alone"] <= 1

"""What the driver does once and no more, and what it does when something does not work out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch

from cambrian_eval.models.cambrian.fast import Driver, Failure, Generated, ImageSource, Question

from .conftest import Loaded, answered, show

pytestmark = pytest.mark.slow

Make = Callable[..., Loaded]


@pytest.fixture
def passes(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int]]:
    """Rows and columns of every pass through the decoder."""
    made: list[tuple[int, int]] = []
    body = tiny("sva").model.model
    forward = body.forward

    def noted(*args: Any, **kwargs: Any) -> Any:
        made.append(tuple(kwargs["inputs_embeds"].shape[:2]))
        return forward(*args, **kwargs)

    monkeypatch.setattr(body, "forward", noted)
    return made


def test_a_image_is_encoded_once_and_its_prefix_computed_once(tiny: Make, passes: list[tuple[int, int]]) -> None:
    loaded = tiny("sva")
    driver = Driver(loaded.model, loaded.processor)
    questions = [loaded.question(n, f"{n}?", 1, n // 50) for n in range(100)]
    answered(driver, questions)
    assert driver.clock.counts["images"] == 2
    prefix = len(questions[0].head or ()) + loaded.processor.visual_tokens(show(0).size)
    long = [rows for rows, columns in passes if columns >= prefix and (rows, columns) == passes[0]]
    assert passes[0][1] >= prefix
    assert sum(long) == 2
    # The rest are the questions' own tokens, far fewer than 100 times a prefix.
    assert sum(rows * columns for rows, columns in passes) < 2 * prefix + 100 * 60


def test_encoded_images_serve_later_calls(tiny: Make) -> None:
    loaded = tiny("sva")
    driver = Driver(loaded.model, loaded.processor)
    questions = [loaded.question(n, f"{n}?", 2, n % 4) for n in range(8)]
    first = answered(driver, questions)
    assert answered(driver, questions) == first
    assert driver.clock.counts["images"] == 4


def test_the_vision_cache_keeps_to_its_bound(tiny: Make) -> None:
    loaded = tiny("sva")
    one = loaded.model.encode_images(loaded.processor.pixels([show(2).load()]), [show(2).size])[0].nbytes
    driver = Driver(loaded.model, loaded.processor, vision_cache_bytes=2 * one)
    answered(driver, [loaded.question(n, "?", 1, n) for n in range(8)])
    assert 0 < driver.images.used <= 2 * one


@pytest.mark.parametrize("settings", [{}, {"batch_size": 64}], ids=str)
def test_running_out_of_memory_loses_no_question(
    tiny: Make, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    loaded = tiny("sva")
    questions = loaded.mixed(60, 11)
    expected = answered(Driver(loaded.model, loaded.processor), questions)
    body = loaded.model.model
    forward, refused = body.forward, []

    def tight(*args: Any, **kwargs: Any) -> Any:
        rows, columns = kwargs["inputs_embeds"].shape[:2]
        if rows * columns > 350:
            refused.append(rows * columns)
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(*args, **kwargs)

    monkeypatch.setattr(body, "forward", tight)
    driver = Driver(loaded.model, loaded.processor, **settings)
    assert answered(driver, questions) == expected
    assert refused and len(refused) < 12
    assert driver.budget.tokens < 4096


def test_vision_batches_shrink_to_what_fits(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny("sva")
    encode = loaded.model.encode_images

    def tight(pixels: Any, sizes: Any) -> Any:
        if len(sizes) > 1:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 1 bytes")
        return encode(pixels, sizes)

    monkeypatch.setattr(loaded.model, "encode_images", tight)
    driver = Driver(loaded.model, loaded.processor)
    answered(driver, [loaded.question(n, "?", 1, n) for n in range(6)])
    assert driver.images.batch == 1


def test_a_image_that_did_not_fit_beside_others_is_prepared_again(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny("sva")
    pixels, refused = loaded.processor.pixels, list[Any]()

    def once(images: Any) -> Any:
        if not refused:
            refused.append(images)
            raise torch.OutOfMemoryError("out of memory")
        return pixels(images)

    monkeypatch.setattr(loaded.processor, "pixels", once)
    answered(Driver(loaded.model, loaded.processor), [loaded.question(n, "?", 1, n) for n in range(3)])
    assert refused


def test_what_never_fits_fails_alone(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny("sva")
    body = loaded.model.model
    forward = body.forward

    def tight(*args: Any, **kwargs: Any) -> Any:
        if kwargs["inputs_embeds"].shape[1] > 600:
            raise torch.OutOfMemoryError("out of memory")
        return forward(*args, **kwargs)

    monkeypatch.setattr(body, "forward", tight)
    questions = [loaded.question(n, "x" * (900 if n == 3 else 5), 2, None) for n in range(6)]
    found = [answer for batch in Driver(loaded.model, loaded.processor).batches(questions) for answer in batch]
    assert {a.tag for a in found if isinstance(a, Failure)} == {3}
    assert {a.tag for a in found if isinstance(a, Generated)} == {0, 1, 2, 4, 5}


def test_other_errors_are_not_swallowed(tiny: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = tiny("sva")

    def broken(*args: Any, **kwargs: Any) -> Any:
        raise ValueError("a defect")

    monkeypatch.setattr(loaded.model.model, "forward", broken)
    with pytest.raises(ValueError, match="a defect"):
        list(Driver(loaded.model, loaded.processor).batches([loaded.question(0, "?", 1, 0)]))


def test_a_image_that_cannot_be_read_fails_its_questions_alone(tiny: Make) -> None:
    loaded = tiny("sva")

    def broken() -> Any:
        raise OSError("truncated file")

    good = [loaded.question(n, "?", 2, n) for n in range(3)]
    bad = Question("bad", good[0].ids, 2, ImageSource("broken", (64, 48), broken))
    found = [a for batch in Driver(loaded.model, loaded.processor).batches([good[0], bad, *good[1:]]) for a in batch]
    (failure,) = [a for a in found if isinstance(a, Failure)]
    assert failure.tag == "bad" and "truncated file" in str(failure.error)
    assert sorted(a.tag for a in found if isinstance(a, Generated)) == [0, 1, 2]


def test_answers_come_before_the_stream_is_read_to_its_end(tiny: Make) -> None:
    loaded = tiny("sva")
    template = loaded.question(0, "?", 1, 0)
    pulled = 0

    def stream() -> Iterator[Question]:
        nonlocal pulled
        for n in range(100_000):
            pulled += 1
            yield Question(n, template.ids, 1, template.image)

    batches = Driver(loaded.model, loaded.processor).batches(stream())
    next(iter(batches))
    assert pulled < 2000


def test_stop_ids_end_an_answer_and_are_part_of_it(tiny: Make) -> None:
    loaded = tiny("sva")
    found = [a for batch in Driver(loaded.model, loaded.processor).batches(loaded.mixed(40, 12)) for a in batch]
    answers = [a for a in found if isinstance(a, Generated)]
    stops = set(loaded.model.generation_config.eos_token_id)
    assert {a.stopped for a in answers} == {True, False}
    for answer in answers:
        assert (answer.ids[-1] in stops) == answer.stopped
        assert not stops & set(answer.ids[:-1])

"""Several images in one question: where they stand for `openai:` and `hf:`, and what Cambrian does with them."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest
from PIL import Image

from cambrian_eval import run
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import parts, text_of
from cambrian_eval.models.cambrian_adapter import MARGIN, joined
from cambrian_eval.models.image_parts import ImageParts
from cambrian_eval.models.openai_api import chat_of
from cambrian_eval.registry import load_benchmark
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Request
from tests.conftest import png
from tests.judge.chat_server import Act, ChatServer, Seen


def shown(n: int) -> tuple[LazyImage, ...]:
    return tuple(LazyImage.of(png(i, (20 + i, 10 + i))).decoded() for i in range(n))  # type: ignore[union-attr]


def request(prompt: str, images: tuple[LazyImage, ...], places: bool = True) -> Request:
    return Request("1", "mmmu_pro_standard", "on", prompt, images, 0, 8, "key", places_images=places)


def described(asked: Request) -> list[str | int]:
    """Texts, and the position of each image in the request."""
    return [p if isinstance(p, str) else asked.images.index(p) for p in parts(asked)]


@pytest.mark.parametrize(
    ("prompt", "n", "expected"),
    [
        ("Is <image 1> left of <image 2>?", 2, ["Is ", 0, " left of ", 1, "?"]),
        ("A. <image 2>\nB. <image 1>", 2, ["A. ", 1, "\nB. ", 0]),  # the order of the marks
        ("<image 1> and again <image 1>", 1, [0, " and again ", 0]),
        ("Only <image 2>", 2, [0, "Only ", 1]),  # an image without a mark stands in front
        ("See <image 1> and <image 3>.", 1, ["See ", 0, " and ."]),
        ("See <image 1>.", 0, ["See ."]),
        ("Plain.", 2, [0, 1, "Plain."]),
    ],
)
def test_images_stand_at_their_marks(prompt: str, n: int, expected: list[str | int]) -> None:
    asked = request(prompt, shown(n))
    assert described(asked) == expected
    assert text_of(asked) == "".join(p for p in expected if isinstance(p, str))


def test_marks_are_text_where_the_benchmark_places_no_images() -> None:
    asked = request("See <image 1>.", shown(2), places=False)
    assert described(asked) == [0, 1, "See <image 1>."]


def test_text_first_moves_the_images_that_have_no_mark() -> None:
    """Marks decide before the order; all other images follow the text."""
    asked = request("Only <image 2>?", shown(3))
    assert described(replace(asked, order="text_first")) == ["Only ", 1, "?", 0, 2]
    plain = request("Plain.", shown(2), places=False)
    assert described(replace(plain, order="text_first")) == ["Plain.", 0, 1]


def test_an_endpoint_gets_text_and_images_in_order() -> None:
    chat, _ = chat_of(request("Is <image 2> left of <image 1>?", shown(2)), ImageParts())
    content = orjson.loads(orjson.dumps(chat.messages))[0]["content"]
    assert [part["type"] for part in content] == ["text", "image_url", "text", "image_url", "text"]
    assert [part["text"] for part in content if part["type"] == "text"] == ["Is ", " left of ", "?"]
    sizes = [_size(part) for part in content if part["type"] == "image_url"]
    assert sizes == [(21, 11), (20, 10)]


def _size(part: dict[str, Any]) -> tuple[int, int]:
    return Image.open(io.BytesIO(base64.b64decode(part["image_url"]["url"].partition(",")[2]))).size


def test_images_are_joined_side_by_side() -> None:
    first, second = shown(2)
    name, whole = joined((first, second))
    assert whole.size == (20 + MARGIN + 21, 11)
    pixels = np.asarray(whole)
    assert np.array_equal(pixels[:10, :20], np.asarray(first.load()))
    assert np.array_equal(pixels[:, 20 + MARGIN :], np.asarray(second.load()))
    assert not pixels[:, 20 : 20 + MARGIN].any() and not pixels[10:, :20].any()
    assert name != joined((second, first))[0] and joined((first,))[0] == first.sha256


def test_mmmu_pro_numbers_marks_by_the_images_that_are_there() -> None:
    empty: dict[str, Any] = {f"image_{i}": None for i in range(1, 8)}
    row = {**empty, "id": "test_Art_1", "question": "See <image 2>.", "options": "['<image 4>', 'x']", "answer": "A"}
    benchmark = load_benchmark("mmmu_pro_standard")
    sample = benchmark.to_sample({**row, "image_2": png(1), "image_4": png(2), "subject": "Art"}, 0)
    assert sample is not None and len(sample.images) == 2
    asked = request(benchmark.prompt(sample), sample.images)
    assert described(asked)[:4] == ["See ", 0, ".\nA. ", 1]


def test_mmmu_authors_prompt_keeps_the_marks() -> None:
    benchmark = load_benchmark("mmmu")
    loaded = load_samples(benchmark, DataSpec(mini=24, offline=True))
    sample = next(s for s in loaded.samples if len(s.images) == 2)
    assert not benchmark.places_images("official") and "<image" not in benchmark.prompt(sample)
    asked = request(benchmark.prompt(sample, "authors"), sample.images, benchmark.places_images("authors"))
    assert set(described(asked)) >= {0, 1} and "<image" not in text_of(asked)


@pytest.mark.slow
def test_a_run_over_several_images_at_an_endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    def answer(seen: Seen, n: int) -> Act:
        return Act("A")

    with ChatServer(answer) as server:
        names = ["blink", "mmsi_bench", "mmmu_pro_standard", "naturalbench"]
        outcome = run("openai:m", names, tmp_path / "run", data="mini:8", options={"base_url": server.url})
    counts = {name: [len(r.images) for r in outcome.run.stored.responses(Cell(name, "on")).values()] for name in names}
    assert set(counts["blink"]) == {1, 2} and set(counts["mmsi_bench"]) == {2}
    assert set(counts["mmmu_pro_standard"]) == {2} and set(counts["naturalbench"]) == {1}
    kinds = {tuple(part["type"] for part in seen.user) for seen in server.seen}
    assert ("image_url", "image_url", "text") in kinds  # in front
    # at the marks, in order; the image that the question is about is named twice, and sent twice
    assert ("text", "image_url", "text", "image_url", "text", "image_url", "text") in kinds


@pytest.mark.slow
def test_cambrian_joins_the_images_where_it_is_told_to_and_says_so(tmp_path: Path) -> None:
    more = {"images": "join"}
    outcome = run("demo", ["mmsi_bench"], tmp_path / "join", data="mini:3", max_new_tokens=4, options=more)
    assert any("3 samples had their images joined" in note for note in outcome.results[0].notes)
    assert not any("left out" in note for note in outcome.results[0].notes)

"""Vision on means that the image was seen: samples without their image fail, and too many end the run early."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import Request, Response, UserError
from tests.conftest import docvqa_row, jsonl, png, write_parquet


class Counting:
    """Answers with how many images it was shown."""

    name, fingerprint, max_images = "counting", "counting-1", None

    def __init__(self, max_images: int | None = None) -> None:
        self.max_images = max_images
        self.asked = 0

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for request in requests:
            self.asked += 1
            yield Response(request.id, f"{len(request.images)} images")

    def describe(self) -> Mapping[str, Any]:
        return {}


def rows(n: int, broken: Mapping[int, object]) -> list[dict[str, Any]]:
    return [{**docvqa_row(i, b""), "image": broken.get(i, f"{i}.png")} for i in range(n)]


def folder(root: Path, n: int, broken: Mapping[int, object]) -> Path:
    inside = root / "docvqa"
    inside.mkdir(parents=True)
    for i in range(n):
        (inside / f"{i}.png").write_bytes(png(i))
    jsonl(inside / "rows.jsonl", rows(n, broken))
    return root


def go(root: Path, out: Path, model: Counting, **more: Any) -> Any:
    return cambrian_eval.run(model, ["docvqa"], out, data_root=root, **more)


@pytest.mark.parametrize("cell", [None, 7, {"bytes": None, "path": None}, {"width": 1}, "https://example.org/x.png"])
def test_too_many_missing_images_end_the_run_before_it_asks(cell: object, tmp_path: Path) -> None:
    model = Counting()
    root = folder(tmp_path / "data", 10, {3: cell, 4: cell})
    with pytest.raises(
        UserError, match=r"docvqa: 2 of 10 samples cannot be asked with vision on; the first, .*--vision off"
    ):
        go(root, tmp_path / "run", model)
    assert model.asked == 0


def test_a_few_are_failed_samples_and_counted(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", 30, {3: None})
    model = Counting()
    outcome = go(root, tmp_path / "run", model, vision=["on", "off", "noise", "shuffled"], max_failures=0.1)
    assert (outcome.n, outcome.n_failed) == (120, 3)  # vision off asks all of them
    for result in outcome.results:
        shown = 0 if result.condition == "off" else 29
        assert result.images == {"0": 30 - shown, "1": shown, "more": 0}
    [on] = [r for r in outcome.results if (r.condition, r.scorer) == ("on", "fuzzy")]
    assert on.n_failed == 1 and "vision on, but 1 samples carried no image" in on.notes
    stored = json.loads((tmp_path / "run/results.json").read_text())["results"]
    assert {r["images"]["1"] for r in stored} == {0, 29}


def test_vision_off_needs_no_images(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", 5, dict.fromkeys(range(5)))
    assert go(root, tmp_path / "run", Counting(), vision=["off"]).n_failed == 0


def test_a_model_without_images_needs_none(tmp_path: Path) -> None:
    root = folder(tmp_path / "data", 10, {})
    assert go(root, tmp_path / "run", Counting(max_images=0)).n_failed == 0


def test_joined_ids_are_compared_as_text_and_absent_ones_fail(tmp_path: Path) -> None:
    questions = [
        {"id": str(i), "imageId": i, "question": f"q{i}", "answer": "x", "fullAnswer": "x"} for i in range(300)
    ]
    images = [{"id": str(i), "image": {"bytes": png(i), "path": None}} for i in range(299)]
    root = tmp_path / "data/gqa"
    write_parquet(root / "testdev_balanced_instructions/testdev-0.parquet", questions)
    write_parquet(root / "testdev_balanced_images/testdev-0.parquet", images)
    outcome = cambrian_eval.run(Counting(), ["gqa"], tmp_path / "run", data_root=tmp_path / "data")
    assert (outcome.n, outcome.n_failed) == (300, 1)
    [record] = [
        r
        for line in (tmp_path / "run/responses/gqa.on.jsonl").read_text().splitlines()
        if (r := json.loads(line))["finish"] == "failed"
    ]
    assert "no row with id 299" in record["error"]


def test_equal_responses_with_and_without_images_are_reported(tmp_path: Path) -> None:
    class Blind(Counting):
        def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
            return (Response(request.id, "the same") for request in requests)

    root = folder(tmp_path / "data", 25, {})
    results = go(root, tmp_path / "run", Blind(), vision=["on", "off"]).results
    noted = {
        r.condition for r in results if any("all 25 responses are equal with vision on and off" in n for n in r.notes)
    }
    assert noted == {"off"}
    before = (tmp_path / "run/results.json").read_bytes()
    go(root, tmp_path / "run", Blind(), vision=["on", "off"])
    assert (tmp_path / "run/results.json").read_bytes() == before  # a resumed run says the same
    results = go(root, tmp_path / "seeing", Counting(), vision=["on", "off"]).results
    assert not any("are equal with vision on and off" in n for r in results for n in r.notes)

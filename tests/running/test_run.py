"""A run from rows to results: resumed, refused, and with everything that can go wrong."""

from __future__ import annotations

import gc
import io
import json
import threading
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import cambrian_eval
from cambrian_eval.errors import ContractError, UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.running.progress import Silent
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from cambrian_eval.sample import Request, Response, Result
from tests.conftest import Scripted, answer_number, docvqa_row, png, write_parquet


def go(root: Path, out: Path, model: Any, **more: Any) -> Any:
    return cambrian_eval.run(model, ["docvqa"], out, data_root=root, **more)


def test_a_perfect_model_scores_100_and_everything_is_on_record(docvqa_root: Path, tmp_path: Path) -> None:
    outcome = go(docvqa_root, tmp_path / "run", Scripted(answer_number))
    fuzzy = next(r for r in outcome.results if r.scorer == "fuzzy")
    assert (fuzzy.score, fuzzy.n, fuzzy.n_failed, fuzzy.n_unparsed) == (100.0, 60, 0, 0)
    assert not fuzzy.complete  # 60 of 5349 rows
    assert any("5349" in note for note in fuzzy.notes)
    record = outcome.run.stored.responses(Cell("docvqa", "on"))["7"]
    assert record.prompt == "What is number 7?\nGive the short answer directly."
    assert record.text == "answer 7"
    assert len(record.key) == 32 and len(record.images) == 1
    verdict = outcome.run.stored.verdicts(Cell("docvqa", "on"), "fuzzy")["7"]
    assert verdict.value == 1.0 and verdict.rule
    info = outcome.run.info
    assert info["benchmarks"]["docvqa"]["prompt_template"] == "{question}\nGive the short answer directly."
    assert info["passes"][0]["end"] and info["passes"][0]["versions"]["cambrian-eval"]
    assert info["benchmarks"]["docvqa"]["data"]["fingerprint"]


def test_results_are_stored_after_each_condition(docvqa_root: Path, tmp_path: Path) -> None:
    out, stored = tmp_path / "run", {}

    def answer(request: Request) -> str:
        results = open_run(out).results()
        stored.setdefault(request.condition, {(r.condition, r.scorer): r for r in results})
        return answer_number(request) if request.images else "unknown"

    first = {(r.condition, r.scorer): r for r in go(docvqa_root, out, Scripted(answer), vision=["on", "off"]).results}
    assert stored == {"on": {}, "off": {key: r for key, r in first.items() if key[0] == "on"}}
    written = (out / "results.json").read_bytes()
    stored.clear()
    go(docvqa_root, out, Scripted(answer), vision=["on", "off", "noise"])
    assert stored == {"noise": first}
    (out / "results.json").unlink()  # a run of an earlier version that was killed
    go(docvqa_root, out, Scripted(answer), vision=["on", "off"])
    assert (out / "results.json").read_bytes() == written


def test_conditions_show_what_they_say(docvqa_root: Path, tmp_path: Path) -> None:
    model = Scripted(answer_number)
    go(docvqa_root, tmp_path / "run", model, vision=["on", "off", "shuffled", "noise"])
    shown: dict[str, dict[str, tuple[str, ...]]] = {}
    sizes: dict[str, set[tuple[int, int]]] = {}
    for request in model.seen:
        shown.setdefault(request.condition, {})[request.id] = tuple(p.sha256 for p in request.images)
        sizes.setdefault(request.condition, set()).update(p.load().size for p in request.images)
    assert {len(v) for v in shown.values()} == {60}
    assert set(shown["off"].values()) == {()}
    own, other, noise = shown["on"], shown["shuffled"], shown["noise"]
    assert all(own[i] != other[i] for i in own)
    assert set(other.values()) == set(own.values())  # real images, each used
    assert all(other[str(2 * k)] == other[str(2 * k + 1)] for k in range(30))  # same for every question of an image
    assert not set(noise.values()) & set(own.values()) and sizes["noise"] == {(64, 64)}
    prompts = {(r.condition, r.id): r.prompt for r in model.seen}
    assert all(prompts["off", i] == prompts["on", i] for i in own)
    again = Scripted(answer_number)
    go(docvqa_root, tmp_path / "again", again, vision=["shuffled", "noise"])
    assert {(r.condition, r.id): r.key for r in again.seen} == {
        (r.condition, r.id): r.key for r in model.seen if r.condition in ("shuffled", "noise")
    }


def test_questions_of_one_image_are_neighbours(tmp_path: Path) -> None:
    rows = [docvqa_row(i, png(i % 5), page=i % 5) for i in range(20)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    model = Scripted(answer_number)
    go(tmp_path / "data", tmp_path / "run", model)
    images = [r.images[0].sha256 for r in model.seen]
    changes = sum(a != b for a, b in pairwise(images))
    assert changes == 4


def test_a_second_start_asks_nothing_and_changes_nothing(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    go(docvqa_root, out, Scripted(answer_number))
    before = (out / "results.json").read_bytes(), (out / "responses/docvqa.on.jsonl").read_bytes()
    again = Scripted(answer_number)
    go(docvqa_root, out, again)
    assert again.seen == []
    assert ((out / "results.json").read_bytes(), (out / "responses/docvqa.on.jsonl").read_bytes()) == before


@pytest.mark.parametrize("change", [{"prompts": "paper"}, {"seed": 1}, {"limit": 10}, {"max_new_tokens": 5}])
def test_other_settings_are_refused_with_the_difference(
    docvqa_root: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    go(docvqa_root, tmp_path / "run", Scripted(answer_number))
    with pytest.raises(UserError) as caught:
        go(docvqa_root, tmp_path / "run", Scripted(answer_number), **change)
    name, value = next(iter(change.items()))
    assert name in str(caught.value) and str(value) in str(caught.value)


def test_another_model_or_other_data_is_refused(docvqa_root: Path, tmp_path: Path) -> None:
    go(docvqa_root, tmp_path / "run", Scripted(answer_number))
    other = Scripted(answer_number)
    other.fingerprint = "scripted-2"
    with pytest.raises(UserError, match=r"scripted-1.*scripted-2"):
        go(docvqa_root, tmp_path / "run", other)
    rows = [docvqa_row(i, png(900 + i), page=i) for i in range(60)]
    write_parquet(docvqa_root / "docvqa" / "validation-00000-of-00001.parquet", rows)
    with pytest.raises(UserError, match="60 other images"):
        go(docvqa_root, tmp_path / "run", Scripted(answer_number))


def test_stop_ends_early_and_the_next_start_goes_on(docvqa_root: Path, tmp_path: Path) -> None:
    stop = threading.Event()

    def answer(request: Request) -> str:
        if request.id == "20":
            stop.set()
        return answer_number(request)

    first = go(docvqa_root, tmp_path / "run", Scripted(answer), stop=stop)
    assert first.interrupted and 20 <= first.n < 60
    assert first.results == ()
    second = Scripted(answer_number)
    outcome = go(docvqa_root, tmp_path / "run", second)
    assert len(second.seen) == 60 - first.n
    assert outcome.results[0].score == 100.0
    assert [p["interrupted"] for p in outcome.run.info["passes"]] == [True, False]


class Broken(Scripted):
    """A model that breaks the contract in one way."""

    def __init__(self, how: str) -> None:
        super().__init__(answer_number)
        self.how = how

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for i, request in enumerate(requests):
            if self.how == "fewer" and i == 5:
                continue
            yield Response("nobody" if self.how == "unknown" and i == 5 else request.id, "x")
            if self.how == "twice" and i == 5:
                yield Response(request.id, "x")


@pytest.mark.parametrize(
    ("how", "word"), [("fewer", "'5'"), ("twice", "second response for request '5'"), ("unknown", "'nobody'")]
)
def test_counts_are_checked(docvqa_root: Path, tmp_path: Path, how: str, word: str) -> None:
    with pytest.raises(ContractError, match=word):
        go(docvqa_root, tmp_path / "run", Broken(how))
    finished = go(docvqa_root, tmp_path / "run", Scripted(answer_number))
    assert finished.n == 60


def test_a_model_that_raises_on_some_inputs_fails_only_those(docvqa_root: Path, tmp_path: Path) -> None:
    def answer(request: Request) -> str:
        if int(request.id) % 10 == 3:
            raise RuntimeError("no idea")
        return answer_number(request)

    outcome = go(docvqa_root, tmp_path / "run", Scripted(answer))
    fuzzy = outcome.results[0]
    assert (fuzzy.n, fuzzy.n_failed) == (60, 6)
    assert fuzzy.score == pytest.approx(90.0)
    records = outcome.run.stored.responses(Cell("docvqa", "on"))
    assert {i for i, r in records.items() if r.finish == "failed"} == {"3", "13", "23", "33", "43", "53"}
    assert records["3"].error == "RuntimeError: no idea"
    retried = go(docvqa_root, tmp_path / "run", Scripted(answer_number), retry_failed=True)
    assert retried.results[0].score == 100.0 and retried.results[0].n_failed == 0


def encoded(image: Image.Image, kind: str, **more: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **more)
    return buffer.getvalue()


def test_odd_images(tmp_path: Path) -> None:
    rgb = Image.new("RGB", (30, 20), (200, 30, 40))
    palette = Image.new("P", (30, 20), 1)
    palette.putpalette([0, 0, 0, 10, 200, 30] + [0] * 762)
    frames = [Image.new("P", (30, 20), i) for i in (0, 1)]
    for frame in frames:
        frame.putpalette([255, 0, 0, 0, 0, 255] + [0] * 762)
    images = {
        "truncated": encoded(Image.open(io.BytesIO(png(3))), "PNG")[:700],
        "gif": encoded(frames[0], "GIF", save_all=True, append_images=frames[1:]),
        "palette": encoded(palette, "PNG", transparency=0),
        "cmyk": encoded(rgb.convert("CMYK"), "JPEG"),
        "tiny": encoded(Image.new("RGB", (1, 1)), "PNG"),
        "wide": encoded(Image.new("RGB", (12000, 40)), "PNG"),
        "empty": b"",
    }
    rows = [docvqa_row(i, data, page=i) for i, data in enumerate(images.values())]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    model = Scripted(answer_number)
    outcome = go(tmp_path / "data", tmp_path / "run", model)
    names = list(images)
    sizes = {names[int(r.id)]: r.images[0].load().size for r in model.seen}
    assert sizes == {
        "gif": (30, 20),
        "palette": (30, 20),
        "cmyk": (30, 20),
        "tiny": (1, 1),
        "wide": (12000, 40),
    }
    seen = {names[int(r.id)]: r.images[0].load() for r in model.seen}
    assert seen["gif"].getpixel((0, 0)) == (255, 0, 0)  # the first frame
    assert seen["palette"].getpixel((0, 0)) == (10, 200, 30)
    assert all(image.mode == "RGB" for image in seen.values())
    failed = {
        names[int(i)] for i, r in outcome.run.stored.responses(Cell("docvqa", "on")).items() if r.finish == "failed"
    }
    assert failed == {"truncated", "empty"}
    assert outcome.results[0].n_failed == 2


def test_limit_keeps_pairs_whole(tmp_path: Path) -> None:
    rows = []
    for i in range(6):
        for answer in ("Yes", "No"):
            rows.append(
                {
                    "question_id": f"{i}.png",
                    "image": {"bytes": png(i), "path": None},
                    "question": f"Is it {answer}? Please answer yes or no.",
                    "answer": answer,
                    "category": "existence",
                }
            )
    write_parquet(tmp_path / "data/mme/test-0.parquet", rows)
    outcome = cambrian_eval.run("chance", ["mme"], tmp_path / "run", data_root=tmp_path / "data", limit=3)
    groups = [s.group for s in outcome.run.stored.samples("mme")]
    assert len(groups) == 4 and len(set(groups)) == 2


def test_results_are_in_the_file_as_returned(docvqa_root: Path, tmp_path: Path) -> None:
    outcome = go(docvqa_root, tmp_path / "run", Scripted(answer_number))
    stored = json.loads((tmp_path / "run/results.json").read_text())
    assert stored["schema"] == 2
    assert {(r["scorer"], r["score"]) for r in stored["results"]} == {(r.scorer, r.score) for r in outcome.results}
    assert sorted(r.scorer for r in cambrian_eval.open_run(tmp_path / "run").stored.results()) == [
        "fuzzy",
        "official",
    ]


class CountsImages(Silent):
    """Counts the images of tables that are in memory when a cell begins and when it has been scored."""

    def __init__(self) -> None:
        self.found: list[int] = []

    def start(self, cell: Cell, total: int, done: int) -> None:
        self.finish(cell, None)

    def finish(self, cell: Cell, result: Result | None) -> None:
        gc.collect()
        self.found.append(sum(type(o) is LazyImage for o in gc.get_objects()))


def test_images_stay_in_memory_only_while_conditions_need_them(docvqa_root: Path, tmp_path: Path) -> None:
    progress = CountsImages()
    gc.freeze()  # what other tests have left is not counted
    try:
        go(docvqa_root, tmp_path / "run", "chance", vision=["on", "off"], progress=progress)
    finally:
        gc.unfreeze()
    assert progress.found == [60, 60, 60, 0]

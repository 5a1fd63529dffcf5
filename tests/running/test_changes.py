"""A stored response is used only for the request it was made for."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import Request, Response, UserError
from tests.conftest import docvqa_row, jsonl, png

N = 12


class Recording:
    """Answers with the hash of its image, and remembers what it was asked."""

    name, fingerprint, max_images = "recording", "recording-1", None

    def __init__(self) -> None:
        self.asked: list[str] = []

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for request in requests:
            self.asked.append(f"{request.condition} {request.id}")
            yield Response(request.id, " ".join(i.sha256[:8] for i in request.images))

    def describe(self) -> Mapping[str, Any]:
        return {}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "data/docvqa"
    folder.mkdir(parents=True)
    for i in range(N):
        (folder / f"{i}.png").write_bytes(png(i))
    jsonl(folder / "rows.jsonl", [{**docvqa_row(i, b""), "image": f"{i}.png"} for i in range(N)])
    return tmp_path / "data"


def go(data: Path, out: Path, **more: Any) -> tuple[list[str], Any]:
    model = Recording()
    outcome = cambrian_eval.run(model, ["docvqa"], out, data_root=data, **{"vision": ["on", "off"], **more})
    return model.asked, outcome


def swap_images(data: Path) -> None:
    a, b = data / "docvqa/3.png", data / "docvqa/4.png"
    first, second = a.read_bytes(), b.read_bytes()
    a.write_bytes(second)
    b.write_bytes(first)


def other_image_of_equal_size(data: Path) -> None:
    path = data / "docvqa/5.png"
    content = bytearray(path.read_bytes())
    path.write_bytes(bytes(content))
    from PIL import Image

    image = Image.open(path).convert("RGB")
    image.putpixel((0, 0), (1, 2, 3))
    image.save(path)


def edit_row(number: int, **values: Any) -> Callable[[Path], None]:
    def change(data: Path) -> None:
        path = data / "docvqa/rows.jsonl"
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        rows[number].update(values)
        jsonl(path, rows)

    return change


CHANGES = {
    "swapped images": (swap_images, {"on 3", "on 4"}),
    "another image of equal size": (other_image_of_equal_size, {"on 5"}),
    "an edited question": (edit_row(7, question="Which other number?"), {"on 7", "off 7"}),
    "an edited answer": (edit_row(8, answers=["nothing"]), set()),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_changed_rows_are_refused_or_only_they_are_asked_again(kind: str, data: Path, tmp_path: Path) -> None:
    change, affected = CHANGES[kind]
    out = tmp_path / "run"
    asked, _ = go(data, out)
    assert len(asked) == 2 * N
    before = (out / "responses/docvqa.on.jsonl").read_bytes()
    change(data)
    with pytest.raises(UserError, match="--on-change ask") as refusal:
        go(data, out)
    assert all(repr(name.split()[1]) in str(refusal.value) for name in affected)
    assert (out / "responses/docvqa.on.jsonl").read_bytes() == before
    asked, outcome = go(data, out, on_change="ask")
    assert set(asked) == affected and len(asked) == len(affected)
    fresh_asked, fresh = go(data, tmp_path / "fresh")
    assert len(fresh_asked) == 2 * N
    assert (out / "results.json").read_bytes() == (tmp_path / "fresh/results.json").read_bytes()
    for cell in fresh.run.stored.cells():
        assert outcome.run.stored.responses(cell) == fresh.run.stored.responses(cell)
    assert go(data, out)[0] == []  # and now nothing differs any more


def test_reuse_keeps_the_stored_responses(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    _, first = go(data, out)
    stored = {cell: first.run.stored.responses(cell) for cell in first.run.stored.cells()}
    swap_images(data)
    asked, outcome = go(data, out, on_change="reuse")
    assert asked == []
    assert {cell: outcome.run.stored.responses(cell) for cell in outcome.run.stored.cells()} == stored


def test_another_prompt_style_changes_the_prompts(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    rows = [{"question": "q", "options": ["x", "y"], "answer": str(i % 2), "image": f"{i}.png"} for i in range(4)]
    (data / "ai2d").mkdir()
    for i in range(4):
        (data / "ai2d" / f"{i}.png").write_bytes(png(i))
    jsonl(data / "ai2d/rows.jsonl", rows)
    cambrian_eval.run(Recording(), ["ai2d"], out, data_root=data)
    with pytest.raises(UserError, match="prompts: official -> paper"):
        cambrian_eval.run(Recording(), ["ai2d"], out, data_root=data, prompts="paper")
    model = Recording()
    cambrian_eval.run(model, ["ai2d"], out, data_root=data, prompts="paper", on_change="ask")
    assert len(model.asked) == 4
    assert cambrian_eval.open_run(out).info["responses_depend_on"]["prompts"] == "paper"


def test_edited_stored_samples_are_noticed(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    go(data, out)
    path = out / "samples/docvqa.jsonl"
    lines = path.read_text().splitlines()
    edited = json.loads(lines[2])
    edited["answers"] = ["forged"]
    path.write_text("\n".join([*lines[:2], json.dumps(edited), *lines[3:]]) + "\n")
    with pytest.raises(UserError, match=r"docvqa: 1 samples differ from the stored ones: '2'"):
        go(data, out)
    asked, _ = go(data, out, on_change="ask")
    assert asked == [] and "forged" not in path.read_text()


def test_the_same_content_in_other_files_changes_nothing(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    go(data, out)
    folder = data / "docvqa"
    (folder / "rows.jsonl").rename(folder / "renamed.jsonl")
    (folder / "a note.txt").write_text("added later")
    assert go(data, out)[0] == []

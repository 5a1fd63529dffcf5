"""Bad rows, images and models: the affected samples fail, all others equal the clean run."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

import cambrian_eval
from cambrian_eval.engines.local import PIXELS_AHEAD, Job, LocalEngine
from cambrian_eval.errors import ContractError, UserError
from cambrian_eval.image import LazyImage, decode
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from cambrian_eval.sample import Request, Response
from tests.conftest import Scripted, answer_number, docvqa_row, png, write_parquet
from tests.engines.models import Plain, Raises, Wrong
from tests.faults import odd_images
from tests.faults.children import Ended, child, evaluate, measured
from tests.faults.conftest import CleanRun, responses

pytestmark = pytest.mark.slow

ON = Cell("docvqa", "on")
FORMATS = "docvqa/validation-0.parquet"


def with_row_37(folder: Path, made_image: bytes, size: tuple[int, int] = (64, 64)) -> Path:
    rows = [docvqa_row(i, png(i, size) if i != 36 else made_image, page=i) for i in range(60)]
    write_parquet(folder / FORMATS, rows, group=20)
    return folder


def failed(path: Path) -> dict[str, str]:
    return {i: r.error or "" for i, r in open_run(path).responses(ON).items() if r.finish == "failed"}


BAD: dict[str, tuple[bytes | Callable[[], bytes], str]] = {
    "truncated": (png(36)[:300], "OSError"),
    "not an image": (b"<html>404</html>", "not an image in a known format"),
    "empty": (b"", 'neither "bytes" nor "path"'),
    "changed": (png(36).replace(b"IDAT", b"JUNK"), ""),
    "image bomb": (odd_images.declares_too_much(), "exceeds the limit of 178956970 pixels"),
    "bomb between the limits": (odd_images.declares_too_much(15_000), "15000 x 15000 pixels exceeds the limit"),
    "text that decompresses to 256 MB": (odd_images.decompresses_in_text, "Decompressed data too large"),
    "profile that decompresses to 256 MB": (odd_images.decompresses_in_profile, ""),
}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_image_fails_only_its_own_row(tmp_path: Path, count: Counter[str], kind: str) -> None:
    content, reason = BAD[kind]
    made_image = content if isinstance(content, bytes) else content()
    clean, bad = with_row_37(tmp_path / "clean-data", png(36)), with_row_37(tmp_path / "data", made_image)
    assert len(made_image) < 300_000
    evaluate(clean, tmp_path / "clean", vision=["on"])
    found = child(measured, bad, tmp_path / "run", 150 << 20, {"vision": ["on"]})
    assert found == Ended(0, None)
    mine, theirs = open_run(tmp_path / "run").responses(ON), open_run(tmp_path / "clean").responses(ON)
    assert {i for i in mine if mine[i] != theirs[i]} <= {"36"} and mine.keys() == theirs.keys()
    assert all(i == "36" and reason in text for i, text in failed(tmp_path / "run").items())
    assert failed(tmp_path / "run") or kind == "profile that decompresses to 256 MB"  # which Pillow ignores
    count[f"row 37: {kind}"] += 1
    again = Scripted(answer_number)
    again.name, again.fingerprint = "plain", "plain-1"
    evaluate(bad, tmp_path / "run", again, vision=["on"])
    assert again.seen == []  # failed samples are not run again without --retry-failed


def test_compressed_rows_need_only_the_memory_of_the_image(tmp_path: Path, count: Counter[str]) -> None:
    bomb = odd_images.decompresses_in_rows()
    assert len(bomb) < 2_000_000
    root = with_row_37(tmp_path / "data", bomb)
    assert child(measured, root, tmp_path / "run", 150 << 20, {"vision": ["on"]}) == Ended(0, None)
    assert len(open_run(tmp_path / "run").responses(ON)) == 60 and set(failed(tmp_path / "run")) <= {"36"}
    count["row 37: rows that decompress to a gigabyte"] += 1


def test_max_pixels_both_ways(tmp_path: Path) -> None:
    root = with_row_37(tmp_path / "data", png(36, (40, 40)))
    evaluate(root, tmp_path / "small", vision=["on"], max_pixels=40 * 40)
    assert set(failed(tmp_path / "small")) == {str(i) for i in range(60)} - {"36"}
    assert failed(tmp_path / "small")["0"] == "ValueError: image of 64 x 64 pixels exceeds the limit of 1600 pixels"
    with pytest.raises(ValueError, match="exceeds the limit"):
        decode(odd_images.declares_too_much(20_000))
    with pytest.raises(OSError, match="truncated"):  # allowed, so it is read, and found to have no rows
        decode(odd_images.declares_too_much(20_000), max_pixels=400_000_000)


def test_few_huge_images_wait_for_the_model() -> None:
    from PIL import Image

    huge = LazyImage.from_image(Image.new("1", (8000, 8000)))
    prepared = []

    def job(i: int) -> Job:
        def prepare(decoded: bool) -> Request:
            prepared.append(i)
            return Request(str(i), "docvqa", "on", "?", (huge,), 0, 8, "")

        return Job(str(i), prepare)

    class Waits(Plain):
        def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
            for n, request in enumerate(requests):
                if n == 0:
                    time.sleep(0.05)  # a slow model: threads prepare its requests ahead
                if n == 1:
                    wait_until_stable(prepared)
                    assert len(prepared) <= PIXELS_AHEAD // (8000 * 8000) + 1 + 2 * 2 + 1
                yield Response(request.id, "")

    done = list(LocalEngine(workers=2).run(Waits(), iter([job(i) for i in range(64)]), threading.Event()))
    assert len(done) == 64 and all(a.response.finish == "stop" for a in done)


def wait_until_stable(prepared: list[int]) -> None:
    """Waits until no further image is prepared."""
    before = -1
    while len(prepared) < 4 or len(prepared) != before:
        before = len(prepared)
        time.sleep(0.2)


def test_a_line_that_is_not_valid_json_is_named(tmp_path: Path, count: Counter[str]) -> None:
    root = tmp_path / "data"
    (root / "docvqa").mkdir(parents=True)
    rows = [{**docvqa_row(i, b""), "image": f"{i}.png"} for i in range(60)]
    for i in range(60):
        (root / "docvqa" / f"{i}.png").write_bytes(png(i))
    lines = [json.dumps(row) + "\n" for row in rows]
    file = root / "docvqa/validation.jsonl"
    file.write_text("".join([*lines[:36], lines[36][:40] + "\n", *lines[37:]]))
    with pytest.raises(UserError, match=r"validation\.jsonl line 37 is not valid JSON"):
        evaluate(root, tmp_path / "run")
    file.write_text("".join(lines))
    assert evaluate(root, tmp_path / "run").n == 120
    count["row 37: a line that is not valid JSON"] += 1


def test_a_table_with_changed_bytes(tmp_path: Path, count: Counter[str]) -> None:
    root = with_row_37(tmp_path / "data", png(36))
    evaluate(root, tmp_path / "clean", vision=["on"])
    clean = open_run(tmp_path / "clean").responses(ON)
    file = root / FORMATS
    content = bytearray(file.read_bytes())
    place = content.find(png(36)[40:60])
    assert place > 0
    content[place : place + 400] = bytes(400)
    file.write_bytes(bytes(content))
    outcome = evaluate(root, tmp_path / "run", vision=["on"])
    found = outcome.run.stored.responses(ON)
    differing = {i for i in found if found[i] != clean[i]}
    assert differing and differing <= {str(i) for i in range(20, 40)}  # at most its row group
    assert set(failed(tmp_path / "run")) == differing
    count["row 37: bytes changed on the disk"] += 1


def test_a_response_of_ten_megabytes(clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    def reply(request: Request) -> str:
        return "long \u2028 answer\n" * 650_000 if request.id == "7" else answer_number(request)

    model = Scripted(reply)
    model.name, model.fingerprint = "plain", "plain-1"
    outcome = evaluate(clean_run.root, tmp_path / "run", model, vision=["on"])
    record = outcome.run.stored.responses(ON)["7"]
    assert len(record.text.encode()) > 10_000_000
    mine = responses(outcome.run.stored)
    assert {i for (c, i), r in mine.items() if r != clean_run.responses[c, i]} == {"7"}
    count["responses of 10 MB"] += 1
    assert evaluate(clean_run.root, tmp_path / "run", vision=["on"]).n == 60


def test_a_model_that_raises(clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    evaluate(clean_run.root, tmp_path / "run", Raises())
    ids = [str(i) for i in range(60) if i % 10 == 3]
    clean_run.check(tmp_path / "run", {i: f"RuntimeError: no idea about {i}" for i in ids})
    count["requests on which a model raises an error"] += 2 * len(ids)
    evaluate(clean_run.root, tmp_path / "run", retry_failed=True)
    run = open_run(tmp_path / "run")
    assert responses(run) == clean_run.responses
    assert (tmp_path / "run/results.json").read_bytes() == (clean_run.path / "results.json").read_bytes()


@pytest.mark.parametrize("how", ["fewer", "twice", "unknown"])
def test_a_model_that_breaks_its_contract(clean_run: CleanRun, tmp_path: Path, count: Counter[str], how: str) -> None:
    with pytest.raises(ContractError):
        evaluate(clean_run.root, tmp_path / "run", Wrong(how))
    run = open_run(tmp_path / "run")
    assert not run.results()
    cambrian_eval.open_run(tmp_path / "run")
    file = tmp_path / "run/responses/docvqa.on.jsonl"
    stored = run.responses(ON)
    assert len(stored) == file.read_bytes().count(b"\n")
    count[f"models that break their contract: {how}"] += 1
    file.unlink()  # responses of such a model are not reliable
    clean_run.resume(tmp_path / "run")

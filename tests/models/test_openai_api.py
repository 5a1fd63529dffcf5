"""`openai:NAME` against a real server: what is sent for a request, what is stored for a reply, kill and resume."""

from __future__ import annotations

import base64
import io
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from cambrian_eval import Request, UserError, run
from cambrian_eval.image import LazyImage
from cambrian_eval.model import Model
from cambrian_eval.models.image_parts import ImageParts, encoded
from cambrian_eval.registry import resolve
from cambrian_eval.running.records import Cell
from tests.conftest import docvqa_row, png, write_parquet
from tests.judge.chat_server import Act, ChatServer, Seen, error

pytestmark = pytest.mark.slow

KEY = "sk-test-model-key-9QwErTy-never-on-disk"
CELL = Cell("docvqa", "on")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("cambrian_eval.endpoint.client.backoff", lambda tries: 0.01)


def request(id: str = "1", images: tuple[LazyImage, ...] = (), prompt: str = "What?", limit: int = 16) -> Request:
    return Request(id, "docvqa", "on", prompt, images, 0, limit, "key")


def made_image(kind: str, mode: str = "RGB", size: tuple[int, int] = (8, 8), **settings: Any) -> LazyImage:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, kind, **settings)
    return LazyImage.of(buffer.getvalue()).decoded()  # type: ignore[union-attr]


def model(server: ChatServer, name: str = "vision-1", **more: Any) -> Model:
    return resolve(f"openai:{name}", {"base_url": server.url, **more})


def answer(seen: Seen, n: int) -> Act:
    """Answers `docvqa_row` questions rightly, from the text of the question."""
    content = seen.user
    text = content if isinstance(content, str) else content[-1]["text"]
    return Act("answer " + text.split("number ")[1].split("?")[0], usage=(50, 3))


def test_images_come_first_as_their_original_bytes_then_the_text() -> None:
    first, second = LazyImage.of(png(1)), LazyImage.of(png(2))
    assert first is not None and second is not None
    with ChatServer(lambda s, n: Act("fine")) as server:
        asked = [request("a", (first.decoded(), second.decoded()), limit=33), request("b", prompt="No image?")]
        found = {r.id: r for r in model(server).respond(iter(asked))}
    bodies = sorted((s.body for s in server.seen), key=lambda b: isinstance(b["messages"][0]["content"], str))
    parts = bodies[0]["messages"][0]["content"]
    assert [p["type"] for p in parts] == ["image_url", "image_url", "text"] and parts[2]["text"] == "What?"
    head, _, data = parts[1]["image_url"]["url"].partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(data) == png(2)
    assert bodies[0]["max_tokens"] == 33 and bodies[0]["temperature"] == 0 and bodies[0]["model"] == "vision-1"
    assert bodies[1]["messages"] == [{"role": "user", "content": "No image?"}]
    assert found["a"].text == "fine" and (found["a"].prompt_tokens, found["a"].new_tokens) == (100, 2)


@pytest.mark.parametrize(
    ("made", "mime", "noted"),
    [
        (made_image("JPEG"), "image/jpeg", False),
        (made_image("WEBP"), "image/webp", False),
        (made_image("PNG", "RGBA"), "image/png", False),
        (made_image("BMP"), "image/png", True),
        (made_image("TIFF"), "image/png", True),
        (made_image("JPEG", "CMYK"), "image/png", True),
        (made_image("GIF"), "image/png", True),
    ],
    ids=["jpeg", "webp", "png", "bmp", "tiff", "cmyk", "gif"],
)
def test_formats_that_endpoints_do_not_take_are_sent_as_png_and_noted(made: LazyImage, mime: str, noted: bool) -> None:
    found_mime, data, note = encoded(made)
    assert found_mime == mime and (note is not None) == noted
    assert (data == made.data()) != noted
    with Image.open(io.BytesIO(data)) as image:
        assert image.size == (8, 8)


def test_a_image_over_the_limit_is_made_smaller_and_noted() -> None:
    big = LazyImage.of(png(3, (300, 200)))
    assert big is not None and len(big.data()) > 50_000
    mime, data, note = encoded(big, most=20_000)
    assert mime == "image/jpeg" and len(data) <= 20_000 and note is not None and "JPEG" in note


def test_an_image_is_encoded_once_for_all_its_questions() -> None:
    bmp = made_image("BMP")
    parts = ImageParts(most=2 * ImageParts().of(bmp).n_bytes)
    first = parts.of(bmp)
    assert parts.of(LazyImage.of(bmp.data())) is first  # type: ignore[arg-type]
    for seed in range(4):
        parts.of(LazyImage.of(png(seed, (8, 8))))  # type: ignore[arg-type]
    assert parts.of(bmp) is not first, "the oldest are dropped"


def test_damaged_pixels_are_left_to_the_endpoint_and_a_damaged_header_is_not(tmp_path: Path) -> None:
    """What is sent as it is is not decoded; what must be converted has to be readable."""
    whole = png(1)
    bmp = made_image("BMP").data()
    rows = [whole[: len(whole) // 2], b"no image at all", bmp[: len(bmp) // 2], png(2)]
    write_parquet(
        tmp_path / "data" / "docvqa" / "validation-00000-of-00001.parquet",
        [docvqa_row(i, data) for i, data in enumerate(rows)],
    )
    with ChatServer(answer) as server:
        done = run(model(server), ["docvqa"], tmp_path / "run", data_root=tmp_path / "data", max_failures=1.0)
        assert len(server.seen) == 2
    stored = done.run.stored.responses(CELL)
    assert [stored[str(i)].finish for i in range(4)] == ["stop", "failed", "failed", "stop"]
    assert "known format" in (stored["1"].error or "") and "truncated" in (stored["2"].error or "")


def test_an_image_with_too_many_pixels_is_refused_by_its_header(docvqa_root: Path, tmp_path: Path) -> None:
    with ChatServer(answer) as server:
        done = run(model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, max_pixels=100, limit=4)
        assert not server.seen and done.n_failed == 4
    assert "exceeds the limit of 100 pixels" in (done.run.stored.responses(CELL)["1"].error or "")


def test_endings_are_stored_as_what_they_are(docvqa_root: Path, tmp_path: Path) -> None:
    acts = {
        0: Act(None, refusal="I will not look at that"),
        1: Act("half", finish="content_filter"),
        2: error(400, "blocked", code="content_filter"),
        3: Act("long", finish="length"),
        4: error(400, "this image is broken"),
        5: Act("naïve 🎈 \ud83d"),
    }

    def script(seen: Seen, n: int) -> Act:
        number = int(seen.user[-1]["text"].split("number ")[1].split("?")[0])
        return acts.get(number) or answer(seen, n)

    with ChatServer(script) as server:
        done = run(model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=8)
    stored = done.run.stored.responses(CELL)
    assert [stored[str(i)].finish for i in range(8)] == [
        "refused",
        "filtered",
        "filtered",
        "length",
        "failed",
        "stop",
        "stop",
        "stop",
    ]
    assert stored["0"].text == "I will not look at that" and "broken" in (stored["4"].error or "")
    assert stored["6"].text == "answer 6" and stored["6"].prompt_tokens == 50


def test_the_key_is_nowhere_in_the_run(docvqa_root: Path, tmp_path: Path) -> None:
    def script(seen: Seen, n: int) -> Act:
        assert seen.headers["authorization"] == f"Bearer {KEY}"
        return [Act(f"said {KEY}"), error(500, KEY), error(400, f"bad {KEY}"), answer(seen, n)][n % 4]

    with ChatServer(script) as server:
        run(
            "openai:vision-1",
            ["docvqa"],
            tmp_path / "run",
            data_root=docvqa_root,
            limit=20,
            options={"base_url": server.url},
        )
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert len(files) > 3 and not [p for p in files if KEY.encode() in p.read_bytes()]


def test_cost_is_stored_and_the_budget_ends_the_run_resumably(docvqa_root: Path, tmp_path: Path) -> None:
    cost = (50 * 0.15 + 3 * 0.6) / 1e6  # the list price of gpt-4o-mini
    out = tmp_path / "run"
    with ChatServer(answer) as server:
        # worst cases are reserved before a request is sent, so far fewer fit than would by what they cost
        with pytest.raises(UserError, match="budget"):
            run(model(server, "gpt-4o-mini", budget=60 * cost), ["docvqa"], out, data_root=docvqa_root)
        sent = len(server.seen)
        assert 0 < sent < 60 and sent * cost <= 60 * cost
        done = run(model(server, "gpt-4o-mini", budget=1.0), ["docvqa"], out, data_root=docvqa_root)
    assert len(server.seen) == 60 and done.results[0].score == 100.0
    assert done.run.stored.responses(CELL)["7"].notes["cost"] == pytest.approx(cost)


def test_killed_in_the_middle_and_resumed(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import sys\nfrom cambrian_eval import run\n"
        "run('openai:vision-1', ['docvqa'], sys.argv[1], data_root=sys.argv[2],\n"
        "    options={'base_url': sys.argv[3], 'concurrency': 4})\n"
    )

    def slow(seen: Seen, n: int) -> Act:
        act = answer(seen, n)
        return Act(act.text, usage=act.usage, delay=0.05)

    out = tmp_path / "run"
    with ChatServer(slow) as server:
        process = subprocess.Popen([sys.executable, "-c", code, str(out), str(docvqa_root), server.url])
        while len(server.seen) < 20 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
        done = run(model(server), ["docvqa"], out, data_root=docvqa_root)
        assert done.results[0].score == 100.0 and done.n_failed == 0
        assert 60 <= len(server.seen) <= 60 + 4
    lines = (out / "responses" / "docvqa.on.jsonl").read_text().splitlines()
    assert sorted(int(json.loads(line)["id"]) for line in lines) == list(range(60))


def test_a_reasoning_model_gets_its_own_parameters() -> None:
    with ChatServer(lambda s, n: Act("7")) as server:
        assert [r.text for r in model(server, "o3-mini").respond(iter([request()]))] == ["7"]
    body = server.seen[0].body
    assert body["max_completion_tokens"] > 16 and "max_tokens" not in body and "temperature" not in body


def test_the_fingerprint_names_the_model_and_the_service_but_not_a_port() -> None:
    def mark(name: str, url: str) -> str:
        return resolve(f"openai:{name}", {"base_url": url}).fingerprint

    here = mark("a", "http://localhost:8000/v1")
    assert here == mark("a", "http://127.0.0.1:9999/v1")
    assert len({here, mark("b", "http://localhost:8000/v1"), mark("a", "https://api.example.com/v1")}) == 3


def test_what_an_endpoint_cannot_do_is_refused() -> None:
    cases: list[tuple[dict[str, Any], str]] = [
        ({"quantize": "4bit"}, "no option 'quantize'"),
        ({"offline": True}, "needs a connection"),
        ({"budget": 1.0}, "no price is known"),
    ]
    for options, said in cases:
        with pytest.raises(UserError, match=said):
            resolve("openai:nobody-knows", options)
    with pytest.raises(UserError, match="no model named"):
        resolve("openai:")

"""`openai:NAME --batch-api` against a local provider with faults: nothing is lost, and nothing is paid twice."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import UserError, run
from cambrian_eval.running.records import Cell
from cambrian_eval.running.settings import RunOutcome
from tests.command import refused
from tests.faults.children import ended
from tests.faults.children import start as child
from tests.models.batch_server import BatchServer, failed, number, said

pytestmark = pytest.mark.slow

KEY = "sk-test-batch-key-5TgBnH-never-on-disk"
CELL = Cell("docvqa", "on")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"m": [1000, 1000]}')
    monkeypatch.setenv("CAMBRIAN_EVAL_PRICES", str(prices))
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("cambrian_eval.endpoint.batch_provider.backoff", lambda tries: 0.01)


def start(root: Path, out: Path, server: BatchServer, stop: Any = None, **options: Any) -> RunOutcome:
    given = {"base_url": server.url, "batch_api": True, "batch_poll": 0.02, **options}
    return run("openai:m", ["docvqa"], out, data_root=root, options=given, stop=stop)


def test_a_run_is_one_batch_at_half_the_price(
    docvqa_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with BatchServer() as server:
        done = start(docvqa_root, tmp_path / "run", server)
        assert done.results[0].score == 100.0 and len(server.batches) == 1 and len(server.asked) == 60
        assert server.headers[0]["authorization"] == f"Bearer {KEY}"
        line = json.loads(server.files["file-0"].splitlines()[0])
    records = done.run.stored.responses(CELL)
    assert {r.key for r in records.values()} == set(server.asked)
    assert line["body"]["messages"][0]["content"][0]["image_url"]["url"].startswith("data:image/png;base64,")
    assert line["body"]["model"] == "m" and line["body"]["temperature"] == 0
    notes = records["7"].notes
    assert notes["batch"] == "batch_0" and notes["served_by"] == "m" and notes["sent"]["temperature"] == 0
    assert notes["cost"] == pytest.approx(0.5 * 53 * 1000 / 1e6)
    costs = [json.loads(text) for text in (tmp_path / "run/costs.jsonl").read_text().splitlines()]
    assert sum(c.get("cost", 0) for c in costs) == pytest.approx(60 * 0.0265)
    assert [c for c in costs if c.get("released")], "the reservation is given back"
    assert "at the batch price" in caplog.text
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert not [p for p in files if KEY.encode() in p.read_bytes() or p.suffix in (".input", ".output")]


def test_what_a_batch_does_not_answer_is_asked_again(docvqa_root: Path, tmp_path: Path) -> None:
    def answer(body: dict[str, Any], n: int) -> dict[str, Any] | str | None:
        i = number(body)
        if i == 3:
            return failed(400, "this image is broken")
        first: dict[int, dict[str, Any] | str | None] = {
            5: failed(429, "slow down"),
            6: failed(500, "worker died"),
            7: {"response": None, "error": {"code": "batch_expired", "message": "not done in time"}},
            8: None,
            9: '{"custom_id": "torn',
            10: '{"custom_id": ["odd"], "response": {}}',
            11: {"response": {"status_code": 200, "body": {"choices": []}}},
        }
        if i == 12:
            return failed(503, f"never {KEY}")
        return first[i] if n == 0 and i in first else said(f"answer {i}")

    with BatchServer(answer) as server:
        done = start(docvqa_root, tmp_path / "run", server)
        assert len(server.batches) == 3
        assert sorted(server.asked.values()) == [1] * 52 + [2] * 7 + [3]
    records = done.run.stored.responses(CELL)
    assert (done.n, done.n_failed, done.n_outage) == (60, 2, 1)
    assert "broken" in (records["3"].error or "") and "HTTP 503" in (records["12"].error or "")
    assert KEY not in (records["12"].error or "")
    assert all(r.text == f"answer {i}" for i, r in records.items() if i not in ("3", "12"))


@pytest.mark.parametrize(
    ("kind", "fault"),
    [("upload", 503), ("create", 429), ("create", "after"), ("state", 500), ("content", "before")],
)
def test_a_call_that_fails_is_repeated_and_makes_no_second_batch(
    docvqa_root: Path, tmp_path: Path, kind: str, fault: str | int
) -> None:
    with BatchServer(fault=lambda k, n: fault if k == kind and n < 2 else None) as server:
        done = start(docvqa_root, tmp_path / "run", server)
        assert done.results[0].score == 100.0 and len(server.batches) == 1


def killed(root: Path, out: Path, url: str, environment: dict[str, str]) -> None:
    """A run in a child process, which has the environment of the first test that started one."""
    os.environ.update(environment)
    cambrian_eval.run(
        "openai:m",
        ["docvqa"],
        out,
        data_root=root,
        options={"base_url": url, "batch_api": True, "batch_poll": 0.02, "budget": 100.0},
    )


def test_killed_at_any_point_and_resumed(docvqa_root: Path, tmp_path: Path) -> None:
    """One run, killed during the calls that decide what exists at the provider."""
    points = [("upload", "after"), ("create", "after"), ("content", "after")]
    point: tuple[str, str] | None = None
    process: Any = None
    known = threading.Event()  # the child may call before `child` has returned

    def fault(kind: str, n: int) -> str | None:
        if point is None or point[0] != kind:
            return None
        known.wait(30)
        process.kill()
        return point[1]

    out = tmp_path / "run"
    with BatchServer(fault=fault) as server:
        for planned in points:
            point = planned
            known.clear()
            process, pipe = child(killed, docvqa_root, out, server.url, dict(os.environ))
            known.set()
            assert ended(process, pipe).code == -9
        point = None
        assert len(server.batches) <= 1, "a batch that exists is found again"
        done = start(docvqa_root, out, server, budget=100.0)
    assert done.results[0].score == 100.0 and len(server.batches) == 1 and set(server.asked.values()) == {1}
    lines = [json.loads(text) for text in (out / "costs.jsonl").read_text().splitlines()]
    assert sum(c.get("cost", 0) + c.get("lost", 0) for c in lines) == pytest.approx(60 * 0.0265)
    open_ones = {c["request"] for c in lines if "reserved" in c} - {c["request"] for c in lines if "released" in c}
    assert not open_ones


def test_responses_that_were_stored_before_a_kill_stay(docvqa_root: Path, tmp_path: Path) -> None:
    """A run that lost its last responses, as after a kill while it stored them, collects them from the same batch."""
    out = tmp_path / "run"
    with BatchServer() as server:
        start(docvqa_root, out, server)
        stored = out / "responses/docvqa.on.jsonl"
        stored.write_bytes(b"".join(stored.read_bytes().splitlines(keepends=True)[:25]))
        log = out / "batches/batches.jsonl"
        log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:3]))
        done = start(docvqa_root, out, server)
        assert done.results[0].score == 100.0 and len(server.batches) == 1


def test_a_stop_leaves_the_batch_for_the_next_command(docvqa_root: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    with BatchServer(polls=3, fault=lambda kind, n: stop.set() if kind == "state" and n == 1 else None) as server:
        first = start(docvqa_root, tmp_path / "run", server, stop)
        assert first.interrupted and first.n == 0
        done = start(docvqa_root, tmp_path / "run", server)
        assert done.results[0].score == 100.0 and len(server.batches) == 1


def test_the_budget_splits_a_run_into_batches_and_is_never_exceeded(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with BatchServer() as server:
        with pytest.raises(UserError, match=r"the budget of \$1 is reached"):
            start(docvqa_root, out, server, budget=1.0)
        assert len(server.batches) > 1 and 0 < len(server.asked) * 0.0265 <= 1.0
        done = start(docvqa_root, out, server, budget=100.0)
        assert done.results[0].score == 100.0 and set(server.asked.values()) == {1}


def test_what_the_provider_refuses_is_one_line(docvqa_root: Path, tmp_path: Path) -> None:
    words = [
        "run",
        "--model",
        "openai:m",
        "--benchmark",
        "docvqa",
        "--data-root",
        docvqa_root,
        "--quiet",
        "--batch-api",
    ]
    cases = [(404, "has no batch API; leave out --batch-api (HTTP 404)"), (401, "API key"), (400, "fault Bearer [key]")]
    for status, text in cases:
        with BatchServer(fault=lambda kind, n, status=status: status) as server:  # type: ignore[misc]
            line = refused(*words, "--base-url", server.url, "--out", tmp_path / f"{status}")
        assert text in line and KEY not in line
    with (
        BatchServer(fault=lambda kind, n: 404 if kind == "state" else None) as server,
        pytest.raises(UserError, match="does not know the batch batch_0 of this run"),
    ):
        start(docvqa_root, tmp_path / "gone", server)
    with BatchServer() as server:
        server.status = "failed"
        with pytest.raises(UserError, match="refused the batch batch_0: the model does not exist"):
            start(docvqa_root, tmp_path / "failed", server)
        server.status = "completed"
        assert start(docvqa_root, tmp_path / "failed", server).results[0].score == 100.0
    more = ["--base-url", "http://a.example/v1,http://b.example/v1", "--out", tmp_path / "x"]
    assert "give one base URL" in refused(*words, *more)
    assert "no option 'batch_api'" in refused("run", "--model", "chance", *words[3:], "--out", tmp_path / "x")


def test_a_parameter_that_a_model_rejects_is_left_out_in_the_next_batch(docvqa_root: Path, tmp_path: Path) -> None:
    def answer(body: dict[str, Any], n: int) -> dict[str, Any]:
        if "temperature" in body:
            return failed(400, "'temperature' does not support 0 with this model.")
        return said(f"answer {number(body)}")

    with BatchServer(answer) as server:
        done = start(docvqa_root, tmp_path / "run", server)
        assert done.results[0].score == 100.0 and len(server.batches) == 2
    assert "temperature" not in done.run.stored.responses(CELL)["7"].notes["sent"]

"""The Ray engine on a real cluster: the same responses as in one process, whatever happens to replicas."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval.engines.ray import RayEngine
from cambrian_eval.errors import ContractError, UserError
from cambrian_eval.running.store import Run
from tests.conftest import docvqa_row, png, write_parquet
from tests.engines.models import Crashes, Observes, Plain, Raises, Seen, Wrong
from tests.judge import chat_server
from tests.judge.chat_server import Act, ChatServer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("cluster")]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Ninety questions about thirty images, two of which cannot be decoded."""
    images = [png(i) for i in range(30)]
    images[4], images[9] = images[4][:200], b""
    rows = [docvqa_row(i, images[i // 3], page=i // 3) for i in range(90)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    return tmp_path / "data"


def go(root: Path, out: Path, model: Any, engine: Any = None, **more: Any) -> Any:
    return cambrian_eval.run(model, ["docvqa"], out, data_root=root, engine=engine, **more)


def responses(run: Run) -> dict[Any, Any]:
    return {(cell, i): r for cell in run.cells() for i, r in run.responses(cell).items()}


def lines(run: Run) -> int:
    return sum(len(f.read_bytes().splitlines()) for f in (run.path / "responses").glob("*.jsonl"))


@pytest.mark.parametrize("model", [Plain(), Plain(batch=7), Plain(batch=10_000), Raises(batch=5)])
def test_the_same_responses_as_in_one_process(root: Path, tmp_path: Path, model: Plain) -> None:
    conditions = ["on", "off", "shuffled", "noise"]
    local = go(root, tmp_path / "local", model, vision=conditions)
    spread = go(root, tmp_path / "ray", model, RayEngine(replicas=2), vision=conditions)
    assert responses(spread.run.stored) == responses(local.run.stored) and len(responses(local.run.stored)) == 360
    assert (tmp_path / "ray/results.json").read_bytes() == (tmp_path / "local/results.json").read_bytes()
    assert lines(spread.run.stored) == 360
    failed = sum(r.finish == "failed" for r in responses(local.run.stored).values())
    assert (spread.n_failed, local.n_failed) == (failed, failed) and failed > 0
    there = spread.run.info["passes"][0]["engine"]
    assert there == {"name": "ray", "replicas": 2, "gpus_per_replica": 0.0}


def test_a_model_named_by_its_spec(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "local", "chance")
    go(root, tmp_path / "ray", "chance", RayEngine(replicas=2))
    assert (tmp_path / "ray/results.json").read_bytes() == (tmp_path / "local/results.json").read_bytes()


def test_every_replica_observes(root: Path, tmp_path: Path) -> None:
    outcome = go(root, tmp_path / "ray", Observes(), RayEngine(replicas=2))
    asked = [r for r in responses(outcome.run.stored).values() if r.finish != "failed"]
    assert len(asked) == 84 and {r.text for r in asked} == {"90 What is number 0?"}


@pytest.mark.parametrize(
    ("how", "words"),
    [("fewer", "no response for request '5'"), ("twice", "second response for request '5'"), ("unknown", "'nobody'")],
)
def test_a_model_that_breaks_its_contract_ends_the_run(root: Path, tmp_path: Path, how: str, words: str) -> None:
    with pytest.raises(ContractError, match=words):
        go(root, tmp_path / "run", Wrong(how), RayEngine(replicas=2))
    model = Plain()
    assert go(root, tmp_path / "run", _as(Wrong(how), model), RayEngine(replicas=1)).n == 90


def _as(other: Plain, model: Plain) -> Plain:
    model.fingerprint = other.fingerprint
    return model


@pytest.mark.parametrize("how", ["kill", "memory"])
def test_requests_that_crash_replicas_are_found_and_marked_as_failed(root: Path, tmp_path: Path, how: str) -> None:
    events: list[str] = []
    outcome = go(root, tmp_path / "run", Crashes(["40", "41"], how), RayEngine(replicas=2, say=events.append))
    clean = go(root, tmp_path / "clean", Plain())
    mine, theirs = responses(outcome.run.stored), responses(clean.run.stored)
    differing = {i for (_, i), record in mine.items() if record != theirs[_, i]}
    assert differing == {"40", "41"} and lines(outcome.run.stored) == 90
    for (_, i), record in mine.items():
        if i in differing:
            assert record.finish == "failed" and record.error is not None
            reason = "its process ended" if how == "kill" else "MemoryError: no room for the activations"
            assert record.error == f"3 replicas failed on this request: {reason}"
            assert record.key == theirs[_, i].key
    assert sum("is replaced" in text for text in events) >= 4  # two failures may have both requests in flight


def test_replicas_that_crash_at_times_change_no_response(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    model = Crashes([str(i) for i in range(0, 90, 17)], "kill", marks)
    outcome = go(root, tmp_path / "run", model, RayEngine(replicas=2))
    clean = go(root, tmp_path / "clean", Plain())
    assert responses(outcome.run.stored) == responses(clean.run.stored) and lines(outcome.run.stored) == 90
    assert len(list(marks.iterdir())) == 6


def test_a_replica_that_hangs_is_replaced(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    events: list[str] = []
    engine = RayEngine(replicas=2, timeout=1.5, say=events.append, repeat=False)
    outcome = go(root, tmp_path / "run", Crashes(["33"], "hang", marks), engine)
    clean = go(root, tmp_path / "clean", Plain())
    assert responses(outcome.run.stored) == responses(clean.run.stored) and lines(outcome.run.stored) == 90
    assert [t for t in events if "no response for 1.5 s" in t]


def test_a_run_does_not_wait_for_a_slow_replica(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    outcome = go(root, tmp_path / "run", Seen(marks, delay=0.01, first_is_slow=60.0), RayEngine(replicas=2))
    seen = {f.name: f.read_text().split() for f in marks.glob("*.seen")}
    assert {i for ids in seen.values() for i in ids} == {
        i for (_, i), r in responses(outcome.run.stored).items() if r.key
    }
    slow = f"{(marks / 'first').read_text()}.seen"
    others = {i for name, ids in seen.items() if name != slow for i in ids}
    assert seen[slow] and set(seen[slow]) <= others, "the other replica has repeated what is in flight at the slow one"
    assert lines(outcome.run.stored) == 90


def test_questions_about_one_image_are_sent_to_one_replica(tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    rows = [docvqa_row(i, png(i // 25), page=i // 25) for i in range(200)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    go(tmp_path / "data", tmp_path / "run", Seen(marks, delay=0.02), RayEngine(replicas=2))
    seen = [{int(i) // 25 for i in f.read_text().split()} for f in marks.glob("*.seen")]
    assert len(seen) == 2 and sum(map(len, seen)) <= 8 + 2  # the last images may be shared


def test_after_a_stop_another_engine_resumes(root: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    out = tmp_path / "run"
    file = out / "responses" / "docvqa.on.jsonl"

    def watch() -> None:
        while not (file.exists() and file.stat().st_size):
            time.sleep(0.005)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    first = go(root, out, Plain(delay=0.03), RayEngine(replicas=2), stop=stop)
    assert first.interrupted and 0 < first.n < 60
    second = go(root, out, Plain())
    assert second.n == 90 and lines(second.run.stored) == 90
    assert responses(second.run.stored) == responses(go(root, tmp_path / "clean", Plain()).run.stored)


def test_a_stop_ends_a_run_that_waits_for_an_endpoint(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The endpoint is down after 10 responses; a stop leaves the others to the next start instead of waiting."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    stop = threading.Event()

    def script(seen: chat_server.Seen, n: int) -> Act:
        if n < 10:
            return Act("answer")
        if n > 14:
            stop.set()
        return Act(status=503, body=b"{}")

    with ChatServer(script) as server:
        options = {"base_url": server.url, "outage": 600.0}
        first = go(root, tmp_path / "run", "openai:m", RayEngine(replicas=1), stop=stop, options=options)
        assert first.interrupted and 10 <= first.n < 90
        assert not any(r.outage for r in responses(first.run.stored).values())
        server.script = lambda seen, n: Act("answer")
        second = go(root, tmp_path / "run", "openai:m", options=options)
        assert second.n == 90


def test_bad_options_are_one_line_errors(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="each replica sees its own GPUs"):
        RayEngine(replicas=1).open("chance", {"device": "cuda:1"})
    with pytest.raises(UserError, match="at least one replica"):
        RayEngine(replicas=0).open("chance", {})
    with pytest.raises(UserError, match="seed must be a non-negative integer"):
        RayEngine(replicas=2).open("chance:x", {})
    unpicklable = Plain()
    unpicklable.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="cannot be sent to replicas"):
        go(root, tmp_path / "run", unpicklable, RayEngine(replicas=1))


class OtherEachTime(Plain):
    """Has a different fingerprint in every process, as with a different checkpoint on every node."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, fingerprint=f"plain-{os.getpid()}")


def test_replicas_with_different_checkpoints_are_an_error(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="every node must have the same checkpoint"):
        go(root, tmp_path / "run", OtherEachTime(delay=0.1), RayEngine(replicas=2))

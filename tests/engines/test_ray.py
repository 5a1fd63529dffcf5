"""The Ray engine on a real cluster: the same answers as in one process, whatever happens to replicas."""

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
from tests.engines.models import Deadly, Looks, Plain, Raises, Seen, Wrong

pytestmark = pytest.mark.usefixtures("cluster")


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


def answers(run: Run) -> dict[Any, Any]:
    return {(cell, i): r for cell in run.cells() for i, r in run.responses(cell).items()}


def lines(run: Run) -> int:
    return sum(len(f.read_bytes().splitlines()) for f in (run.path / "responses").glob("*.jsonl"))


@pytest.mark.parametrize("model", [Plain(), Plain(batch=7), Plain(batch=10_000), Raises(batch=5)])
def test_the_same_answers_as_in_one_process(root: Path, tmp_path: Path, model: Plain) -> None:
    conditions = ["on", "off", "shuffled", "noise"]
    local = go(root, tmp_path / "local", model, vision=conditions)
    spread = go(root, tmp_path / "ray", model, RayEngine(replicas=2), vision=conditions)
    assert answers(spread.run) == answers(local.run) and len(answers(local.run)) == 360
    assert (tmp_path / "ray/results.json").read_bytes() == (tmp_path / "local/results.json").read_bytes()
    assert lines(spread.run) == 360
    failed = sum(r.finish == "failed" for r in answers(local.run).values())
    assert (spread.n_failed, local.n_failed) == (failed, failed) and failed > 0
    there = spread.run.info["passes"][0]["engine"]
    assert there == {"name": "ray", "replicas": 2, "gpus_per_replica": 0.0}


def test_a_model_named_by_its_spec(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "local", "chance")
    go(root, tmp_path / "ray", "chance", RayEngine(replicas=2))
    assert (tmp_path / "ray/results.json").read_bytes() == (tmp_path / "local/results.json").read_bytes()


def test_every_replica_observes(root: Path, tmp_path: Path) -> None:
    outcome = go(root, tmp_path / "ray", Looks(), RayEngine(replicas=2))
    asked = [r for r in answers(outcome.run).values() if r.finish != "failed"]
    assert len(asked) == 84 and {r.text for r in asked} == {"90 What is number 0?"}


@pytest.mark.parametrize(("how", "word"), [("fewer", "'5'"), ("twice", "'5' twice"), ("unknown", "'nobody'")])
def test_broken_contracts_end_the_run_with_the_same_words(root: Path, tmp_path: Path, how: str, word: str) -> None:
    with pytest.raises(ContractError, match=word):
        go(root, tmp_path / "run", Wrong(how), RayEngine(replicas=2))
    model = Plain()
    assert go(root, tmp_path / "run", _as(Wrong(how), model), RayEngine(replicas=1)).n == 90


def _as(other: Plain, model: Plain) -> Plain:
    model.fingerprint = other.fingerprint
    return model


@pytest.mark.parametrize("how", ["kill", "memory"])
def test_what_a_replica_dies_of_is_found_out_and_failed(root: Path, tmp_path: Path, how: str) -> None:
    said: list[str] = []
    outcome = go(root, tmp_path / "run", Deadly(["40", "41"], how), RayEngine(replicas=2, say=said.append))
    clean = go(root, tmp_path / "clean", Plain())
    mine, theirs = answers(outcome.run), answers(clean.run)
    differing = {i for (_, i), record in mine.items() if record != theirs[_, i]}
    assert differing == {"40", "41"} and lines(outcome.run) == 90
    for (_, i), record in mine.items():
        if i in differing:
            assert record.finish == "failed" and record.error is not None
            reason = "its process ended" if how == "kill" else "MemoryError: no room for the activations"
            assert record.error == f"ended 3 replicas: {reason}"
            assert record.key == theirs[_, i].key
    assert sum("is replaced" in text for text in said) >= 4  # two deaths may be shared


def test_replicas_that_die_now_and_then_cost_nothing(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    model = Deadly([str(i) for i in range(0, 90, 17)], "kill", marks)
    outcome = go(root, tmp_path / "run", model, RayEngine(replicas=2))
    clean = go(root, tmp_path / "clean", Plain())
    assert answers(outcome.run) == answers(clean.run) and lines(outcome.run) == 90
    assert len(list(marks.iterdir())) == 6


def test_a_replica_that_hangs_is_replaced(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    said: list[str] = []
    engine = RayEngine(replicas=2, timeout=1.5, say=said.append, repeat=False)
    outcome = go(root, tmp_path / "run", Deadly(["33"], "hang", marks), engine)
    clean = go(root, tmp_path / "clean", Plain())
    assert answers(outcome.run) == answers(clean.run) and lines(outcome.run) == 90
    assert [t for t in said if "no answer for 1.5 s" in t]


def test_the_end_does_not_wait_for_a_straggler(root: Path, tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    began = time.monotonic()
    outcome = go(root, tmp_path / "run", Seen(marks, delay=0.01, first_is_slow=20.0), RayEngine(replicas=2))
    assert time.monotonic() - began < 20.0  # its first request alone takes that long
    seen = {f.name: f.read_text().split() for f in marks.glob("*.seen")}
    assert {i for ids in seen.values() for i in ids} == {i for (_, i), r in answers(outcome.run).items() if r.key}
    slow = f"{(marks / 'first').read_text()}.seen"
    assert len(seen[slow]) < 10 and lines(outcome.run) == 90


def test_questions_of_one_image_meet_in_one_replica(tmp_path: Path) -> None:
    (marks := tmp_path / "marks").mkdir()
    rows = [docvqa_row(i, png(i // 25), page=i // 25) for i in range(200)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    go(tmp_path / "data", tmp_path / "run", Seen(marks, delay=0.02), RayEngine(replicas=2))
    seen = [{int(i) // 25 for i in f.read_text().split()} for f in marks.glob("*.seen")]
    assert len(seen) == 2 and sum(map(len, seen)) <= 8 + 2  # an image or two are shared out at the end


def test_stop_stores_what_models_hold_and_another_engine_goes_on(root: Path, tmp_path: Path) -> None:
    stop = threading.Event()
    out = tmp_path / "run"
    responses = out / "responses" / "docvqa.on.jsonl"

    def watch() -> None:
        while not (responses.exists() and responses.stat().st_size):
            time.sleep(0.005)
        stop.set()

    threading.Thread(target=watch, daemon=True).start()
    first = go(root, out, Plain(delay=0.03), RayEngine(replicas=2), stop=stop)
    assert first.interrupted and 0 < first.n < 60
    second = go(root, out, Plain())
    assert second.n == 90 and lines(second.run) == 90
    assert answers(second.run) == answers(go(root, tmp_path / "clean", Plain()).run)


def test_bad_requests_are_one_line(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="each replica sees its own GPUs"):
        RayEngine(replicas=1).open("chance", {"device": "cuda:1"})
    with pytest.raises(UserError, match="at least one replica"):
        RayEngine(replicas=0).open("chance", {})
    with pytest.raises(UserError, match="seed must be a non-negative integer"):
        RayEngine(replicas=2).open("chance:x", {})
    unsendable = Plain()
    unsendable.lock = threading.Lock()  # type: ignore[attr-defined]
    with pytest.raises(UserError, match="cannot be sent to replicas"):
        go(root, tmp_path / "run", unsendable, RayEngine(replicas=1))


class OtherEachTime(Plain):
    """Claims another fingerprint in every process, as with another checkpoint on every node."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, fingerprint=f"plain-{os.getpid()}")


def test_replicas_of_different_checkpoints_are_refused(root: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="every node must hold the same checkpoint"):
        go(root, tmp_path / "run", OtherEachTime(delay=0.1), RayEngine(replicas=2))

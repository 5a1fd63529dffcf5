"""kill -9 of the driver and of replicas at random points, many times."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.ray import RayEngine
from cambrian_eval.model import Model
from cambrian_eval.running.store import open_run
from tests.engines.models import Seen
from tests.faults.children import Ended, child, ended, evaluate, on_cluster, ordinary, start
from tests.faults.conftest import CleanRun

pytestmark = pytest.mark.slow
SEEDS = 8


def written(out: Path) -> int:
    folder = out / "responses"
    return sum(f.stat().st_size for f in folder.glob("*.jsonl")) if folder.is_dir() else 0


def killed_somewhere(rng: random.Random, out: Path, work: Any, *arguments: Any) -> Ended:
    """Starts a child and kills it when its files have a random size, or after a random short time."""
    process, pipe = start(work, *arguments)
    if rng.random() < 0.35:
        process.join(rng.uniform(0.0, 0.25))
    else:
        wanted = written(out) + rng.randint(0, 20_000)
        while process.is_alive() and written(out) <= wanted:
            time.sleep(0.0003)
    if process.is_alive():
        os.kill(process.pid, signal.SIGKILL)
    return ended(process, pipe)


def test_the_driver_killed_at_random_points(clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    for seed in range(SEEDS):
        rng, out = random.Random(seed), tmp_path / str(seed)
        for _ in range(rng.randint(1, 3)):
            found = killed_somewhere(rng, out, ordinary, clean_run.root, out)
            count["kills of the driver, local engine"] += found.code == -9
        assert child(ordinary, clean_run.root, out) == Ended(0, None)
        clean_run.check(out)
        count["seeds of driver kills, each resumed to the clean result"] += 1
    assert count["kills of the driver, local engine"] >= SEEDS


class KillingEngine:
    """A Ray engine that stays open from run to run and kills one of its replicas during each run."""

    def __init__(self, engine: RayEngine, model: Model, marks: Path) -> None:
        self.engine, self.model, self.marks = engine, model, marks
        self.until_kill = 0
        self.killed = 0

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        for completed in self.engine.run(self.model, jobs, stop):
            self.until_kill -= 1
            if self.until_kill == 0:
                self._kill()
            yield completed

    def _kill(self) -> None:
        mark = random.choice(sorted(self.marks.glob("*.seen")))  # one for each replica that has got a request
        os.kill(int(mark.stem), signal.SIGKILL)
        mark.unlink()
        self.killed += 1

    def facts(self) -> dict[str, Any]:
        return self.engine.facts()

    def state(self) -> dict[str, Any]:
        return self.engine.state()


@pytest.mark.usefixtures("cluster")
def test_replicas_killed_at_random_points(clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    (marks := tmp_path / "marks").mkdir()
    engine = RayEngine(replicas=3)
    killing = KillingEngine(engine, engine.open(Seen(marks, delay=0.002), {}), marks)
    try:
        for seed in range(SEEDS):
            random.seed(seed)
            killing.until_kill = random.randint(1, 110)
            evaluate(clean_run.root, tmp_path / str(seed), killing.model, engine=killing)
            clean_run.check(tmp_path / str(seed))
            count["seeds of replica kills, each equal to the clean result at once"] += 1
    finally:
        engine.close()
    count["kills of replicas"] += killing.killed
    assert killing.killed == SEEDS


def test_the_driver_of_a_cluster_killed(cluster: Any, clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    address, mode = cluster.get_runtime_context().gcs_address, os.environ.get("RAY_AUTH_MODE")
    out = tmp_path / "run"
    rng = random.Random(5)
    for _ in range(3):
        process, pipe = start(on_cluster, clean_run.root, out, address, mode)
        wanted = written(out) + rng.randint(1, 8000)
        while process.is_alive() and written(out) <= wanted:
            time.sleep(0.001)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        count["kills of the driver, Ray engine"] += ended(process, pipe).code == -9
    assert len(open_run(out).cells()) >= 1
    assert child(on_cluster, clean_run.root, out, address, mode) == Ended(0, None)
    clean_run.check(out)

"""kill -9 of the driver and of replicas at random points, many times over."""

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
from tests.engines.models import Plain
from tests.faults.children import Ended, child, ended, evaluate, on_cluster, ordinary, start
from tests.faults.conftest import Bench

SEEDS = 40


def written(out: Path) -> int:
    folder = out / "responses"
    return sum(f.stat().st_size for f in folder.glob("*.jsonl")) if folder.is_dir() else 0


def killed_somewhere(rng: random.Random, out: Path, work: Any, *arguments: Any) -> Ended:
    """Starts a child and kills it at a place in its file, or after a moment (before it has written anything)."""
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


def test_the_driver_killed_at_random_points(bench: Bench, tmp_path: Path, count: Counter[str]) -> None:
    for seed in range(SEEDS):
        rng, out = random.Random(seed), tmp_path / str(seed)
        for _ in range(rng.randint(1, 3)):
            found = killed_somewhere(rng, out, ordinary, bench.root, out)
            count["kills of the driver, local engine"] += found.code == -9
        assert child(ordinary, bench.root, out) == Ended(0, None)
        bench.check(out)
        count["seeds of driver kills, each resumed to the clean result"] += 1
    assert count["kills of the driver, local engine"] >= SEEDS


class Kept:
    """An engine whose replicas live on from run to run, and some of which are killed on the way."""

    def __init__(self, engine: RayEngine, model: Model) -> None:
        self.engine, self.model = engine, model
        self.until_kill = 0
        self.killed = 0

    def run(self, model: Model, jobs: Iterator[Job], stop: threading.Event) -> Iterator[Completed]:
        for answer in self.engine.run(self.model, jobs, stop):
            self.until_kill -= 1
            if self.until_kill == 0:
                self._kill()
            yield answer

    def _kill(self) -> None:
        links = [link for link in self.engine._links if link.seat.ready]
        busy = [link for link in links if link.seat.held] or links
        os.kill(int(random.choice(busy).place.split()[-1]), signal.SIGKILL)
        self.killed += 1

    def facts(self) -> dict[str, Any]:
        return self.engine.facts()

    def state(self) -> dict[str, Any]:
        return self.engine.state()


@pytest.mark.usefixtures("cluster")
def test_replicas_killed_at_random_points(bench: Bench, tmp_path: Path, count: Counter[str]) -> None:
    engine = RayEngine(replicas=3)
    kept = Kept(engine, engine.open(Plain(delay=0.002), {}))
    try:
        for seed in range(SEEDS):
            random.seed(seed)
            kept.until_kill = random.randint(1, 110)
            evaluate(bench.root, tmp_path / str(seed), kept.model, engine=kept)
            bench.check(tmp_path / str(seed))
            count["seeds of replica kills, each equal to the clean result at once"] += 1
    finally:
        engine.close()
    count["kills of replicas"] += kept.killed
    assert kept.killed == SEEDS


def test_the_driver_of_a_cluster_killed(cluster: Any, bench: Bench, tmp_path: Path, count: Counter[str]) -> None:
    address, mode = cluster.get_runtime_context().gcs_address, os.environ.get("RAY_AUTH_MODE")
    out = tmp_path / "run"
    rng = random.Random(5)
    for _ in range(3):
        process, pipe = start(on_cluster, bench.root, out, address, mode)
        wanted = written(out) + rng.randint(1, 8000)
        while process.is_alive() and written(out) <= wanted:
            time.sleep(0.001)
        if process.is_alive():
            os.kill(process.pid, signal.SIGKILL)
        count["kills of the driver, Ray engine"] += ended(process, pipe).code == -9
    assert len(open_run(out).cells()) >= 1
    assert child(on_cluster, bench.root, out, address, mode) == Ended(0, None)
    bench.check(out)

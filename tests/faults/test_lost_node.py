"""A node of a cluster fails, with two of three replicas on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import CleanRun

SCRIPT = """
import logging, os, sys, threading, time
from pathlib import Path

from cambrian_eval.engines.cluster import load_ray
from cambrian_eval.engines.ray import RayEngine
from tests.engines.models import Plain
from tests.faults.children import evaluate

root, out, events = map(Path, sys.argv[1:4])

def say(text):
    with events.open("a") as file:  # Ray writes to standard output, too
        print(text, file=file)

ray = load_ray()
from ray.cluster_utils import Cluster

sizes = {"object_store_memory": 150 << 20}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **sizes})
second = nodes.add_node(num_cpus=2, **sizes)
ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.CRITICAL)
responses = out / "responses/docvqa.on.jsonl"
# without repetition, the run needs the responses of the lost replicas
engine = RayEngine(replicas=3, say=say, repeat=False)

def lose():
    while not responses.exists() or engine.state()["replicas"]["ready"] < 3 or responses.read_bytes().count(b"\\n") < 8:
        time.sleep(0.005)
    nodes.remove_node(second, allow_graceful=False)
    say("lost")

threading.Thread(target=lose, daemon=True).start()
evaluate(root, out, Plain(delay=0.1), engine=engine)
say("done")
os._exit(0)  # the rest of the cluster ends with this process
"""


@pytest.mark.slow
@pytest.mark.usefixtures("cluster")  # skips or fails where Ray is not installed
def test_a_run_survives_the_loss_of_a_node(clean_run: CleanRun, tmp_path: Path, count: Counter[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(clean_run.root), str(tmp_path / "run"), str(tmp_path / "events")],
        cwd=Path(__file__).parents[2],
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    events = (tmp_path / "events").read_text().splitlines()
    assert "lost" in events and any("is replaced" in line for line in events) and events[-1] == "done"
    clean_run.check(tmp_path / "run")
    count["nodes lost"] += 1

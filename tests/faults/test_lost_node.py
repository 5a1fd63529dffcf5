"""A node of a cluster that is gone from one moment to the next, with two of three replicas on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from tests.faults.conftest import Bench

SCRIPT = """
import logging, os, sys, threading, time
from pathlib import Path

from cambrian_eval.engines.cluster import load_ray
from cambrian_eval.engines.ray import RayEngine
from tests.engines.models import Plain
from tests.faults.children import evaluate

root, out, heard = map(Path, sys.argv[1:4])

def say(text):
    with heard.open("a") as file:  # standard output is Ray's, too, and its lines run into ours
        print(text, file=file)

ray = load_ray()
from ray.cluster_utils import Cluster

sizes = {"object_store_memory": 150 << 20}
nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False, **sizes})
second = nodes.add_node(num_cpus=2, **sizes)
ray.init(address=nodes.address, log_to_driver=False, logging_level=logging.CRITICAL)
responses = out / "responses/docvqa.on.jsonl"

def lose():
    while not (responses.exists() and responses.read_bytes().count(b"\\n") > 8):
        time.sleep(0.005)
    nodes.remove_node(second, allow_graceful=False)
    say("lost")

threading.Thread(target=lose, daemon=True).start()
evaluate(root, out, Plain(delay=0.02), engine=RayEngine(replicas=3, say=say))
say("done")
os._exit(0)  # what is left of the cluster goes with this process
"""


@pytest.mark.usefixtures("cluster")  # skips or fails where Ray is absent
def test_a_node_is_lost(bench: Bench, tmp_path: Path, count: Counter[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(bench.root), str(tmp_path / "run"), str(tmp_path / "heard")],
        cwd=Path(__file__).parents[2],
        env={k: v for k, v in os.environ.items() if not k.startswith("RAY_")},
        capture_output=True,
        text=True,
        timeout=200,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    heard = (tmp_path / "heard").read_text().splitlines()
    assert "lost" in heard and any("is replaced" in line for line in heard) and heard[-1] == "done"
    bench.check(tmp_path / "run")
    count["nodes lost"] += 1

"""`status` of a run from another process, and the command that is called when a run ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import cambrian_eval
from cambrian_eval.cli.status import status
from cambrian_eval.running.status import Watcher
from cambrian_eval.running.store import open_run
from tests.engines.models import Plain, Raises

pytestmark = pytest.mark.slow

HERE = Path(__file__).parents[2]
SLOW = """
import sys
from tests.engines.models import Raises
import cambrian_eval

cambrian_eval.run(Raises(delay=0.08), ["docvqa"], sys.argv[2], data_root=sys.argv[1], shard=sys.argv[3])
"""


def seen(path: Path, *more: str) -> Any:
    app = typer.Typer()
    app.command()(status)
    found = CliRunner().invoke(app, [str(path), *more])
    assert found.exit_code == 0, found.output
    return found.output


@pytest.mark.slow
def test_the_status_of_a_running_a_killed_and_a_finished_run(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(docvqa_root), str(out), "1/1"], cwd=HERE)
    file = out / "responses/docvqa.on.jsonl"
    while not (file.exists() and file.read_bytes().count(b"\n") > 10):
        time.sleep(0.01)
    during = json.loads(seen(out, "--json"))
    assert during["running"] and during["state"] == "running" and f"process {process.pid} " in during["writer"]
    assert 10 < during["done"] < 60 and during["total"] == 60 and during["cells"][0]["cell"] == "docvqa.on"
    assert "running" in seen(out)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert json.loads(seen(out, "--json"))["state"] == "stopped"
    assert "run the same command again" in seen(out)
    watched = subprocess.Popen([sys.executable, "-c", SLOW, str(docvqa_root), str(out), "1/1"], cwd=HERE)
    while open_run(out).writer_now() is None:
        time.sleep(0.01)
    looks = [json.loads(line) for line in seen(out, "--watch", "--json", "--interval", "0.1").splitlines()]
    assert watched.wait() == 0
    assert [look["done"] for look in looks] == sorted(look["done"] for look in looks)
    assert (looks[-1]["state"], looks[-1]["done"], looks[-1]["failed"]) == ("done", 60, 6)
    assert not looks[-1]["running"] and any(look["per_second"] for look in looks[:-1])


def test_the_total_of_a_shard_is_that_of_its_samples(docvqa_root: Path, tmp_path: Path) -> None:
    cambrian_eval.run(Plain(), ["docvqa"], tmp_path / "run", data_root=docvqa_root, shard="2/4")
    status = Watcher(open_run(tmp_path / "run")).look()
    assert (status.done, status.total, status.state) == (16, 16, "done")  # eight of thirty pairs


def test_watching_never_prevents_a_run_from_starting(docvqa_root: Path, tmp_path: Path) -> None:
    cambrian_eval.run(Plain(), ["docvqa"], tmp_path / "run", data_root=docvqa_root)
    code = f"import sys; from cambrian_eval.running.store import open_run\nr = open_run({str(tmp_path / 'run')!r})\n"
    watcher = subprocess.Popen([sys.executable, "-c", code + "while True: r.writer_now()"], cwd=HERE)
    try:
        for _ in range(20):
            with open_run(tmp_path / "run").writing() as notes:
                assert notes == []
    finally:
        watcher.kill()
        watcher.wait()


def call(*words: Any) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).with_name("cambrian-eval")), *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, cwd=HERE, timeout=120)


@pytest.mark.parametrize(("model", "state", "code"), [("chance", "done", 0), ("chance:x", "failed", 2)])
def test_the_notify_command_gets_the_outcome(
    docvqa_root: Path, tmp_path: Path, model: str, state: str, code: int
) -> None:
    told = tmp_path / "told"
    command = f'echo "$CAMBRIAN_EVAL_STATUS $CAMBRIAN_EVAL_EXIT_CODE $CAMBRIAN_EVAL_RUN" > "{told}"; echo printed'
    words = ["run", "--model", model, "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = call(*words, "--json", "--notify-command", command)
    assert done.returncode == code
    assert told.read_text().split() == [state, str(code), str(tmp_path / "run")]
    assert "printed" not in done.stdout


def test_a_failing_notify_command_changes_nothing(docvqa_root: Path, tmp_path: Path) -> None:
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = call(*words, "--notify-command", "exit 7")
    assert done.returncode == 0 and "exit code 7" in done.stderr


def test_a_message_cannot_become_part_of_the_notify_command(docvqa_root: Path, tmp_path: Path) -> None:
    from cambrian_eval.cli.notify import Notice

    evil = tmp_path / "evil"
    Notice(f'echo "$CAMBRIAN_EVAL_SUMMARY" > "{tmp_path / "out"}"', tmp_path).failed(
        ValueError(f'"; touch {evil}; $(touch {evil}) `touch {evil}`')
    )
    assert not evil.exists() and str(evil) in (tmp_path / "out").read_text()


def test_sigterm_interrupts_a_run(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import cambrian_eval.registry as registry\nfrom cambrian_eval.cli.main import main\n"
        "from tests.engines.models import Plain\nregistry.resolve = lambda spec, options: Plain(delay=0.03)\nmain()"
    )
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    process = subprocess.Popen([sys.executable, "-c", code, *map(str, words)], cwd=HERE, stderr=subprocess.PIPE)
    file = tmp_path / "run/responses/docvqa.on.jsonl"
    while not (file.exists() and file.stat().st_size):
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 130
    assert Watcher(open_run(tmp_path / "run")).look().state == "interrupted"


def test_failures_are_counted_once_when_they_are_retried(docvqa_root: Path, tmp_path: Path) -> None:
    watcher = None
    for model in (Raises(), Plain()):
        cambrian_eval.run(model, ["docvqa"], tmp_path / "run", data_root=docvqa_root, retry_failed=True)
        watcher = watcher or Watcher(open_run(tmp_path / "run"))
        status = watcher.look()
        assert (status.done, status.failed) == (60, 6 if isinstance(model, Raises) else 0)


def test_what_a_model_prints_does_not_mix_with_results(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import cambrian_eval.registry as registry\nfrom cambrian_eval.cli.main import main\n"
        "from tests.engines.models import Plain\n"
        "class Prints(Plain):\n    def reply(self, request):\n        print('thinking')\n"
        "        return super().reply(request)\n"
        "registry.resolve = lambda spec, options: Prints()\nmain()"
    )
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), "--json"], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    assert json.loads(done.stdout)["samples"] == 60 and "thinking" in done.stderr


def test_an_extended_run_is_done_when_everything_requested_is(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    cambrian_eval.run("chance", ["docvqa"], out, data_root=docvqa_root, vision=["on", "off"])
    cambrian_eval.run("chance", ["mmvp"], out, data="mini:4")
    status = Watcher(open_run(out)).look()
    assert [c.cell for c in status.cells] == ["docvqa.on", "docvqa.off", "mmvp.on"]
    assert status.state == "done" and status.done == status.total

"""A run seen from another process, and the word that is sent when it ends."""

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


def test_a_run_that_goes_on_and_one_that_ended(docvqa_root: Path, tmp_path: Path) -> None:
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


def test_the_total_of_a_shard_is_its_own(docvqa_root: Path, tmp_path: Path) -> None:
    cambrian_eval.run(Plain(), ["docvqa"], tmp_path / "run", data_root=docvqa_root, shard="2/4")
    standing = Watcher(open_run(tmp_path / "run")).look()
    assert (standing.done, standing.total, standing.state) == (16, 16, "done")  # eight of thirty pairs


def test_watching_never_keeps_a_run_from_starting(docvqa_root: Path, tmp_path: Path) -> None:
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


@pytest.mark.parametrize(("model", "status", "code"), [("chance", "done", 0), ("chance:x", "failed", 2)])
def test_the_command_hears_how_it_ended(docvqa_root: Path, tmp_path: Path, model: str, status: str, code: int) -> None:
    heard = tmp_path / "heard"
    command = f'echo "$CAMBRIAN_EVAL_STATUS $CAMBRIAN_EVAL_EXIT_CODE $CAMBRIAN_EVAL_RUN" > "{heard}"; echo told'
    words = ["run", "--model", model, "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = call(*words, "--json", "--notify-command", command)
    assert done.returncode == code
    assert heard.read_text().split() == [status, str(code), str(tmp_path / "run")]
    assert "told" not in done.stdout


def test_a_command_that_fails_changes_nothing(docvqa_root: Path, tmp_path: Path) -> None:
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = call(*words, "--notify-command", "exit 7")
    assert done.returncode == 0 and "exit code 7" in done.stderr


def test_what_a_model_says_is_never_part_of_the_command(docvqa_root: Path, tmp_path: Path) -> None:
    from cambrian_eval.cli.notify import Notice

    evil = tmp_path / "evil"
    Notice(f'echo "$CAMBRIAN_EVAL_SUMMARY" > "{tmp_path / "out"}"', tmp_path).failed(
        ValueError(f'"; touch {evil}; $(touch {evil}) `touch {evil}`')
    )
    assert not evil.exists() and str(evil) in (tmp_path / "out").read_text()


def test_a_scheduler_s_sigterm_is_an_interruption(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import cambrian_eval.running.runner as runner\nfrom cambrian_eval.cli.main import main\n"
        "from tests.engines.models import Plain\nrunner.resolve = lambda spec, options: Plain(delay=0.03)\nmain()"
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
        standing = watcher.look()
        assert (standing.done, standing.failed) == (60, 6 if isinstance(model, Raises) else 0)


def test_what_a_model_prints_does_not_mix_with_results(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import cambrian_eval.running.runner as runner\nfrom cambrian_eval.cli.main import main\n"
        "from tests.engines.models import Plain\n"
        "class Prints(Plain):\n    def reply(self, request):\n        print('thinking')\n"
        "        return super().reply(request)\n"
        "runner.resolve = lambda spec, options: Prints()\nmain()"
    )
    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words), "--json"], cwd=HERE, capture_output=True, text=True, timeout=120
    )
    assert json.loads(done.stdout)["samples"] == 60 and "thinking" in done.stderr


def test_a_run_that_was_extended_is_done_when_all_it_was_asked_for_is(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    cambrian_eval.run("chance", ["docvqa"], out, data_root=docvqa_root, vision=["on", "off"])
    cambrian_eval.run("chance", ["mmvp"], out, data="mini:4")
    standing = Watcher(open_run(out)).look()
    assert [c.cell for c in standing.cells] == ["docvqa.on", "docvqa.off", "mmvp.on"]
    assert standing.state == "done" and standing.done == standing.total

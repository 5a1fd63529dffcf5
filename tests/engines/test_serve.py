"""`run --serve COMMAND`: servers start, answer and end; a small server of our own, and `transformers serve`."""

from __future__ import annotations

import json
import os
import shlex
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.engines.serve import gpu_groups
from cambrian_eval.engines.server import Command
from cambrian_eval.errors import UserError
from tests.command import COMMAND, Done, call
from tests.models.tiny_vlms import BUILDERS

SERVER = Path(__file__).with_name("inference_server.py")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def server(*words: Any) -> str:
    return shlex.join([sys.executable, str(SERVER), "--port", "{port}", *map(str, words)])


def arguments(root: Path, out: Path, command: str, *more: Any) -> list[Any]:
    return ["run", "--serve", command, "--benchmark", "docvqa", "--data-root", root, "--out", out, "--json", *more]


def serve(root: Path, out: Path, command: str, *more: Any) -> Done:
    return call(*arguments(root, out, command, *more))


def processes(file: Path) -> list[int]:
    """The processes of a file that exist."""
    found = [int(line) for line in file.read_text().split()]
    return [p for p in found if Path(f"/proc/{p}").exists() and state(p) != "Z"]


def state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the second where it ends while it is read
        return "Z"


def until(what: Any) -> None:
    end = time.monotonic() + 60
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_the_served_model_is_run_and_its_server_ends(docvqa_root: Path, tmp_path: Path) -> None:
    key = "sk-in-the-command-81kQp"
    done = serve(docvqa_root, tmp_path / "run", server("--children", tmp_path / "children", "--api-key", key))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["results"][0]["score"] == 100.0
    assert not processes(tmp_path / "children")
    info = json.loads((tmp_path / "run/run.json").read_text())
    assert info["model"]["name"] == "tiny" and info["model"]["spec"] == "openai:tiny"
    assert info["passes"][0]["engine"]["name"] == "serve"
    assert "loading tiny on GPUs" in (tmp_path / "run/servers/0.log").read_text()
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert not [p for p in files if key.encode() in p.read_bytes()] and key not in done.stderr
    again = serve(docvqa_root, tmp_path / "run", server())
    assert again.returncode == 0 and "60 already done" in again.stderr


def test_a_server_that_ends_before_it_is_ready_shows_its_last_lines_and_its_code(
    docvqa_root: Path, tmp_path: Path
) -> None:
    program = "import sys\nfor i in range(30): print('line', i)\nsys.exit(3)"
    command = shlex.join([sys.executable, "-c", program, "{port}"])
    done = serve(docvqa_root, tmp_path / "run", command, "--quiet")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    *tail, last = done.stderr.splitlines()
    assert [line.strip() for line in tail] == [f"line {i}" for i in range(10, 30)]
    assert last.startswith("error: the server ended with code 3 before it was ready")
    assert serve(docvqa_root, tmp_path / "run", server()).returncode == 0, "the folder can be used again"


@pytest.mark.parametrize(
    ("words", "more", "said"),
    [
        (["--model", "a", "--model", "b"], [], "several models (a, b); name one with --model"),
        (["--model", "a"], ["--model", "b"], "the server serves a, not b"),
        (["--model", "a", "--says", "z"], [], "the server answered as 'z', not as 'a'"),
        ([], ["--base-url", "http://127.0.0.1:1/v1"], "leave out --base-url"),
        ([], ["--engine", "ray"], "leave out --engine ray"),
    ],
)
def test_what_does_not_fit_is_one_line(
    docvqa_root: Path, tmp_path: Path, words: list[str], more: list[str], said: str
) -> None:
    done = serve(docvqa_root, tmp_path / "run", server("--children", tmp_path / "children", *words), *more, "--quiet")
    assert done.returncode == 2 and said in done.stderr.splitlines()[-1]
    assert not (tmp_path / "children").exists() or not processes(tmp_path / "children")


def test_one_of_several_models_can_be_named(docvqa_root: Path, tmp_path: Path) -> None:
    done = serve(docvqa_root, tmp_path / "run", server("--model", "a", "--model", "b"), "--model", "openai:b")
    assert done.returncode == 0 and json.loads((tmp_path / "run/run.json").read_text())["model"]["name"] == "b"


def test_replicas_share_the_requests_and_the_gpus(
    docvqa_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,5,6,7")
    done = serve(docvqa_root, tmp_path / "run", server("--delay", 0.01), "--replicas", 2)
    assert done.returncode == 0, done.stderr
    logs = [(tmp_path / f"run/servers/{i}.log").read_text() for i in range(2)]
    assert "on GPUs 4,5 " in logs[0] and "on GPUs 6,7 " in logs[1]
    assert json.loads(done.stdout)["results"][0]["score"] == 100.0


def test_the_requests_of_a_replica_that_dies_go_to_the_others(
    docvqa_root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The server with the first port dies; which one that is, the file says."""
    program = f"""
import os, sys
port = sys.argv[1]
try:
    os.close(os.open({str(tmp_path / "first")!r}, os.O_CREAT | os.O_EXCL))
    more = ["--die-after", "5"]
except FileExistsError:
    more = []
os.execv(sys.executable, [sys.executable, {str(SERVER)!r}, "--port", port, "--delay", "0.01", *more])
"""
    command = shlex.join([sys.executable, "-c", program, "{port}"])
    done = serve(docvqa_root, tmp_path / "run", command, "--replicas", 2)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["samples"], found["failed"], found["results"][0]["score"]) == (60, 0, 100.0)
    assert "of 2 is lost: the server ended with code 7" in caplog.text


def test_a_server_that_dies_ends_the_run_resumably(docvqa_root: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    done = serve(docvqa_root, out, server("--die-after", 20))
    assert done.returncode == 2 and "the server ended with code 7" in done.stderr.splitlines()[-1]
    assert "illegal memory access" in done.stderr
    stored = (out / "responses/docvqa.on.jsonl").read_text().splitlines()
    assert 0 < len(stored) <= 20
    done = serve(docvqa_root, out, server())
    assert done.returncode == 0 and json.loads(done.stdout)["results"][0]["score"] == 100.0
    assert f"{len(stored)} already done" in done.stderr


@pytest.mark.slow
def test_no_process_is_left_after_the_run_was_killed(docvqa_root: Path, tmp_path: Path) -> None:
    children = tmp_path / "children"
    words = arguments(docvqa_root, tmp_path / "run", server("--children", children, "--delay", 0.3), "--concurrency", 2)
    process = subprocess.Popen([*COMMAND, *map(str, words)], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    responses = tmp_path / "run/responses/docvqa.on.jsonl"
    until(lambda: (responses.is_file() and responses.stat().st_size) or process.poll() is not None)
    process.kill()
    process.communicate(timeout=60)
    until(lambda: not processes(children))
    done = serve(docvqa_root, tmp_path / "run", server())
    assert done.returncode == 0 and json.loads(done.stdout)["results"][0]["score"] == 100.0


@pytest.mark.slow
def test_ctrl_c_ends_the_wait_for_a_server(docvqa_root: Path, tmp_path: Path) -> None:
    program = f"import os, time; open({str(tmp_path / 'children')!r}, 'w').write(str(os.getpid())); time.sleep(600)"
    command = shlex.join([sys.executable, "-c", program, "{port}"])
    words = arguments(docvqa_root, tmp_path / "run", command)
    process = subprocess.Popen([*COMMAND, *map(str, words)], stderr=subprocess.PIPE, text=True)
    until(lambda: (tmp_path / "children").is_file() and (tmp_path / "children").read_text())
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err
    until(lambda: not processes(tmp_path / "children"))


@pytest.mark.slow
def test_transformers_serve_and_a_checkpoint(
    docvqa_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    if find_spec("fastapi") is None or find_spec("uvicorn") is None:
        if os.environ.get("CI") == "true":
            pytest.fail("transformers serve must be tested in CI: install cambrian-eval[serve]")
        pytest.skip("transformers serve is not tested, because fastapi or uvicorn is not installed")
    model = tmp_path / "llava"
    model.mkdir()
    BUILDERS["llava"](model)
    program = Path(sys.executable).with_name("transformers")
    command = shlex.join([str(program), "serve", str(model), "--device", "cpu"])
    out = tmp_path / "run"
    done = serve(docvqa_root, out, command, "--limit", 3, "--max-new-tokens", 2, "--timeout", 100)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["samples"], found["failed"]) == (3, 0)
    assert json.loads((out / "run.json").read_text())["model"]["name"] == str(model)


def test_how_commands_are_told_their_port() -> None:
    def words(text: str) -> list[str]:
        return Command(tuple(text.split()), {}, Command.parse(text).kind).at(9)

    program = sys.executable
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("shutil.which", lambda name, path=None: name)
        assert words("vllm serve Q/W")[3:] == ["--port", "9", "--host", "127.0.0.1"]
        assert words("vllm serve Q/W --host 0.0.0.0")[5:] == ["--port", "9"]
        assert words("lmdeploy serve api_server Q/W")[4:] == ["--server-port", "9", "--server-name", "127.0.0.1"]
        assert words(f"{program} -m sglang.launch_server --model-path Q/W")[5:7] == ["--port", "9"]
        assert words("vllm serve Q/W --port 8000")[3:] == ["--port", "8000"]
        assert words("mine --at {port}") == ["mine", "--at", "9"]
        with pytest.raises(UserError, match=r"write \{port\} where it belongs"):
            Command.parse("mine serve Q/W")
        shown = Command.parse("HF_TOKEN=hf_abc A=1 vllm serve Q/W --api-key sk-123 --x=2 --hf-token=hf_z").shown
        assert shown == "'HF_TOKEN=[key]' A=1 vllm serve Q/W --api-key '[key]' --x=2 '--hf-token=[key]'"
    for text, said in (("", "names no command"), ("nobody-has-this serve", "was not found"), ("'a", "not a command")):
        with pytest.raises(UserError, match=said):
            Command.parse(text)


def test_each_replica_gets_its_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1,2,3,4")
    assert gpu_groups(1, None) == [None]
    assert gpu_groups(2, None) == ["0,1", "2,3"]
    assert gpu_groups(3, 1) == ["0", "1", "2"]
    assert gpu_groups(2, 0) == ["", ""]
    for replicas, each in ((3, 2.0), (6, None), (2, 0.5)):
        with pytest.raises(UserError):
            gpu_groups(replicas, each)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpu_groups(2, None) == [None, None]

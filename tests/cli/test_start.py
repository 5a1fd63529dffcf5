"""Start-up: nothing heavy is imported, and users' own packages do not interfere."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

HEAVY = {
    "torch",
    "transformers",
    "datasets",
    "pandas",
    "matplotlib",
    "sklearn",
    "ray",
    "openai",
    "aiohttp",
    "numpy",
    "pyarrow",
    "scipy",
}
REPOSITORY = Path(__file__).parents[2]


@pytest.mark.parametrize("words", [["--help"], ["run", "--help"], ["list"], ["score", "--help"]])
def test_start_up_imports_nothing_heavy(words: list[str]) -> None:
    code = (
        "import sys, json\n"
        f"sys.argv = ['cambrian-eval', *{words!r}]\n"
        "from cambrian_eval.cli.main import main\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "print('\\n' + json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert not loaded & HEAVY


def test_grading_needs_no_torch_and_no_network() -> None:
    code = (
        "import sys, socket\n"
        "def forbidden(*a, **k): raise AssertionError('network')\n"
        "socket.socket.connect = forbidden\n"
        "import cambrian_eval\n"
        "row = {'questionId': '1', 'question': 'q', 'question_types': [], 'answers': ['5']}\n"
        "assert cambrian_eval.grade('docvqa', row, '5').value == 1.0\n"
        "assert not {'torch', 'datasets', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_users_own_packages_named_like_ours(tmp_path: Path) -> None:
    for name in ("benchmarks", "reports"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise RuntimeError('the user\\'s own package was imported')")
    script = Path(sys.executable).with_name("cambrian-eval")
    ways = [
        [str(script), "list"],
        [sys.executable, "-m", "cambrian_eval", "list"],
        [
            sys.executable,
            "-c",
            "import sys; sys.path.insert(0, '.'); import cambrian_eval as c; print(c.load('docvqa').name)",
        ],
    ]
    for way in ways:
        done = subprocess.run(way, cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0 and "docvqa" in done.stdout, (way, done.stderr)


def test_offline_opens_no_socket(docvqa_root: Path, tmp_path: Path) -> None:
    code = (
        "import socket, sys\n"
        "def forbidden(*a, **k): raise AssertionError('a connection was opened')\n"
        "socket.socket.connect = forbidden\nsocket.create_connection = forbidden\n"
        "sys.argv = ['cambrian-eval', *sys.argv[1:]]\n"
        "from cambrian_eval.cli.main import main\nmain()"
    )
    base = [sys.executable, "-c", code, "run", "--model", "chance", "--benchmark", "docvqa", "--offline"]
    done = subprocess.run([*base, "--data-root", docvqa_root, "--out", tmp_path / "a"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    hub = subprocess.run(
        [*base, "--out", tmp_path / "b"],
        capture_output=True,
        text=True,
        env={"HF_HOME": str(tmp_path), "PATH": ""},
    )
    assert hub.returncode == 2 and "cambrian-eval fetch" in hub.stderr, hub.stderr
    assert "a connection was opened" not in hub.stderr

"""Keys are never written to disk, and configuration files are never executed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from cambrian_eval.cli.config import defaults

KEY = "sk-very-secret-0123456789"


def test_keys_in_the_environment_never_reach_the_run_folder(docvqa_root: Path, tmp_path: Path) -> None:
    import os

    words = ["run", "--model", "chance", "--benchmark", "docvqa", "--data-root", docvqa_root, "--out", tmp_path / "run"]
    script = str(Path(sys.executable).with_name("cambrian-eval"))
    done = subprocess.run(
        [script, *map(str, words), "--notify-command", "exit 3", "--debug"],
        env={**os.environ, "OPENAI_API_KEY": KEY, "HF_TOKEN": KEY},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert KEY not in done.stdout + done.stderr
    files = [p for p in (tmp_path / "run").rglob("*") if p.is_file()]
    assert len(files) > 5 and not [p for p in files if KEY.encode() in p.read_bytes()]


def test_a_config_file_is_data(tmp_path: Path) -> None:
    """Tags that other formats execute are plain strings here."""
    import typer

    from cambrian_eval.cli.run import run

    app = typer.Typer()
    app.command()(run)
    path = tmp_path / "run.toml"
    path.write_text('model = "!!python/object/apply:os.system [\'touch mark\']"\nout = "$(touch mark)"\n')
    found, *_ = defaults(path, typer.main.get_command(app))
    assert found["model"].startswith("!!python") and found["out"] == "$(touch mark)"
    assert not (Path.cwd() / "mark").exists()

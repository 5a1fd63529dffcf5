"""The workflows: valid, without rights to write, and their commands exist; the users' example is executed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.docs.command_lines import check
from tests.docs.shell import commands

ROOT = Path(__file__).parents[2]
OWN = ROOT / ".github" / "workflows" / "example-report.yml"
USERS = ROOT / "docs" / "examples" / "github-action.yml"


def steps(path: Path) -> list[dict[str, Any]]:
    workflow = yaml.safe_load(path.read_text())
    assert workflow["permissions"] == {"contents": "read"}
    (job,) = workflow["jobs"].values()
    return list(job["steps"])


@pytest.mark.parametrize("path", [OWN, USERS], ids=["own", "users"])
def test_the_commands_exist_and_take_no_text_of_an_expression(path: Path) -> None:
    scripts = [step["run"] for step in steps(path) if "run" in step]
    assert scripts
    for script in scripts:
        assert "${{" not in script  # an input could hold a command
        for _, words in commands(script.replace(".venv/bin/", "")):
            if words[0] != "pip":
                check(words)


def test_the_targets_and_files_of_the_own_workflow_exist() -> None:
    scripts = "\n".join(step.get("run", "") for step in steps(OWN))
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"\bmake (\S+)", scripts)) <= targets
    assert "tools/notebook.py" in scripts and (ROOT / "tools" / "notebook.py").is_file()


@pytest.mark.slow
def test_the_users_workflow_works(tmp_path: Path) -> None:
    workflow = yaml.safe_load(USERS.read_text())
    inputs = workflow[True]["workflow_dispatch"]["inputs"]  # YAML 1.1 reads `on` as true
    values = {name.upper(): str(about["default"]) for name, about in inputs.items()}
    summary = tmp_path / "summary.md"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = {**os.environ, **values, "PATH": path, "GITHUB_STEP_SUMMARY": str(summary)}
    for step in steps(USERS):
        if "run" in step and step["name"] != "Install":
            done = subprocess.run(
                ["bash", "-euo", "pipefail", "-c", step["run"]],
                cwd=tmp_path,
                env=environment,
                text=True,
                capture_output=True,
            )
            assert done.returncode == 0, done.stderr
    assert "| chance (synthetic data) |" in summary.read_text()
    (kept,) = [step["with"]["path"].split() for step in steps(USERS) if "upload-artifact" in step.get("uses", "")]
    assert all((tmp_path / folder).is_dir() for folder in kept)
    assert (tmp_path / "report" / "export" / "samples.csv").is_file()

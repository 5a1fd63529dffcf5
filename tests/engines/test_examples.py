"""The example scripts are valid, and the commands in them exist."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from cambrian_eval.cli.run import run

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


def commands(text: str) -> list[str]:
    """Every `cambrian-eval run` of a text as one line."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return [line.split("cambrian-eval run", 1)[1] for line in joined.splitlines() if "cambrian-eval run" in line]


def flags(command: str) -> list[str]:
    return re.findall(r"(?<!\S)--[a-z-]+", command)


def known() -> set[str]:
    app = typer.Typer()
    app.command()(run)
    return {option for parameter in typer.main.get_command(app).params for option in parameter.opts}


def test_the_slurm_script() -> None:
    path = EXAMPLES / "slurm.sh"
    done = subprocess.run(["bash", "-n", str(path)], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    lines = path.read_text().splitlines()
    settings = [i for i, line in enumerate(lines) if line.startswith("#SBATCH ")]
    first_command = next(i for i, line in enumerate(lines) if line and not line.startswith("#"))
    assert len(settings) >= 6 and max(settings) < first_command  # SLURM stops reading at the first command
    assert all(re.fullmatch(r"#SBATCH --[a-z-]+=\S+", lines[i]) for i in settings)
    (command,) = commands(path.read_text())
    assert {"--engine", "--ray-address", "--gpus-per-replica"} <= set(flags(command)) <= known()


def test_the_kubernetes_manifest() -> None:
    (manifest,) = yaml.safe_load_all((EXAMPLES / "kuberay.yaml").read_text())
    assert (manifest["apiVersion"], manifest["kind"]) == ("ray.io/v1", "RayJob")
    spec = manifest["spec"]
    (command,) = commands(spec["entrypoint"])
    assert "\n" not in spec["entrypoint"] and set(flags(command)) <= known()
    cluster = spec["rayClusterSpec"]
    assert cluster["authOptions"] == {"mode": "token"}
    groups: list[Any] = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        pod = group["template"]["spec"]
        volumes = {v["name"] for v in pod["volumes"]}
        for container in pod["containers"]:
            assert {m["name"] for m in container["volumeMounts"]} == volumes
            assert container["resources"]["limits"] == container["resources"]["requests"]
    images = {c["image"] for g in groups for c in g["template"]["spec"]["containers"]}
    assert len(images) == 1
    out = command.split("--out ")[1].split()[0]
    mounts = {m["mountPath"] for c in groups[0]["template"]["spec"]["containers"] for m in c["volumeMounts"]}
    assert any(out.startswith(f"{m}/") for m in mounts)


@pytest.mark.parametrize("page", ["scaling.md"])
def test_the_commands_of_the_guide(page: str) -> None:
    text = (EXAMPLES.parent / page).read_text()
    found = commands(text)
    assert found and all(set(flags(command)) <= known() for command in found)

"""The built archives: what they hold, and that the wheel works where nothing else is installed.

One file, so that its tests share one build and one environment.
"""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from dataclasses import dataclass
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import cambrian_eval
from cambrian_eval.demo.miniature import NAMES

ROOT = Path(__file__).parents[2]
VERSION = cambrian_eval.__version__
NAME = f"cambrian_eval-{VERSION}"
CONSTRAINTS = ROOT / "constraints.txt"
FOLDERS = ("cambrian_eval", "benchmarks", "reports", "cvbench_builder", "tests", "tools")
PAPERS = {"CHANGELOG.md", "CITATION.cff", "SECURITY.md", "constraints.txt"}

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Built:
    """Archives made from a copy of the repository."""

    wheel: Path
    sdist: Path
    wheel_from_sdist: Path


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel, its dependencies and nothing else, and an empty folder to work in."""

    environment: Path
    here: Path
    home: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Runs a command of the environment, with nothing inherited from the caller's."""
        scripts = self.environment / "bin"
        variables = {
            "PATH": f"{scripts}{os.pathsep}{os.defpath}",
            "HOME": str(self.home),
            "LANG": "C.UTF-8",
            "OMP_NUM_THREADS": "1",
        }
        line = [str(scripts / command[0]), *command[1:]]
        return subprocess.run(line, cwd=self.here, env=variables, capture_output=True, text=True)

    def prints(self, *command: str) -> str:
        """The standard output of a command that succeeds."""
        done = self.run(*command)
        assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
        return done.stdout


def _build(tree: Path, out: Path, *kinds: str) -> None:
    line = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), *kinds, str(tree)]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]


def _contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {i.filename: archive.read(i) for i in archive.infolist() if not i.is_dir()}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Built from a copy, so that files of earlier builds in the checkout are not used and none are left there."""
    folder = tmp_path_factory.mktemp("built")
    tree = folder / "tree"
    tree.mkdir()
    for path in ROOT.iterdir():
        if path.is_file():
            shutil.copy2(path, tree)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, tree / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    _build(tree, folder / "direct", "--wheel")
    shutil.rmtree(tree / "build", ignore_errors=True)
    shutil.rmtree(tree / "cambrian_eval.egg-info", ignore_errors=True)
    _build(tree, folder / "staged")  # the source archive, and the wheel from it
    name = f"{NAME}-py3-none-any.whl"
    return Built(folder / "direct" / name, folder / "staged" / f"{NAME}.tar.gz", folder / "staged" / name)


@pytest.fixture(scope="module")
def installed(built: Built, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    folder = tmp_path_factory.mktemp("installed")
    place = Installed(folder / "environment", folder / "here", folder / "home")
    place.here.mkdir()
    place.home.mkdir()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place.environment)], check=True)
    done = _pip(place.environment, "install", "--no-compile", "--no-deps", "--no-index", str(built.wheel))
    assert done.returncode == 0, done.stderr[-4000:]
    (site,) = place.environment.glob("lib/python3.*/site-packages")
    (metadata,) = site.glob("cambrian_eval-*.dist-info")
    for found in _required(Distribution.at(metadata)):
        _link(found, site)
    return place


def _required(wheel: Distribution) -> list[Distribution]:
    """What the wheel's metadata requires, and what that requires in turn, as installed beside these tests."""
    found: dict[str, Distribution] = {}
    left = [Requirement(r) for r in wheel.requires or ()]
    while left:
        wanted = left.pop()
        name = _plain(wanted.name)
        if name in found or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
            continue
        found[name] = distribution(wanted.name)
        assert wanted.specifier.contains(found[name].version, prereleases=True), wanted
        left += [Requirement(r) for r in found[name].requires or ()]
    return list(found.values())


def _link(found: Distribution, site: Path) -> None:
    """Links to the files of an installed distribution: copies of all would be more than a gigabyte."""
    for top in {path.parts[0] for path in found.files or () if path.parts[0] not in ("..", "__pycache__")}:
        if not (site / top).exists():
            (site / top).symlink_to(Path(str(found.locate_file(top))))


def _pip(environment: Path, verb: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Runs this environment's pip on another one."""
    line = [sys.executable, "-m", "pip", "--python", str(environment / "bin" / "python"), verb, *words]
    variables = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    return subprocess.run(line, env=variables, capture_output=True, text=True)


def test_wheel_holds_the_packages_and_nothing_else(built: Built) -> None:
    """Exactly the files of the packages, read through the repository's links; no test, no tool, no link."""
    wanted = {
        (Path(folder) / name).relative_to(ROOT).as_posix(): (Path(folder) / name).read_bytes()
        for package in ("cambrian_eval", "cvbench_builder")
        for folder, _, names in os.walk(ROOT / package, followlinks=True)
        for name in names
        if "__pycache__" not in folder
    }
    found = _contents(built.wheel)
    code = {k: v for k, v in found.items() if not k.startswith(f"{NAME}.dist-info/")}
    assert sorted(code) == sorted(wanted)
    assert code == wanted
    with zipfile.ZipFile(built.wheel) as archive:
        kinds = {i.external_attr >> 16 & 0o170000 for i in archive.infolist()}
    assert kinds <= {0o100000, 0}  # regular files
    for name in (
        "cambrian_eval/benchmarks/vision_centric/mmvp.py",
        "cambrian_eval/reports/page/report.html.jinja",
        "cambrian_eval/demo/cambrian-demo/model.safetensors",
        "cambrian_eval/results/published_scores.csv",
        "cvbench_builder/review_page.html",
        "cambrian_eval/py.typed",
        "cvbench_builder/py.typed",
    ):
        assert name in code


def test_source_archive_gives_the_same_wheel(built: Built) -> None:
    assert _contents(built.wheel_from_sdist) == _contents(built.wheel)


def test_source_archive_holds_code_and_papers_only(built: Built) -> None:
    with tarfile.open(built.sdist) as archive:
        members = archive.getmembers()
    assert all(m.isfile() or m.isdir() for m in members)
    names = {m.name.removeprefix(f"{NAME}/") for m in members if m.isfile()}
    assert names >= PAPERS | {"README.md", "LICENSE", "pyproject.toml"}
    packages = {"cambrian_eval", "cvbench_builder", "cambrian_eval.egg-info"}
    assert {n.split("/")[0] for n in names if "/" in n} == packages


def test_dependencies_are_complete_and_the_tested_ones(installed: Installed) -> None:
    """All requirements are met, and constraints.txt names every installed package with its installed version."""
    checked = _pip(installed.environment, "check")
    assert checked.returncode == 0, checked.stdout
    frozen = _pip(installed.environment, "list", "--format", "json")
    have = {_plain(p["name"]): p["version"].partition("+")[0] for p in json.loads(frozen.stdout)}
    pinned = dict(
        (_plain(name), version)
        for name, version in re.findall(r"^([\w.-]+)==(\S+)$", CONSTRAINTS.read_text(encoding="utf-8"), re.MULTILINE)
    )
    assert have.pop("cambrian-eval") == VERSION
    assert have.keys().isdisjoint({"pytest", "ray", "ruff"})
    assert have.items() <= pinned.items(), sorted(have.items() - pinned.items())


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_code_comes_from_the_environment(installed: Installed) -> None:
    names = "cambrian_eval", "cambrian_eval.benchmarks", "cambrian_eval.reports", "cvbench_builder"
    program = "; ".join(f"import {name}; print({name}.__file__)" for name in names)
    for line in installed.prints("python", "-c", program).splitlines():
        path = Path(line)
        assert path.is_relative_to(installed.environment)
        assert path.resolve() == path


def test_both_commands_explain_themselves(installed: Installed) -> None:
    shown = installed.prints("cambrian-eval", "--help")
    assert all(re.search(rf"^  {verb} ", shown, re.MULTILINE) for verb in ("run", "score", "report", "cvbench"))
    assert installed.prints("python", "-m", "cambrian_eval", "--help").count("cambrian") >= 1
    builder = installed.prints("python", "-m", "cvbench_builder", "--help")
    assert all(verb in builder for verb in ("build", "review", "audit", "export"))


@pytest.fixture(scope="module")
def demo(installed: Installed) -> Path:
    """The demo with two rows per benchmark, run where the wheel was installed."""
    done = installed.run("cambrian-eval", "run", "--limit", "2")
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    assert "demo" in done.stderr and "--model" in done.stderr
    return installed.here / "runs" / "demo"


def test_demo_runs_all_sixteen(demo: Path) -> None:
    results = json.loads((demo / "results.json").read_text(encoding="utf-8"))["results"]
    cells = {(r["benchmark"], r["condition"], r["scorer"]) for r in results}
    assert cells == {(b, c, s) for b in NAMES for c in ("on", "off") for s in ("fuzzy", "official")}
    assert len(NAMES) == 16
    assert len(results) == 64
    for result in results:
        assert result["n"] >= 2 and result["n_failed"] == 0, result
        assert 0 <= result["score"] <= result["scale"], result
        assert result["chance"] is not None
    stored = json.loads((demo / "run.json").read_text(encoding="utf-8"))
    assert stored["model"]["spec"] == "demo" and stored["model"]["name"] == "cambrian-demo"
    lines = [line for f in (demo / "responses").glob("*.jsonl") for line in f.read_text("utf-8").split("\n") if line]
    answers = [json.loads(line) for line in lines]
    assert len(answers) == sum(r["n"] for r in results) / 2  # two scorers over the same responses
    assert all(a["error"] is None and a["text"].strip() for a in answers)


def test_report_of_the_demo(installed: Installed, demo: Path) -> None:
    shown = installed.prints("cambrian-eval", "report", "runs/demo", "--out", "report")
    assert "report.html" in shown
    report = installed.here / "report"
    page = (report / "report.html").read_text(encoding="utf-8")
    assert all(title in page for title in ("MMVP", "DocVQA", "SQA-I", "SEED-I"))
    assert "<script" in page and "<style" in page
    assert not re.search(r"""(?:src|href)=["']https?://[^"']+\.(?:js|css)""", page)
    with (report / "tables" / "scores.csv").open(encoding="utf-8", newline="") as file:
        models = [row["model"] for row in csv.DictReader(file)]
    assert models == ["Chance", "cambrian-demo (synthetic data)"]
    assert (report / "figures" / "ablation.pdf").read_bytes().startswith(b"%PDF")

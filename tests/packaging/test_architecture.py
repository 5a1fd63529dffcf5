"""`tools/architecture.py`: what it prints of the parts, and that it fails on circles however they are imported."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a process over all modules for each case

ROOT = Path(__file__).parents[2]
FOLDERS = ("cambrian_eval", "benchmarks", "reports", "cvbench_builder")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The code without its data, free to be changed."""
    for folder in FOLDERS:
        shutil.copytree(ROOT / folder, tmp_path / folder, symlinks=True, ignore=_not_code)
    (tmp_path / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "architecture.py", tmp_path / "tools")
    shutil.copy(ROOT / ".importlinter", tmp_path)
    return tmp_path


def _not_code(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if (Path(folder) / name).is_file() and not name.endswith(".py")]


def report(root: Path) -> tuple[int, str]:
    script = root / "tools" / "architecture.py"
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=root)
    assert not done.stderr, done.stderr
    return done.returncode, done.stdout


def circles(text: str, kind: str) -> list[str]:
    """The lines of the report below `circles between KIND:`."""
    found = re.search(rf"^circles between {kind}:(.*)\n((?:    .*\n)*)", text, re.M)
    assert found is not None, text
    return [line.strip() for line in found[2].splitlines()]


def arrows(text: str) -> dict[str, set[str]]:
    """Part -> the parts it imports from, without counts."""
    found: dict[str, set[str]] = {}
    for block in re.findall(r"^\S.*? +\d+ +[\d,]+  .*(?:\n {10,}.*)*", text, re.M):
        name, rest = re.split(r" +\d+ +[\d,]+  ", block, maxsplit=1)
        found[name] = {re.sub(r"\s+\d+$", "", part.strip()) for part in rest.split(",")} - {"-"}
    return found


def test_the_guide_shows_the_rooms_as_they_are() -> None:
    """Sizes may be a little old there; `tools/architecture.py --write` brings them up to date."""
    _, text = report(ROOT)
    assert arrows((ROOT / "CONTRIBUTING.md").read_text()) == arrows(text)


def test_rooms_with_their_sizes_fit_on_one_page(copy: Path) -> None:
    _, text = report(copy)
    lines = text.splitlines()
    assert len(lines) < 60 and max(map(len, lines)) <= 100
    sizes = {
        m[1]: (int(m[2]), int(m[3].replace(",", ""))) for m in re.finditer(r"^(\S.*?) +(\d+) +([\d,]+)  ", text, re.M)
    }
    for part, folder in (
        ("data", "cambrian_eval/data"),
        ("reports", "reports"),
        ("cvbench_builder", "cvbench_builder"),
    ):
        modules = [path.read_text().count("\n") for path in (copy / folder).rglob("*.py")]
        assert sizes[part] == (len(modules), sum(modules))


IMPORTS = {
    "absolute": "import cambrian_eval.cli.of_absolute\n",
    "in_a_function": "def late():\n    from cambrian_eval.cli import of_in_a_function\n    return of_in_a_function\n",
    "relative": "from ..cli.of_relative import nothing\n",
    "for_type_checkers": (
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n"
        "    from cambrian_eval.cli.of_for_type_checkers import nothing\n"
    ),
}


def test_a_circle_fails_however_it_is_imported(copy: Path) -> None:
    for kind, code in IMPORTS.items():
        (copy / "cambrian_eval" / "scoring" / f"of_{kind}.py").write_text(code)
        back = f"import cambrian_eval.scoring.of_{kind}\nnothing = None\n"
        (copy / "cambrian_eval" / "cli" / f"of_{kind}.py").write_text(back)
    status, text = report(copy)
    assert status == 1
    for kind in IMPORTS:
        assert f"cambrian_eval.cli.of_{kind}, cambrian_eval.scoring.of_{kind}" in circles(text, "modules")
    assert any("cli" in line and "scoring" in line for line in circles(text, "parts"))
    assert "cambrian_eval.scoring is not allowed to import cambrian_eval.cli" in text


def test_a_circle_of_rooms_needs_no_circle_of_modules(copy: Path) -> None:
    (copy / "cambrian_eval" / "scoring" / "extra.py").write_text("from cambrian_eval.reports import scores\n")
    status, text = report(copy)
    assert status == 1
    assert not any("scoring.extra" in line for line in circles(text, "modules"))
    assert any("reports" in line and "scoring" in line for line in circles(text, "parts"))

"""The table of recipes in the docs is the one of the recipe files, and every recipe can be run as the page says."""

from __future__ import annotations

import subprocess
import sys

from .pages import ROOT


def test_the_table_is_the_one_of_the_recipe_files() -> None:
    done = subprocess.run([sys.executable, ROOT / "tools" / "recipes_table.py"], capture_output=True, text=True)
    assert done.returncode == 0, "run python tools/recipes_table.py --write"
    page = (ROOT / "docs" / "recipes.md").read_text("utf-8")
    assert done.stdout in page and all(f"| `{path.stem}` |" in page for path in _files())


def _files() -> list[object]:
    return sorted((ROOT / "cambrian_eval" / "models" / "recipes").glob("*.toml"))

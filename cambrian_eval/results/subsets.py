"""Subsets: named lists of sample ids by benchmark, in one JSON file with the recipe that chose them.

`cambrian-eval seeing` and `bias` write them; `--subset` reads them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object

FOLDER = Path("subsets")
"""Where the commands write subsets, and where a name without a folder is looked up."""


@dataclass(frozen=True, slots=True)
class Subset:
    """Samples of one or more benchmarks that a recipe chose."""

    name: str
    """Such as `needs-vision` or `debiased`."""
    ids: Mapping[str, tuple[str, ...]]
    """Benchmark -> ids of its chosen samples, in the order of the data set."""
    of: Mapping[str, int]
    """Benchmark -> number of samples they were chosen from."""
    recipe: Mapping[str, Any]
    """What was run to choose them, with versions, seeds and thresholds."""

    def words(self, benchmark: str) -> str:
        """Such as `subset needs-vision: 48 of 2,374 rows`."""
        return words(self.name, len(self.ids[benchmark]), self.of[benchmark])


def words(name: str, n: int, of: int) -> str:
    """How results on a subset are marked."""
    return f"subset {name}: {n:,} of {of:,} rows"


def location(name_or_path: str) -> Path:
    """The file of a subset: a path as it is, a bare name as `subsets/NAME.json`."""
    bare = "/" not in name_or_path and not name_or_path.endswith(".json")
    return FOLDER / f"{name_or_path}.json" if bare else Path(name_or_path)


def read(name_or_path: str) -> Subset:
    """A subset by its name or file."""
    path = location(name_or_path)
    if not path.exists():
        raise UserError(
            f"--subset {name_or_path}: {path} does not exist; `cambrian-eval seeing` and `bias` write subsets"
        )
    found = read_object(path)
    name, ids, of, recipe = (found.get(key) for key in ("name", "ids", "of", "recipe"))
    if not isinstance(name, str):
        raise UserError(f"{path}: `name` is not text; write the file again")
    if not (isinstance(ids, dict) and all(_are_ids(v) for v in ids.values())):
        raise UserError(f"{path}: `ids` is not an object of benchmark -> list of different ids; write the file again")
    if not (isinstance(of, dict) and of.keys() == ids.keys() and all(type(n) is int for n in of.values())):
        raise UserError(
            f"{path}: `of` does not give a number of rows for each benchmark of `ids`; write the file again"
        )
    if not isinstance(recipe, dict):
        raise UserError(f"{path}: `recipe` is not an object; write the file again")
    return Subset(name, {benchmark: tuple(chosen) for benchmark, chosen in ids.items()}, of, recipe)


def write(subset: Subset, path: Path) -> Path:
    """Writes a subset; the folder is made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    body = {"name": subset.name, "recipe": dict(subset.recipe), "of": dict(subset.of), "ids": dict(subset.ids)}
    path.write_text(json.dumps(body, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    return path


def _are_ids(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(i, str) for i in value) and len(set(value)) == len(value)

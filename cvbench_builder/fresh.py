"""A new set from the same sources, under a private seed and without the images of known sets.

A model that has seen a known set cannot have seen this one. Its score on both, compared by task and source
(`cambrian-eval compare --strata`), tests for memorization.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cvbench_builder import any_rows, dataset
from cvbench_builder.build import BuildSummary, Progress
from cvbench_builder.build import build as build_set
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import read_text
from cvbench_builder.inputs import Inputs
from cvbench_builder.settings import BuildSettings


@dataclass(frozen=True)
class FreshSet:
    """What was built."""

    summary: BuildSummary
    left_out: int
    """Names of images of the known sets."""


def private_seed() -> int:
    """A seed that nobody can guess, small enough for every reader of JSON."""
    return secrets.randbits(53)


def build(inputs: Inputs, settings: BuildSettings, known: Sequence[Path], out: Path, progress: Progress) -> FreshSet:
    """Build a set whose images are in none of the known sets, neither by name nor by content."""
    names, contents = _images(known)
    dataset.refuse_foreign(out, overwrite=False)
    if inputs.exclude is not None:
        names |= {line.strip() for line in read_text(inputs.exclude).splitlines() if line.strip()}
    while True:
        with tempfile.TemporaryDirectory() as folder:
            listed = Path(folder) / "known.txt"
            listed.write_text("\n".join(sorted(names)) + "\n", encoding="utf-8")
            summary = build_set(replace(inputs, exclude=listed), settings, out, progress)
        rows = dataset.read_rows(out)
        # the same image under another name is found by its bytes; sets without them have names alone
        again = {r["source_filename"] for r in rows if r["provenance"].get("sha256") in contents}
        if not again:
            return FreshSet(summary, len(names))
        progress(f"{len(again)} images are in a known set under another name; building again without them")
        names |= again


def _images(known: Sequence[Path]) -> tuple[set[str], set[str]]:
    """Names and sha256 of the source images of the known sets."""
    names: set[str] = set()
    contents: set[str] = set()
    for path in known:
        rows = any_rows.load(path)
        own = {str(r["source_filename"]) for r in rows if r.get("source_filename")}
        if not own:
            raise BuilderError(f"{path}: no row has a `source_filename`, so its images cannot be left out")
        names |= own
        contents |= {str(p["sha256"]) for r in rows if (p := r.get("provenance")) and p.get("sha256")}
    return names, contents

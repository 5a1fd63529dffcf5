"""Export: what a file of `exports/` declares, to write runs in the form that another tool reads.

Third parties add exports by an entry point in the group `cambrian_eval.exports`. Nothing is exported unless it is
asked for, and nothing is sent anywhere: an export writes files, and says which command uploads them.
"""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cambrian_eval.errors import UserError
from cambrian_eval.safe_text import MAX_NAME

from . import style
from .runs import NamedRun


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    files: tuple[Path, ...]
    """Files, or folders whose content is another tool's own."""
    then: tuple[str, ...] = ()
    """The command that uploads them, where there is one."""


class Export(ABC):
    """The declaration of one export."""

    name: ClassVar[str]
    """What `cambrian-eval export --to` calls it."""
    summary: ClassVar[str]
    """One line for the help text: what is written."""

    @abstractmethod
    def write(self, runs: Sequence[NamedRun], out: Path, scorer: str) -> Exported:
        """Writes the runs into a folder; `scorer` is the one of forms that have a single score for each benchmark.

        Raises `UserError` where this form cannot say what a reader must know about the scores.
        """


def sanitized(name: str) -> str:
    """A model's name as a file name: everything but letters, digits, "_", "." and "-" becomes "__"."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "__", name).strip("._")[:MAX_NAME] or "model"


def stems(runs: Sequence[NamedRun]) -> list[str]:
    """A file name for each run, all different."""
    seen: dict[str, int] = {}
    found = []
    for named in runs:
        stem = sanitized(named.name)
        seen[stem] = seen.get(stem, 0) + 1
        found.append(stem if seen[stem] == 1 else f"{stem}-{seen[stem]}")
    return found


MARK = "<!-- written by cambrian-eval -->"
"""What a README of an export contains."""


def write_readme(path: Path, text: str) -> Path:
    """Writes a README; one that no export wrote is not replaced."""
    if path.exists() and MARK not in path.read_text("utf-8", "replace"):
        raise UserError(f"{path} was not written by this command; choose another --out")
    return style.write(path, text)


def refuse_synthetic(runs: Sequence[NamedRun], form: str) -> None:
    """An error where a run has scores on drawn rows, for forms that publish a score under a benchmark's name."""
    for named in runs:
        drawn = list(dict.fromkeys(r.benchmark for r in named.results if r.synthetic))
        if drawn:
            raise UserError(
                f"{named.run.path}: synthetic data ({', '.join(drawn)}), and a {form} would publish its scores under "
                "the name of the benchmark; run it on the dataset itself, or use --to csv"
            )

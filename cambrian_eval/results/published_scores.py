"""Printed scores: those of the Cambrian-1 paper, its site and its repository, and those that adapters declare.

Reads `published_scores.csv` and finds the printed numbers for a model.
Scores are as printed: MME raw (0 to 2000), OCRBench in percent, `avg_*` rows the printed averages.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from cambrian_eval.registry import benchmark_names, load_benchmark


@dataclass(frozen=True, slots=True)
class Published:
    """One printed score."""

    table: str
    """Where it is printed, for example "Table 9"."""
    model: str
    """The name as printed."""
    group: str
    """The kind of row, for example "final models" or "backbone:self-supervised"."""
    setting: str
    """How the model was trained or its responses were scored."""
    benchmark: str
    """A benchmark's name, or avg_general, avg_knowledge, avg_ocr, avg_vision, avg_all."""
    score: float
    """On the scale it is printed on."""
    visual_tokens: int | None
    """Visual tokens of the model, where the table has them."""
    source: str


@cache
def _rows() -> tuple[Published, ...]:
    with (files("cambrian_eval.results") / "published_scores.csv").open(encoding="utf-8") as file:
        return tuple(
            Published(
                table=row["table"],
                model=row["model"],
                group=row["group"],
                setting=row["setting"],
                benchmark=row["benchmark"],
                score=float(row["score"]),
                visual_tokens=int(row["visual_tokens"]) if row["visual_tokens"] else None,
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


def published() -> list[Published]:
    """All printed scores, in the order of the tables they come from."""
    return list(_rows())


_CAMBRIAN = re.compile(r"cambrian(?:-1)?-(8b|13b|34b|phi3(?:-3b|-3\.8b|-mini)?|3b)(?:-hf)?")
_SIZES = {"8b": "Cambrian-1-8B", "13b": "Cambrian-1-13B", "34b": "Cambrian-1-34B"}
_PRINTED_TWICE = "as printed; all but mmmu repeat the 8B row"
"""A misprinted row of Table 24; it stays in the data but is never used as a model's score."""


def nearest(model_name: str, benchmark: str) -> tuple[Published, ...]:
    """What is printed for that model and benchmark, its main table first; empty for other models.

    The name may be a Hub id, a path or a name as printed: its parts are compared, not the string as a whole.
    """
    if own := _declared(model_name, benchmark):
        return own
    name = _paper_name(model_name)
    found = [
        row for row in _rows() if row.model == name and row.benchmark == benchmark and _PRINTED_TWICE not in row.setting
    ]
    return tuple(sorted(found, key=lambda row: row.table != "Table 9"))


def _declared(model_name: str, benchmark: str) -> tuple[Published, ...]:
    """What the benchmark's adapter declares for a model of that name."""
    parts = {_bare(part) for part in re.split(r"[/\\:]|--", model_name)} | {_bare(model_name)}
    parts |= {_bare(_paper_name(model_name) or "")} - {""}
    if benchmark not in benchmark_names():
        return ()
    rows = [row for row in load_benchmark(benchmark).published if _bare(row.model) in parts]
    return tuple(Published("", r.model, "", "", benchmark, r.score, None, r.source) for r in rows)


@cache
def _paper_name(model_name: str) -> str | None:
    """The model's name in Table 9 or the README."""
    printed = {_bare(row.model): row.model for row in _rows() if row.table in ("Table 9", "README")}
    for part in reversed(re.split(r"[/\\:]|--", model_name.lower())):
        cambrian = _CAMBRIAN.fullmatch(part.strip())
        if cambrian:
            return _SIZES.get(cambrian[1], "Cambrian-1-Phi3-3.8B")
        if _bare(part) in printed:
            return printed[_bare(part)]
    return None


def _bare(name: str) -> str:
    return re.sub(r"[\W_]", "", name.lower())

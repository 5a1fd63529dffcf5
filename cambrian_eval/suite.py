"""Suites: named lists of benchmarks that are run and averaged together.

Third parties add theirs by an entry point in the group `cambrian_eval.suites` that names a `Suite`.
"""

from __future__ import annotations

from dataclasses import dataclass

from cambrian_eval.benchmark import PAPER


@dataclass(frozen=True, slots=True)
class Suite:
    """A list of benchmarks. Its average is the plain mean over them, and enters no other average."""

    name: str
    """What commands call it; equal to the name of its entry point."""
    summary: str
    """One line: what it holds."""
    benchmarks: tuple[str, ...]
    """Names of the benchmarks, in order."""


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


SUITES: tuple[Suite, ...] = (
    Suite("paper", "the sixteen of the Cambrian-1 paper", tuple(n for names in PAPER.values() for n in names)),
    Suite(
        "released",
        "benchmarks for which the Cambrian-1 authors released scripts and printed no scores",
        _names("blink mmstar vstar pope vizwiz infovqa mmvet qbench mmbench_cn"),
    ),
    Suite(
        "llava15",
        "the twelve of LLaVA-1.5",
        _names("vqav2 gqa vizwiz scienceqa textvqa pope mme mmbench mmbench_cn seed llava_wild mmvet"),
    ),
    Suite(
        "spatial",
        "space, counting and fine visual detail",
        _names(
            "cvbench_2d cvbench_3d realworldqa mmvp blink vstar 3dsrbench embspatial naturalbench vlmsareblind "
            "countbenchqa mmsi_bench"
        ),
    ),
    Suite(
        "robust",
        "hallucination, and questions that cannot be answered without the image",
        _names("hallusionbench naturalbench pope mmstar mmmu_pro_standard mmmu_pro_vision mmvp"),
    ),
    Suite("mmmu_pro", "the two settings of MMMU-Pro", _names("mmmu_pro_standard mmmu_pro_vision")),
)
"""The suites that ship with the package, in the order in which they are listed."""

"""Scores of a checkpoint on the miniature suite's evaluation split, by the harness itself.

Makes the table of `on`, `off` and `shuffled` with chance and the text prior, and its averages over the four
Vision-Centric benchmarks and over all sixteen: the gain from the image, and the distance of a blind model from chance.
Prompts, responses and scores are the harness's.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cambrian_eval
from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark

CONDITIONS = ("on", "off", "shuffled")
VISION_CENTRIC = ("mmvp", "realworldqa", "cvbench_2d", "cvbench_3d")


@dataclass(frozen=True)
class Line:
    """One benchmark's scores, all on a scale from 0 to 100."""

    name: str
    scores: Mapping[str, float]
    chance: float
    prior: float

    @property
    def gain(self) -> float:
        """Points gained from the image: on minus off."""
        return self.scores["on"] - self.scores["off"]


def measure(checkpoint: Path, rows: int, out: Path, conditions: Sequence[str] = CONDITIONS) -> list[Line]:
    """Runs the harness on `rows` rows of every benchmark; `out` is the run folder."""
    shutil.rmtree(out, ignore_errors=True)
    outcome = cambrian_eval.run(f"cambrian:{checkpoint}", miniature.NAMES, out, vision=conditions, data=f"mini:{rows}")
    scores: dict[str, dict[str, float]] = {name: {} for name in miniature.NAMES}
    chance: dict[str, float] = {}
    for result in outcome.results:
        if result.scorer != "fuzzy" or result.score is None:
            continue
        divisor = load_benchmark(result.benchmark).average_divisor
        scores[result.benchmark][result.condition] = result.score / divisor
        chance[result.benchmark] = (result.chance or 0.0) / divisor
    return [Line(name, scores[name], chance[name], 100 * miniature.text_prior(name, rows)) for name in miniature.NAMES]


def scores(measured: Mapping[str, Sequence[Line]]) -> str:
    """Scores with the image as CSV, one row per model, on the benchmarks' own scales: for `analyze`."""
    rows = [["model", "group", *miniature.NAMES]]
    for name, lines in measured.items():
        kept = [f"{line.scores['on'] * load_benchmark(line.name).average_divisor:.2f}" for line in lines]
        rows.append([f"demo-{name}", name.rsplit("-", 1)[0] if name.startswith("seed") else "variant", *kept])
    return "".join(",".join(row) + "\n" for row in rows)


def table(lines: Sequence[Line]) -> str:
    """The lines as a Markdown table, with the two averages."""
    conditions = list(lines[0].scores)
    head = ["benchmark", *conditions, "on - off", "chance", "text prior"]
    rows = [
        [
            line.name,
            *(f"{line.scores[c]:.1f}" for c in conditions),
            f"{line.gain:+.1f}",
            f"{line.chance:.1f}",
            f"{line.prior:.1f}",
        ]
        for line in lines
    ]
    for label, chosen in (
        ("**Vision-Centric four**", [line for line in lines if line.name in VISION_CENTRIC]),
        ("**all sixteen**", list(lines)),
    ):
        count = len(chosen)
        means = [f"{sum(line.scores[c] for line in chosen) / count:.1f}" for c in conditions]
        gain = sum(line.gain for line in chosen) / count
        chance = sum(line.chance for line in chosen) / count
        prior = sum(line.prior for line in chosen) / count
        rows.append([label, *means, f"{gain:+.1f}", f"{chance:.1f}", f"{prior:.1f}"])
    ruled = [head, ["---", *["---:"] * (len(head) - 1)], *rows]
    return "\n".join("| " + " | ".join(row) + " |" for row in ruled)

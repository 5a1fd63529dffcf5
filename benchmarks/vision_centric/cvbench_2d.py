"""CV-Bench 2D: counting and relative position in ADE20K and COCO photos (Tong et al., 2024).

Score: the mean of two accuracies, over ADE20K rows and COCO rows, x100; `row_accuracy` is the plain mean.
The released rule takes the first character of what follows "answer is" and never looks at option texts.
"""

from __future__ import annotations

from collections.abc import Sequence

from cambrian_eval.benchmark import Graded, Unit, sides_exchanged
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released

from .cvbench import CVBench

ROWS = "all rows"


class CVBench2D(CVBench):
    """Counts and relations in the plane, with a mean over two sources as the headline."""

    name = "cvbench_2d"
    title = "CV-Bench 2D"
    metric = "mean of the accuracies on ADE20K and on COCO"
    kind = "2D"
    n_rows = 1438
    typical_chance = 35.0

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The released first-character rule; only full stops are dropped at the end."""
        return released.letter(sample, reply, trailing=".")

    def mirrored(self, sample: Sample) -> Sample | None:
        """Relations to the left and right get the other answer."""
        unchanged = super().mirrored(sample)
        return sides_exchanged(sample) if unchanged is None else unchanged

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Every row once in its source and once among all rows."""
        units = []
        for i, g in enumerate(graded):
            units.append(Unit(str(g.sample.tags["source"]), g.verdict.value, (i,)))
            units.append(Unit(ROWS, g.verdict.value, (i,)))
        return units

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """The sources weigh the same, however many rows each has."""
        sources = [stratum for stratum in strata if stratum != ROWS]
        score = {source: self.scale / len(sources) for source in sources}
        return {"score": score, "row_accuracy": {ROWS: self.scale}}

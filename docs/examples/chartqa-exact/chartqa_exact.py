"""ChartQA with a third scorer, `exact`: a number must be the gold number, without the tolerance of 5 %."""

from __future__ import annotations

from cambrian_eval.benchmark import Scorer
from cambrian_eval.benchmarks.ocr_chart.chartqa import ChartQA
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import numbers, short


class ChartQAExact(ChartQA):
    """Rows, prompts, limits and the two scorers are ChartQA's own."""

    name = "chartqa_exact"
    title = "ChartQA, exact numbers too"

    @property
    def scorers(self) -> dict[str, Scorer]:
        """The two that every benchmark has, and one more."""
        return {**super().scorers, "exact": self.exact}

    def exact(self, sample: Sample, text: str) -> Verdict:
        """As `fuzzy`, but equal numbers."""
        wanted = numbers.parse(sample.answers[0])
        if wanted is None:
            return self.fuzzy(sample, text)
        said = short.number(text)
        if said is None:
            return Verdict(0.0, None, "no number found", outcome="unparsed")
        return Verdict(float(said.value == wanted.value), said.text, "equal number")

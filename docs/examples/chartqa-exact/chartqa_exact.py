"""A scorer `exact` for ChartQA: a number must equal the gold number, without the tolerance of 5 %."""

from __future__ import annotations

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scorer import Scorer


class Exact(Scorer):
    """Like `fuzzy`, except that numbers written in digits must be equal."""

    name = "exact"
    summary = "ChartQA only: like fuzzy, but numbers must be equal"

    def score(self, benchmark: Benchmark, sample: Sample, reply: str) -> Verdict:
        """Takes what `fuzzy` reads in the response and compares it again."""
        verdict = benchmark.fuzzy(sample, reply)
        found, wanted = _number(verdict.extracted), _number(sample.answers[0])
        if found is None or wanted is None:
            return verdict
        if found == wanted:
            return Verdict(1.0, verdict.extracted, "equal to the answer")
        return Verdict(0.0, verdict.extracted, "differs from the answer")

    def unavailable(self, benchmark: Benchmark) -> str | None:
        """ChartQA is the only benchmark whose `fuzzy` rule has a tolerance for numbers."""
        return None if benchmark.name == "chartqa" else f"exact scores chartqa only, not {benchmark.name}"

    def notes(self, benchmark: Benchmark) -> tuple[str, ...]:
        """Stored with each result of this scorer, and printed under tables."""
        return ("numbers must be equal; published ChartQA scores accept numbers within 5 %",)


def _number(text: str | None) -> float | None:
    """A number in digits, with or without thousands separators, a currency sign or a percent sign."""
    try:
        return float((text or "").replace(",", "").strip(" $%"))
    except ValueError:
        return None

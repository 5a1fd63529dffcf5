"""Scorers: how a response becomes a verdict.

A scorer is one class whose object is applied to any benchmark. `fuzzy` and `official` ask the benchmark itself.
Third parties add theirs by an entry point in the group `cambrian_eval.scorers`; `registry.scorers` finds both.
The LLM judge is not in this list: its verdicts come from an endpoint (`results.judging`) and are stored like any other.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.sample import Sample, Verdict


class Scorer(ABC):
    """The declaration of one deterministic scorer. `score` is a pure function and never runs a model."""

    name: ClassVar[str]
    """What commands and files call it; letters, digits and `_`."""
    summary: ClassVar[str]
    """One line: how it decides."""
    reads_raw: ClassVar[bool] = False
    """Whether it can also read responses with their thoughts, where a user asks for that (`--official-raw`)."""

    @abstractmethod
    def score(self, benchmark: Benchmark, sample: Sample, reply: str) -> Verdict:
        """The verdict on a response to a sample.

        `reply` is the answer as the model wrote it, without its thoughts; in a run it is a `scoring.reply.Reply`, which
        also has the whole response (`raw`) and the answer in comparable form (`said`).
        """

    def unavailable(self, benchmark: Benchmark) -> str | None:
        """Why this scorer cannot score the benchmark, in words; None where it can."""
        return None

    def notes(self, benchmark: Benchmark) -> tuple[str, ...]:
        """What a reader of the score must know, one line each."""
        return ()


class Fuzzy(Scorer):
    """The default: the benchmark's own metric over a careful reading of the response."""

    name = "fuzzy"
    summary = "the benchmark's own metric over a careful reading of the response (default)"

    def score(self, benchmark: Benchmark, sample: Sample, reply: str) -> Verdict:
        """As the benchmark declares."""
        return benchmark.fuzzy(sample, reply)

    def unavailable(self, benchmark: Benchmark) -> str | None:
        """Some benchmarks are graded by a judge."""
        if type(benchmark).fuzzy is Benchmark.fuzzy:
            return f"{benchmark.name} is graded by a judge, so it has no fuzzy score"
        return None

    def notes(self, benchmark: Benchmark) -> tuple[str, ...]:
        """As the benchmark declares."""
        return benchmark.scoring_notes(self.name)


class Official(Scorer):
    """The rules of the authors' released scoring code, quirks included."""

    name = "official"
    summary = "the rules of the released scoring code, quirks included"
    reads_raw = True

    def score(self, benchmark: Benchmark, sample: Sample, reply: str) -> Verdict:
        """As the benchmark declares."""
        return benchmark.official(sample, reply)

    def unavailable(self, benchmark: Benchmark) -> str | None:
        """Some benchmarks have no released scoring code."""
        if type(benchmark).official is Benchmark.official:
            return f"{benchmark.name} has no released scoring code, so it has no official score"
        return None

    def notes(self, benchmark: Benchmark) -> tuple[str, ...]:
        """As the benchmark declares."""
        return benchmark.scoring_notes(self.name)


SCORERS: tuple[Scorer, ...] = (Fuzzy(), Official())
"""The deterministic scorers that ship with the package, in the order in which they are listed."""

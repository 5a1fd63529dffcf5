"""From responses to verdicts and a Result: the one place where scorers, metrics, intervals and chance meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cambrian_eval import stats
from cambrian_eval.benchmark import Benchmark, Graded, Scorer, Unit
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.registry import load_benchmark
from cambrian_eval.sample import Result, Sample, Verdict

FAILED = "failed: "
"""Begins the rule of answers that a model failed to give."""


def grade(benchmark: str | Benchmark, row: Mapping[str, Any], prediction: str, scorer: str = "fuzzy") -> Verdict:
    """The verdict on one prediction, from a row with the data set's own column names. Pictures may be absent."""
    declared = _declared(benchmark)
    return scorer_of(declared, scorer)(_sample(declared, row, 0), _text(prediction, 0))


def grade_all(
    benchmark: str | Benchmark,
    rows: Sequence[Mapping[str, Any]],
    predictions: Sequence[str],
    scorer: str = "fuzzy",
    seed: int = 0,
) -> Result:
    """The result over many rows and their predictions, in the same order."""
    declared = _declared(benchmark)
    if len(rows) != len(predictions):
        raise UserError(f"{len(rows)} rows but {len(predictions)} predictions; give one prediction for each row")
    decide = scorer_of(declared, scorer)
    kept = [
        (s, p)
        for i, (row, p) in enumerate(zip(rows, predictions, strict=True))
        if (s := row_to_sample(declared, row, i))
    ]
    samples = [sample for sample, _ in kept]
    verdicts = [decide(sample, _text(text, sample.index)) for sample, text in kept]
    return summarise(declared, samples, verdicts, scorer, complete=len(rows) == declared.source.n_rows, seed=seed)


def _declared(benchmark: str | Benchmark) -> Benchmark:
    return load_benchmark(benchmark) if isinstance(benchmark, str) else benchmark


def _text(prediction: object, index: int) -> str:
    if not isinstance(prediction, str):
        raise UserError(
            f"prediction {index} is of type {type(prediction).__name__}; give a string, empty for no answer"
        )
    return prediction


def scorer_of(benchmark: Benchmark, scorer: str) -> Scorer:
    """A benchmark's deterministic scorer by name."""
    scorers = benchmark.scorers
    if scorer not in scorers:
        raise unknown(f"scorer of {benchmark.name}", scorer, scorers)
    return scorers[scorer]


def row_to_sample(benchmark: Benchmark, row: Mapping[str, Any], index: int) -> Sample | None:
    """A row as a sample, with a missing or malformed column named."""
    try:
        return benchmark.to_sample(row, index)
    except KeyError as error:
        found = ", ".join(sorted(map(str, row)))
        raise UserError(f"{benchmark.name} row {index}: column {error} is missing; found: {found}") from error
    except (TypeError, ValueError, IndexError, AttributeError) as error:
        raise UserError(f"{benchmark.name} row {index}: a column has an unexpected value ({error})") from error


def _sample(benchmark: Benchmark, row: Mapping[str, Any], index: int) -> Sample:
    sample = row_to_sample(benchmark, row, index)
    if sample is None:
        raise UserError(f"this row is not part of {benchmark.name} (the benchmark's own filter leaves it out)")
    return sample


def failed_verdict(reason: str) -> Verdict:
    """What a sample gets that has no answer: it scores 0 under every scorer and is counted."""
    return Verdict(0.0, None, FAILED + reason, parsed=False)


def summarise(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    scorer: str,
    *,
    condition: str = "on",
    complete: bool,
    notes: Sequence[str] = (),
    seed: int = 0,
) -> Result:
    """Verdicts to a result on the paper's scale, with interval, breakdown and chance."""
    graded = [Graded(s, v) for s, v in zip(samples, verdicts, strict=True)]
    withheld = bool(samples) and not any(s.answers for s in samples)
    units = benchmark.units(graded, scorer)
    metrics = benchmark.metrics(sorted({u.stratum for u in units}))
    headline = metrics.get("score", {})
    score = None if withheld else stats.score(units, headline)
    bounds = None
    if score is not None:
        bounds = stats.interval(stats.table(units, headline, stats.clusters(samples)), seed)
    extra = [] if not withheld else ["answers are withheld: the score comes from the challenge's server"]
    return Result(
        benchmark=benchmark.name,
        condition=condition,
        scorer=scorer,
        score=score,
        interval=bounds,
        n=len(samples),
        n_failed=sum(v.rule.startswith(FAILED) for v in verdicts),
        n_unparsed=sum(not v.parsed and not v.rule.startswith(FAILED) for v in verdicts),
        scale=benchmark.scale,
        chance=None if withheld else chance(benchmark, samples),
        breakdown={} if withheld else _breakdown(benchmark, graded, units, metrics, scorer),
        complete=complete,
        notes=(*extra, *benchmark.scoring_notes(scorer), *notes),
    )


def chance(benchmark: Benchmark, samples: Sequence[Sample]) -> float | None:
    """The exact expected headline of independent uniform guessing on these samples; free-form answers count 0."""
    graded = []
    for sample in samples:
        hits = sum(g in sample.answers for g in sample.guesses)
        graded.append(Graded(sample, Verdict(hits / len(sample.guesses) if hits else 0.0, None, "chance")))
    units = benchmark.units(graded, "fuzzy")
    return stats.score(units, benchmark.metrics(sorted({u.stratum for u in units})).get("score", {}))


def _breakdown(
    benchmark: Benchmark,
    graded: Sequence[Graded],
    units: Sequence[Unit],
    metrics: Mapping[str, Mapping[str, float]],
    scorer: str,
) -> dict[str, float]:
    """The benchmark's extra metrics by name, then mean percent by tag as "tag=value"."""
    found: dict[str, float] = {}
    for name, weights in metrics.items():
        if name != "score" and (value := stats.score(units, weights)) is not None:
            found[name] = value
    sums: dict[str, list[float]] = {}
    for unit in benchmark.units_of_tag(graded, scorer):
        for tag, labels in graded[unit.members[0]].sample.tags.items():
            for label in (labels,) if isinstance(labels, str) else labels:
                sums.setdefault(f"{tag}={label}", []).append(unit.value)
    for label in sorted(sums):
        found[label] = 100.0 * sum(sums[label]) / len(sums[label])
    return found

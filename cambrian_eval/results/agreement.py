"""Agreement of two scorers on the same stored responses: scores, Cohen's kappa, and every disagreement.

Scores are those of results.json. Agreement is computed on the responses that both scorers decided, over all repeats:
failed and undecided responses are excluded and counted. A verdict with partial credit counts as correct from 0.5 on.
Intervals are bootstrap intervals over whole images, as for every score.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.judging import SCORER
from cambrian_eval.results import repeats, statistics
from cambrian_eval.results.basis import checked_verdicts
from cambrian_eval.results.grading import benchmark_of, samples_of
from cambrian_eval.results.judging import decided_without_judge
from cambrian_eval.results.published_scores import nearest
from cambrian_eval.results.rows import Rows, rows_of
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict, request_id
from cambrian_eval.sample import clusters as clusters_of

if TYPE_CHECKING:
    from cambrian_eval.results.statistics import Array

CORRECT_FROM = 0.5
"""The smallest value of a verdict that counts as correct."""


@dataclass(frozen=True, slots=True)
class Confusion:
    """Counts of responses by the verdicts of the two scorers."""

    both_right: int
    only_a: int
    """Correct according to the first scorer alone."""
    only_b: int
    both_wrong: int

    @property
    def n(self) -> int:
        """Responses that both scorers decided."""
        return self.both_right + self.only_a + self.only_b + self.both_wrong

    @property
    def raw(self) -> float | None:
        """Proportion of equal verdicts."""
        return (self.both_right + self.both_wrong) / self.n if self.n else None

    @property
    def kappa(self) -> float | None:
        """Cohen's kappa; None where it is undefined (both scorers give one and the same verdict throughout)."""
        import numpy as np

        if not self.n:
            return None
        cells = np.array([[self.both_right, self.only_a, self.only_b, self.both_wrong]], dtype=np.float64)
        found = float(_kappas(cells)[0])
        return None if np.isnan(found) else found


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One response on which the scorers disagree, with everything needed to decide which is right."""

    benchmark: str
    condition: str
    id: str
    question: str
    options: Mapping[str, str]
    answers: tuple[str, ...]
    prompt: str
    response: str
    a: Verdict
    b: Verdict
    repeat: int = 0
    """Which response to the sample."""

    @property
    def key(self) -> str:
        """Identifies the response within a run."""
        return f"{self.benchmark}.{self.condition}/{request_id(self.id, self.repeat)}"


@dataclass(frozen=True, slots=True)
class PublishedPair:
    """The paper's scores of the model: fuzzy matching and grading by GPT-3.5 (Table 24)."""

    a: float
    b: float

    @property
    def difference(self) -> float:
        """b minus a, in points."""
        return self.b - self.a


@dataclass(frozen=True, slots=True)
class ScorerAgreement:
    """Two scorers on one benchmark under one condition."""

    benchmark: str
    condition: str
    n: int
    """Samples that have a verdict of both scorers."""
    score_a: float | None
    score_b: float | None
    difference: float | None
    """b minus a, on the benchmark's scale."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval of the difference."""
    confusion: Confusion
    kappa_interval: tuple[float, float] | None
    """95 % bootstrap interval of kappa."""
    failed: int
    """Requests that failed; excluded from the confusion table."""
    undecided: int
    """Responses without a verdict of an LLM judge; excluded from the confusion table."""
    disagreements: tuple[Disagreement, ...]
    published: PublishedPair | None
    divisor: float
    """The number a score is divided by before it enters an average (20 for MME)."""
    rows: Rows
    """Whether a program drew the rows, and whether they are a subset."""
    notes: tuple[str, ...] = ()


def agreement_of(
    run: Run, a: str, b: str, benchmarks: Iterable[str] | None = None, condition: str | None = None
) -> list[ScorerAgreement]:
    """Agreement on every benchmark and condition of a run that has verdicts of both scorers."""
    if a == b:
        raise UserError(f"--a and --b are both {a!r}; name two scorers")
    wanted = None if benchmarks is None else set(benchmarks)
    cells = [c for c in run.cells() if (wanted is None or c.benchmark in wanted) and condition in (None, c.condition)]
    shared = [c for c in cells if {a, b} <= set(run.scorers(c))]
    if not shared:
        have = sorted({s for c in cells for s in run.scorers(c)})
        lacking = [s for s in (a, b) if s not in have] or [a, b]
        hint = f"cambrian-eval score {run.path} --scorer {lacking[0]}"
        raise UserError(
            f"{run.path} has no benchmark scored by both {a!r} and {b!r} (it has: {', '.join(have) or 'none'}); "
            f"create the verdicts with: {hint}"
        )
    model = str(run.info["model"]["name"])
    return [_agreement(run, cell, a, b, model) for cell in shared]


def mean_difference(found: Sequence[ScorerAgreement]) -> tuple[float, float] | None:
    """Mean difference and mean absolute difference over benchmarks, each on a scale of 100."""
    differences = [r.difference / r.divisor for r in found if r.difference is not None]
    if not differences:
        return None
    return sum(differences) / len(differences), sum(abs(d) for d in differences) / len(differences)


def _agreement(run: Run, cell: Cell, a: str, b: str, model: str) -> ScorerAgreement:
    benchmark = benchmark_of(run, cell.benchmark)
    for scorer in (a, b):
        checked_verdicts(run, cell, scorer)
    verdicts_a, verdicts_b = run.all_verdicts(cell, a), run.all_verdicts(cell, b)
    records = run.all_responses(cell)
    shared = verdicts_a.keys() & verdicts_b.keys()
    numbers = sorted({number for _, number in shared})
    samples = [s for s in samples_of(run, cell) if all((s.id, n) in shared for n in numbers)] if numbers else []
    rows_a, rows_b = ([[v[s.id, n] for s in samples] for n in numbers] for v in (verdicts_a, verdicts_b))
    responses = [(s, n) for n in numbers for s in samples]
    left, right = [v for row in rows_a for v in row], [v for row in rows_b for v in row]
    withheld = not any(s.answers for s in samples)
    failed = [x.outcome == "failed" for x in left]
    undecided = ["undecided" in (x.outcome, y.outcome) for x, y in zip(left, right, strict=True)]
    decided = [not (f or u or withheld) for f, u in zip(failed, undecided, strict=True)]
    clusters = clusters_of(samples)
    counts = _confusion_by_cluster(left, right, decided, clusters * len(numbers))
    draws = statistics.Draws(len(counts)) if len(counts) > 1 else None
    scores = [_score(benchmark, samples, v, s, clusters) for v, s in ((rows_a, a), (rows_b, b))]
    if withheld or None in scores:
        score_a = score_b = interval = None
    else:
        (score_a, table_a), (score_b, table_b) = (s for s in scores if s is not None)
        interval = None
        if draws is not None:
            drawn_a, drawn_b = draws.metrics(table_a, table_b)
            interval = statistics.percentile_interval(drawn_b - drawn_a)
    differing = tuple(
        _disagreement(cell, s, records[s.id, n], x, y)
        for (s, n), x, y, use in zip(responses, left, right, decided, strict=True)
        if use and _is_correct(x) != _is_correct(y)
    )
    total = counts.sum(axis=0)
    rows = rows_of(cell.benchmark, run)
    without_judge = set() if SCORER not in (a, b) else decided_without_judge(run, cell)
    return ScorerAgreement(
        benchmark=cell.benchmark,
        condition=cell.condition,
        n=len(samples),
        score_a=score_a,
        score_b=score_b,
        difference=None if score_a is None or score_b is None else score_b - score_a,
        interval=interval,
        confusion=Confusion(*(int(v) for v in total)),
        kappa_interval=None if draws is None else statistics.percentile_interval(_kappas(draws.sums(counts))),
        failed=sum(failed),
        undecided=sum(u and not f for u, f in zip(undecided, failed, strict=True)),
        disagreements=differing,
        published=None if rows.synthetic else published_pair(model, cell, a, b),
        divisor=benchmark.average_divisor,
        rows=rows,
        notes=_notes(run, cell, samples, len(numbers), (*left, *right), without_judge, withheld),
    )


def _notes(
    run: Run,
    cell: Cell,
    samples: Sequence[Sample],
    n_repeats: int,
    verdicts: Sequence[Verdict],
    without_judge: AbstractSet[tuple[str, int]],
    withheld: bool,
) -> tuple[str, ...]:
    notes = []
    if withheld:
        notes.append("the gold answers are withheld, so agreement cannot be computed")
    total = int(run.info["benchmarks"][cell.benchmark]["samples"])
    if len(samples) < total:
        notes.append(f"partial: {len(samples)} of {total} samples have a verdict of both scorers")
    if n_repeats > 1:
        notes.append(f"over {n_repeats} responses to each sample; scores are means over them")
    ids = {s.id for s in samples}
    if n := sum(i in ids for i, _ in without_judge):
        notes.append(f"{n} responses were decided without the judge, so on these the scorers agree by construction")
    if any(0.0 < v.value < 1.0 for v in verdicts):
        notes.append("verdicts with partial credit count as correct from 0.5 on")
    return tuple(notes)


def _is_correct(verdict: Verdict) -> bool:
    return verdict.value >= CORRECT_FROM


def _disagreement(cell: Cell, sample: Sample, record: Record, a: Verdict, b: Verdict) -> Disagreement:
    return Disagreement(
        benchmark=cell.benchmark,
        condition=cell.condition,
        id=sample.id,
        question=sample.question,
        options=sample.options,
        answers=tuple(dict.fromkeys(sample.answers)),
        prompt=record.prompt,
        response=record.text,
        a=a,
        b=b,
        repeat=record.repeat,
    )


def _confusion_by_cluster(
    a: Sequence[Verdict], b: Sequence[Verdict], decided: Sequence[bool], clusters: Sequence[int]
) -> Array:
    """The four counts of the confusion table for each cluster."""
    import numpy as np

    counts = np.zeros((max(clusters, default=-1) + 1, 4))
    for x, y, use, cluster in zip(a, b, decided, clusters, strict=True):
        if use:
            counts[cluster, 2 * (not _is_correct(x)) + (not _is_correct(y))] += 1
    return counts


def _score(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    verdicts: repeats.Verdicts,
    scorer: str,
    clusters: Sequence[int],
) -> tuple[float, statistics.ClusterTable] | None:
    """A scorer's headline score, and its table by cluster, with a row for every cluster."""
    if not verdicts:
        return None
    units = repeats.mean(repeats.units_of(benchmark, samples, verdicts, scorer))
    weights = benchmark.metrics(sorted({u.stratum for u in units})).get("score", {})
    score = statistics.score(units, weights)
    if score is None:
        return None
    return score, statistics.cluster_table(units, weights, clusters, keep_empty=True)


def _kappas(cells: Array) -> Array:
    """Cohen's kappa of each row (both correct, only a, only b, both wrong); NaN where it is undefined."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore"):
        n = cells.sum(axis=1)
        right_a, right_b = (cells[:, 0] + cells[:, 1]) / n, (cells[:, 0] + cells[:, 2]) / n
        observed = (cells[:, 0] + cells[:, 3]) / n
        expected = right_a * right_b + (1 - right_a) * (1 - right_b)
        found = (observed - expected) / (1 - expected)
    return np.where(np.abs(1 - expected) < 1e-12, np.nan, found)


def published_pair(model: str, cell: Cell, a: str, b: str) -> PublishedPair | None:
    """The scores of the paper's Table 24, first scorer first; None where the table has none for this model."""
    if cell.condition != "on" or {a, b} != {"fuzzy", "judge"}:
        return None
    rows = [r for r in nearest(model, cell.benchmark) if r.table == "Table 24"]
    fuzzy = next((r.score for r in rows if r.setting.startswith("fuzzy matching")), None)
    judge = next((r.score for r in rows if r.setting.startswith("GPT-3.5")), None)
    if fuzzy is None or judge is None:
        return None
    return PublishedPair(fuzzy, judge) if a == "fuzzy" else PublishedPair(judge, fuzzy)


def as_values(found: ScorerAgreement) -> dict[str, Any]:
    """Plain JSON values, with the derived numbers."""
    from dataclasses import asdict

    table = found.confusion
    published = found.published
    return {
        **{k: v for k, v in asdict(found).items() if k not in ("disagreements", "published", "divisor", "rows")},
        **asdict(found.rows),
        "raw_agreement": table.raw,
        "kappa": table.kappa,
        "decided": table.n,
        "published": None if published is None else {**asdict(published), "difference": published.difference},
        "disagreements": [{**asdict(d), "options": dict(d.options)} for d in found.disagreements],
    }

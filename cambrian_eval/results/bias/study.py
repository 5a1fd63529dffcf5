"""The study of one or more benchmarks: predictors, test, solvability of each sample, and the debiased subset."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_scorer
from cambrian_eval.results.bias.measure import LEVEL, REPEATS, Accuracy, Progressive, accuracy, progressive, repeated
from cambrian_eval.results.bias.predictors import PREDICTORS, Predictor, predictors
from cambrian_eval.results.bias.prune import prune
from cambrian_eval.results.bias.texts import Texts, check_tags
from cambrian_eval.results.grading import chance
from cambrian_eval.results.statistics import holm
from cambrian_eval.results.subsets import Subset
from cambrian_eval.sample import Sample, clusters

if TYPE_CHECKING:
    import numpy as np

NAME = "debiased"
"""The name of the subset."""
Finding = Literal["biased", "within the margin", "no bias found", "not decided"]


@dataclass(frozen=True, slots=True)
class Settings:
    """How a study is done."""

    folds: int = 5
    margin: float = 5.0
    """Points above chance that the best predictor may have."""
    seed: int = 0
    by: tuple[str, ...] = ()
    """Tags that one of the predictors looks at."""


@dataclass(frozen=True, slots=True)
class Item:
    """One sample: how often it is answered right without its image."""

    id: str
    chance: float
    """The share of uniform guesses that are right."""
    solved: float
    """The share of predictors and repeats that are right, learned from other images."""
    by_predictor: Mapping[str, float]
    """The same for each predictor."""


@dataclass(frozen=True, slots=True)
class Debiased:
    """The subset of one benchmark."""

    ids: tuple[str, ...]
    """Samples that stay; none where no subset was found."""
    predictor: str
    """The best predictor on them; where no subset was found, on the smallest one that was tried."""
    margin: float
    """Its points above chance."""
    tried: int
    """Rows of the smallest subset that was tried."""


@dataclass(frozen=True, slots=True)
class Study:
    """One benchmark."""

    benchmark: str
    rows: int
    images: int
    """Images, or pairs and groups, that are kept together in the folds."""
    free: int
    """Rows with free answers, whose chance is 0."""
    score_of_chance: float | None
    """By the benchmark's own metric, on its own scale."""
    accuracies: tuple[Accuracy, ...]
    test: Progressive
    p_holm: float
    """The p-value of the test, corrected for the number of benchmarks of the study."""
    finding: Finding
    items: tuple[Item, ...]
    debiased: Debiased
    notes: tuple[str, ...] = ()

    @property
    def best(self) -> Accuracy:
        """The predictor with the largest margin; the first of equals."""
        return max(self.accuracies, key=lambda a: a.margin)


def study(
    benchmarks: Sequence[tuple[Benchmark, Sequence[Sample]]],
    settings: Settings,
    say: Callable[[str], None] = lambda text: None,
    further: Sequence[Predictor] = (),
) -> list[Study]:
    """The studies of benchmarks with their samples; p-values are corrected for their number.

    `further` are predictors beside the built-in ones.
    """
    found = [_study(benchmark, samples, settings, say, further) for benchmark, samples in benchmarks]
    corrected = holm([s.test.p_value for s in found])
    return [
        replace(s, p_holm=p, finding=_finding(p, s.best.margin, settings.margin))
        for s, p in zip(found, corrected, strict=True)
    ]


def unsuitable(benchmark: Benchmark, samples: Sequence[Sample], folds: int) -> str | None:
    """Why a benchmark cannot be studied with these samples; None where it can."""
    if reason := load_scorer("fuzzy").unavailable(benchmark):
        return reason
    answered = [s for s in samples if s.answers]
    if not answered:
        return f"{benchmark.name}: its answers are withheld, so no predictor can learn or be scored"
    images = len(set(clusters(answered)))
    if images < 2 * folds:
        return (
            f"{benchmark.name}: {images} images (or pairs, or groups) are too few for {folds} folds; "
            f"at least {2 * folds} are needed"
        )
    return None


def _finding(p_value: float, margin: float, limit: float) -> Finding:
    if p_value < LEVEL:
        return "biased" if margin > limit else "within the margin"
    return "no bias found" if margin <= limit else "not decided"


def _study(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    settings: Settings,
    say: Callable[[str], None],
    further: Sequence[Predictor],
) -> Study:
    import numpy as np

    if reason := unsuitable(benchmark, samples, settings.folds):
        raise UserError(reason)
    answered = [s for s in samples if s.answers]
    check_tags(answered, settings.by, benchmark.name)
    texts = Texts(benchmark, answered, settings.by)
    rows, images = np.arange(len(answered)), int(texts.cluster.max()) + 1
    used = [*predictors(texts, bool(settings.by)), *further]
    values: dict[str, list[np.ndarray[Any, np.dtype[np.float64]]]] = {}
    divisions = [_seed(settings, t) for t in range(REPEATS)]
    for one in used:
        say(f"{benchmark.name}: {one.name}")
        values[one.name] = repeated(one, texts, rows, settings.folds, divisions)
    say(f"{benchmark.name}: test")
    test = progressive(used, texts, rows, settings.folds, _seed(settings, REPEATS))
    pruned = prune(
        used,
        texts,
        rows,
        values,
        settings.margin,
        settings.folds,
        lambda n: _seed(settings, REPEATS + 1 + n),
        say,
    )
    ids = tuple(answered[i].id for i in pruned.rows) if pruned.found else ()
    left_out = len(samples) - len(answered)
    return Study(
        benchmark=benchmark.name,
        rows=len(answered),
        images=images,
        free=len(answered) - len(texts.closed(rows)),
        score_of_chance=chance(benchmark, answered),
        accuracies=tuple(accuracy(name, texts, rows, own, settings.seed) for name, own in values.items()),
        test=test,
        p_holm=test.p_value,
        finding="not decided",
        items=_items(texts, used, values),
        debiased=Debiased(ids, pruned.predictor, pruned.margin, pruned.tried),
        notes=(f"{left_out} rows without an answer are left out",) if left_out else (),
    )


def _seed(settings: Settings, n: int) -> int:
    """The seed of the n-th division into folds."""
    return settings.seed * 1000 + n


def _items(texts: Texts, used: Sequence[Predictor], values: Mapping[str, Sequence[Any]]) -> tuple[Item, ...]:
    import numpy as np

    means = {p.name: np.mean(values[p.name], axis=0) for p in used}
    return tuple(
        Item(
            sample.id,
            float(texts.chance[i]),
            float(np.mean([own[i] for own in means.values()])),
            {name: float(own[i]) for name, own in means.items()},
        )
        for i, sample in enumerate(texts.samples)
    )


def subset(
    found: Sequence[Study],
    settings: Settings,
    sources: Mapping[str, Mapping[str, Any]],
    further: Sequence[Predictor] = (),
) -> Subset:
    """The debiased subset of all benchmarks that have one, with its recipe; `sources` says where rows came from."""
    solved = [s for s in found if s.debiased.ids]
    recipe = {
        "command": "cambrian-eval bias",
        "versions": {name: version(name) for name in ("cambrian-eval", "numpy", "scikit-learn")},
        "folds": settings.folds,
        "repeats": REPEATS,
        "seed": settings.seed,
        "margin": settings.margin,
        "by": list(settings.by),
        "further": {p.name: dict(p.settings) for p in further},
        "benchmarks": {
            s.benchmark: {
                "data": dict(sources.get(s.benchmark, {})),
                "predictors": [a.predictor for a in s.accuracies],
                "rows": s.rows,
                "kept": len(s.debiased.ids),
                "best_before": {"predictor": s.best.predictor, "margin": round(s.best.margin, 2)},
                "best_after": {"predictor": s.debiased.predictor, "margin": round(s.debiased.margin, 2)},
            }
            for s in solved
        },
    }
    return Subset(NAME, {s.benchmark: s.debiased.ids for s in solved}, {s.benchmark: s.rows for s in solved}, recipe)


def items_csv(found: Sequence[Study]) -> str:
    """One line for each sample: how often it is solved without its image."""
    from cambrian_eval.safe_text import csv_text

    used = dict.fromkeys(a.predictor for s in found for a in s.accuracies)
    names = list(dict.fromkeys([*(p.name for p in PREDICTORS if p.name in used), *used]))
    lines = [
        [s.benchmark, i.id, f"{i.chance:.4f}", f"{i.solved:.4f}", *(_cell(i.by_predictor.get(n)) for n in names)]
        for s in found
        for i in s.items
    ]
    return csv_text(["benchmark", "id", "chance", "solved", *names], lines)


def _cell(value: float | None) -> str:
    return "" if value is None else f"{value:.4f}"


def items_file(folder: Path) -> Path:
    """Where the command writes `items_csv`."""
    return folder / "solvability.csv"

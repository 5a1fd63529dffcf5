"""`compare`: paired differences of two runs, or of two conditions of one, as a data frame."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cambrian_eval.interface.runs import AnyRun, folder
from cambrian_eval.interface.sources import warn

if TYPE_CHECKING:
    import pandas as pd

    from cambrian_eval.results.statistics import Paired

COLUMNS = (
    *("name", "kind", "n", "a", "b", "difference", "low", "high", "p", "p_holm", "test", "detectable"),
    *("only_a", "only_b", "synthetic"),
)
"""The columns: `kind` is benchmark or average; the difference is b minus a; `p_holm` is corrected over benchmarks."""


def compare(
    a: AnyRun, b: AnyRun, *, vision: str = "on", vision_b: str | None = None, scorer: str = "fuzzy", processes: int = 1
) -> pd.DataFrame:
    """The paired difference of each benchmark and average, with interval, p-value and smallest detectable difference.

    Settings in which the runs differ, and synthetic data, are warnings. Benchmarks are compared in so many processes.
    """
    import pandas as pd

    from cambrian_eval.results.comparison import compare_with_averages, differing
    from cambrian_eval.results.rows import notes_of, rows_of
    from cambrian_eval.running.store import open_run

    first, second = open_run(folder(a)), open_run(folder(b))
    comparisons, averages, _ = compare_with_averages(first, second, vision, vision_b or vision, scorer, processes)
    about = {c.benchmark: rows_of(c.benchmark, first, second) for c in comparisons}
    rows: list[tuple[object, ...]] = []
    for one in comparisons:
        counts = (one.only_a, one.only_b, about[one.benchmark].synthetic)
        rows.append((one.benchmark, "benchmark", *_numbers(one.paired, one.p_holm), *counts))
    for mean in averages:
        synthetic = any(about[name].synthetic for name in mean.members)
        rows.append((mean.label, "average", *_numbers(mean.paired, None), None, None, synthetic))
    names = [one.benchmark for one in comparisons]
    notes = [f"the settings differ: {text}" for text in differing(first, second, names)]
    notes += [
        f"{c.benchmark}: a run was stopped by its difference; interval and p do not allow for it"
        for c in comparisons
        if c.looked
    ]
    warn([*notes, *notes_of(about)])
    found = pd.DataFrame(rows, columns=list(COLUMNS))
    numbers = ["a", "b", "difference", "low", "high", "p", "p_holm", "detectable"]
    found[numbers] = found[numbers].astype("float64")
    counts_of = ["n", "only_a", "only_b"]
    found[counts_of] = found[counts_of].astype("Int64")
    return found


def _numbers(paired: Paired, p_holm: float | None) -> tuple[object, ...]:
    low, high = paired.interval or (None, None)
    scores = (paired.n, paired.a, paired.b, paired.difference, low, high)
    return (*scores, paired.p_value, p_holm, paired.test, paired.detectable)

"""`analyze`: which benchmarks measure the same thing, as sentences and data frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cambrian_eval.interface.runs import AnyRun
from cambrian_eval.interface.sources import Paths, sources
from cambrian_eval.reports import analysis, findings
from cambrian_eval.reports.catalogue import entry
from cambrian_eval.reports.sources import Sources

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, repr=False)
class BenchmarkAnalysis:
    """The analysis of a table of scores; printing it prints the findings."""

    found: analysis.Analysis
    """Everything in arrays."""
    sources: Sources
    """What was read."""

    @property
    def findings(self) -> str:
        """The findings in sentences, as Markdown."""
        return "\n\n".join(findings.summary(self.found))

    @property
    def correlations(self) -> pd.DataFrame:
        """Correlations of benchmarks over models."""
        import pandas as pd

        c = self.found.correlations
        return pd.DataFrame(c.matrix, index=list(c.benchmarks), columns=list(c.benchmarks))

    @property
    def components(self) -> pd.DataFrame:
        """The position of each benchmark on the principal components; `attrs["explained"]` has their variance."""
        import pandas as pd

        c = self.found.components
        names = [f"pc{i + 1}" for i in range(c.positions.shape[1])]
        frame = pd.DataFrame(c.positions, index=list(c.benchmarks), columns=names)
        frame.attrs["explained"] = dict(zip(names, map(float, c.explained[: len(names)]), strict=True))
        return frame

    @property
    def clusters(self) -> pd.DataFrame:
        """The group of each benchmark, a column for each method; empty with too few benchmarks."""
        import pandas as pd

        names = list(self.found.clustered)
        columns = {m.method: list(m.labels) for m in self.found.clusterings}
        if not columns:
            return pd.DataFrame()
        return pd.DataFrame({"category": [entry(n).category for n in names], **columns}, index=names)

    @property
    def categories(self) -> pd.DataFrame:
        """The paper's category of each benchmark beside the one that the data suggest."""
        import pandas as pd

        rows = [(a.paper, a.assigned, a.data, a.confidence, a.agrees) for a in self.found.assignments]
        index = [a.benchmark for a in self.found.assignments]
        return pd.DataFrame(rows, index=index, columns=["paper", "assigned", "data", "confidence", "agrees"])

    def write(self, out: str | Path) -> list[Path]:
        """Writes the files and figures of `cambrian-eval analyze` into a folder."""
        from cambrian_eval.reports import analysis_files, style

        theme = style.theme_named("paper")
        provenance = self.sources.provenance("cambrian_eval.analyze")
        return list(analysis_files.write(self.found, Path(out), theme, style.FORMATS, provenance))

    def __repr__(self) -> str:
        return self.findings


def analyze(
    *runs: AnyRun,
    scores: Paths = (),
    published: str | None = None,
    method: str = "paper",
    correlation: str = "pearson",
    mmmu: str = "by-type",
    cvbench: str = "one",
    impute: bool = False,
    models: str | Sequence[str] | None = None,
    benchmarks: str | Sequence[str] | None = None,
    scorer: str = "fuzzy",
    vision: str = "on",
    resamples: int = 200,
    seed: int = 0,
) -> BenchmarkAnalysis:
    """Which benchmarks measure the same: correlation, components, clusters, redundancy."""
    from cambrian_eval.errors import unknown
    from cambrian_eval.reports.correlation import RESAMPLES
    from cambrian_eval.reports.sampling import sampling

    for name, value, known in (
        ("method", method, ("paper", "scores")),
        ("correlation", correlation, ("pearson", "spearman")),
        ("mmmu", mmmu, ("by-type", "by-data")),
        ("cvbench", cvbench, ("one", "two")),
    ):
        if value not in known:
            raise unknown(name, value, known)
    read = sources(runs, scores, published, scorer, vision, models, benchmarks)
    options = analysis.Options(method, correlation, mmmu, cvbench, impute, resamples, seed)
    if read.matrix_alone:
        return BenchmarkAnalysis(analysis.analyze(None, options), read)
    variation = sampling(read, max(resamples, RESAMPLES), seed)
    return BenchmarkAnalysis(analysis.analyze(read.table, options, variation), read)

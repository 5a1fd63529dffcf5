"""Where the rows of a benchmark come from (`HubSource`), and what others printed about it (`Printed`)."""

from __future__ import annotations

from dataclasses import dataclass, replace

MOVED = {"lmms-lab": "lmms-lab-encoder"}
"""Owners of repositories on the Hub that moved them, in July 2026, with their names and commits."""


@dataclass(frozen=True, slots=True)
class Join:
    """A second table of the same repository that holds the images, joined on a key."""

    config: str
    """Config of the joined table."""
    split: str
    """Split of the joined table."""
    key: str
    """Column of the main table."""
    foreign_key: str
    """Column of the joined table."""
    columns: tuple[str, ...]
    """Columns taken over from the joined table."""


@dataclass(frozen=True, slots=True)
class Mirror:
    """Another address of the same rows, tried where the addresses before it have none."""

    repo: str
    """The dataset's id on the Hub."""
    config: str | None = None
    """Its config, where it is not that of the source."""
    split: str | None = None
    """Its split, where it is not that of the source."""
    revision: str = "main"
    """Branch, tag or commit."""


@dataclass(frozen=True, slots=True)
class HubSource:
    """Where rows come from when no local copy is named."""

    repo: str
    """The dataset's id on the Hub."""
    split: str
    """The split whose rows are asked."""
    n_rows: int | None
    """Rows the published dataset has (before the adapter's own filter); another number is reported.

    None: the number is not known. 0: there is no published dataset, the rows are always the user's own.
    """
    columns: tuple[str, ...]
    """Columns the adapter cannot do without, image columns included."""
    config: str | None = None
    """Config of the dataset, where it has several."""
    revision: str = "main"
    """Branch, tag or commit."""
    join: Join | None = None
    """Where the images are, if not in the rows themselves."""
    files: tuple[str, ...] = ()
    """Patterns of plain files, for repositories that are not tables; read by `Benchmark.rows_from_folder`."""
    configs: tuple[str, ...] = ()
    """Several configs whose rows follow one another, where a benchmark is spread over them."""
    mirrors: tuple[Mirror, ...] = ()
    """Other addresses, in the order in which they are tried. They must have the same columns."""
    n_kept: tuple[int, ...] = ()
    """How many rows published copies have that hold only what the adapter keeps; they are complete too."""

    def addresses(self) -> tuple[HubSource, ...]:
        """The source itself, the name that its owner moved to, and its mirrors, each as a source without mirrors."""
        owner, _, name = self.repo.partition("/")
        moved = (replace(self, repo=f"{MOVED[owner]}/{name}"),) if owner in MOVED else ()
        mirrors = (
            replace(
                self,
                repo=mirror.repo,
                config=mirror.config or self.config,
                split=mirror.split or self.split,
                revision=mirror.revision,
                files=(),
            )
            for mirror in self.mirrors
        )
        return tuple(replace(found, mirrors=()) for found in (self, *moved, *mirrors))

    @property
    def is_published(self) -> bool:
        """Whether there is a published dataset; else the rows are always the user's own."""
        return self.n_rows != 0

    @property
    def n_samples(self) -> int | None:
        """How many samples the published dataset gives: the rows that the adapter keeps, where it leaves some out."""
        return max(self.n_kept, default=self.n_rows)

    def is_whole(self, rows: int, samples: int) -> bool:
        """Whether so many rows, of which the adapter keeps so many, are the whole dataset, where its size is known."""
        return self.n_rows in (None, 0, rows) or (rows == samples and samples in self.n_kept)

    @property
    def text(self) -> str:
        """The address in words."""
        config = f"{len(self.configs)} configs" if self.configs else self.config or "default"
        return f"{self.repo} ({', '.join(self.files) if self.files else f'{config}, {self.split}'})"


@dataclass(frozen=True, slots=True)
class Printed:
    """A score of a public model, as somebody printed it."""

    model: str
    """The name as printed."""
    score: float
    """On the benchmark's scale."""
    source: str
    """Where it is printed, and what differs from this benchmark's default, such as the split or the judge."""


def printed(source: str, scores: str) -> tuple[Printed, ...]:
    """Scores by model from one source, written as "MODEL SCORE, MODEL SCORE".

    >>> [(p.model, p.score) for p in printed("README", "GPT-4V (high) 57.1, LLaVA-1.5-7B 30.3")]
    [('GPT-4V (high)', 57.1), ('LLaVA-1.5-7B', 30.3)]
    """
    pairs = (entry.strip().rpartition(" ") for entry in scores.split(","))
    return tuple(Printed(model, float(score), source) for model, _, score in pairs)

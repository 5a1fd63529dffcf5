"""What a run is made of, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cambrian_eval.benchmark import PromptStyle
from cambrian_eval.data.rows import DataSpec
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.running.changes import OnChange
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything about a run that is not the model."""

    benchmarks: tuple[str, ...]
    """Names, in the order in which they run."""
    conditions: tuple[str, ...] = ("on",)
    """Vision conditions, each applied to every benchmark."""
    data: DataSpec = field(default_factory=DataSpec)
    """Which rows."""
    prompts: PromptStyle = "official"
    """Whose wording the prompts have."""
    scorers: tuple[str, ...] = ("fuzzy", "official")
    """The deterministic scorers to apply; the first one's score is shown when a cell ends."""
    limit: int | None = None
    """Only so many samples of each benchmark, pairs kept whole; None = all."""
    seed: int = 0
    """Random seed of the conditions; part of every request key."""
    max_new_tokens: int | None = None
    """Instead of each benchmark's own limit."""
    max_pixels: int = MAX_PIXELS
    """Images with more pixels than this count as failed."""
    max_failures: float = 0.01
    """Maximum failure rate: a run whose images are missing more often does not start."""
    images_optional: bool = False
    """Whether samples may lack their images: predictions made elsewhere are scored without looking at them."""
    retry_failed: bool = False
    """Whether samples that failed in an earlier start are requested again."""
    benchmark_settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Benchmark name -> setting -> value."""
    official_raw: bool = False
    """Whether the official scorer reads thoughts too."""
    on_change: OnChange = "refuse"
    """What happens to stored responses whose request differs from the one of this command."""
    allow_mixed: bool = False
    """Whether responses by different models or parameters behind one name are accepted; results name them."""
    shard: Shard | None = None
    """The part of every benchmark that this run covers; None = all of it."""
    offline: bool = False
    """Whether the model must be loaded from caches alone."""


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to."""

    run: Run
    """The folder, open for reading."""
    results: tuple[Result, ...]
    """A result for each finished benchmark, condition and scorer."""
    n: int
    """Samples that have a response, over all cells, earlier starts included."""
    n_failed: int
    """Those among them that failed."""
    interrupted: bool
    """Whether it was stopped before the end; the same call resumes it."""
    n_outage: int = 0
    """The failed samples whose endpoint was not available; the same call requests them again."""

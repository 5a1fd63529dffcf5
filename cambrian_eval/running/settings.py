"""What a run is made of, and what it comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.data.rows import DataSpec, Only
from cambrian_eval.decoding import AUTO, GREEDY, Decoding, Order, Thinking
from cambrian_eval.errors import UserError
from cambrian_eval.image import MAX_PIXELS
from cambrian_eval.models.recipes.templates import Template, prompt
from cambrian_eval.running.changes import OnChange
from cambrian_eval.running.shapes import MOST_REPEATS
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.stopping import Until
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result, Sample


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
    only: Only | None = None
    """The subset to run; None = all samples."""
    seed: int = 0
    """Random seed of the conditions; part of every request key."""
    max_new_tokens: int | None = None
    """Instead of each benchmark's own limit; thoughts are not counted. `decoding` may set it too."""
    decoding: Decoding = GREEDY
    """How tokens are chosen; part of every request key."""
    system: str | None = None
    """A system prompt instead of the chat template's own."""
    thinking: Thinking = AUTO
    """Whether and how long the model thinks before it answers."""
    order: Order = "image_first"
    """Whether images come before the text or after it."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Prompts by benchmark, instead of the benchmarks' own."""
    repeats: int = 1
    """How many responses to each request; with more than one, scores are means over them."""
    recipe: Mapping[str, Any] | None = None
    """Name, content hash and values of the recipe that these settings came from, and those that flags changed."""
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
    cache: Path | None = None
    """The response cache; None = none."""
    until: Until | None = None
    """The rule that stops a benchmark when it has enough samples; None = all samples."""
    offline: bool = False
    """Whether the model must be loaded from caches alone."""

    def prompt(self, benchmark: Benchmark, sample: Sample) -> str:
        """The prompt of a sample."""
        return prompt(benchmark, sample, self.prompts, self.templates)

    def answer_limit(self, benchmark: Benchmark) -> int:
        """The most tokens of an answer to a benchmark."""
        return self.own_limit or benchmark.max_new_tokens

    @property
    def own_limit(self) -> int | None:
        """The limit of answers that this run sets; None = each benchmark's own."""
        return self.decoding.max_new_tokens or self.max_new_tokens

    def __post_init__(self) -> None:
        if not 1 <= self.repeats <= MOST_REPEATS:
            raise UserError(f"--repeats must be from 1 to {MOST_REPEATS}, not {self.repeats}")
        limits = {self.max_new_tokens, self.decoding.max_new_tokens} - {None}
        if len(limits) > 1:
            raise UserError(
                f"--max-new-tokens {self.max_new_tokens} and -G max_new_tokens={self.decoding.max_new_tokens} "
                "contradict each other; give one of them"
            )


@dataclass(frozen=True, slots=True)
class RunOutcome:
    """What a run came to."""

    run: Run
    """The folder, open for reading."""
    results: tuple[Result, ...]
    """A result for each finished benchmark, condition and scorer."""
    n: int
    """Responses, over all cells and repeats, earlier starts included."""
    n_failed: int
    """Those among them that failed."""
    interrupted: bool
    """Whether it was stopped before the end; the same call resumes it."""
    n_outage: int = 0
    """The failed samples whose endpoint was not available; the same call requests them again."""
    n_cached: int | None = None
    """The responses that came from the cache in this start; None without a cache."""

"""The values that flow through a run: Sample, Request, Response, Verdict, Result.

row of a dataset -> Sample -> Request -> Response -> Verdict per scorer -> Result. All are frozen; each field
is documented here, once.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from cambrian_eval.errors import describe
from cambrian_eval.image import LazyImage

Outcome = Literal["read", "unparsed", "failed", "undecided", "withheld"]
"""What became of a response: an answer was read; none was found; the request failed; a judge gave no verdict; or the
gold answer is withheld."""
Reason = Literal["empty", "unfinished thought", "refusal", "cut off", "several answers", "nothing found"]
"""Why no answer was read in a response that exists."""
Finish = Literal["stop", "length", "refused", "filtered", "failed"]
"""How a response ended: by itself, at the token limit, refused by the model, filtered by the endpoint, or failed."""

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
"""The letters of options, in order."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One question of a benchmark, in the words of the dataset."""

    id: str
    """Unique within the benchmark; the dataset's own id where it has one, else the row number."""
    index: int
    """Position of the row in the dataset (before filtering); the released scorers depend on row order."""
    question: str
    """The question text alone, without options or instruction."""
    answers: tuple[str, ...] = ()
    """Gold answers, any of which is right; for lettered choices the upper-case letter. Empty = withheld."""
    choices: tuple[str, ...] = ()
    """Option texts in order; the i-th has the letter `LETTERS[i]` unless `labels` says otherwise."""
    labels: tuple[str, ...] = ()
    """The option letters where they are not A, B, C, ... without a gap (absent options); else empty."""
    images: tuple[LazyImage, ...] = ()
    """The images of the question in order. May be empty when rows are graded without them."""
    image_id: str | None = None
    """Names the image the question is about: equal ids mean the same image. None = use the image's hash."""
    group: str | None = None
    """Pair or circular group the sample is scored with; its members are never separated."""
    guesses: tuple[str, ...] = ()
    """What a random guesser draws from with equal probability (letters, Yes/No); empty for free-form answers."""
    tags: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Breakdown labels, for example {"task": "Count"}; a tuple where a sample belongs to several."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the benchmark's prompt or scorers need; plain JSON values only."""

    @property
    def options(self) -> dict[str, str]:
        """Letter to option text, in order."""
        return dict(zip(self.labels or LETTERS[: len(self.choices)], self.choices, strict=True))


@dataclass(frozen=True, slots=True)
class Request:
    """What a model is asked: the exact user text and the images, under one vision condition."""

    id: str
    """The sample's id; unique within the requests of one model call."""
    benchmark: str
    """The benchmark's name."""
    condition: str
    """The vision condition the images were chosen under."""
    prompt: str
    """The user's text, complete; a model adapter puts the images where `interleave.parts` says, mostly in front."""
    images: tuple[LazyImage, ...]
    """The images the model may look at, already decoded; empty under `off`."""
    images_dropped: int
    """How many further images the sample has that the model cannot take."""
    max_new_tokens: int
    """The most tokens the answer may have."""
    key: str
    """Hash of model fingerprint, prompt, image bytes and decoding settings."""
    places_images: bool = False
    """Whether marks `<image N>` in the prompt say where the images go; see `interleave`."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request."""

    id: str
    """The request's id."""
    text: str
    """The answer as the model wrote it; empty where it failed."""
    finish: Finish = "stop"
    """Why the answer ended where it does."""
    error: str | None = None
    """Why it failed, one line; None unless `finish` is "failed"."""
    prompt_tokens: int | None = None
    """Tokens of the prompt with its images, as the adapter or the endpoint counts; None where neither does."""
    new_tokens: int | None = None
    """Tokens of the answer, likewise."""
    seconds: float | None = None
    """Time the response took, as the adapter measures it; None where it does not."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter had to do, for example {"images_dropped": 2}; plain JSON values only."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a scorer decided about one response, and why."""

    value: float
    """0 to 1."""
    extracted: str | None
    """The answer read out of the response; None where none was found."""
    rule: str
    """The rule that fired, in words."""
    outcome: Outcome = "read"
    """Whether an answer was read, and if not, why not; everything but `read` scores 0 and is counted apart."""
    reason: Reason | None = None
    """Why no answer was read, where the outcome is `unparsed`; None where the scorer does not say."""

    @property
    def parsed(self) -> bool:
        """Whether an answer was read out of the response."""
        return self.outcome == "read"


@dataclass(frozen=True, slots=True)
class Result:
    """The score of one benchmark under one condition and scorer."""

    benchmark: str
    """The benchmark's name."""
    condition: str
    """The vision condition."""
    scorer: str
    """`fuzzy`, `official` or `judge`."""
    score: float | None
    """On the paper's scale; None where it cannot be computed here (withheld answers)."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval, resampled by image."""
    n: int
    """Samples scored, failed ones included."""
    n_failed: int
    """Samples without a response; they score 0."""
    n_unparsed: int
    """Responses in which the scorer found no answer; they score 0."""
    scale: float
    """The largest score there is (100, or 2000 for MME)."""
    chance: float | None
    """Expected score of a blind uniform guesser on exactly these samples."""
    breakdown: Mapping[str, float]
    """Secondary scores: "tag=value" for breakdown tags, plain names for the benchmark's own extra metrics."""
    complete: bool
    """Whether every row the benchmark declares was run."""
    notes: tuple[str, ...] = ()
    """What a reader must know before comparing the score."""
    images: Mapping[str, int] = field(default_factory=dict)
    """How many samples carried "0", "1" or "more" images; empty where rows were graded without a run."""
    n_undecided: int = 0
    """Responses that an LLM judge gave no verdict on; they score 0."""
    n_unfinished: int = 0
    """Of the unparsed responses, those whose thought never ends."""


def failed_response(request_id: str, error: BaseException, notes: Mapping[str, Any] | None = None) -> Response:
    """The response to a request on which the model, or the preparation of its images, raised an error."""
    return Response(request_id, "", finish="failed", error=describe(error, 500), notes=notes or {})


def request_key(fingerprint: str, prompt: str, image_hashes: tuple[str, ...], decoding: Mapping[str, Any]) -> str:
    """The identity of a request: equal keys mean equal inputs to an equal model."""
    parts = [fingerprint, prompt, list(image_hashes), dict(sorted(decoding.items()))]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def clusters(samples: Sequence[Sample]) -> list[int]:
    """A cluster number for every sample: same image or same group means same cluster, transitively."""
    if any(s.group is not None for s in samples) and any(s.image_id is not None for s in samples):
        labels: Sequence[object] = _components(samples)
    else:
        names = (s.group if s.image_id is None else s.image_id for s in samples)
        labels = [i if name is None else name for i, name in enumerate(names)]
    numbers: dict[object, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def _components(samples: Sequence[Sample]) -> list[int]:
    """Connected components of the graph that links each sample to its image and its group."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    nodes: dict[tuple[str, str], int] = {}
    rows, columns = [], []
    for i, sample in enumerate(samples):
        for kind, name in (("image", sample.image_id), ("group", sample.group)):
            if name is not None:
                rows.append(i)
                columns.append(len(samples) + nodes.setdefault((kind, name), len(nodes)))
    size = len(samples) + len(nodes)
    links = coo_array((np.ones(len(rows), dtype=bool), (rows, columns)), shape=(size, size))
    _, labels = connected_components(links, directed=False)
    return [int(label) for label in labels[: len(samples)]]

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

from cambrian_eval.decoding import AUTO, GREEDY, Decoding, Order, Thinking
from cambrian_eval.errors import describe
from cambrian_eval.html_repr import card
from cambrian_eval.image import LazyImage
from cambrian_eval.numbers import number, span

Outcome = Literal["read", "unparsed", "failed", "undecided", "withheld"]
"""What became of a response: an answer was read; none was found; the request failed; a judge gave no verdict; or the
gold answer is withheld."""
Reason = Literal["empty", "unfinished thought", "refusal", "cut off", "several answers", "nothing found"]
"""Why no answer was read in a response that exists."""
Finish = Literal["stop", "length", "unfinished_thought", "refused", "filtered", "failed"]
"""How a response ended: by itself, at the token limit of the answer, at the limit of the thought so that there is no
answer, refused by the model, filtered by the endpoint, or failed."""

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
    """Unique within the requests of one model call: the sample's id, for further repeats with their number."""
    benchmark: str
    """The benchmark's name."""
    condition: str
    """The vision condition the images were chosen under."""
    prompt: str
    """The user's text, complete; a model adapter puts the images where `interleave.parts` says."""
    images: tuple[LazyImage, ...]
    """The images the model may look at, already decoded; empty under `off`."""
    images_dropped: int
    """How many further images the sample has that the model cannot take."""
    max_new_tokens: int
    """The most tokens the answer may have; thoughts are not counted."""
    key: str
    """Hash of model fingerprint, prompt, image bytes, decoding settings and repeat."""
    places_images: bool = False
    """Whether marks `<image N>` in the prompt say where the images go; see `interleave`."""
    decoding: Decoding = GREEDY
    """How tokens are chosen."""
    system: str | None = None
    """The system prompt; None = the one of the model's chat template, if any."""
    thinking: Thinking = AUTO
    """Whether and how long the model thinks first."""
    order: Order = "image_first"
    """Whether the images come before the text or after it."""
    repeat: int = 0
    """Which response to the same question this is, from 0."""

    @property
    def sample_id(self) -> str:
        """The sample's id, equal in all repeats."""
        return self.id.removesuffix(f"#{self.repeat}") if self.repeat else self.id


@dataclass(frozen=True, slots=True)
class Response:
    """What came back for one request."""

    id: str
    """The request's id."""
    text: str
    """The answer as the model wrote it; empty where it failed. May contain thoughts in their marks."""
    finish: Finish = "stop"
    """Why the answer ended where it does."""
    error: str | None = None
    """Why it failed, one line; None unless `finish` is "failed"."""
    prompt_tokens: int | None = None
    """Tokens of the prompt with its images, as the adapter or the endpoint counts; None where neither does."""
    new_tokens: int | None = None
    """Tokens of the answer, likewise; of the whole response where thoughts are not told apart."""
    seconds: float | None = None
    """Time the response took, as the adapter measures it; None where it does not."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What the adapter had to do, for example {"images_dropped": 2}; plain JSON values only."""
    thoughts: str = ""
    """What the model thought before it answered, where the adapter tells it apart from the answer."""
    thought_tokens: int | None = None
    """Tokens of the thoughts, not counted in `new_tokens`; None where neither adapter nor endpoint counts them."""


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

    def _repr_html_(self) -> str:
        facts = [("value", f"{self.value:g}"), ("extracted", self.extracted), ("rule", self.rule)]
        return card("Verdict", [*facts, ("outcome", self.outcome), ("reason", self.reason)])


@dataclass(frozen=True, slots=True)
class Basis:
    """What a stored result was made from and by which rules: whether it still belongs to its run can be checked."""

    rules: str
    """The scorer's version: packages with their versions, of ours with a hash of the rules' source code."""
    inputs: str
    """Hash of the samples and responses."""
    verdicts: str
    """Hash of the verdict file."""
    numbers: str
    """Hash of the result's own numbers."""


@dataclass(frozen=True, slots=True)
class Repeats:
    """What several responses to each request say beside their mean score."""

    n: int
    """Responses to each request."""
    scores: tuple[float | None, ...]
    """The score of each repeat by itself; the result's score is their mean, or that of all together for quotients."""
    best: float | None
    """The score if of each sample (pair, group) its best repeat counted; None for metrics that are quotients."""
    majority: float | None
    """The score of the answers that most repeats gave to each sample."""
    changed: float
    """Share of samples whose verdict is not the same in all repeats."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """That a rule ended a benchmark before all of its samples were asked."""

    rule: str
    """The rule, as the command line had it."""
    of: int
    """Samples there are; the result's `n` are those that were used, in random order."""
    whole: bool
    """Whether they are all rows that the benchmark declares."""


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
    """On the paper's scale, the mean over repeats; None where it cannot be computed here (withheld answers)."""
    interval: tuple[float, float] | None
    """95 % bootstrap interval, resampled by image; with repeats it contains the variance between them.

    Where a rule stopped the benchmark, it is for the score of all samples there are, and holds whenever it stopped.
    """
    n: int
    """Samples scored, failed ones included."""
    n_failed: int
    """Responses that failed, over all repeats, as are the counts below; they score 0."""
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
    synthetic: bool = False
    """Whether the rows were drawn by a program (the miniature suite): such a score says nothing about the benchmark."""
    tokens: Mapping[str, float] = field(default_factory=dict)
    """Mean tokens of an "answer" and of its "thoughts", where the model counts them."""
    repeats: Repeats | None = None
    """Where there are several responses to each request."""
    subset: str | None = None
    """Where only the samples of a subset were scored: `subset needs-vision: 48 of 2,374 rows`."""
    basis: Basis | None = None
    """What it was made from; None where rows were graded without a run, and in runs of older versions."""
    stopped: Stopped | None = None
    """Where a rule ended it before all samples were asked; it is then finished, and not `complete`."""

    def __repr__(self) -> str:
        """In one line: what was scored, the score with its interval, the samples, and whether they were drawn."""
        limits = "" if self.interval is None else f" [{span(self.interval, form='{}, {}')}]"
        drawn = ", synthetic data" if self.synthetic else ""
        drawn += f", {self.subset}" if self.subset else ""
        cell = f"{self.benchmark}, {self.condition}, {self.scorer}"
        return f"Result({cell}: {number(self.score)}{limits}, chance {number(self.chance)}, n={self.n}{drawn})"

    def _repr_html_(self) -> str:
        facts = [
            ("condition", self.condition),
            ("scorer", self.scorer),
            ("score", f"{number(self.score)} of {self.scale:g}"),
            ("95 % interval", span(self.interval)),
            ("chance", number(self.chance)),
            ("samples", f"{self.n:,}"),
            ("failed, unparsed", f"{self.n_failed:,}, {self.n_unparsed:,}"),
            *((name, number(value)) for name, value in self.breakdown.items()),
        ]
        drawn = "synthetic data, " if self.synthetic else ""
        rows = "all rows" if self.complete and self.subset is None else "subset"
        return card(f"{self.benchmark} ({drawn}{rows})", facts, self.remarks)

    @property
    def partial(self) -> bool:
        """Whether rows of the benchmark are missing for another reason than a rule."""
        return not self.complete and not (self.stopped is not None and self.stopped.whole)

    @property
    def remarks(self) -> tuple[str, ...]:
        """The notes, and in words what tokens and repeats say: for texts without columns of their own for them."""
        found = [*([] if self.subset is None else [self.subset]), *self.notes]
        if "thoughts" in self.tokens:
            mean = number(self.tokens.get("answer", 0.0))
            found.append(f"mean tokens: {mean} of answers, {number(self.tokens['thoughts'])} of thoughts")
        if (more := self.repeats) is not None:
            best, vote = map(number, (more.best, more.majority))
            text = f"best of {more.n} {best}, majority vote {vote}"
            found.append(
                f"mean of {more.n} repeats: {text}, {number(100 * more.changed)}% of the samples change their verdict"
            )
        return tuple(found)


def failed_response(request_id: str, error: BaseException, notes: Mapping[str, Any] | None = None) -> Response:
    """The response to a request on which the model, or the preparation of its images, raised an error."""
    return Response(request_id, "", finish="failed", error=describe(error, 500), notes=notes or {})


class RequestKeys:
    """The keys of requests that differ only in prompt and images: what is equal in all of them is written once."""

    def __init__(self, fingerprint: str, decoding: Mapping[str, Any]) -> None:
        self._start = f"[{_quoted(fingerprint)},"
        self._end = f",{json.dumps(dict(sorted(decoding.items())), ensure_ascii=False, separators=(',', ':'))}]"

    def key(self, prompt: str, image_hashes: Sequence[str]) -> str:
        """The key of the request with this prompt and these images."""
        text = f"{self._start}{_quoted(prompt)},[{','.join(map(_quoted, image_hashes))}]{self._end}"
        return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


_quoted = json.encoder.encode_basestring
"""A text as JSON."""


def request_key(fingerprint: str, prompt: str, image_hashes: Sequence[str], decoding: Mapping[str, Any]) -> str:
    """The identity of a request: equal keys mean equal inputs to an equal model."""
    return RequestKeys(fingerprint, decoding).key(prompt, image_hashes)


def request_id(sample_id: str, repeat: int) -> str:
    """The id of a request: the sample's own for the first response."""
    return f"{sample_id}#{repeat}" if repeat else sample_id


def clusters(samples: Sequence[Sample]) -> list[int]:
    """A cluster number for every sample: same image or same group means same cluster, transitively."""
    if any(s.group is not None for s in samples) and any(s.image_id is not None for s in samples):
        labels: Sequence[object] = _components(samples)
    else:
        names = (s.group if s.image_id is None else s.image_id for s in samples)
        labels = [i if name is None else name for i, name in enumerate(names)]
    numbers: dict[object, int] = {}
    return [numbers.setdefault(label, len(numbers)) for label in labels]


def _components(samples: Sequence[Sample]) -> list[tuple[str, str] | int]:
    """For each sample a name of its connected component in the graph that links it to its image and its group."""
    parent: dict[tuple[str, str] | int, tuple[str, str] | int] = {}

    def root(node: tuple[str, str] | int) -> tuple[str, str] | int:
        while (above := parent.setdefault(node, node)) != node:
            parent[node] = parent[above]
            node = above
        return node

    for i, sample in enumerate(samples):
        for kind, name in (("image", sample.image_id), ("group", sample.group)):
            if name is not None:
                parent[root(i)] = root((kind, name))
    return [root(i) for i in range(len(samples))]

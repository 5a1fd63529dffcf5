"""Blind baselines: the score a benchmark gives to a model that never sees an image.

`most-frequent` always gives the most frequent correct answer, `longest-option` the longest option, `text-prior` what
the correct answers to similarly worded questions suggest. They need no GPU and expose shortcuts: a benchmark on which
they score well above chance can be answered in part without its images. They see the benchmark's answers, so their
scores describe the benchmark and not the ability of a model; `text-prior` never learns from a question about the same
image or group (five folds by image).
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.model import Adapter, Model, NoOptions
from cambrian_eval.sample import Request, Response, Sample

FOLDS = 5
LONGEST_PREFIX = 6
"""How many first words of a question `text-prior` distinguishes."""
_WORD = re.compile(r"\w+", re.UNICODE)

Guesser = Callable[[Sequence[Sample]], Callable[[Sample], str]]


class Baseline:
    """Answers from the samples that `observe` was given."""

    max_images: int | None = 0

    def __init__(self, kind: str, guesser: Guesser) -> None:
        self.name = f"baseline:{kind}"
        self.fingerprint = f"baseline-1-{kind}"
        self._guesser = guesser
        self._responses: dict[str, dict[str, str]] = {}

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Decides the response to every question of the benchmark from its samples."""
        guess = self._guesser(samples)
        self._responses[benchmark] = {s.id: guess(s) for s in samples}

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Looks the responses up; a request whose sample was not observed fails."""
        for request in requests:
            text = self._responses.get(request.benchmark, {}).get(request.sample_id)
            if text is None:
                reason = f"{self.name} did not observe sample {request.id!r} of {request.benchmark}"
                yield Response(request.id, "", finish="failed", error=reason)
            else:
                yield Response(request.id, text)

    def describe(self) -> Mapping[str, Any]:
        """What it sees, so that no reader of a run takes its score for the ability of a model."""
        return {"kind": "blind baseline", "sees": "questions, options and correct answers, never an image"}


class BaselineAdapter(Adapter):
    """`baseline:most-frequent`, `baseline:longest-option` or `baseline:text-prior`."""

    name = "baseline"
    summary = "blind baselines: baseline:most-frequent, baseline:longest-option, baseline:text-prior"

    def create(self, rest: str, options: NoOptions) -> Model:
        """The baseline of that name."""
        if not rest:
            raise UserError(f"baseline: no baseline named; write baseline:NAME with one of {', '.join(BASELINES)}")
        if rest not in BASELINES:
            raise unknown("baseline", rest, BASELINES)
        return Baseline(rest, BASELINES[rest])


def most_frequent(samples: Sequence[Sample]) -> Callable[[Sample], str]:
    """The most frequent correct answer among those the question allows; the first of equals."""
    counts: Counter[str] = Counter()
    for sample in samples:
        counts.update(dict.fromkeys(sample.answers, 1))

    def guess(sample: Sample) -> str:
        if legal := _legal(sample):
            return max(legal, key=lambda answer: counts[answer])
        return _most_frequent(free)

    free: Counter[str] = Counter()
    for sample in samples:
        if not _legal(sample):
            free.update(dict.fromkeys(sample.answers, 1))
    return guess


def longest_option(samples: Sequence[Sample]) -> Callable[[Sample], str]:
    """The longest option (its letter), the first of equals; nothing where there are no options."""

    def guess(sample: Sample) -> str:
        if options := sample.options:
            return max(options, key=lambda letter: len(options[letter].strip()))
        return max(sample.guesses, key=len, default="")

    return guess


def text_prior(samples: Sequence[Sample]) -> Callable[[Sample], str]:
    """What the correct answers to similarly worded questions about other images suggest."""
    folds = [_fold(s) for s in samples]
    learned = {fold: _Prior([s for s, own in zip(samples, folds, strict=True) if own != fold]) for fold in set(folds)}

    def guess(sample: Sample) -> str:
        return learned[_fold(sample)].guess(sample)

    return guess


BASELINES: Mapping[str, Guesser] = {
    "most-frequent": most_frequent,
    "longest-option": longest_option,
    "text-prior": text_prior,
}


class _Prior:
    """How often an answer is correct, given the first words of a question; shorter beginnings smooth longer ones."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self._correct: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        self._offered: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
        for sample in samples:
            for prefix in _prefixes(sample):
                self._correct[prefix].update(dict.fromkeys(_correct_texts(sample), 1))
                self._offered[prefix].update({name: 1 for pair in _texts(sample).items() for name in pair})

    def guess(self, sample: Sample) -> str:
        texts = _texts(sample)
        if not texts:
            return self._free(sample)
        return max(texts, key=lambda answer: self._chance(texts[answer], answer, sample, 1 / len(texts)))

    def _chance(self, text: str, answer: str, sample: Sample, base: float) -> float:
        """How often an option was correct when offered: by its letter first, then by its words."""
        return self._share(text, sample, self._share(answer, sample, base))

    def _share(self, name: str, sample: Sample, estimate: float) -> float:
        """Each longer beginning of the question corrects the estimate of the shorter one."""
        for prefix in _prefixes(sample):
            if prefix not in self._offered:
                break
            if n := self._offered[prefix][name]:
                estimate = (self._correct[prefix][name] + 2 * estimate) / (n + 2)
        return estimate

    def _free(self, sample: Sample) -> str:
        """The most frequent answer to questions with the longest beginning that was seen at least three times."""
        found = ""
        for prefix in _prefixes(sample):
            counts = self._correct.get(prefix)
            if counts and (not found or sum(counts.values()) >= 3):
                found = _most_frequent(counts)
        return found


def _legal(sample: Sample) -> tuple[str, ...]:
    """The answers a question allows: letters, or Yes and No; empty for free text."""
    return tuple(sample.options) or sample.guesses


def _texts(sample: Sample) -> dict[str, str]:
    """Each answer the question allows, with the words it stands for."""
    return {k: v.casefold().strip() for k, v in sample.options.items()} or {g: g for g in sample.guesses}


def _correct_texts(sample: Sample) -> list[str]:
    """The correct answers in words and, where they are letters, as letters."""
    texts = _texts(sample)
    return [t for a in sample.answers for t in ((texts[a], a) if a in texts else (a,))]


def _prefixes(sample: Sample) -> list[tuple[str, ...]]:
    """The beginnings of a question, from none of its words to several, apart for each number of allowed answers."""
    words = tuple(w.casefold() for w in _WORD.findall(sample.question[:400])[:LONGEST_PREFIX])
    kind = str(len(_legal(sample)))
    return [(kind, *words[:n]) for n in range(len(words) + 1)]


def _most_frequent(counts: Counter[str]) -> str:
    """The most frequent entry; the first in the alphabet of equals."""
    return min(counts, key=lambda text: (-counts[text], text), default="")


def _fold(sample: Sample) -> int:
    """Which of the folds a sample is in; questions about one image or group are in the same."""
    mark = sample.group or sample.image_id or sample.id
    return int.from_bytes(hashlib.sha256(mark.encode("utf-8", "surrogatepass")).digest()[:4], "big") % FOLDS

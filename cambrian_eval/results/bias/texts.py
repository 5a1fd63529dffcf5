"""What a predictor without images sees of a benchmark: numbers made from questions and options.

A sample with options (letters, or Yes and No) has one example for each answer that it allows. A sample with a free
answer has no example; predictors give it a text. Tags are no part of the text, so none is used unless a user names it:
some are made from the answer.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_scorer
from cambrian_eval.results.verdicts import decide
from cambrian_eval.sample import LETTERS, Sample, clusters
from cambrian_eval.scoring.reply import Reply

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Array = npt.NDArray[np.float64]
    Places = npt.NDArray[np.int64]

FIRST_WORDS = 6
"""How many first words of a question are told apart."""
_QUESTION_WORDS, _OPTION_WORDS = 40, 12
_HASHES = 1 << 18
_WORD = re.compile(r"\w+")


class Texts:
    """The samples of a benchmark as predictors see them, and what each of their answers would score."""

    def __init__(self, benchmark: Benchmark, samples: Sequence[Sample], by: Sequence[str] = ()) -> None:
        import numpy as np

        self.benchmark, self.samples = benchmark, list(samples)
        self._scorer = load_scorer("fuzzy", benchmark)
        self._values: dict[tuple[int, str], float] = {}
        self.legal = [tuple(s.options) or s.guesses for s in self.samples]
        """The answers that each sample allows; none where the answer is free."""
        self.start: Places = np.cumsum([0, *map(len, self.legal)])
        """The examples of sample i are those from start[i] up to start[i + 1]."""
        self.value: Array = np.array([self.score(i, a) for i, legal in enumerate(self.legal) for a in legal])
        """What the answer of each example scores."""
        self.chance: Array = np.array([_chance(s) for s in self.samples])
        """What a uniform guess scores in each sample, as in every chance level of this package."""
        self.cluster: Places = np.array(clusters(self.samples))
        """The image of each sample, by number; members of a pair or group have the same."""
        self._learned: dict[int, dict[str, float]] = {}
        self._by = tuple(by)
        self._keys: dict[str, Any] = {}

    def score(self, i: int, answer: str) -> float:
        """What an answer to sample i scores under the benchmark's own metric."""
        key = i, answer
        if key not in self._values:
            verdict = decide(self._scorer, self.benchmark, self.samples[i], Reply(answer))
            self._values[key] = verdict.value
        return self._values[key]

    def answers(self, i: int) -> dict[str, float]:
        """The gold answers of sample i with what each scores: annotators may disagree."""
        if i not in self._learned:
            self._learned[i] = {text: self.score(i, text) for text in dict.fromkeys(self.samples[i].answers)}
        return self._learned[i]

    def closed(self, rows: Places) -> Places:
        """Those of the samples that have a fixed list of answers."""
        return rows[self.start[rows + 1] > self.start[rows]]

    def examples(self, rows: Places) -> Places:
        """The examples of the samples, in their order."""
        import numpy as np

        sizes = self.start[rows + 1] - self.start[rows]
        first = np.repeat(self.start[rows] - np.concatenate([[0], np.cumsum(sizes)[:-1]]), sizes) if len(rows) else 0
        return np.asarray(np.arange(sizes.sum()) + first, dtype=np.int64)

    # -- what rates are taken of: columns of numbers, from general to specific

    def letter_keys(self) -> Places:
        """The letter of each answer, or its place where there are no letters."""
        return self._columns("letter", lambda s: [()], ("letter",))

    def answer_keys(self) -> Places:
        """The words of each answer."""
        return self._columns("answer", lambda s: [()], ("text",))

    def beginning_keys(self) -> Places:
        """Letter and words within questions that begin with the same words, from none of them to several."""
        return self._columns("beginning", beginnings)

    def tag_keys(self) -> Places:
        """Letter and words within samples that have the same tags of those the user named."""
        return self._columns("tag", lambda s: [(), self.tag(s)])

    def tag(self, sample: Sample) -> tuple[Hashable, ...]:
        """The tags of a sample that the user named."""
        return tuple(sample.tags.get(name, "") for name in self._by)

    def _columns(self, name: str, kinds: Any, parts: Sequence[str] = ("letter", "text")) -> Places:
        import numpy as np

        if name in self._keys:
            return np.asarray(self._keys[name])
        numbers: dict[Hashable, int] = {}
        rows = []
        for sample, legal in zip(self.samples, self.legal, strict=True):
            kind = len(legal) if sample.options else legal
            groups = kinds(sample)
            for letter, text in _texts(sample, legal):
                said = {"letter": letter, "text": text}
                names = [(kind, g, part, said[part]) for g in groups for part in parts]
                rows.append([numbers.setdefault(n, len(numbers)) for n in names])
        self._keys[name] = _padded(rows)
        return np.asarray(self._keys[name])

    # -- numbers for models that learn

    @property
    def shape(self) -> Array:
        """Position, length and order of each answer, without its words."""
        import numpy as np

        if "shape" not in self._keys:
            found = [
                _shape(s, k, [text for _, text in _texts(s, legal)])
                for s, legal in zip(self.samples, self.legal, strict=True)
                for k in range(len(legal))
            ]
            self._keys["shape"] = np.array(found, dtype=float).reshape(len(found), -1)
        return np.asarray(self._keys["shape"])

    @property
    def words(self) -> Any:
        """Words of each answer, and its pairs with words of the question, hashed; a sparse matrix."""
        if "words" not in self._keys:
            self._keys["words"] = self._hashed_words()
        return self._keys["words"]

    def _hashed_words(self) -> Any:
        import numpy as np
        from scipy.sparse import csr_matrix
        from sklearn.preprocessing import normalize

        columns, ends = [], [0]
        for sample, legal in zip(self.samples, self.legal, strict=True):
            texts = _texts(sample, legal)
            asked = _hashes(list(dict.fromkeys(_words(self._context(sample, texts))))[:_QUESTION_WORDS])
            for letter, text in texts:
                said = _hashes([f"={text}", f"({letter})", *dict.fromkeys(_words(text)[:_OPTION_WORDS])])
                pairs = (asked[:, None] * np.int64(1_000_003) + said[None, :] * np.int64(8_191)).ravel()
                both = np.unique(np.concatenate([said, pairs]) % _HASHES)
                columns.append(both)
                ends.append(ends[-1] + len(both))
        table = csr_matrix((np.ones(ends[-1]), np.concatenate(columns), ends), shape=(len(columns), _HASHES))
        often = np.flatnonzero(np.asarray(table.sum(axis=0)).ravel() >= 2)  # a word seen once cannot be learned
        return normalize(table[:, often])

    def _context(self, sample: Sample, texts: Sequence[tuple[str, str]]) -> str:
        """The question, then words of the prompt that are in neither question nor options, such as a hint."""
        known = set(_words(" ".join([sample.question, *(t for _, t in texts)])))
        return " ".join([sample.question, *(w for w in _words(self.benchmark.prompt(sample)) if w not in known)])

    @property
    def questions(self) -> Any:
        """The words of each question, weighted by how rare they are; a sparse matrix of rows of length 1."""
        if "questions" not in self._keys:
            from sklearn.feature_extraction.text import TfidfVectorizer

            texts = [self.benchmark.prompt(s) for s in self.samples]
            self._keys["questions"] = TfidfVectorizer(token_pattern=r"\w+", sublinear_tf=True).fit_transform(texts)
        return self._keys["questions"]


def check_tags(samples: Sequence[Sample], by: Sequence[str], benchmark: str) -> None:
    """Refuses a tag that no sample has."""
    known = sorted({tag for s in samples for tag in s.tags})
    for name in by:
        if name not in known:
            has = f"they have: {', '.join(known)}" if known else "they have no tags"
            raise UserError(f"--by {name}: the samples of {benchmark} have no such tag; {has}")


def beginnings(sample: Sample) -> list[tuple[str, ...]]:
    """The beginnings of a question, from none of its words to several."""
    words = tuple(_words(sample.question[:400])[:FIRST_WORDS])
    return [words[:n] for n in range(len(words) + 1)]


def _texts(sample: Sample, legal: Sequence[str]) -> list[tuple[str, str]]:
    """The letter of each answer that a sample allows, and the words it stands for."""
    options = sample.options
    if options:
        return [(letter, options[letter].casefold().strip()) for letter in legal]
    return [(LETTERS[k % len(LETTERS)], text.casefold()) for k, text in enumerate(legal)]


def _chance(sample: Sample) -> float:
    return sum(g in sample.answers for g in sample.guesses) / len(sample.guesses) if sample.guesses else 0.0


def _words(text: str) -> list[str]:
    return [w.casefold() for w in _WORD.findall(text)]


def _hashes(words: Sequence[str]) -> Places:
    import numpy as np

    return np.array([zlib.crc32(w.encode("utf-8", "surrogatepass")) for w in words], dtype=np.int64)


def _padded(rows: Sequence[Sequence[int]]) -> Places:
    """Rows of equal length: shorter ones end in -1."""
    import numpy as np

    width = max(map(len, rows), default=1)
    return np.array([[*r, *[-1] * (width - len(r))] for r in rows], dtype=np.int64).reshape(len(rows), width)


def _number(text: str) -> float | None:
    try:
        found = float(text.replace(",", "").strip(" .%$"))
    except ValueError:
        return None
    return found if abs(found) < 1e15 else None


def _shape(sample: Sample, k: int, texts: Sequence[str]) -> list[float]:
    """One answer of a sample beside the others."""
    lengths = [len(t) for t in texts]
    parsed = [_number(t) for t in texts]
    numbers = [n for n in parsed if n is not None]
    asked = sample.question.casefold()
    place = asked.find(texts[k]) if texts[k] else -1
    words = set(_words(texts[k]))
    own = parsed[k]
    ordered = sorted(numbers)
    order = [0.0] * 4
    if len(numbers) == len(texts) and own is not None:
        rank = ordered.index(own)
        order = [1.0, rank / max(len(texts) - 1, 1), float(own == ordered[0]), float(own == ordered[-1])]
    return [
        *(float(k == p) for p in range(8)),
        float(k == len(texts) - 1),
        float(len(texts)),
        float(lengths[k] == max(lengths)) / lengths.count(max(lengths)),
        float(lengths[k] == min(lengths)) / lengths.count(min(lengths)),
        lengths[k] / max(sum(lengths) / len(lengths), 1.0),
        min(float(lengths[k]), 200.0) / 100,
        len(words & set(_words(asked))) / max(len(words), 1),
        float(place >= 0),
        place / max(len(asked), 1) if place >= 0 else 1.0,
        *order,
    ]

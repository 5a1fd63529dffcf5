"""A reader who never looks at the images scores chance, also when it sees every question about an image.

Four blind readers learn from the train split and are tried on the eval split: the most frequent letter or
answer, the best answer to each exact question text, a naive Bayes classifier over the words, and a reader
who prefers the option texts that were most often right. Each is tried on the question alone and with the
texts of the other questions about the same image.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark
from tests.demo.miniature.conftest import GROUPS

Rows = Callable[[str, int, str], Sequence[dict[str, Any]]]
LETTERS = "ABCDEFGHI"
N_TRAIN, N_EVAL = 600, 300
"""Rows of the sixteen; a third of both of the others, which draw the same scenes."""


pytestmark = pytest.mark.slow  # hundreds of drawn rows for each benchmark


@dataclass(frozen=True)
class Read:
    """A row without its image."""

    text: str
    options: tuple[str, ...]
    """Option texts in order; empty for free-form questions."""
    gold: str
    """A letter where there are options, else the answer itself."""
    candidates: int = 0
    """Number of possible answers according to a free-form question's own text; 0 = not stated."""

    @property
    def gold_text(self) -> str:
        """The text of the correct answer."""
        return self.options[LETTERS.index(self.gold)] if self.options else self.gold


def read(name: str, row: Mapping[str, Any]) -> Read:
    """The row of the named benchmark as text, options and gold answer."""
    if name == "mme":
        return Read(row["question"], ("Yes", "No"), "A" if row["answer"] == "Yes" else "B")
    if name == "mmbench":
        options = tuple(row[c] for c in "ABCD" if row[c] != "nan")
        return Read(f"{row['hint']} {row['question']}", options, row["answer"])
    if name == "seed":
        return Read(row["question"], tuple(row[f"choice_{c}"] for c in "abcd"), row["answer"])
    if name == "scienceqa":
        return Read(f"{row['hint']} {row['question']}", tuple(row["choices"]), LETTERS[row["answer"]])
    if name == "mmmu":
        options = tuple(ast.literal_eval(row["options"]))
        return Read(row["question"], options, row["answer"])
    if name == "mathvista":
        options = tuple(row["choices"] or ())
        gold = LETTERS[options.index(row["answer"])] if options else row["answer"]
        return Read(row["query"], options, gold)
    if name == "ai2d":
        return Read(row["question"], tuple(row["options"]), LETTERS[int(row["answer"])])
    if name == "ocrbench":
        return Read(f"{row['question_type']} {row['question']}", (), row["answer"][0])
    if name == "textvqa":
        gold = max(set(row["answers"]), key=row["answers"].count)
        tokens = [token.lower() for token in row["ocr_tokens"]]
        assert not tokens or gold in tokens
        return Read(f"{row['question']} {' '.join(tokens)}", (), gold, len(tokens))
    if name == "docvqa":
        return Read(row["question"], (), row["answers"][0])
    if name == "mmvp":
        found = re.fullmatch(r"\(a\) (.+) \(b\) (.+)", row["Options"])
        assert found is not None
        return Read(row["Question"], found.groups(), {"(a)": "A", "(b)": "B"}[row["Correct Answer"]])
    if name == "realworldqa":
        options = tuple(re.findall(r"(?m)^[A-D]\. (.+)$", row["question"]))
        return Read(row["question"], options, row["answer"])
    if name in ("cvbench_2d", "cvbench_3d"):
        return Read(row["prompt"], tuple(row["choices"]), row["answer"].strip("()"))
    if name not in miniature.NAMES:
        return _as_adapter_reads(name, row)
    if name == "gqa":
        return Read(row["question"], (), row["answer"], 0 if row["types"]["structural"] == "query" else 2)
    return Read(row["question"], (), row["answer"])


def _as_adapter_reads(name: str, row: Mapping[str, Any]) -> Read:
    """By what the adapter asks: prompt, options or the words to choose from, and the most frequent gold answer."""
    sample = load_benchmark(name).to_sample(dict(row), 0)
    assert sample is not None
    gold = max(sample.answers, key=sample.answers.count)
    if sample.choices:
        return Read(sample.question, sample.choices, LETTERS[list(sample.options).index(gold)])
    if sample.guesses:
        return Read(sample.question, sample.guesses, LETTERS[sample.guesses.index(gold)])
    known = {"How many": 9, "What color": 8}
    return Read(sample.question, (), gold, next((n for words, n in known.items() if words in sample.question), 0))


Reader = Callable[[Read, str], str]


def _first_image(row: Mapping[str, Any]) -> bytes:
    column = next(
        c for c in ("image", "Image", "images", "image_1", "decoded_image") if isinstance(row.get(c), (dict, list))
    )
    content = row[column]
    data = (content[0] if isinstance(content, list) else content)["bytes"]
    assert isinstance(data, bytes)
    return data


def _seen(name: str, rows: Sequence[dict[str, Any]]) -> list[tuple[Read, str]]:
    """Each row as read, with the texts of the other questions about its image."""
    siblings: dict[bytes, list[Read]] = defaultdict(list)
    reads = [read(name, row) for row in rows]
    for row, each in zip(rows, reads, strict=True):
        siblings[_first_image(row)].append(each)
    return [
        (
            each,
            " ".join(f"{o.text} {' '.join(o.options)}" for o in siblings[_first_image(row)] if o is not each),
        )
        for row, each in zip(rows, reads, strict=True)
    ]


def _legal(each: Read, response: str) -> str:
    """The response, or the first option where it is not one of the row's letters."""
    return response if not each.options or response in LETTERS[: len(each.options)] else "A"


def _majority(train: list[tuple[Read, str]]) -> Reader:
    best: dict[int, Counter[str]] = defaultdict(Counter)
    for each, _ in train:
        best[len(each.options)][each.gold] += 1
    return lambda each, beside: best[len(each.options)].most_common(1)[0][0]


def _by_text(train: list[tuple[Read, str]]) -> Reader:
    best: dict[str, Counter[str]] = defaultdict(Counter)
    for each, _ in train:
        best[each.text][each.gold] += 1
    fallback = _majority(train)

    def reader(each: Read, beside: str) -> str:
        known = best.get(each.text)
        return known.most_common(1)[0][0] if known else fallback(each, beside)

    return reader


def _words(each: Read, beside: str) -> list[str]:
    own = [f"own:{word}" for word in each.text.lower().split()]
    placed = [f"option {i}:{text}" for i, text in enumerate(each.options)]
    return own + placed + [f"beside:{word}" for word in beside.lower().split()]


def _naive_bayes(train: list[tuple[Read, str]]) -> Reader:
    """Over letters where there are options (per number of options), over answers elsewhere."""
    golds: dict[int, Counter[str]] = defaultdict(Counter)
    words: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for each, beside in train:
        golds[len(each.options)][each.gold] += 1
        words[len(each.options), each.gold].update(set(_words(each, beside)))

    def reader(each: Read, beside: str) -> str:
        k = len(each.options)
        present = set(_words(each, beside))

        def score(gold: str) -> float:
            n, counts = golds[k][gold], words[k, gold]
            return math.log(n) + sum(math.log((counts[word] + 0.1) / (n + 0.2)) for word in present)

        return max(golds[k], key=score)

    return reader


def _favourite_option(train: list[tuple[Read, str]]) -> Reader:
    right: Counter[str] = Counter()
    offered: Counter[str] = Counter()
    for each, _ in train:
        offered.update(each.options)
        right[each.gold_text] += 1

    def reader(each: Read, beside: str) -> str:
        rates = [(right[text] + 0.3) / (offered[text] + 1) for text in each.options]
        return LETTERS[rates.index(max(rates))] if rates else _majority(train)(each, beside)

    return reader


READERS = {
    "majority": _majority,
    "exact text": _by_text,
    "naive Bayes": _naive_bayes,
    "favourite option": _favourite_option,
}


def _worth(each: Read, kinds: dict[str, set[str]]) -> float:
    """Expected score of a guess: one over the number of options, or of answers in the train split."""
    return 1 / (len(each.options) or each.candidates or len(kinds[_kind(each)]))


def _kind(each: Read) -> str:
    """A free-form question without the words that differ from image to image."""
    colors = ["red", "green", "blue", "yellow", "purple", "orange", "black", "pink"]
    words = each.text.replace("?", "").split()
    kept = [w for w in words if w not in colors and len(w) > 1]
    return " ".join(kept)


def sizes(name: str) -> tuple[int, int]:
    """Rows to learn from and rows to try."""
    return (N_TRAIN, N_EVAL) if name in miniature.NAMES else (N_TRAIN // 3, N_EVAL // 3)


@pytest.mark.parametrize("name", miniature.names())
def test_blind_readers_score_chance(name: str, rows_of: Rows) -> None:
    n_train, n_eval = sizes(name)
    train, tried = _seen(name, rows_of(name, n_train, "train")), _seen(name, rows_of(name, n_eval, "eval"))
    bar = miniature.text_prior(name, n_eval)
    size = GROUPS.get(name, 1)
    # Rows of a group are dependent, so the sampling error is that of the number of groups.
    error = math.sqrt(bar * (1 - bar) * size / len(tried))
    for kind, learn in READERS.items():
        reader = learn(train)
        right = sum(_legal(each, reader(each, beside)) == each.gold for each, beside in tried) / len(tried)
        assert right <= bar + 3.5 * error, f"{name}: the {kind} reader gets {right:.3f}, chance is {bar:.3f}"


@pytest.mark.parametrize("name", miniature.names())
def test_text_prior_is_the_share_of_blind_luck(name: str, rows_of: Rows) -> None:
    """The suite's own value compared with the options in the rows and the answers of each kind."""
    n_train, n_eval = sizes(name)
    train = [read(name, row) for row in rows_of(name, n_train, "train")]
    tried = [read(name, row) for row in rows_of(name, n_eval, "eval")]
    kinds: dict[str, set[str]] = defaultdict(set)
    for each in train:
        kinds[_kind(each)].add(each.gold)
    worth = sum(_worth(each, kinds) for each in tried) / len(tried)
    assert miniature.text_prior(name, n_eval) == pytest.approx(worth, abs=0.004)


@pytest.mark.parametrize("name", miniature.names())
def test_answers_are_balanced(name: str, rows_of: Rows) -> None:
    """Each letter is correct as often as its options allow, within sampling error of independent draws."""
    reads = [read(name, row) for row in rows_of(name, sizes(name)[1], "eval")]
    lettered = [each for each in reads if each.options]
    for letter in "ABCD" if lettered else "":
        chances = [1 / len(each.options) for each in lettered if letter in LETTERS[: len(each.options)]]
        right = sum(each.gold == letter for each in lettered)
        error = math.sqrt(sum(p * (1 - p) for p in chances))
        assert abs(right - sum(chances)) <= 3.5 * error + 1

"""Odd and hostile responses under every scorer of every benchmark: a known verdict, never an error.

A response without an answer scores 0 under every scorer. The gold answer alone scores 1 under `fuzzy`, and still does
in the wrappings that models use.
"""

from __future__ import annotations

from functools import cache, partial
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, row_to_sample
from cambrian_eval.demo import miniature
from cambrian_eval.errors import CambrianEvalError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.grading import grade
from cambrian_eval.sample import Sample
from tests.adversity.situation import Handled, Seen, Situation

NOTHING: dict[str, str] = {
    # responses that name no answer of any benchmark
    "nothing": "",
    "blanks": " \t\r\n\u00a0\u2003 ",
    "zero-width characters": "\u200b\u200c\u200d\ufeff\u2060",
    "NUL": "\0\0\0",
    "a lone surrogate": "\ud800\udfff\udc00",
    "replacement characters": "\ufffd" * 50,
    "terminal escapes": "\x1b[J\x1b[m\x07\x08\x08",
    "emoji": "\U0001f600\U0001f468\u200d\U0001f469\u200d\U0001f467",
    "combining marks": "\u0301" * 5_000,
    "right-to-left marks": "\u202e\u202d\u2066\u2069" * 100,
    "punctuation": ".,;:!?-_()[]{}<>/\\|'\"`~^*&%$#@+=",
    "100,000 brackets": "[" * 100_000,
    "100,000 open parentheses": "(" * 100_000,
    "100,000 backslashes": "\\" * 100_000,
    "100,000 stars": "*" * 100_000,
    "100,000 dollar signs": "$" * 100_000,
    "100,000 blanks": " " * 100_000,
    "100,000 line breaks": "\n" * 100_000,
    "a megabyte of backticks": "`" * 1_000_000,
    "open boxes": "\\boxed{" * 20_000,
    "open bold": "**" * 50_000,
    "open code": "```\n" * 20_000,
    "an empty box": "\\boxed{}",
    "an empty object": "{}",
    "deep JSON": '{"' + '":{"' * 5_000,
    "a thought that never ends": "<think>" + "hm " * 100,
    "10,000 open thoughts": "<think>" * 10_000,
    "an empty thought": "<think></think>",
    "an open tag": "<answer>",
    "an empty tag": "<answer></answer>",
}
WRAPPED: dict[str, str] = {
    "alone": "{}",
    "in blanks": "  \n{}\n\n ",
    "behind a thought": "<think>Let me look at it.</think>\n{}",
}


@cache
def first(name: str) -> tuple[Benchmark, dict[str, Any], Sample]:
    """A benchmark, a row of it and its sample."""
    benchmark = load_benchmark(name)
    row = {k: v for k, v in miniature.rows(name, 2)[0].items() if not isinstance(v, dict) or "bytes" not in v}
    sample = row_to_sample(benchmark, row, 0)
    assert sample is not None
    return benchmark, row, sample


def verdicts(name: str, text: str) -> dict[str, Any]:
    """The verdict of each scorer that the benchmark has."""
    benchmark, row, _ = first(name)
    found = {"fuzzy": grade(benchmark, row, text, "fuzzy")}
    try:
        found["official"] = grade(benchmark, row, text, "official")
    except CambrianEvalError as error:
        assert "no released scoring code" in str(error)
    return found


def scores_nothing(name: str, text: str, tmp: Path) -> Seen:
    """All scorers give 0."""
    found = verdicts(name, text)
    if name == "docvqa":  # the challenge's script divides by the raw lengths, so blanks score there; it is documented
        found.pop("official")
    return Seen(0, score=100.0 * max(v.value for v in found.values()))


def scores_right(name: str, form: str, tmp: Path) -> Seen:
    """The gold answer in a wrapping, under `fuzzy`."""
    _, _, sample = first(name)
    verdict = verdicts(name, form.format(sample.answers[0]))["fuzzy"]
    assert verdict.outcome == "read" and 0 <= verdict.value <= 1
    return Seen(0, score=100.0 * verdict.value)


def scores_wrong(name: str, tmp: Path) -> Seen:
    """Another option than the gold one, or another word, under all scorers."""
    _, _, sample = first(name)
    others = [letter for letter in (sample.guesses or sample.options) if letter not in sample.answers]
    found = verdicts(name, others[0] if others else "zzzzzzzzzzzz")
    return Seen(0, score=100.0 * max(v.value for v in found.values()))


def table() -> list[Situation]:
    """The rows of this area."""
    found = []
    for name in miniature.NAMES:
        for what, text in NOTHING.items():
            found.append(Situation(f"{name}: {what} as response", partial(scores_nothing, name, text), Handled(0.0)))
        for what, form in WRAPPED.items():
            found.append(Situation(f"{name}: the answer {what}", partial(scores_right, name, form), Handled(100.0)))
        found.append(Situation(f"{name}: a wrong answer", partial(scores_wrong, name), Handled(0.0)))
    return found

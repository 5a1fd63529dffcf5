"""Drawing tokens: a naive second implementation, and the distribution itself."""

from __future__ import annotations

import math
import random

import pytest
import torch

from cambrian_eval.decoding import Decoding
from cambrian_eval.models.sampling import choose, cut_at_stop, penalized, tokens_up_to, uniforms


def naive(logits: list[float], decoding: Decoding, number: float) -> int:
    """Token by token, in plain Python."""
    weights = [math.exp((x - max(logits)) / decoding.temperature) for x in logits]
    ranked = sorted(range(len(weights)), key=lambda i: (-weights[i], i))[: decoding.top_k or len(weights)]
    kept, mass, whole = [], 0.0, sum(weights[i] for i in ranked)
    for i in ranked:
        if mass < (decoding.top_p or 1.0) * whole:
            kept.append(i)
        mass += weights[i]
    floor = (decoding.min_p or 0.0) * max(weights[i] for i in kept)
    kept = sorted(i for i in kept if weights[i] >= floor)
    at = 0.0
    for i in kept:
        at += weights[i]
        if at > number * sum(weights[j] for j in kept):
            return i
    raise AssertionError


@pytest.mark.parametrize(
    "settings",
    [{}, {"top_k": 3}, {"top_p": 0.6}, {"min_p": 0.3}, {"top_k": 5, "top_p": 0.7, "min_p": 0.1}, {"temperature": 0.2}],
    ids=str,
)
def test_tokens_are_those_of_a_naive_implementation(settings: dict[str, float]) -> None:
    decoding = Decoding(**{"temperature": 0.9, **settings})  # type: ignore[arg-type]
    dice = random.Random(4)
    logits = [[dice.gauss(0, 2) for _ in range(12)] for _ in range(300)]
    numbers = [dice.random() for _ in logits]
    found = choose(torch.tensor(logits), decoding, torch.tensor(numbers, dtype=torch.float64))
    expected = [naive(row, decoding, number) for row, number in zip(logits, numbers, strict=True)]
    assert [a for a, close in zip(found.ids.tolist(), found.close.tolist(), strict=True) if not close] == [
        b for b, close in zip(expected, found.close.tolist(), strict=True) if not close
    ]
    assert int(found.close.sum()) < 5


def test_draws_follow_the_distribution() -> None:
    """20,000 draws: each share is within four standard errors of its probability."""
    n = 20_000
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05])).expand(n, 4)
    ids = choose(logits, Decoding(temperature=1.0), torch.from_numpy(uniforms("a stream", n))).ids
    for token, p in enumerate((0.5, 0.3, 0.15, 0.05)):
        assert abs(int((ids == token).sum()) / n - p) < 4 * math.sqrt(p * (1 - p) / n)


def test_streams_are_repeatable_and_differ() -> None:
    assert uniforms("a", 5).tolist() == uniforms("a", 9).tolist()[:5] != uniforms("b", 5).tolist()


def test_what_rounding_could_change_is_marked() -> None:
    tied = torch.tensor([[1.0, 1.0 + 1e-7, 0.0], [1.0, 2.0, 0.0]])
    assert choose(tied, Decoding(), torch.zeros(2)).close.tolist() == [True, False]
    edge = torch.log(torch.tensor([[0.5, 0.5], [0.5, 0.5]]))
    numbers = torch.tensor([0.5, 0.25], dtype=torch.float64)
    assert choose(edge, Decoding(temperature=1.0), numbers).close.tolist() == [True, False]


def test_penalties_are_their_formulas() -> None:
    logits, counts = torch.tensor([[2.0, -2.0, 1.0, 1.0]]), torch.tensor([[0, 1, 2, 0]])
    prompt = torch.tensor([[True, False, False, False]])
    assert penalized(logits, Decoding(repetition_penalty=2.0), prompt, counts).tolist() == [[1.0, -4.0, 0.5, 1.0]]
    made = Decoding(presence_penalty=0.5, frequency_penalty=0.25)
    assert penalized(logits, made, None, counts).tolist() == [[2.0, -2.75, 0.0, 1.0]]


def test_a_stop_text_ends_the_response() -> None:
    def decode(ids: list[int]) -> str:
        return "".join("ab.c"[i] for i in ids)

    assert cut_at_stop("aab.c", ("c", "b.")) == 2 and cut_at_stop("aa", ("b",)) is None
    assert tokens_up_to([0, 0, 1, 2, 3], ("b.",), decode) == 4

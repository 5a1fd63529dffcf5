"""Confidence sequences: a fair game on every population, a naive second implementation, and how often bounds miss."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.results.sequences import TARGETS, Population, bounds, log_wealth


def naive_wealth(values: list[float], sizes: list[float], total: float, target: float) -> list[float]:
    """The same game, block by block, with what is known before each."""
    n, wealth, found = len(sizes), 1.0, []
    seen_value = seen_size = squares = 0.0
    for t, value in enumerate(values):
        left = n - t
        guess = (seen_value + 0.5 / n) / (seen_size + 1 / n)
        expected = n * ((total - seen_value) / left - guess * (1 - seen_size) / left)
        variance = (0.25 + squares) / (t + 1)
        distance = target * n / left
        bet = min(distance / (variance + distance**2), 0.75 / max(expected + guess * n * max(sizes), 1e-12))
        gain = n * (value - guess * sizes[t])
        wealth *= 1 + bet * (gain - expected)
        found.append(wealth)
        seen_value, seen_size, squares = seen_value + value, seen_size + sizes[t], squares + gain**2
    return found


@given(
    st.lists(st.tuples(st.integers(1, 5), st.floats(0, 1)), min_size=2, max_size=5), st.sampled_from([0.01, 0.1, 0.4])
)
def test_at_the_true_total_the_game_is_fair(blocks: list[tuple[int, float]], target: float) -> None:
    """Over all orders of a population, the mean wealth after any number of blocks is 1, so it is seldom 40."""
    whole = sum(size for size, _ in blocks)
    total = sum(size * share for size, share in blocks) / whole
    wealth = []
    for order in itertools.permutations(blocks):
        sizes = np.array([size / whole for size, _ in order])
        values = np.array([size * share / whole for size, share in order])
        wealth.append(np.exp(log_wealth(Population(sizes), values, total, target)))
    assert np.mean(wealth, axis=0) == pytest.approx(1.0, abs=1e-9)


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 1)), min_size=3, max_size=12), st.floats(0, 0.3))
def test_the_wealth_against_a_naive_game(blocks: list[tuple[int, float]], below: float) -> None:
    whole = sum(size for size, _ in blocks)
    sizes, values = [s / whole for s, _ in blocks], [s * share / whole for s, share in blocks]
    total = max(sum(values[:-1]), sum(values) - below)
    found = np.exp(log_wealth(Population(np.array(sizes)), np.array(values[:-1]), total, 0.05))
    assert found == pytest.approx(naive_wealth(values[:-1], sizes, total, 0.05), rel=1e-9)


def test_when_all_blocks_are_known_so_is_the_total() -> None:
    rng = np.random.default_rng(1)
    values = rng.integers(0, 2, 200) / 200
    found = bounds(Population(np.full(200, 1 / 200)), values, [0.05])
    assert (found.low, found.high) == pytest.approx((values.sum(), values.sum()), abs=1e-9)


def test_before_the_first_block_nothing_is_known() -> None:
    found = bounds(Population(np.full(10, 0.1)), np.empty(0), [0.05])
    assert (found.low, found.high) == (0.0, 1.0)


def test_the_bounds_are_where_the_wealth_reaches_forty() -> None:
    """1 / 40 is the 2.5 % of each side; the bounds are found by looking for the place, here by trying them all."""
    rng = np.random.default_rng(2)
    population, values = Population(np.full(400, 1 / 400)), (rng.random(400) < 0.3)[:250] / 400
    found = bounds(population, values, [0.04])
    seen, rest = values.sum(), 150 / 400
    grid = np.linspace(seen, seen + rest, 4001)[:, None]
    low = grid[log_wealth(population, values[None], grid, 0.04)[:, -1] >= math.log(40)].max()
    other = population.sizes[:250] - values
    mirrored = np.linspace(other.sum(), other.sum() + rest, 4001)[:, None]
    high = 1 - mirrored[log_wealth(population, other[None], mirrored, 0.04)[:, -1] >= math.log(40)].max()
    assert (found.low, found.high) == pytest.approx((low, high), abs=2e-4)


@pytest.mark.parametrize("targets", [[0.03], [t / 2 for t in TARGETS]])
def test_looking_after_every_block_misses_in_less_than_five_percent(targets: list[float]) -> None:
    """Images with 1 to 20 questions that depend on each other; the total is asked for after each of 200 images."""
    rng = np.random.default_rng(3)
    misses = 0
    for _ in range(500):
        n = rng.integers(1, 21, 200)
        values = rng.binomial(n, rng.beta(2, 1, 200)) / n.sum()
        population = Population(n / n.sum())
        for mine in (values, population.sizes - values):
            logs = np.stack([log_wealth(population, mine, mine.sum(), t) for t in targets])
            if (np.logaddexp.reduce(logs, axis=0) - math.log(len(targets)) >= math.log(40)).any():
                misses += 1
                break
    assert misses <= 25

"""Blocks of samples and what they contribute: nothing is split, categories are in proportion, contributions add up."""

from __future__ import annotations

import random

import pytest

from cambrian_eval.benchmark import Benchmark, Graded
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import statistics
from cambrian_eval.results.shares import Shares
from cambrian_eval.running.stopping import in_blocks
from cambrian_eval.sample import Sample, Verdict


def mini(name: str, n: int) -> tuple[Benchmark, list[Sample]]:
    benchmark = load_benchmark(name)
    return benchmark, list(load_samples(benchmark, DataSpec.parse(f"mini:{n}", None)).samples)


@pytest.mark.parametrize(
    ("name", "scorer"),
    [
        *(("scienceqa", "fuzzy"), ("mmvp", "fuzzy"), ("mme", "fuzzy"), ("mme", "official"), ("mmbench", "fuzzy")),
        *(("cvbench_2d", "fuzzy"), ("blink", "fuzzy"), ("naturalbench", "fuzzy"), ("hallusionbench", "fuzzy")),
    ],
)
def test_the_contributions_of_all_blocks_are_the_score(name: str, scorer: str) -> None:
    """The score by the benchmark's own formula, from all verdicts at once."""
    benchmark, samples = mini(name, 240)
    rng = random.Random(4)
    verdicts = {s.id: [Verdict(float(rng.random() < 0.8), None, "drawn")] for s in samples}
    units = benchmark.units([Graded(s, verdicts[s.id][0]) for s in samples], scorer)
    expected = statistics.score(units, benchmark.metrics(sorted({u.stratum for u in units}))["score"])
    shares = Shares.of(benchmark, in_blocks(benchmark, samples, 1, scorer), scorer)
    found = sum(shares.value(i, verdicts) for i in range(len(shares.blocks))) * shares.full
    assert shares.full == pytest.approx(benchmark.scale)
    assert found == pytest.approx(expected)
    assert shares.population.sizes.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("name", ["mmvp", "mme", "mmbench", "naturalbench", "hallusionbench", "gqa"])
def test_what_belongs_together_is_in_one_block(name: str) -> None:
    benchmark, samples = mini(name, 240)
    blocks = in_blocks(benchmark, samples, 0, "fuzzy")
    assert sorted(s.id for block in blocks for s in block) == sorted(s.id for s in samples)
    for key in ("group", "image_id"):
        places: dict[str, set[int]] = {}
        for i, block in enumerate(blocks):
            for sample in block:
                if (value := getattr(sample, key)) is not None:
                    places.setdefault(value, set()).add(i)
        assert all(len(found) == 1 for found in places.values())


def test_categories_come_in_proportion() -> None:
    """600 samples in three categories of 300, 200 and 100: with three sets to a block, each block has its share."""
    samples = [
        Sample(str(i), i, "q", ("A",), tags={"task": "abc"[0 if i < 300 else 1 if i < 500 else 2]}) for i in range(600)
    ]
    blocks = in_blocks(load_benchmark("scienceqa"), samples, 0, "fuzzy")
    assert len(blocks) == 200 and all(len(block) == 3 for block in blocks)
    counts = [[sum(s.tags["task"] == task for s in block) for task in "abc"] for block in blocks]
    assert all(a in (1, 2) and b == 1 and c in (0, 1) for a, b, c in counts)


def test_the_order_depends_on_the_seed_alone_and_looks_random() -> None:
    benchmark, samples = mini("scienceqa", 240)
    orders = [[s.id for b in in_blocks(benchmark, samples, seed, "fuzzy") for s in b] for seed in (0, 0, 1)]
    assert orders[0] == orders[1] != orders[2]
    first: dict[str, int] = {}
    for seed in range(300):
        chosen = in_blocks(benchmark, samples[:6], seed, "fuzzy")[0][0].id
        first[chosen] = first.get(chosen, 0) + 1
    assert len(first) == 6 and all(25 <= n <= 80 for n in first.values())  # 50 each; 6.5 is one standard deviation


def test_a_quotient_has_no_bounds() -> None:
    benchmark, samples = mini("pope", 24)
    with pytest.raises(UserError, match="pope: its score under 'fuzzy' is a quotient"):
        Shares.of(benchmark, in_blocks(benchmark, samples, 0, "fuzzy"), "fuzzy")

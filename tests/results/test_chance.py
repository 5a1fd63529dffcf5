"""The analytic chance score of every benchmark against the real scores of a random guesser over many seeds."""

from __future__ import annotations

import statistics

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.models.chance import Chance
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.grading import chance, usable_scorers
from cambrian_eval.results.statistics import score
from cambrian_eval.sample import Request, Verdict

SEEDS = 150


@pytest.mark.parametrize("name", [n for n in miniature.names() if load_benchmark(n).judging is None])
def test_chance_is_the_mean_of_random_responders(name: str) -> None:
    benchmark = load_benchmark(name)
    samples = load_samples(benchmark, DataSpec(mini=48)).samples
    expected = chance(benchmark, samples)
    assert expected is not None
    scores = []
    for seed in range(SEEDS):
        requests = [Request(s.id, name, "on", "", (), 0, 8, "") for s in samples]
        model = Chance(seed)
        model.observe(name, samples)
        responses = [r.text for r in model.respond(iter(requests))]
        graded = [Graded(s, benchmark.fuzzy(s, text)) for s, text in zip(samples, responses, strict=True)]
        units = benchmark.units(graded, "fuzzy")
        scores.append(score(units, benchmark.metrics(sorted({u.stratum for u in units}))["score"]) or 0.0)
    error = statistics.stdev(scores) / SEEDS**0.5
    assert statistics.fmean(scores) == pytest.approx(expected, abs=4 * error + 1e-9)


@pytest.mark.parametrize("name", [n for n in miniature.names() if load_benchmark(n).judging is None])
def test_units_do_not_depend_on_responses(name: str) -> None:
    """Repeats and paired tests combine the units of different responses to the same samples."""
    benchmark = load_benchmark(name)
    samples = load_samples(benchmark, DataSpec(mini=24)).samples
    for scorer in usable_scorers(benchmark, ("fuzzy", "official")):
        found = set()
        for value, said in ((0.0, "no idea"), (1.0, "A"), (1.0, "Yes"), (0.0, "No")):
            units = benchmark.units([Graded(s, Verdict(value, said, "by hand")) for s in samples], scorer)
            found.add(tuple((u.stratum, u.members) for u in units))
        assert len(found) == 1, scorer


def test_published_chance_levels_by_hand() -> None:
    """MME: 10 tasks of 50 + 25; MMVP: a quarter of the pairs; CV-Bench 3D: one in two; AI2D and SEED: one in four."""
    exact = {"mme": 750.0, "mmvp": 25.0, "cvbench_3d": 50.0, "ai2d": 25.0, "seed": 25.0, "docvqa": 0.0, "gqa": 0.0}
    exact |= {"naturalbench": 6.25, "pope": 50.0, "embspatial": 25.0, "mmsi_bench": 25.0, "countbenchqa": 0.0}
    for name, value in exact.items():
        benchmark = load_benchmark(name)
        found = chance(benchmark, load_samples(benchmark, DataSpec(mini=96)).samples)
        assert found == pytest.approx(value), name
        assert benchmark.typical_chance == pytest.approx(value), name

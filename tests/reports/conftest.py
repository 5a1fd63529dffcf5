"""Two real runs over the miniature suite, by models of known skill; everything is recomputed from their files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import run
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.registry import load_benchmark
from cambrian_eval.sample import Request, Response

BENCHMARKS = ("ai2d", "docvqa", "mmvp", "textvqa")
ROWS = 24


class Skilled:
    """Answers right on a fixed share of what it can see, and by habit where it cannot."""

    max_images = 1

    def __init__(self, name: str, share: int) -> None:
        self.name, self.fingerprint, self.share = name, f"{name}-{share}", share
        self.gold: dict[tuple[str, str], str] = {}
        self.guesses: dict[tuple[str, str], tuple[str, ...]] = {}

    def observe(self, benchmark: str, samples: Iterable[Any]) -> None:
        self.gold |= {(benchmark, s.id): s.answers[0] for s in samples}
        self.guesses |= {(benchmark, s.id): s.guesses or ("something",) for s in samples}

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        for r in requests:
            luck = hashlib.sha256(f"{self.name} {r.benchmark} {r.id}".encode()).digest()[0] % 10
            seen = r.images and r.condition == "on" and luck < self.share
            habit = "" if luck == 9 else self.guesses[r.benchmark, r.id][0]
            text = self.gold[r.benchmark, r.id] if seen else habit
            yield Response(r.id, text)

    def describe(self) -> Mapping[str, Any]:
        return {"visual_tokens": 144 * self.share}


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Runs of a good and a poor model, vision on, off and shuffled."""
    folder = tmp_path_factory.mktemp("runs")
    for name, share in (("good", 8), ("poor", 3)):
        model = Skilled(name, share)
        for benchmark in BENCHMARKS:
            model.observe(benchmark, load_samples(load_benchmark(benchmark), DataSpec(mini=ROWS)).samples)
        run(model, BENCHMARKS, folder / name, vision=("on", "off", "shuffled"), data=f"mini:{ROWS}")
    return folder / "good", folder / "poor"

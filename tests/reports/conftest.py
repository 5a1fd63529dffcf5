"""Two real runs by models of known skill, over the miniature suite or over the same rows as files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import run
from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark
from cambrian_eval.reports import report
from cambrian_eval.reports.sources import Sources
from cambrian_eval.sample import Request, Response
from tests.conftest import write_parquet
from tests.reports.opened import Opened, opened

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


def skilled_runs(folder: Path, **data: Any) -> tuple[Path, Path]:
    """Runs of a good and a poor model, vision on, off and shuffled."""
    for name, share in (("good", 8), ("poor", 3)):
        model = Skilled(name, share)
        for benchmark in BENCHMARKS:
            model.observe(benchmark, load_samples(load_benchmark(benchmark), DataSpec(mini=ROWS)).samples)
        run(model, BENCHMARKS, folder / name, vision=("on", "off", "shuffled"), **data)
    return folder / "good", folder / "poor"


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Runs on synthetic data: the miniature suite."""
    return skilled_runs(tmp_path_factory.mktemp("runs"), data=f"mini:{ROWS}")


@pytest.fixture(scope="session")
def runs_on_files(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The same on rows in the dataset's own files, as a user has them."""
    folder = tmp_path_factory.mktemp("files")
    for benchmark in BENCHMARKS:
        split = load_benchmark(benchmark).source.split
        write_parquet(folder / "data" / benchmark / f"{split}-00000-of-00001.parquet", miniature.rows(benchmark, ROWS))
    return skilled_runs(folder, data_root=folder / "data")


@pytest.fixture(scope="session")
def written(runs: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page")
    report.write(Sources(runs), out, report.Options(formats=("svg",)), "cambrian-eval report a b")
    return out / "report.html"


@pytest.fixture
def at(browser: Any, written: Path) -> Iterator[Opened]:
    found = opened(browser, written)
    yield found
    assert found.console == []
    assert [r for r in found.requests if not r.startswith(("file:", "data:"))] == []
    found.page.context.close()

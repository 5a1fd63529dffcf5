"""What a finished run costs afterwards: `score`, `compare` and `report` of 62,000 samples under two conditions.

    python tools/perf_results.py [--scale 1.0] [--keep FOLDER] [--images] [--json FILE]

Two runs over all sixteen benchmarks of the paper are made first, with rows and responses as in `perf_scoring.py`; they
are not measured. Each command then runs in a process of its own, and its processor time (without that of starting
Python and importing) and peak resident memory are reported. The floor of `score` and `compare` reads the files that
the command must read, typed, and nothing else.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.sample import Request, Response, Sample

sys.path.insert(0, str(Path(__file__).parent))


class Answering:
    """Responds at once with the made-up responses of `perf_scoring`; better than chance, and some essays."""

    max_images: int | None = None

    def __init__(self, seed: int) -> None:
        self.name = self.fingerprint = f"answering-{seed}"
        self.seed, self.samples = seed, dict[tuple[str, str], Sample]()

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Keeps the samples, which the responses are made from."""
        self.samples |= {(benchmark, s.id): s for s in samples}

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """A response to each request, by its id and the seed alone."""
        from perf_scoring import response

        for r in requests:
            rng = random.Random(f"{self.seed} {r.benchmark} {r.condition} {r.id}")
            yield Response(r.id, response(rng, self.samples[r.benchmark, r.id]))

    def describe(self) -> Mapping[str, Any]:
        """Nothing: there are no weights."""
        return {}


def make(folder: Path, scale: float) -> None:
    """Writes the rows, then the runs `a` and `b`."""
    from perf_scoring import MAKERS, SIZES

    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.settings import Settings

    for name, size in SIZES.items():
        rng, columns = random.Random(name), load_benchmark(name).source.columns
        target = folder / "data" / name / "rows.jsonl"
        target.parent.mkdir(parents=True)
        with target.open("w") as lines:
            for i in range(max(2, round(size * scale))):
                made = {k: f"{i}.png" if isinstance(v, bytes) else v for k, v in MAKERS[name](rng, i).items()}
                lines.write(json.dumps(dict.fromkeys(columns) | made) + "\n")
    for seed, name in enumerate("ab"):
        settings = Settings(
            benchmarks=tuple(SIZES),
            conditions=("on", "off"),
            data=DataSpec(root=folder / "data"),
            images_optional=True,
        )
        evaluate(Answering(seed), settings, folder / name)


if __name__ == "__main__":
    import logging

    start = time.process_time()
    make(Path(sys.argv[1]), float(sys.argv[2]))
    print(time.process_time() - start)

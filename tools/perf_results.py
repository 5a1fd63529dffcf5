"""What a finished run costs afterwards: `score` and `compare` of 62,000 samples under two conditions.

    python tools/perf_results.py [--scale 1.0] [--rounds 1] [--folder FOLDER]

Two runs over all sixteen benchmarks of the paper are made first, with rows and responses as in `perf_scoring.py`; they
are not measured. Each command then runs in a process of its own; start and imports are part of its time. Processor time
is that of `--processes 1`; the time that passes is measured with one process for each processor, too.
The floor of `score` reads samples and responses, applies both scorers and writes the verdicts; that of `compare`
decodes every line of both runs once.
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

from cambrian_eval.processes import LARGE, processes_for
from cambrian_eval.sample import Request, Response, Sample

sys.path.insert(0, str(Path(__file__).parent))

from perf_scoring import MAKERS, SIZES, response

ALONE = ("--processes", "1")
"""In one process, whose processor time is then all of it."""


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
        for r in requests:
            rng = random.Random(f"{self.seed} {r.benchmark} {r.condition} {r.id}")
            yield Response(r.id, response(rng, self.samples[r.benchmark, r.id]))

    def describe(self) -> Mapping[str, Any]:
        """Nothing: there are no weights."""
        return {}


def make(folder: Path, scale: float) -> None:
    """Writes the rows, then the runs `a` and `b`."""
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


def floor(*folders: Path) -> None:
    """Decodes every line that the command must read, untyped and unchecked."""
    import orjson

    for folder in folders:
        for path in folder.glob("**/*.jsonl"):
            with path.open("rb") as lines:
                for line in lines:
                    orjson.loads(line)


def score_floor(run: Path) -> None:
    """Reads samples and responses, applies both scorers, and writes a line for each verdict."""
    import orjson

    from cambrian_eval.registry import load_benchmark, load_scorer
    from cambrian_eval.running.records import Cell
    from cambrian_eval.running.store import open_run

    stored = open_run(run)
    with tempfile.TemporaryFile() as out:
        for name in stored.info["benchmarks"]:
            benchmark, samples = load_benchmark(name), stored.samples(name)
            for condition in ("on", "off"):
                records = stored.responses(Cell(name, condition))
                for scorer in (load_scorer("fuzzy"), load_scorer("official")):
                    if scorer.unavailable(benchmark):
                        continue
                    for sample in samples:
                        v = scorer.score(benchmark, sample, records[sample.id].reply)
                        line = {"id": sample.id, "value": v.value, "extracted": v.extracted, "rule": v.rule}
                        out.write(orjson.dumps(line) + b"\n")


def measured(*arguments: str) -> dict[str, float]:
    """Seconds and peak memory of this script, or of the command line, in a process of its own."""
    before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    elapsed, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
    return {
        "elapsed": elapsed,
        "seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
        "peak_mib": after.ru_maxrss / 2**10,  # the largest of all processes so far
    }


def figures(scale: float, rounds: int = 1, folder: Path | None = None) -> dict[str, Any]:
    """Seconds and peak memory of the commands and their floors, in turns: the least of some rounds.

    `scale` is the fraction of the published sizes: 1.0 for 62,000 samples, 0.25 for a quarter of them.
    """
    with tempfile.TemporaryDirectory() as scratch:
        place = folder or Path(scratch)
        a, b, mine = str(place / "a"), str(place / "b"), ["--folder", str(place), "--part"]
        if not (place / "b" / "results.json").is_file():
            measured(__file__, "--scale", str(scale), *mine, "make")
        command = ("-m", "cambrian_eval")
        if folder:  # runs of an earlier version have other rules
            measured(*command, "score", b)
        parts = {
            "score floor": (__file__, *mine, "score floor"),
            "score": (*command, "score", a, *ALONE),
            "score in processes": (*command, "score", a),
            "compare floor": (__file__, *mine, "compare floor"),
            "compare": (*command, "compare", a, b, *ALONE),
            "compare in processes": (*command, "compare", a, b),
        }
        taken = [{name: measured(*part) for name, part in parts.items()} for _ in range(rounds)]
        return {
            "samples": sum(len((place / "data" / n / "rows.jsonl").read_bytes().splitlines()) for n in SIZES),
            "processes": processes_for(LARGE),
            **{name: min((one[name] for one in taken), key=lambda one: one["elapsed"]) for name in parts},
        }


def main() -> None:
    """Makes the runs, measures the commands and their floors, prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the published sizes")
    parser.add_argument("--rounds", type=int, default=1, help="rounds of which the least time counts")
    parser.add_argument("--part", choices=("make", "score floor", "compare floor"), help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help="keep rows and runs here, and use what is there")
    given = parser.parse_args()
    if given.part == "make":
        make(given.folder, given.scale)
    elif given.part == "score floor":
        score_floor(given.folder / "a")
    elif given.part == "compare floor":
        floor(given.folder / "a", given.folder / "b")
    else:
        print(json.dumps(figures(given.scale, given.rounds, given.folder), indent=2))


if __name__ == "__main__":
    main()

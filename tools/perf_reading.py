"""What reading one response costs, by kind of answer and length of the response, beside plain matching.

    python tools/perf_reading.py [--json] [--files BENCHMARK=PATH ...]

Rows and responses are made up as in `perf_scoring.py`. `--files` reads responses of your own instead: JSON lines (also
`.gz`) with the dataset's `row` and the `prediction`. Every sample is read once, so that no cache helps more than in a
run. The responses are timed in slices, on each of which both scorers and the floor take turns; a figure is the median
of the slices, in microseconds of processor time a response. The floor is what no scorer can do without: one regular
expression that finds a letter, or the response in lower case without its last dot, and the comparison with the answers.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median

from perf_scoring import MAKERS, phrase, word

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.registry import load_benchmark, load_scorer
from cambrian_eval.sample import Sample
from cambrian_eval.scoring.reply import Reply

Case = tuple[Benchmark, Sample, str]
KINDS = {
    "option": ("seed", "mmbench", "scienceqa", "ai2d", "cvbench_2d"),
    "yes or no": ("mme",),
    "number": ("mathvista", "chartqa"),
    "words": ("gqa", "textvqa", "docvqa"),
}
"""Benchmarks by what is read out of a response; with options it is always an option."""
KIND = {name: kind for kind, names in KINDS.items() for name in names}
LENGTHS = ("letter", "up to 40", "up to 200", "longer")
SLICES, IN_A_SLICE = 5, 300
SIDES = ("floor", "fuzzy", "official")
LETTER = re.compile(r"\b([A-Z])\b")


def length(text: str) -> str:
    """The class of a response."""
    if re.fullmatch(r"\W*[A-Za-z]\W*", text):
        return "letter"
    size = len(text.strip())
    return "up to 40" if size <= 40 else "up to 200" if size <= 200 else "longer"


def order(name: str) -> tuple[str, int]:
    """The place of `KIND, LENGTH` in the list: short responses first."""
    kind, _, size = name.partition(", ")
    return kind, LENGTHS.index(size)


def made() -> Iterator[Case]:
    """A response to each sample, right or wrong, of the lengths in turn."""
    for names in KINDS.values():
        for name in names:
            benchmark, rng = load_benchmark(name), random.Random(name)
            for i in range(4 * (SLICES + 1) * IN_A_SLICE // len(names)):
                if (sample := benchmark.to_sample(MAKERS[name](rng, i), i)) is not None:
                    forms = responses(rng, sample)
                    yield benchmark, sample, forms[i // 2 % len(forms)]


def responses(rng: random.Random, sample: Sample) -> list[str]:
    """One response of each length, in the forms that models use most."""
    said = text = rng.choice(list(sample.options) if sample.choices else sample.answers)
    short = (text, f"{text}.", f"It is {text}.")
    if sample.choices:
        text = sample.options[said]
        short = (f"{said}. {text}", text, f"Answer: {said}", f"The answer is {said}.")
    steps = " ".join(f"Then {phrase(rng, 8)} follows from the {word(rng)}." for _ in range(rng.randint(8, 20)))
    found = [
        rng.choice(short)[:40],
        f"In this image the {phrase(rng, 6)} in the {word(rng)} shows that it is {text}."[:200],
        f"{steps}\nThe answer is {said}.",
    ]
    return [rng.choice((said, said, f"{said}.", f"({said})")), *found] if sample.choices else found


def stored(files: Iterable[str]) -> Iterator[Case]:
    """The responses of files, `BENCHMARK=PATH` each."""
    for item in files:
        name, _, path = item.partition("=")
        benchmark = load_benchmark(name)
        with gzip.open(path, "rt") if path.endswith(".gz") else Path(path).open() as lines:
            for i, line in enumerate(lines):
                stored_row = json.loads(line)
                if (sample := benchmark.to_sample(stored_row["row"], i)) is not None:
                    yield benchmark, sample, str(stored_row["prediction"])


def plain(_: Benchmark, sample: Sample, text: str) -> bool:
    """The floor."""
    if sample.choices:
        found = LETTER.search(text)
        return found is not None and found[1] in sample.answers
    said = text.lower().rstrip(".")
    return any(said == answer.lower() for answer in sample.answers)


def scored(name: str, benchmark: Benchmark) -> Callable[[Benchmark, Sample, str], object]:
    """A scorer, from the response as the model wrote it."""
    score = load_scorer(name, benchmark).score
    return lambda benchmark, sample, text: score(benchmark, sample, Reply(text))


def measure(cases: Iterable[Case]) -> dict[str, dict[str, float]]:
    """`KIND, LENGTH` -> responses, and microseconds a response of `floor`, `fuzzy` and `official`."""
    groups: dict[str, list[Case]] = {}
    for case in cases:
        benchmark, sample, text = case
        kind = "option" if sample.choices else KIND.get(benchmark.name, benchmark.name)
        groups.setdefault(f"{kind}, {length(text)}", []).append(case)
    found = {}
    for name, group in groups.items():
        if len(group) < SLICES * 10:
            continue
        random.Random(0).shuffle(group)
        benchmark = group[0][0]
        sides = {side: plain if side == "floor" else scored(side, benchmark) for side in SIDES}
        took: dict[str, list[float]] = {side: [] for side in sides}
        size = min(IN_A_SLICE, len(group) // (SLICES + 1))
        for i in range(SLICES + 1):  # the first slice compiles expressions
            for side, read in sides.items():
                start = time.process_time()
                for case in group[i * size : (i + 1) * size]:
                    read(*case)
                took[side].append(1e6 * (time.process_time() - start) / size)
        found[name] = {"responses": size * SLICES} | {side: median(times[1:]) for side, times in took.items()}
    return dict(sorted(found.items(), key=lambda item: order(item[0])))


def main() -> None:
    """Prints a line for each kind and length."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", nargs="+", metavar="BENCHMARK=PATH", help="responses of your own")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    found = measure(stored(arguments.files) if arguments.files else made())
    if arguments.json:
        print(json.dumps(found, indent=1))
        return
    print(
        f"{'kind, characters':<24}{'responses':>10}"
        + "".join(f"{head + ' us':>12}" for head in SIDES)
        + "  fuzzy/floor"
    )
    for name, row in found.items():
        times = "".join(f"{row[side]:>12.2f}" for side in SIDES)
        print(f"{name:<24}{row['responses']:>10}{times}{row['fuzzy'] / row['floor']:>13.1f}")


if __name__ == "__main__":
    main()

"""How often `cambrian-eval bias` reports a bias, on drawn rows whose text says nothing and on rows with a planted bias.

    python tools/check_bias.py --sets 400 --quick
    python tools/check_bias.py --sets 100

Prints the share of data sets in which the progressive test is below 5 %, beside that of the naive rule that reports a
bias where the best predictor's cross-validated margin is significant, and the same with a planted bias.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from random import Random

import numpy as np

from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.bias.measure import LEVEL, out_of_fold, p_value, progressive
from cambrian_eval.results.bias.predictors import predictors
from cambrian_eval.results.bias.texts import Texts
from cambrian_eval.sample import Sample

WORDS = [f"{a}{b}" for a in ("ba", "ke", "li", "mo", "nu") for b in ("t", "rt", "st", "lk", "ng", "p")]
KINDS = {"four options": 4, "two options": 2, "yes or no": 0}


def drawn(n: int, options: int, seed: int, share: float) -> list[Sample]:
    """Two questions for each image; in a share of them the first word tells the answer."""
    draw, found = Random(seed), []
    for i in range(n):
        answers = tuple("ABCD"[:options]) if options else ("Yes", "No")
        answer = draw.choice(answers)
        first = answers.index(answer) if draw.random() < share else draw.randrange(4)
        things = f"{draw.choice(('dog', 'cat', 'car'))} {draw.choice(('left', 'right', 'far'))}"
        question = f"{('what', 'which', 'is', 'are')[first]} {things} of the box?"
        words = tuple(draw.sample(WORDS, options))
        sample = Sample(str(i), i, question, (answer,), words, guesses=answers, image_id=str(i // 2))
        found.append(sample if options else replace(sample, tags={"split": "random"}))
    return found


def rates(n: int, options: int, sets: int, share: float, quick: bool) -> tuple[float, float]:
    """How often the progressive test and the naive rule report a bias."""
    benchmark = load_benchmark("seed" if options else "pope")
    found, naive = 0, 0
    for seed in range(sets):
        texts = Texts(benchmark, drawn(n, options, seed, share))
        used = [p for p in predictors(texts, by=False) if not quick or p.tier == 0]
        rows = np.arange(n)
        found += progressive(used, texts, rows, 5, seed).p_value < LEVEL
        gains = [out_of_fold(p, texts, rows, 5, seed) - texts.chance for p in used]
        naive += min(p_value(texts.cluster, g) for g in gains) < LEVEL
    return found / sets, naive / sets


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", type=int, default=100, help="data sets of each kind")
    parser.add_argument("--rows", type=int, default=100, help="rows of each data set")
    parser.add_argument("--quick", action="store_true", help="without the boosted forest")
    parser.add_argument("--planted", type=float, nargs="*", default=[0.0, 0.3], help="shares of rows with a bias")
    args = parser.parse_args()
    print(f"{args.sets} data sets of {args.rows} rows, reported at {LEVEL:.0%}")
    for share in args.planted:
        for kind, options in KINDS.items():
            found, naive = rates(args.rows, options, args.sets, share, args.quick)
            print(f"bias in {share:.0%} of rows, {kind}: test {found:.1%}, naive {naive:.1%}", flush=True)


if __name__ == "__main__":
    main()

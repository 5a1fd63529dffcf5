"""Time and memory of the intervals of two scores over 62,000 clusters, beside the random draws alone.

    python tools/perf_bootstrap.py [--clusters 62000]

Prints JSON. The draws are the floor: they cannot be avoided where intervals are to stay the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import time

import numpy as np

from cambrian_eval.results.statistics import Draws


def peak_mib() -> float:
    """The highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10


def measure(clusters: int) -> dict[str, float]:
    """Processor seconds of both sides, and the memory that ours needs beyond the values themselves."""
    values = np.random.default_rng(0).random((clusters, 2))
    Draws(2).sums(values[:2])
    before, start = peak_mib(), time.process_time()
    Draws(clusters).sums(values)
    ours, more = time.process_time() - start, peak_mib() - before
    start, rng = time.process_time(), np.random.default_rng(0)
    for _ in range(1000):
        rng.integers(0, clusters, clusters)
    return {"clusters": clusters, "ours": ours, "floor": time.process_time() - start, "mib": more}


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clusters", type=int, default=62_000)
    print(json.dumps(measure(parser.parse_args().clusters)))


if __name__ == "__main__":
    main()

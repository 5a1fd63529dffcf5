"""This harness with a model that responds at once: everything stored, scored by two scorers.

PYTHON tools/peers/cambrian_instant.py ROWS.parquet [--floor]

With `--floor`, the bare loop of `tools/perf_overhead.py` instead, which does only what cannot be avoided.
"""

from __future__ import annotations

import sys
from pathlib import Path

from slope import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perf_overhead import floor, overhead

if __name__ == "__main__":
    side = floor if "--floor" in sys.argv else overhead
    sys.argv = [word for word in sys.argv if word != "--floor"]
    measure(lambda rows: side(rows.parents[1]), __doc__)

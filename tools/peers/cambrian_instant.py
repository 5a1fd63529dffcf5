"""This harness with a model that responds at once: everything stored, scored by two scorers.

PYTHON tools/peers/cambrian_instant.py ROWS.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

from slope import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perf_overhead import overhead


def run(rows: Path) -> None:
    """Evaluates all rows."""
    overhead(rows.parents[1])


if __name__ == "__main__":
    measure(run, __doc__)

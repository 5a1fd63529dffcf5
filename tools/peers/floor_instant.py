"""The floor of `tools/perf_overhead.py`: a bare loop that does only what cannot be avoided.

PYTHON tools/peers/floor_instant.py ROWS.parquet
"""

from __future__ import annotations

import sys
from pathlib import Path

from slope import measure

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from perf_overhead import floor


def run(rows: Path) -> None:
    """Evaluates all rows."""
    floor(rows.parents[1])


if __name__ == "__main__":
    measure(run, __doc__)

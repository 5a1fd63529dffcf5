"""All figures of docs/performance.md that need no GPU: ours, the floor, a peer where one is installed, and their ratio.

    python tools/bench.py [--only overhead results ...] [--limit 120] [--json bench.json] [--write]

Each part is a script of this folder in a process of its own with a time limit; one that fails or takes longer is
named in the table and does not stop the others. All times are processor time. The line above the table calibrates
them: what fixed work takes on this machine at that moment. `--write` puts table and calibration into the page.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PAGE = HERE.parent / "docs" / "performance.md"
BEGIN, END = "<!-- tools/bench.py -->", "<!-- end of tools/bench.py -->"


@dataclass(frozen=True)
class Row:
    """One figure."""

    what: str
    ours: float
    unit: str
    floor: float | None = None
    goal: str = ""
    """The requirement, in words."""
    peer: float | None = None
    peer_name: str = ""

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        peer = "" if self.peer is None else f"{_short(self.peer)} ({self.peer_name})"
        floor = "" if self.floor is None else _short(self.floor)
        ratio = "" if not self.floor else f"{self.ours / self.floor:.2f}"
        return self.what, f"{_short(self.ours)} {self.unit}", floor, ratio, peer, self.goal


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def overhead(limit: float) -> list[Row]:
    """A sample of a run, and the start of commands."""
    found = script("perf_overhead.py", "--rows", "5000", "--repeats", "3", limit=limit)
    one, typer, starts = found["overhead"], found["start_up_seconds"]["import typer"], found["start_up_seconds"]
    goals = {"--help": "2.5 times", "list": "2.5 times", "run --model chance --limit 1": "0.45 s"}
    return [
        Row("overhead of a sample, 64x64 PNG, 5,000 rows", one["ours_us"], "us", one["floor_us"], "1.3 times"),
        *(Row(f"`{name}` beside `import typer`", starts[name], "s", typer, goal) for name, goal in goals.items()),
    ]


def growth(limit: float) -> list[Row]:
    """Memory of runs of three sizes."""
    rows = []
    for n, goal in ((5_000, ""), (20_000, "600 MiB"), (80_000, "600 MiB")):
        found = script("perf_overhead.py", "--growth", "--rows", str(n), limit=limit)
        rows.append(Row(f"the same, {n:,} rows", found["ours_us"], "us"))
        rows.append(Row(f"peak memory, {n:,} rows", found["peak_mib"], "MiB", goal=goal))
    return rows


def results(limit: float) -> list[Row]:
    """Scoring and comparing finished runs."""
    found = script("perf_results.py", "--scale", "0.25", limit=limit)
    n = f"{found['samples']:,} samples"
    score, compare = found["score"]["seconds"], found["compare"]["seconds"]
    return [
        Row(f"`score`, {n}, two conditions", score, "s", found["score floor"]["seconds"], "2 s (8 s for 62,000)"),
        Row("`compare` of two such runs", compare, "s", found["compare floor"]["seconds"], "1 s (4 s for 62,000)"),
    ]


def scoring(limit: float) -> list[Row]:
    """The scorers alone."""
    total = script("perf_scoring.py", "--json", limit=limit)[-1]
    return [
        Row(f"{name}, {total['responses']:,} responses", 1e6 * total[name] / total["responses"], "us a response")
        for name in ("fuzzy", "official")
    ]


def bootstrap(limit: float) -> list[Row]:
    """Memory of an interval over 62,000 clusters."""
    code = (
        "import json, resource, time, numpy as np\n"
        "from cambrian_eval.results.statistics import Draws\n"
        "values = np.random.default_rng(0).random((62_000, 2)); Draws(2).sums(values[:2])\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss; start = time.process_time()\n"
        "Draws(62_000).sums(values); took = time.process_time() - start\n"
        "more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
        "start = time.process_time(); rng = np.random.default_rng(0)\n"
        "for _ in range(1000): rng.integers(0, 62_000, 62_000)\n"
        "print(json.dumps({'mib': more / 2**10, 'ours': took, 'floor': time.process_time() - start}))"
    )
    found = started([sys.executable, "-c", code], limit)
    return [
        Row("bootstrap of 62,000 clusters (floor: the draws alone)", found["ours"], "s", found["floor"]),
        Row("its memory", found["mib"], "MiB", goal="60 MiB"),
    ]


def cvbench(limit: float) -> list[Row]:
    """Candidates of a file of the size of COCO val2017, beside its parse and pycocotools."""
    found = script("perf_cvbench.py", "--json", limit=limit)
    ours, bare, peer = found["candidates"]["all"], found["floor"]["all"], found["pycocotools"]["all"]
    first = found["candidates"]["first"]
    return [
        Row("candidates of a COCO val file", ours, "s", bare, "2 times"),
        Row("first candidate", first, "s", bare, "6 times sooner", peer, "pycocotools index"),
    ]


def endpoint(limit: float) -> list[Row]:
    """The client of endpoints at 16 and 256 requests in flight, beside a bare loop and the `openai` package."""
    options = ("--concurrency", "16,256", "--requests", "300", "--repeats", "1", "--json")
    found = script("perf_endpoint.py", *options, limit=limit)["requests_per_second_of_processor_time"]
    rows = []
    for r in found:
        what = f"endpoint request, image of {r['image_kB']} kB, {r['concurrency']} in flight"
        ours, bare, peer = (1e6 / r[side] for side in ("ours", "aiohttp", "openai"))
        rows.append(Row(what, ours, "us", bare, "3 times", peer, "openai"))
    return rows


def inspect(limit: float, python: str) -> list[Row]:
    """Inspect over 400 rows, in the user's environment."""
    code = "import perf_overhead, pathlib, sys; perf_overhead.write_docvqa(pathlib.Path(sys.argv[1]), 400)"
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-c", code, folder], cwd=HERE, check=True)
        rows = Path(folder) / "docvqa" / "validation-0.parquet"
        ours = script("perf_overhead.py", "--growth", "--rows", "400", limit=limit)["ours_us"]
        theirs = started([python, str(HERE / "peers" / "inspect_instant.py"), str(rows)], limit)["us_each"]
    return [Row("overhead of a sample, 400 rows", ours, "us", peer=theirs, peer_name="Inspect")]


PARTS: dict[str, Callable[[float], list[Row]]] = {
    "overhead": overhead, "scoring": scoring, "bootstrap": bootstrap, "cvbench": cvbench, "endpoint": endpoint,
    "growth": growth, "results": results,
}  # fmt: skip


def script(name: str, *arguments: str, limit: float) -> Any:
    """The JSON that a script of this folder prints."""
    return started([sys.executable, str(HERE / name), *arguments], limit)


def started(command: Sequence[str], limit: float) -> Any:
    """The JSON that a command prints within its time limit."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment, check=False)
    if done.returncode:
        raise RuntimeError((done.stderr.strip().splitlines() or ["no message"])[-1])
    return json.loads(done.stdout)


def calibration() -> dict[str, Any]:
    """What fixed work takes now, in processor time."""
    start = time.process_time()
    sum(i * i for i in range(5_000_000))
    loop = time.process_time() - start
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "loop_seconds": loop,
    }


def table(rows: Sequence[Row], failed: dict[str, str], about: dict[str, Any]) -> str:
    """Calibration line, Markdown table, and what could not be measured."""
    heads = ("what", "ours", "floor", "ours / floor", "peer", "goal")
    lines = [
        f"Calibration: Python {about['python']}, {about['processors']} processors, load {about['load']:.1f}; "
        f"summing five million squares takes {about['loop_seconds']:.2f} s of processor time.",
        "",
        f"| {' | '.join(heads)} |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
        *(f"| {' | '.join(row.cells)} |" for row in rows),
    ]
    return "\n".join([*lines, *(f"\nNot measured: {name} ({why})." for name, why in failed.items())])


def main() -> None:
    """Measures the parts, prints the table, and writes JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=tuple(PARTS), default=tuple(PARTS))
    parser.add_argument("--limit", type=float, default=240.0, help="seconds that one script may take")
    parser.add_argument("--total", type=float, default=590.0, help="seconds that all may take")
    parser.add_argument("--json", type=Path, default=Path("bench.json"))
    parser.add_argument("--write", action="store_true", help="put the table into docs/performance.md")
    parser.add_argument("--inspect", metavar="PYTHON", help="a Python with inspect-ai, to measure it beside ours")
    given = parser.parse_args()
    parts = {name: PARTS[name] for name in given.only}
    if given.inspect:
        parts["inspect"] = partial(inspect, python=given.inspect)
    about, begun = calibration(), time.monotonic()
    rows: list[Row] = []
    failed: dict[str, str] = {}
    for name, part in parts.items():
        left = given.total - (time.monotonic() - begun)
        print(f"{name} ...", file=sys.stderr, flush=True)
        try:
            rows += part(max(1.0, min(given.limit, left)))
        except subprocess.TimeoutExpired as error:
            failed[name] = f"it took more than {error.timeout:.0f} s"
        except (RuntimeError, ValueError, KeyError, OSError) as error:
            failed[name] = f"{type(error).__name__}: {error}"
    text = table(rows, failed, about)
    stored = {"calibration": about, "rows": [asdict(row) for row in rows], "not measured": failed}
    given.json.write_text(json.dumps(stored, indent=2) + "\n")
    print(text)
    if given.write:
        before, rest = PAGE.read_text().split(BEGIN)
        PAGE.write_text(f"{before}{BEGIN}\n{text}\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()

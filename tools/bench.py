"""All figures of docs/performance.md that need no GPU: ours, the floor, a peer, their ratio, and the goal.

    python tools/bench.py [--only overhead results ...] [--all] [--check] [--write]
    python tools/bench.py --only peers --peer inspect=PYTHON --peer lmms_eval=PYTHON:CHECKOUT
    python tools/bench.py --write --read bench.json

Each part is a script of this folder in processes of their own, with a time limit; one that fails or takes longer is
named and does not stop the others, and the JSON file is written after each. Times are processor time unless the page
says otherwise. Absolute times depend on the machine: compare ratios. The calibration says what fixed work takes at
that moment.

`--peer` measures other harnesses on the same rows, with the scripts in tools/peers: PYTHON is one of an environment
that has the harness, or its requirements and the folder CHECKOUT. `--write` puts the parts into docs/performance.json
and writes the tables of docs/performance.md from all parts in it; `--read` does so with parts measured before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from bench_parts import PARTS, Part
from bench_rows import Row, aligned, markdown, restored, stored

HERE = Path(__file__).resolve().parent
PAGE = HERE.parent / "docs" / "performance.md"
KEPT = PAGE.with_suffix(".json")
BLOCK = re.compile(r"(<!-- bench: ([\w ]+) -->\n).*?(<!-- end of bench -->)", re.DOTALL)
OFFLINE = {"HF_HUB_OFFLINE": "1", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
"""Peers download nothing."""
PEERS = {"inspect": "Inspect", "lmms_eval": "lmms-eval", "vlmevalkit": "VLMEvalKit"}


class Failure(Exception):
    """Why a part gave no figures."""


def calibration() -> dict[str, Any]:
    """The machine, and what fixed work takes on it now, in processor time."""
    start = time.process_time()
    sum(i * i for i in range(5_000_000))
    return {
        "python": platform.python_version(),
        "processors": os.cpu_count(),
        "load": os.getloadavg()[0],
        "loop_seconds": time.process_time() - start,
    }


def printed(command: Sequence[str], limit: float, path: str = "") -> Any:
    """The JSON that a command prints, or writes to the file that it names `{json}`, within its time limit."""
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        **OFFLINE,
        "PYTHONPATH": path or os.environ.get("PYTHONPATH", ""),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as scratch:
        target = Path(scratch) / "found.json"
        words = [word.replace("{json}", str(target)) for word in command]
        try:
            process = subprocess.Popen(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, process_group=0
            )
        except OSError as error:
            raise Failure(f"{words[0]} did not start: {error.strerror}") from None
        with process:
            try:
                out, err = process.communicate(timeout=limit)
            except subprocess.TimeoutExpired:
                raise Failure(f"it took more than {limit:.0f} s") from None
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)  # what it started too
        if process.returncode:
            raise Failure((err.strip().splitlines() or [f"exit code {process.returncode}"])[-1])
        text = target.read_text() if target.is_file() else out
    try:
        return json.loads(text)
    except ValueError:
        raise Failure(f"{words[1]} printed no JSON") from None


def measured(part: Part, limit: float) -> list[Row]:
    """The rows of a part."""
    found = []
    end = time.monotonic() + limit
    for command in part.commands:
        script, *words = shlex.split(command)
        found.append(printed([sys.executable, str(HERE / script), *words], max(1.0, end - time.monotonic())))
    try:
        return part.rows(*found)
    except (KeyError, TypeError, ValueError) as error:
        raise Failure(f"{type(error).__name__}: {error}") from None


def beside_peers(peers: Mapping[str, str], limit: float) -> Iterator[Row]:
    """A sample of a run beside other harnesses, all by the same script on the same rows."""
    with tempfile.TemporaryDirectory() as folder:
        code = "import pathlib, sys; from perf_overhead import write_docvqa as w; w(pathlib.Path(sys.argv[1]), 1000)"
        subprocess.run([sys.executable, "-c", code, folder], cwd=HERE, check=True)
        rows = str(Path(folder) / "docvqa" / "validation-0.parquet")

        def each(name: str, python: str = sys.executable, checkout: str = "", *words: str) -> float:
            script = str(HERE / "peers" / f"{name}_instant.py")
            return float(printed([python, script, rows, *words], limit, checkout)["us_each"])

        ours, bare = each("cambrian"), each("cambrian", sys.executable, "", "--floor")
        for name, where in peers.items():
            python, _, checkout = where.partition(":")
            yield Row("run: a sample, 1,000 rows", ours, "us", bare, each(name, python, checkout), PEERS[name])


def processor_seconds() -> float:
    """Processor time of all scripts so far."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure_all(parts: Sequence[Part], given: argparse.Namespace) -> dict[str, Any]:
    """The parts by name; what was measured so far is in the JSON file at any time."""
    found: dict[str, Any] = {}
    begun = time.monotonic()
    for name in [*(part.name for part in parts), *(["peers"] if given.peer else [])]:
        left = given.total - (time.monotonic() - begun) if given.total else given.limit
        limit, about = max(1.0, min(given.limit, left)), calibration()
        start, used = time.monotonic(), processor_seconds()
        print(f"{name} ...", end=" ", file=sys.stderr, flush=True)
        rows: list[Row] = []
        failed = ""
        try:
            if name == "peers":
                for row in beside_peers(given.peer, limit):
                    rows.append(row)
            else:
                rows = measured(next(part for part in parts if part.name == name), limit)
        except Failure as error:
            failed = str(error)
        wall, used = time.monotonic() - start, processor_seconds() - used
        times = {"wall_seconds": round(wall, 1), "processor_seconds": round(used, 1)}
        found[name] = {"calibration": about, **times, "rows": stored(rows)} | ({"failed": failed} if failed else {})
        print(failed or f"{wall:.0f} s, {used:.0f} s of processor time", file=sys.stderr, flush=True)
        given.json.write_text(json.dumps(found, indent=2) + "\n")
    return found


def calibrated(parts: Sequence[Mapping[str, Any]]) -> str:
    """The line above a table: machine, load and speed when its parts were measured."""
    about = [part["calibration"] for part in parts]
    machines = sorted({f"Python {one['python']}, {one['processors']} processors" for one in about})
    spans = []
    for key in ("load", "loop_seconds"):
        low, high = min(one[key] for one in about), max(one[key] for one in about)
        digits = 1 if key == "load" else 2
        ends = [f"{low:.{digits}f}", f"{high:.{digits}f}"]
        spans.append(ends[0] if ends[0] == ends[1] else " to ".join(ends))
    return (
        f"Calibration: {'; '.join(machines)}; load {spans[0]};\n"
        f"summing five million squares takes {spans[1]} s of processor time."
    )


def tables(found: Mapping[str, Any], names: Sequence[str], draw: Any) -> str:
    """Calibration, table of the named parts, and what could not be measured."""
    there = [found[name] for name in names if name in found]
    lines = [calibrated(there), ""] if there else []
    rows = [row for part in there for row in restored(part["rows"])]
    if rows:
        lines += [draw(rows), ""]
    if any(row.missed for row in rows):
        lines += ["A star marks a goal that is not reached.", ""]
    lines += [
        f"Not measured: {name} ({found[name]['failed']}).\n" for name in names if found.get(name, {}).get("failed")
    ]
    if missing := [name for name in names if name not in found]:
        lines.append(f"Not measured: `python tools/bench.py --only {' '.join(missing)} --write`.")
    return "\n".join(lines).rstrip() + "\n"


def written(page: str, found: Mapping[str, Any]) -> str:
    """The page with every table made anew; the comment above a table names its parts."""
    return BLOCK.sub(lambda match: f"{match[1]}\n{tables(found, match[2].split(), markdown)}\n{match[3]}", page)


def peer(text: str) -> tuple[str, str]:
    """NAME and PYTHON[:CHECKOUT] of an argument."""
    name, _, where = text.partition("=")
    if name not in PEERS or not where:
        raise argparse.ArgumentTypeError(f"{text!r} is not NAME=PYTHON[:CHECKOUT] with NAME one of {', '.join(PEERS)}")
    return name, where


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [part.name for part in PARTS]
    parser.add_argument("--only", nargs="+", choices=[*names, "peers"], help="these parts alone")
    parser.add_argument("--all", action="store_true", help="slow parts too, without a limit for all together")
    parser.add_argument("--limit", type=float, help="seconds that a part may take (300; 3,600 with --all)")
    parser.add_argument("--total", type=float, help="seconds that all may take (590; none with --all)")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="where the figures are written")
    parser.add_argument("--read", type=Path, metavar="JSON", help="take figures measured before instead of measuring")
    parser.add_argument("--write", action="store_true", help="write docs/performance.json and the tables of its page")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed or a part failed")
    parser.add_argument("--peer", type=peer, action="append", default=[], metavar="NAME=PYTHON[:CHECKOUT]")
    given = parser.parse_args()
    given.peer = dict(given.peer)
    if given.only and "peers" in given.only and not given.peer:
        parser.error("--only peers: name a harness with --peer")
    given.limit = given.limit or (3600.0 if given.all else 300.0)
    given.total = given.total or (0.0 if given.all else 590.0)
    return given


def main() -> None:
    """Measures or reads the parts, prints the table, and writes what is asked for."""
    given = arguments()
    if given.read:
        try:
            found = json.loads(given.read.read_text())
        except (OSError, ValueError) as error:
            sys.exit(f"--read {given.read}: {error}")
    else:
        chosen = [p for p in PARTS if (p.name in given.only if given.only else given.all or not p.slow)]
        found = measure_all(chosen, given)
    print(tables(found, list(found), aligned), end="")
    if given.write:
        kept = (json.loads(KEPT.read_text()) if KEPT.is_file() else {}) | found
        kept = {name: kept[name] for name in [*(part.name for part in PARTS), "peers"] if name in kept}
        KEPT.write_text(json.dumps(kept, indent=2) + "\n")
        PAGE.write_text(written(PAGE.read_text(), kept))
    missed = [row["what"] for part in found.values() for row in part["rows"] if restored([row])[0].missed]
    if given.check and (missed or any("failed" in part for part in found.values())):
        sys.exit(f"not reached: {', '.join(missed) or 'a part gave no figures'}")


if __name__ == "__main__":
    main()

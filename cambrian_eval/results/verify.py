"""Recomputes what a run states, offline: verdicts, scores, intervals, averages, and whether its data are the same.

Nothing is written. A value that differs is named; what cannot be recomputed is listed with its reason.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from cambrian_eval.data.rows import DataSpec, Only, load_samples
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object
from cambrian_eval.registry import scorers
from cambrian_eval.results.averages import by_run
from cambrian_eval.results.cell_notes import IMPORTED
from cambrian_eval.results.grading import benchmark_of, responses_of, summarize_cell
from cambrian_eval.results.verdicts import verdicts_of
from cambrian_eval.running.changes import changed_samples
from cambrian_eval.running.records import Cell, decode
from cambrian_eval.running.seal import check_seal
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result, Verdict

NAMED = 5
"""Differing values of one kind that are named."""


@dataclass(slots=True)
class Verification:
    """What was recomputed, what differs, and what could not be recomputed."""

    checked: dict[str, int] = field(default_factory=dict)
    """Kind of value to how many were recomputed."""
    differences: list[str] = field(default_factory=list)
    """One line for each value that differs."""
    skipped: list[str] = field(default_factory=list)
    """One line for what could not be recomputed, with the reason."""
    root: str | None = None
    """The root hash of a sealed run."""

    def add(self, kind: str, n: int = 1) -> None:
        """Counts recomputed values."""
        self.checked[kind] = self.checked.get(kind, 0) + n

    def differ(self, lines: Sequence[str]) -> None:
        """Adds lines about differing values; beyond `NAMED`, their number."""
        self.differences += lines[:NAMED]
        if len(lines) > NAMED:
            self.differences.append(f"and {len(lines) - NAMED} more like the last")


def verify_run(run: Run, data_root: Path | None = None) -> Verification:
    """Everything that a run states, recomputed."""
    found = Verification()
    if (sealed := check_seal(run)) is not None:
        found.root = sealed.root
        found.add("sealed files", sealed.n)
        found.differences += [f"seal: {text}" for text in sealed.problems]
    _lines(run, found)
    for name in run.benchmarks():
        _data(run, name, data_root, found)
    made: list[Result] = []
    stored = {(r.benchmark, r.condition, r.scorer): r for r in run.results()}
    for cell in run.cells():
        for scorer in run.scorers(cell):
            _cell(run, cell, scorer, stored, found, made)
    known = {(r.benchmark, r.condition, r.scorer) for r in made}
    for key in stored:
        if key not in known:
            found.skipped.append(f"result {'.'.join(key)}: the run has no verdicts of it")
    _averages(run, found)
    return found


def _lines(run: Run, found: Verification) -> None:
    """The checksum of every response."""
    for path in sorted((run.path / "responses").glob("*.jsonl")):
        broken = []
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                found.add("response checksums")
                if not line.endswith(b"\n") or decode(line[:-1]) is None:
                    broken.append(f"{path.relative_to(run.path)} line {number}: the checksum does not fit the line")
        found.differ(broken)


def _data(run: Run, name: str, data_root: Path | None, found: Verification) -> None:
    """The recorded fingerprint of the rows, and the stored samples against samples made from them."""
    info = run.info
    about = info["benchmarks"][name]["data"]
    recorded = info.get("data", {})
    kind = str(recorded.get("kind", ""))
    root = data_root or (Path(recorded["root"]) if recorded.get("root") else None)
    imported = (info["model"].get("details") or {}).get("kind") == IMPORTED
    try:
        if kind.startswith("mini"):
            spec = DataSpec.parse(kind, None)
        elif kind == "folder" and (root is None or not root.is_dir()):
            raise UserError(f"the data folder {root} is not here; give --data-root")
        else:
            spec = DataSpec(root=root, offline=True, revision=None if root else about.get("revision"))
        subset = info["benchmarks"][name].get("subset")
        limit = None if subset else info["responses_depend_on"].get("limit")
        only = Only(subset["name"], {name: [s.id for s in run.samples(name)]}) if subset else None
        loaded = load_samples(benchmark_of(run, name), spec, limit, only=only, images_optional=imported)
    except UserError as error:
        found.skipped.append(f"{name}: rows and samples: the rows are not available ({error})")
        return
    found.add("data fingerprints")
    if loaded.provenance.get("fingerprint") != about["fingerprint"]:
        found.differences.append(
            f"{name}: the rows have the fingerprint {loaded.provenance.get('fingerprint')}, the run was made with "
            f"{about['fingerprint']}"
        )
    found.add("samples", len(loaded.samples))
    changed = changed_samples(run, name, loaded.samples)
    if imported and changed:
        found.skipped.append(f"{name}: {len(changed)} samples have the options of an imported log, not the dataset's")
    else:
        found.differ([f"{name}: sample {i} is another one in the rows" for i in changed])


def _cell(
    run: Run,
    cell: Cell,
    scorer: str,
    stored: Mapping[tuple[str, str, str], Result],
    found: Verification,
    made: list[Result],
) -> None:
    """Verdicts and result of one scorer on one cell."""
    where = f"{cell.stem}.{scorer}"
    benchmark = benchmark_of(run, cell.benchmark)
    samples, records = responses_of(run, cell)
    theirs = run.all_verdicts(cell, scorer)
    raw = bool(run.info.get("official_raw"))
    rows: list[list[Verdict]] = []
    if scorer not in scorers():
        found.skipped.append(f"{where}: verdicts: they were not made by a rule (an LLM judge decided them)")
        if any((s.id, n) not in theirs for n in range(len(records)) for s in samples):
            found.differences.append(f"{where}: some responses have no verdict")
            return
        rows = [[theirs[s.id, n] for s in samples] for n in range(len(records))]
    else:
        lines = []
        for number, row in enumerate(records):
            rows.append(verdicts_of(benchmark, samples, row, scorer, official_raw=raw))
            for sample, verdict in zip(samples, rows[-1], strict=True):
                lines += _verdict(f"{where}: {sample.id}", theirs.get((sample.id, number)), verdict)
        found.add("verdicts", sum(map(len, rows)))
        extra = len(theirs) - sum(map(len, rows))
        found.differ([*lines, *([f"{where}: {extra} verdicts belong to no response"] if extra > 0 else [])])
    result = summarize_cell(run, benchmark, cell, samples, records, rows, scorer, ())
    made.append(result)
    before = stored.get((cell.benchmark, cell.condition, scorer))
    if before is None:
        found.differences.append(f"{where}: results.json has no result")
        return
    # Notes are words about the circumstances, and the basis says which version scored; every number is compared.
    left, right = (_leaves(asdict(replace(r, notes=(), basis=None))) for r in (before, result))
    found.add("scores, intervals and counts", len(right))
    found.differ(
        [
            f"{where}: {name} is {left.get(name)!r} in results.json, recomputed {right.get(name)!r}"
            for name in dict.fromkeys((*left, *right))
            if not _equal(left.get(name), right.get(name))
        ]
    )


def _verdict(where: str, stored: Verdict | None, made: Verdict) -> list[str]:
    if stored is None:
        return [f"{where}: the verdict is missing"]
    names = [n for n in ("value", "extracted", "rule", "outcome") if not _equal(getattr(stored, n), getattr(made, n))]
    if "extracted" in names or "rule" in names:  # lone surrogates are stored as their escapes
        names = [n for n in names if _escaped(getattr(made, n)) != getattr(stored, n)]
    return [f"{where}: {n} is {getattr(stored, n)!r}, recomputed {getattr(made, n)!r}" for n in names[:1]]


def _escaped(value: Any) -> Any:
    return value.encode("utf-8", "backslashreplace").decode("utf-8") if isinstance(value, str) else value


def _averages(run: Run, found: Verification) -> None:
    """The stored averages over the stored results."""
    path = run.path / "results.json"
    if not path.is_file():
        found.skipped.append("averages: nothing was scored")
        return
    left, right = (_leaves(x) for x in (read_object(path).get("averages", []), by_run(run.results())))
    found.add("averages", sum(name.endswith(".value") for name in right))
    found.differ(
        [
            f"results.json: averages{name} is {left.get(name)!r}, recomputed {right.get(name)!r}"
            for name in dict.fromkeys((*left, *right))
            if not _equal(left.get(name), right.get(name))
        ]
    )


def compare_tables(name: str, stored: str, made: str, found: Verification) -> None:
    """Every cell of a CSV file against the one made again."""
    import csv
    import io

    left, right = (list(csv.reader(io.StringIO(text))) for text in (stored, made))
    heading = right[0] if right else []
    lines = []
    if len(left) != len(right):
        lines.append(f"{name} has {len(left)} lines, made again {len(right)}")
    for number, (mine, theirs) in enumerate(zip(left, right, strict=False), 1):
        found.add("cells of tables and figures", len(theirs))
        for k in range(max(len(mine), len(theirs))):
            a, b = (row[k] if k < len(row) else None for row in (mine, theirs))
            if a != b:
                column = heading[k] if k < len(heading) else f"column {k + 1}"
                lines.append(f"{name} line {number}, {column}: {a!r}, made again {b!r}")
    found.differ(lines)


def compare_lines(name: str, stored: str, made: str, found: Verification) -> None:
    """Every line of a text file, such as a table in LaTeX, against the one made again."""
    from itertools import zip_longest

    left, right = stored.splitlines(), made.splitlines()
    found.add("lines of tables and exports in other forms", len(right))
    pairs = enumerate(zip_longest(left, right), 1)
    found.differ([f"{name} line {number}: {a!r}, made again {b!r}" for number, (a, b) in pairs if a != b])


def _leaves(value: Any, name: str = "") -> dict[str, Any]:
    """The values inside lists and objects by their path."""
    if isinstance(value, Mapping):
        pairs: Sequence[tuple[Any, Any]] = [(f".{k}" if name else str(k), v) for k, v in value.items()]
    elif isinstance(value, (list, tuple)):
        pairs = [(f"[{i}]", v) for i, v in enumerate(value)]
    else:
        return {name: value}
    found: dict[str, Any] = {}
    for inner, one in pairs:
        found |= _leaves(one, name + inner)
    return found


def _equal(a: Any, b: Any) -> bool:
    numbers: Callable[[Any], bool] = lambda x: isinstance(x, (int, float)) and not isinstance(x, bool)  # noqa: E731
    if numbers(a) and numbers(b):
        return math.isclose(a, b, rel_tol=1e-9, abs_tol=1e-9)
    return bool(a == b)

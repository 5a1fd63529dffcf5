"""Where rows come from: the hub, a folder of the user's, or the miniature suite; and how they become samples.

Text columns are read once and kept; pictures stay encoded where they are (a Parquet row group, an Arrow map, a
file) until a request needs them, so memory does not grow with the pictures of a data set.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, HubSource, Join
from cambrian_eval.errors import UserError
from cambrian_eval.grading import row_to_sample
from cambrian_eval.sample import Sample

Row = Mapping[str, Any]
"""One row of a data set by column."""


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Which rows a run uses."""

    root: Path | None = None
    """A folder with one sub-folder for each benchmark."""
    mini: int | None = None
    """Rows of the miniature suite for each benchmark; None = real data."""
    revision: str | None = None
    """Instead of the revision that the benchmark names."""
    offline: bool = False
    """Take rows from caches only."""

    @classmethod
    def parse(cls, data: str, root: Path | None, revision: str | None = None, offline: bool = False) -> DataSpec:
        """`hub`, `mini` or `mini:N` from the command line, and `--data-root`."""
        kind, _, number = data.partition(":")
        if kind == "mini":
            if root is not None:
                raise UserError("--data mini and --data-root exclude each other; give one of them")
            if number and not (number.isdigit() and int(number) > 0):
                raise UserError(f"--data {data}: the number of rows must be a positive integer, as in mini:200")
            return cls(mini=int(number) if number else 48, offline=True)
        if kind != "hub" or number:
            raise UserError(f"--data {data!r} is not known; use hub, mini or mini:N (or --data-root DIR)")
        return cls(root=root, revision=revision, offline=offline)

    @property
    def offered(self) -> frozenset[str] | None:
        """Benchmarks that have rows of this kind; None where every benchmark may."""
        if self.mini is None:
            return None
        from cambrian_eval.benchmarks import miniature

        return frozenset(miniature.NAMES)

    @property
    def text(self) -> str:
        """The spec in one word, for run.json."""
        if self.mini is not None:
            return f"mini:{self.mini}"
        return "folder" if self.root else "hub"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A benchmark's samples and where they came from."""

    samples: list[Sample]
    """In data-set order."""
    provenance: dict[str, Any]
    """Plain JSON: source, resolved revision, fingerprint, number of rows."""
    warnings: tuple[str, ...] = ()
    """What differs from what the benchmark declares, a line each."""
    complete: bool = True
    """Whether every row that the declaration names was loaded and kept."""


def load_samples(benchmark: Benchmark, spec: DataSpec, limit: int | None = None) -> Loaded:
    """All samples of a benchmark, or about the first `limit` (whole pairs and groups)."""
    rows, provenance = _rows(benchmark, spec)
    _check_columns(benchmark, rows, provenance["from"])
    samples = [s for i, row in enumerate(rows) if (s := row_to_sample(benchmark, row, i)) is not None]
    _check_ids(benchmark, samples)
    warnings = []
    declared = benchmark.source.n_rows
    complete = spec.mini is None and len(rows) == declared
    if spec.mini is None and len(rows) != declared:
        warnings.append(f"{benchmark.name}: {len(rows)} rows loaded, the published data set has {declared}")
    if not samples:
        raise UserError(f"{benchmark.name}: none of the {len(rows)} rows in {provenance['from']} is part of it")
    kept = [_with_image_id(s) for s in _first(samples, limit)]
    return Loaded(kept, {**provenance, "rows": len(rows)}, tuple(warnings), complete and len(kept) == len(samples))


def _first(samples: list[Sample], limit: int | None) -> list[Sample]:
    """The first `limit` samples in data-set order, completed so that no pair or group is torn apart."""
    if limit is None or limit >= len(samples):
        return samples
    whole: dict[str, int] = {}
    for sample in samples:
        if sample.group is not None:
            whole[sample.group] = whole.get(sample.group, 0) + 1
    taken: set[str] = set()
    count = 0
    chosen: set[int] = set()
    for i, sample in enumerate(samples):
        if sample.group is not None and sample.group in taken:
            chosen.add(i)
        elif count < limit:
            chosen.add(i)
            count += 1 if sample.group is None else whole[sample.group]
            if sample.group is not None:
                taken.add(sample.group)
    return [s for i, s in enumerate(samples) if i in chosen]


def _with_image_id(sample: Sample) -> Sample:
    """The sample with its picture named: by the data set's own id, else by the hash of the encoded picture."""
    if sample.image_id is not None or not sample.images:
        return sample
    try:
        return replace(sample, image_id=f"sha256:{sample.images[0].sha256[:24]}")
    except (OSError, ValueError):
        return replace(sample, image_id=f"unreadable:{sample.id}")


def _check_columns(benchmark: Benchmark, rows: Sequence[Row], where: str) -> None:
    if not len(rows):
        raise UserError(f"{benchmark.name}: {where} holds no rows")
    found = rows.columns if isinstance(rows, Table) else list(rows[0])
    missing = [c for c in benchmark.source.columns if c not in found]
    if missing:
        raise UserError(
            f"{benchmark.name}: column {', '.join(map(repr, missing))} is missing in {where}; "
            f"found: {', '.join(sorted(found))}"
        )


def _check_ids(benchmark: Benchmark, samples: Sequence[Sample]) -> None:
    seen: dict[str, int] = {}
    for sample in samples:
        if sample.id in seen:
            raise UserError(
                f"{benchmark.name}: rows {seen[sample.id]} and {sample.index} have the same id {sample.id!r}; "
                "ids must be unique"
            )
        seen[sample.id] = sample.index


def _rows(benchmark: Benchmark, spec: DataSpec) -> tuple[Sequence[Row], dict[str, Any]]:
    if spec.mini is not None:
        from cambrian_eval.benchmarks import miniature

        made = miniature.rows(benchmark.name, spec.mini)
        return made, {"from": "the miniature suite", "kind": "mini", "fingerprint": _content(made)}
    if spec.root is not None:
        return _from_root(benchmark, spec.root)
    return _from_hub(benchmark, benchmark.source, spec)


def _from_root(benchmark: Benchmark, root: Path) -> tuple[Sequence[Row], dict[str, Any]]:
    """Rows from `root/<benchmark>/`: plain files, Parquet, JSONL or a `save_to_disk` folder."""
    if not root.is_dir():
        raise UserError(f"--data-root {root} is not a folder")
    folder = root / benchmark.name
    if not folder.is_dir():
        inside = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())[:20]) or "no folders"
        raise UserError(f"--data-root {root} has no folder {benchmark.name!r}; found: {inside}")
    source = benchmark.source
    from cambrian_eval.tables import confined

    plain = benchmark.rows_from_folder(folder)
    if plain is not None:
        rows: Sequence[Row] = confined(plain, folder)
    else:
        rows = _read_folder(_config_folder(folder, source.config), source.split, skip=source.join)
        if source.join is not None and not set(source.join.columns) <= set(_columns(rows)):
            rows = _joined(
                rows,
                _read_folder(_config_folder(folder, source.join.config, need=True), "", None),
                source.join,
            )
    return rows, {"from": str(folder), "kind": "folder", "fingerprint": _fingerprint(folder)}


def _config_folder(folder: Path, config: str | None, need: bool = False) -> Path:
    if config is not None and (folder / config).is_dir():
        return folder / config
    if need:
        raise UserError(f"{folder} has no sub-folder {config!r}, which holds the pictures")
    return folder


def _read_folder(folder: Path, split: str, skip: Join | None) -> Sequence[Row]:
    """Whatever table the folder holds, in the order Parquet, JSONL, `save_to_disk`."""
    from cambrian_eval.tables import read_jsonl, read_parquet, read_saved

    inside = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    if skip is not None:
        inside = [p for p in inside if skip.config not in p.relative_to(folder).parts]
    if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
        return read_saved(folder, split)
    if parquet := [p for p in inside if p.suffix == ".parquet"]:
        return read_parquet(_of_split(parquet, split), folder)
    if lines := [p for p in inside if p.suffix == ".jsonl"]:
        return read_jsonl(_of_split(lines, split), folder)
    raise UserError(f"{folder} holds neither *.parquet nor *.jsonl files nor a save_to_disk folder")


SPLITS = ("train", "validation", "val", "dev", "testmini", "testdev", "test")
"""How names of files that hold a split may begin."""


def _of_split(files: list[Path], split: str) -> list[Path]:
    """Where file names begin with split names, those of the wanted split; else all files."""
    named = {p: p.stem.split("-")[0].split("_")[0] for p in files}
    if not split or not all(name in SPLITS for name in named.values()):
        return files
    wanted = [p for p in files if named[p] == split]
    if not wanted:
        found = ", ".join(sorted(set(named.values())))
        raise UserError(f"{files[0].parent} has no file of split {split!r}; found splits: {found}")
    return wanted


class Table(Sequence[Row]):
    """Rows whose text is in memory and whose pictures are promises."""

    def __init__(self, columns: Mapping[str, Sequence[Any]]) -> None:
        self.columns = dict(columns)
        self._length = len(next(iter(columns.values()))) if columns else 0

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(index)
        return {name: values[index] for name, values in self.columns.items()}


def _columns(rows: Sequence[Row]) -> Sequence[str]:
    return list(rows.columns) if isinstance(rows, Table) else list(rows[0]) if len(rows) else []


def _joined(rows: Sequence[Row], pictures: Sequence[Row], join: Join) -> Table:
    """The main table with the joined table's columns; an unknown key leaves the picture out of the row."""
    for table, key in ((rows, join.key), (pictures, join.foreign_key)):
        if key not in _columns(table):
            raise UserError(f"column {key!r} is missing; found: {', '.join(_columns(table))}")
    where = {row[join.foreign_key]: row for row in pictures}
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in _columns(rows)}
    for name in join.columns:
        columns[name] = [where.get(row[join.key], {}).get(name) for row in rows]
    return Table(columns)


def _content(rows: Sequence[Row]) -> str:
    """Hash of everything in rows that are small enough to be held in memory, pictures included."""
    digest = hashlib.sha256()
    for row in rows:
        digest.update(repr(sorted(row.items())).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()[:32]


def _fingerprint(folder: Path) -> str:
    """Names, sizes and the first and last 4 MiB of every file: changes whenever a table is written anew."""
    digest = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        size = path.stat().st_size
        digest.update(f"{path.relative_to(folder)}\0{size}\0".encode("utf-8", "surrogateescape"))
        if path.suffix not in {".parquet", ".jsonl", ".arrow", ".csv", ".json"}:
            continue
        with path.open("rb") as file:
            digest.update(file.read(1 << 22))
            if size > 1 << 22:
                file.seek(max(size - (1 << 22), 1 << 22))
                digest.update(file.read())
    return digest.hexdigest()[:32]


def _from_hub(benchmark: Benchmark, source: HubSource, spec: DataSpec) -> tuple[Sequence[Row], dict[str, Any]]:
    """Rows from the hub's cache or the hub, at the pinned revision."""
    from cambrian_eval.hub import load_files, load_table, resolved_revision

    if spec.offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    revision = resolved_revision(source.repo, spec.revision or source.revision, spec.offline)
    if source.files:
        folder = load_files(source.repo, source.files, revision, spec.offline)
        rows: Sequence[Row] | None = benchmark.rows_from_folder(folder)
        if rows is None:
            raise UserError(f"{source.repo} at {revision} does not hold the files {', '.join(source.files)}")
    else:
        rows = load_table(source.repo, source.config, source.split, revision, spec.offline)
        if source.join is not None:
            pictures = load_table(source.repo, source.join.config, source.join.split, revision, spec.offline)
            rows = _joined(rows, pictures, source.join)
    where = f"{source.repo} ({source.config or 'default'}, {source.split})"
    return rows, {
        "from": where,
        "kind": "hub",
        "revision": revision,
        "fingerprint": f"{source.repo}@{revision}",
    }

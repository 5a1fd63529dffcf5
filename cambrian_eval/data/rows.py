"""Loads the rows of a benchmark (from the Hub, a local folder, or the miniature suite) and turns them into samples.

Text columns are read once and kept; images stay encoded where they are (a Parquet row group, an Arrow map, a
file) until a request needs them, so memory does not grow with the images of a dataset.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, Join, absent_answer, check_answers, row_to_sample
from cambrian_eval.data.cells import confined
from cambrian_eval.data.fingerprints import folder_fingerprint, rows_fingerprint
from cambrian_eval.data.joins import joined
from cambrian_eval.data.sources import from_hub
from cambrian_eval.data.table import Row, Table, columns_of
from cambrian_eval.errors import UserError, describe
from cambrian_eval.sample import Sample

MOST_MINI = 100_000
"""Rows of the miniature suite that are drawn for a benchmark; more take minutes."""


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
    urls: bool = False
    """Whether images that rows name by URL are downloaded."""
    rehash: bool = False
    """Whether files are hashed anew, without the cache of hashes."""

    @classmethod
    def parse(
        cls,
        data: str,
        root: Path | None,
        revision: str | None = None,
        offline: bool = False,
        urls: bool = False,
        rehash: bool = False,
    ) -> DataSpec:
        """`hub`, `mini` or `mini:N` from the command line, and `--data-root`."""
        kind, _, number = data.partition(":")
        if kind == "mini":
            if root is not None:
                raise UserError("--data mini and --data-root exclude each other; give one of them")
            if number and not (number.isascii() and number.isdigit() and len(number) < 10 and int(number) > 0):
                raise UserError(f"--data {data}: the number of rows must be a positive integer, as in mini:200")
            if number and int(number) > MOST_MINI:
                raise UserError(f"--data {data}: the miniature suite draws at most {MOST_MINI} rows for a benchmark")
            return cls(mini=int(number) if number else 48, offline=True, rehash=rehash)
        if kind != "hub" or number:
            told = "use hub, mini or mini:N (or --data-root DIR); benchmarks are named with --benchmark"
            raise UserError(f"--data {data!r} is not known; {told}")
        return cls(root=root, revision=revision, offline=offline, urls=urls, rehash=rehash)

    def offered(self) -> frozenset[str] | None:
        """Benchmarks that have rows of this kind; None where every benchmark may."""
        if self.mini is None:
            return None
        from cambrian_eval.demo import miniature

        return frozenset(miniature.names())

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
    """In dataset order."""
    provenance: dict[str, Any]
    """Plain JSON: source, resolved revision, fingerprint, number of rows."""
    warnings: tuple[str, ...] = ()
    """What differs from what the benchmark declares, a line each."""
    complete: bool = True
    """Whether every row that the declaration names was loaded and kept."""
    subset: dict[str, Any] | None = None
    """Where only the samples of a subset were kept: its name, of how many samples, and the hash of its ids."""


@dataclass(frozen=True, slots=True)
class Only:
    """The samples that a subset leaves of some benchmarks."""

    subset: str
    """Its name."""
    ids: Mapping[str, Sequence[str]]
    """Benchmark -> ids."""

    def about(self, benchmark: str, of: int) -> dict[str, Any]:
        """What run.json has about the subset of a benchmark with `of` samples."""
        digest = hashlib.sha256(json.dumps(sorted(self.ids[benchmark])).encode()).hexdigest()
        return {"name": self.subset, "of": of, "sha256": digest}

    def chosen(self, benchmark: str, samples: Sequence[Sample]) -> tuple[list[Sample], tuple[str, ...]]:
        """Those of the samples that are in the subset, in their order, and what a reader must know.

        A pair or group that is in it only in part is left out: its score would be another one.
        """
        if not self.ids.get(benchmark):
            has = ", ".join(name for name, ids in self.ids.items() if ids) or "none at all"
            raise UserError(f"subset {self.subset} has no samples of {benchmark}; it has samples of: {has}")
        wanted = set(self.ids[benchmark])
        split = {s.group for s in samples if s.group is not None and s.id not in wanted}
        kept = [s for s in samples if s.id in wanted and (s.group is None or s.group not in split)]
        left_out = len({s.group for s in samples if s.id in wanted} & split)
        if not left_out:
            return kept, ()
        said = f"{benchmark}: {left_out} pairs or groups are only partly in subset {self.subset}, and are left out"
        return kept, (said,)


def load_samples(
    benchmark: Benchmark,
    spec: DataSpec,
    limit: int | None = None,
    *,
    only: Only | None = None,
    images_optional: bool = False,
) -> Loaded:
    """All samples of a benchmark, those of a subset, or about the first `limit` (whole pairs and groups).

    With `images_optional`, rows need no more than questions and gold answers: they are scored, not asked.
    """
    rows, provenance = _rows(benchmark, spec, images_optional)
    _check_columns(benchmark, rows, provenance["from"], images_optional)
    samples: list[Sample] = []
    absent: list[tuple[str, str]] = []
    for i, row in enumerate(rows):
        sample = row_to_sample(benchmark, row, i)
        if sample is not None:
            samples.append(sample)
            if column := absent_answer(benchmark, row, sample):
                absent.append((f"row {i}", column))
    _check_ids(benchmark, samples)
    warnings = check_answers(benchmark, samples, absent, f"{benchmark.name} ({provenance['from']})")
    warnings += [*benchmark.data_notes(samples), *provenance.pop("warnings", ())]
    declared = benchmark.source.n_rows
    complete = spec.mini is None and benchmark.source.is_whole(len(rows), len(samples))
    if spec.mini is None and not complete:
        warnings.append(f"{benchmark.name}: {len(rows)} rows loaded, the published dataset has {declared}")
    if not samples:
        raise UserError(f"{benchmark.name}: no row of {provenance['from']} ({len(rows)}) belongs to the benchmark")
    samples = list(benchmark.subset(samples)) if spec.mini is None else samples
    if _are_synthetic(rows):
        provenance["synthetic"] = True
    about, chosen = None, samples
    if only is not None:
        chosen, said = only.chosen(benchmark.name, samples)
        absent_ids = set(only.ids[benchmark.name]).difference(s.id for s in samples)
        if absent_ids or not chosen:
            raise UserError(
                f"{benchmark.name}: {len(absent_ids):,} of {len(only.ids[benchmark.name]):,} samples of subset "
                f"{only.subset} are not in the data; use the data that the subset was made from"
                if absent_ids
                else f"{said[0]}; no sample remains"
            )
        warnings += said
        about = only.about(benchmark.name, len(samples))
    kept = [_with_image_id(s) for s in _first(chosen, limit)]
    whole = complete and len(kept) == len(samples)
    return Loaded(kept, {**provenance, "rows": len(rows)}, tuple(warnings), whole, about)


def _are_synthetic(rows: Sequence[Row]) -> bool:
    """Whether any row has the flag of images that a program drew, as CV-Bench built from drawn sources has."""
    if "flags" not in columns_of(rows):
        return False
    flags = rows.columns["flags"] if isinstance(rows, Table) else [row.get("flags") for row in rows]
    return any(isinstance(f, list | tuple) and "synthetic" in f for f in flags)


def _first(samples: list[Sample], limit: int | None) -> list[Sample]:
    """The first `limit` samples in dataset order, completed so that no pair or group is split."""
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
    """The sample with its image named: by the dataset's own id, else by the hash of the encoded image."""
    if sample.image_id is not None or not sample.images:
        return sample
    try:
        return replace(sample, image_id=f"sha256:{sample.images[0].sha256[:24]}")
    except Exception as error:  # whatever the library that reads the table raises: the sample fails for it
        sample.images[0].problem = describe(error)
        return replace(sample, image_id=f"unreadable:{sample.id}")


def _check_columns(benchmark: Benchmark, rows: Sequence[Row], where: str, images_optional: bool = False) -> None:
    if not len(rows):
        raise UserError(f"{benchmark.name}: {where} holds no rows")
    if images_optional:  # what a sample needs, `row_to_sample` demands
        return
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


def _rows(benchmark: Benchmark, spec: DataSpec, images_optional: bool = False) -> tuple[Sequence[Row], dict[str, Any]]:
    if spec.mini is not None:
        from cambrian_eval.demo import miniature

        made = miniature.rows(benchmark.name, spec.mini)
        where = {"from": "the miniature suite", "kind": "mini", "synthetic": True}
        return made, {**where, "fingerprint": rows_fingerprint(made)}
    if spec.root is not None:
        return _from_root(benchmark, spec.root, spec, images_optional)
    return from_hub(benchmark, spec.revision, spec.offline, lambda folder: _read_folder(folder, "", None, spec.urls))


def _from_root(
    benchmark: Benchmark, root: Path, spec: DataSpec, images_optional: bool = False
) -> tuple[Sequence[Row], dict[str, Any]]:
    """Rows from `root/<benchmark>/`: plain files, Parquet, JSONL or a `save_to_disk` folder."""
    if not root.is_dir():
        raise UserError(f"--data-root {root} is not a folder")
    folder = root / benchmark.name
    if not folder.is_dir():
        inside = ", ".join(sorted(p.name for p in root.iterdir() if p.is_dir())[:20]) or "no folders"
        raise UserError(f"--data-root {root} has no folder {benchmark.name!r}; found: {inside}")
    source = benchmark.source
    plain = benchmark.rows_from_folder(folder)
    if plain is not None:
        rows: Sequence[Row] = confined(plain, folder)
    else:
        rows = _read_folder(_config_folder(folder, source.config), source.split, source.join, spec.urls)
        joins = source.join is not None and not (images_optional and not (folder / source.join.config).is_dir())
        if source.join is not None and joins and not set(source.join.columns) <= set(columns_of(rows)):
            rows = joined(
                rows,
                _read_folder(_config_folder(folder, source.join.config, need=True), "", None, spec.urls),
                source.join,
            )
    return rows, {"from": str(folder), "kind": "folder", "fingerprint": folder_fingerprint(folder, spec.rehash)}


def _config_folder(folder: Path, config: str | None, need: bool = False) -> Path:
    if config is not None and (folder / config).is_dir():
        return folder / config
    if need:
        raise UserError(f"{folder} has no sub-folder {config!r}, which holds the images")
    return folder


def _read_folder(folder: Path, split: str, skip: Join | None, urls: bool) -> Sequence[Row]:
    """Whatever table the folder holds; what the library that reads it cannot read is one line."""
    try:
        return _read_table(folder, split, skip, urls)
    except (UserError, MemoryError):
        raise
    except Exception as error:
        raise UserError(f"{folder} holds a table that cannot be read ({describe(error)}); copy it again") from error


def _read_table(folder: Path, split: str, skip: Join | None, urls: bool) -> Sequence[Row]:
    """The table of a folder, in the order `save_to_disk`, Parquet, JSONL, TSV."""
    from cambrian_eval.data.files import read_jsonl, read_parquet, read_saved
    from cambrian_eval.data.tsv import read_tsv

    inside = [p for p in sorted(folder.rglob("*")) if p.is_file()]
    if skip is not None:
        inside = [p for p in inside if skip.config not in p.relative_to(folder).parts]
    if (folder / "state.json").exists() or (folder / "dataset_dict.json").exists():
        return read_saved(folder, split, urls)
    if parquet := [p for p in inside if p.suffix == ".parquet"]:
        return read_parquet(_of_split(parquet, split), folder, urls)
    if lines := [p for p in inside if p.suffix == ".jsonl"]:
        return read_jsonl(_of_split(lines, split), folder, urls)
    if tables := [p for p in inside if p.suffix == ".tsv"]:
        return read_tsv(_of_split(tables, split), folder, urls)
    raise UserError(f"{folder} holds neither *.parquet nor *.jsonl nor *.tsv files nor a save_to_disk folder")


SPLITS = ("train", "validation", "val", "dev", "testmini", "testdev", "test", "image", "non_image")
"""How names of files that hold a split may begin."""
_SPLIT = re.compile(rf"({'|'.join(SPLITS)})(?=[-_.]|\Z)")


def _of_split(files: list[Path], split: str) -> list[Path]:
    """Where file names begin with split names, those of the wanted splits ("a" or "a+b"); else all files."""
    named = {p: match[1] for p in files if (match := _SPLIT.match(p.stem))}
    if not split or len(named) < len(files):
        return files
    wanted = [p for p in files if named[p] in split.split("+")]
    if {named[p] for p in wanted} != set(split.split("+")):
        found = ", ".join(sorted(set(named.values())))
        raise UserError(f"{files[0].parent} has no file of split {split!r}; found splits: {found}")
    return wanted

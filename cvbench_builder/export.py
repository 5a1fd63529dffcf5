"""Other formats of a complete build. Every export is read back and compared before it is kept."""

from __future__ import annotations

import base64
import csv
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from cvbench_builder import dataset, variants
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import inside, read_text
from cvbench_builder.stats import answer_text
from cvbench_builder.task import EXTRA

_COMPARED = tuple(c for c in dataset.PUBLISHED if c != "image")


def export(folder: Path, format: str, out: Path) -> int:
    """Write a build in another format and read it back; returns the number of rows."""
    if format not in FORMATS:
        raise BuilderError(f"--format {format}: unknown; one of {', '.join(FORMATS)}")
    rows = dataset.read_rows(folder)
    dataset.verify(folder, rows)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuilderError(f"{out}: already exists; choose another --out")
    with dataset.replacing(out) as part:
        return _WRITERS[format](folder, rows, part)


def _same(format: str, rows: list[dict[str, Any]], back: Iterable[dict[str, Any]], columns: tuple[str, ...]) -> None:
    """Compare what was written with what is read back, images by their digest."""
    count = 0
    for row, other in zip(rows, back, strict=False):
        count += 1
        for name in columns:
            if row[name] != other[name]:
                raise BuilderError(
                    f"{format}: row {row['key']}: `{name}` read back differs; the disk may be faulty, export again"
                )
        if row["image_sha256"] != hashlib.sha256(other["image"]).hexdigest():
            raise BuilderError(f"{format}: row {row['key']}: the image read back differs; export again")
    if count != len(rows):
        raise BuilderError(f"{format}: {count} of {len(rows)} rows read back; export again")


def _parquet(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """The files of the published repository: test_2d.parquet and test_3d.parquet, and the card."""
    import pyarrow.parquet as pq

    for kind, own in dataset.by_kind(rows).items():
        path = part / f"test_{kind.lower()}.parquet"
        dataset.write_parquet(own, folder, path)
        back = (
            {**row, "image": row["image"]["bytes"]}
            for batch in pq.ParquetFile(path).iter_batches(64)
            for row in batch.to_pylist()
        )
        _same("parquet", own, back, (*_COMPARED, *dataset.EXTRA))
    card = read_text(inside(folder, "README.md"))
    for kind, name in dataset.PARQUET.items():
        card = card.replace(f"{name}/*.parquet", f"test_{kind.lower()}.parquet")
    (part / "README.md").write_text(card, encoding="utf-8")
    if (folder / "figures").is_dir():
        (part / "figures").mkdir()
        for figure in sorted((folder / "figures").iterdir()):
            shutil.copyfile(inside(folder, f"figures/{figure.name}"), part / "figures" / figure.name)
    return len(rows)


def _disk(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """Folders for `datasets.load_from_disk`: default, 2D, 3D, each with a test split."""
    import datasets

    kinds = dataset.by_kind(rows)
    files = [str(folder / dataset.PARQUET[k] / "test.parquet") for k in kinds]
    cache = part / ".cache"
    for name, own, sources in (
        ("default", rows, files),
        *((k, m, [f]) for (k, m), f in zip(kinds.items(), files, strict=True)),
    ):
        loaded = datasets.Dataset.from_parquet(sources, cache_dir=str(cache), split="test")
        datasets.DatasetDict({"test": loaded}).save_to_disk(str(part / name))
        back = datasets.load_from_disk(str(part / name))["test"].cast_column("image", datasets.Image(decode=False))
        _same("disk", own, ({**r, "image": r["image"]["bytes"]} for r in back), _COMPARED)
    shutil.rmtree(cache, ignore_errors=True)
    return len(rows)


def _jsonl(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """One line per row and the images under their `filename`."""
    for kind, own in dataset.by_kind(rows).items():
        path = part / f"test_{kind.lower()}.jsonl"
        with path.open("w", encoding="utf-8") as handle:
            for row in own:
                target = part / row["filename"]
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(inside(folder, row["filename"]), target)
                names = [n for n in (*dataset.PUBLISHED, *dataset.EXTRA) if n != "image"]
                handle.write(json.dumps({n: row[n] for n in names}, ensure_ascii=False) + "\n")
        back = ({**r, "image": (part / r["filename"]).read_bytes()} for r in dataset.read_jsonl(path))
        _same("jsonl", own, back, (*_COMPARED, *dataset.EXTRA))
    return len(rows)


def _vlmevalkit(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """TSV files with the image as base64 and one column per option letter."""
    letters = "ABCDEF"
    head = ["index", "image", "question", *letters, "answer", "category", "split", "source"]
    for kind, own in dataset.by_kind(rows).items():
        path = part / f"CV-Bench-{kind}.tsv"
        with path.open("w", encoding="utf-8", newline="") as handle:
            writer = csv.writer(handle, delimiter="\t", lineterminator="\n")
            writer.writerow(head)
            for row in own:
                image = base64.b64encode(inside(folder, row["filename"]).read_bytes()).decode()
                options = [*row["choices"], *[""] * (len(letters) - len(row["choices"]))]
                writer.writerow(
                    [
                        row["idx"],
                        image,
                        row["question"],
                        *options,
                        row["answer"][1] if row["choices"] else row["answer"],
                        row["task"],
                        "test",
                        row["source"],
                    ]
                )
        _check_tsv(path, own)
    return len(rows)


def _check_tsv(path: Path, rows: list[dict[str, Any]]) -> None:
    csv.field_size_limit(2**31 - 1)
    with path.open(encoding="utf-8", newline="") as handle:
        count = 0
        for row, line in zip(rows, csv.DictReader(handle, delimiter="\t"), strict=False):
            count += 1
            image = hashlib.sha256(base64.b64decode(line["image"])).hexdigest()
            facts = (
                line["question"],
                line[line["answer"]] if row["choices"] else line["answer"],
                line["category"],
                line["source"],
                image,
            )
            if facts != (row["question"], answer_text(row), row["task"], row["source"], row["image_sha256"]):
                raise BuilderError(f"vlmevalkit: row {row['key']} read back differs; export again")
        if count != len(rows):
            raise BuilderError(f"vlmevalkit: {count} of {len(rows)} rows read back; export again")


def _circular(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """Every rotation of the options of every row, for the benchmark `cvbench_extra`, which asks that all are right."""
    return _variants("circular", folder, [r for row in rows for r in variants.rotations(row)], part)


def _mirrored(folder: Path, rows: list[dict[str, Any]], part: Path) -> int:
    """Every left-or-right row, and the same about the mirrored image; both must be right."""
    chosen = [row for row in rows if variants.has_mirror_twin(row)]
    if not chosen:
        raise BuilderError(f"{folder}: has no row about left and right, so there is nothing to mirror")
    images = part / "mirrored"
    made = []
    for row in chosen:
        made += variants.mirror_pair(row, inside(folder, row["filename"]), images)
    written = _variants("mirrored", images, made, part)
    shutil.rmtree(images)
    return written


def _variants(format: str, images: Path, rows: list[dict[str, Any]], part: Path) -> int:
    import pyarrow.parquet as pq

    numbered = [{**row, "idx": i, "type": EXTRA} for i, row in enumerate(rows)]
    path = part / dataset.PARQUET[EXTRA] / "test.parquet"
    dataset.write_parquet(numbered, images, path)
    back = (
        {**row, "image": row["image"]["bytes"]}
        for batch in pq.ParquetFile(path).iter_batches(64)
        for row in batch.to_pylist()
    )
    _same(format, numbered, back, (*_COMPARED, *dataset.EXTRA))
    return len(numbered)


_WRITERS: dict[str, Callable[[Path, list[dict[str, Any]], Path], int]] = {
    "parquet": _parquet,
    "disk": _disk,
    "jsonl": _jsonl,
    "vlmevalkit": _vlmevalkit,
    "circular": _circular,
    "mirrored": _mirrored,
}
FORMATS = tuple(_WRITERS)
"""What `--format` takes."""

"""A build on disk: what lies where, and the parquet files with their exact schema.

A build folder holds `rows.jsonl` (every column but the image), `img/` (the images under their `filename`),
`cvbench_2d/`, `cvbench_3d/` and `cvbench_extra/` (parquet with the images inside), `build.json`, `funnel.json`,
`stats.json`, `README.md`, figures, the review page and `manifest.json` with the sha256 of every other file, written
last.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from cvbench_builder.errors import BuilderError
from cvbench_builder.files import check_image_name, inside, parse_json, read_text
from cvbench_builder.old_builds import current_record, current_row
from cvbench_builder.questions import content_hash

PUBLISHED = (
    "idx",
    "type",
    "task",
    "image",
    "question",
    "choices",
    "answer",
    "prompt",
    "filename",
    "source",
    "source_dataset",
    "source_filename",
    "target_class",
    "target_size",
    "bbox",
)
"""Columns of the published rows."""
EXTRA = ("key", "classes", "boxes", "margins", "flags", "review", "provenance")
PARQUET = {"2D": "cvbench_2d", "3D": "cvbench_3d", "extra": "cvbench_extra"}
ROWS, MANIFEST, BUILD, FUNNEL = "rows.jsonl", "manifest.json", "build.json", "funnel.json"
NUMBER = re.compile(r"\d+(\.\d+)?")
"""The answer of a row without choices."""
_ROW_GROUP = 64


def _value(kind: str) -> dict[str, Any]:
    return {"dtype": kind, "_type": "Value"}


def _sequence(of: dict[str, Any]) -> dict[str, Any]:
    return {"feature": of, "_type": "Sequence"}


def features() -> dict[str, Any]:
    """The columns in the form that the `datasets` library stores in a parquet file."""
    text = _value("string")
    provenance = ("source", "component", "split", "image_id", "file", "sha256")
    return {
        "idx": _value("int64"),
        "type": text,
        "task": text,
        "image": {"_type": "Image"},
        "question": text,
        "choices": _sequence(text),
        "answer": text,
        "prompt": text,
        "filename": text,
        "source": text,
        "source_dataset": text,
        "source_filename": text,
        "target_class": text,
        "target_size": _value("int64"),
        "bbox": _sequence(_sequence(_value("float64"))),
        "key": text,
        "classes": _sequence(text),
        "boxes": [{"colour": text, "role": text, "xyxy": _sequence(_value("float64")), "object_id": text}],
        "margins": [{"name": text, "value": _value("float64")}],
        "flags": _sequence(text),
        "review": {"status": text, "reviewer": text, "reason": text, "note": text},
        "provenance": {
            **{name: text for name in provenance},
            "object_ids": _sequence(text),
            "annotation_file": text,
            "annotation_sha256": text,
            "builder_version": text,
            "settings_sha256": text,
            "seed": _value("int64"),
        },
    }


def schema() -> Any:
    """The parquet schema, with the features in its metadata for `datasets`."""
    import pyarrow as pa

    types = {"string": pa.string(), "int64": pa.int64(), "float64": pa.float64()}

    def arrow(feature: Any) -> Any:
        if isinstance(feature, list):
            return pa.list_(arrow(feature[0]))
        kind = feature.get("_type") if isinstance(feature, dict) else None
        if kind == "Value":
            return types[feature["dtype"]]
        if kind == "Sequence":
            return pa.list_(arrow(feature["feature"]))
        if kind == "Image":
            return pa.struct([("bytes", pa.binary()), ("path", pa.string())])
        return pa.struct([(name, arrow(sub)) for name, sub in feature.items()])

    metadata = {"huggingface": json.dumps({"info": {"features": features()}})}
    return pa.schema([(name, arrow(f)) for name, f in features().items()], metadata=metadata)


def write_parquet(rows: list[dict[str, Any]], images: Path, path: Path) -> None:
    """Write rows with their image bytes, a bounded number of images in memory at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    path.parent.mkdir(parents=True, exist_ok=True)
    # images are compressed already and all different: a dictionary of them only costs time
    with pq.ParquetWriter(path, schema(), compression="snappy", use_dictionary=False, write_statistics=False) as writer:
        for start in range(0, len(rows), _ROW_GROUP) if rows else ():
            chunk = []
            for row in rows[start : start + _ROW_GROUP]:
                image = {"bytes": inside(images, row["filename"]).read_bytes(), "path": row["filename"]}
                chunk.append({name: image if name == "image" else row[name] for name in (*PUBLISHED, *EXTRA)})
            writer.write_table(pa.Table.from_pylist(chunk, schema=schema()))


def write_all_parquet(rows: list[dict[str, Any]], folder: Path) -> None:
    """One parquet file per kind (2D, 3D) in its folder below `folder`, which holds the images."""
    for kind, own in by_kind(rows).items():
        write_parquet(own, folder, folder / PARQUET[kind] / "test.parquet")


def by_kind(rows: list[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    """The rows of each kind (2D, 3D)."""
    return {kind: [r for r in rows if r["type"] == kind] for kind in sorted({r["type"] for r in rows})}


def write_rows(rows: list[dict[str, Any]], path: Path) -> None:
    """One JSON line per row, without escaping text."""
    with path.open("w", encoding="utf-8") as handle:
        for row in rows:
            handle.write(json.dumps(row, ensure_ascii=False) + "\n")


def read_rows(folder: Path) -> list[dict[str, Any]]:
    """The rows of a complete build, also of one that an earlier version wrote."""
    path = folder / ROWS
    if not (folder / MANIFEST).is_file() or not path.is_file():
        raise BuilderError(f"{folder}: is not a complete build (no {MANIFEST}); make one with `build --out {folder}`")
    return read_rows_file(path)


def read_rows_file(path: Path) -> list[dict[str, Any]]:
    """The rows of a `rows.jsonl`; a row that lacks a column or names an image outside the build is refused."""
    rows = []
    columns = features()
    for number, row in enumerate(read_jsonl(path), 1):
        where = f"{path}: row {number}"
        if missing := [c for c in _NEEDED if c not in row]:
            raise BuilderError(f"{where}: column `{missing[0]}` is missing; the file was changed")
        check_image_name(row["filename"], where)
        try:
            current = current_row(_checked(row, where))
        except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
            raise BuilderError(f"{where}: a column has an unexpected value ({error}); the file was changed") from None
        if not isinstance(current.get("image_sha256"), str):
            raise BuilderError(f"{where}: column `image_sha256` is missing or not text; the file was changed")
        for name, feature in columns.items():
            if name != "image" and not _fits(current.get(name), feature):
                shown = str(current[name])[:80]
                raise BuilderError(f"{where}: column `{name}` has the value {shown!r}; the file was changed")
        rows.append(current)
    return rows


def _fits(value: Any, feature: Any) -> bool:
    """Whether a value can be stored under a feature of `features`; null always can."""
    if value is None:
        return True
    if isinstance(feature, list):
        return isinstance(value, list) and all(_fits(v, feature[0]) for v in value)
    kind = feature.get("_type")
    if kind == "Sequence":
        return isinstance(value, list) and all(_fits(v, feature["feature"]) for v in value)
    if kind == "Value":
        if feature["dtype"] == "string":
            return isinstance(value, str)
        whole = isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63
        return whole or (feature["dtype"] == "float64" and isinstance(value, float))
    return isinstance(value, dict) and all(_fits(value.get(name), inner) for name, inner in feature.items())


_NEEDED = (*(c for c in PUBLISHED if c not in ("idx", "image")), *(c for c in EXTRA if c != "classes"), "content_hash")


def _records(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(v, dict) for v in value)


def _letters(choices: list[str]) -> list[str]:
    return [f"({chr(ord('A') + i)})" for i in range(len(choices))]


def _checked(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The row, if what the commands rely on has the right type."""
    choices, answer, texts = row["choices"], row["answer"], ("key", "question", "prompt", "content_hash")
    wrong = next((c for c in texts if not isinstance(row[c], str)), None)
    if not isinstance(choices, list) or not all(isinstance(c, str) for c in choices):
        wrong = "choices"
    elif not (answer in _letters(choices) if choices else NUMBER.fullmatch(str(answer))):
        wrong = "answer"
    elif not isinstance(row["review"], dict) or not isinstance(row["review"].get("status"), str):
        wrong = "review"
    elif row["type"] not in PARQUET:
        wrong = "type"
    elif not isinstance(row["provenance"], dict) or not isinstance(row["provenance"].get("component"), str):
        wrong = "provenance"
    else:
        wrong = next((c for c in ("boxes", "margins") if not _records(row[c])), wrong)
    if wrong is not None:
        raise BuilderError(f"{where}: column `{wrong}` has the value {str(row[wrong])[:80]!r}; the file was changed")
    return row


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The object of every line; blank lines are skipped."""
    rows = []
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        row = parse_json(line, f"{path}: line {number}")
        if not isinstance(row, dict):
            raise BuilderError(f"{path}: line {number} is not a JSON object; export the file again")
        rows.append(row)
    return rows


def read_json(path: Path) -> Any:
    """The value in a JSON file."""
    return parse_json(read_text(path), str(path))


def read_record(path: Path) -> Any:
    """`build.json` or `funnel.json`, also of a build that an earlier version wrote."""
    record = current_record(read_json(path))
    if not isinstance(record, dict):
        raise BuilderError(f"{path}: is not a JSON object; the file was changed")
    return record


def write_json(value: Any, path: Path) -> None:
    """Sorted keys and a final newline, so that equal values are equal bytes."""
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")


def write_manifest(folder: Path) -> None:
    """Write the sha256 of every file of the folder; call it last."""
    files = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    digests = {p.relative_to(folder).as_posix(): _sha256(p) for p in files}
    write_json({"files": digests}, folder / MANIFEST)


def verify(folder: Path, rows: list[dict[str, Any]]) -> None:
    """Refuse a build whose data was changed after it was built.

    Rows, images, parquet files and records must have the digests of the manifest, every row its content hash, and the
    parquet files the questions and answers of the rows.
    """
    files = read_json(folder / MANIFEST)
    files = files.get("files") if isinstance(files, dict) else None
    if not isinstance(files, dict):
        raise BuilderError(f"{folder / MANIFEST}: `files` is missing; the file was changed")
    digests: dict[str, str] = {}
    wanted = [ROWS, BUILD, FUNNEL, *(r["filename"] for r in rows)]
    wanted += [f"{PARQUET[kind]}/test.parquet" for kind in by_kind(rows)]
    if (folder / "twins").exists():
        twins = [r["filename"] for r in read_rows_file(inside(folder, f"twins/{ROWS}"))]
        wanted += [f"twins/{name}" for name in (ROWS, *twins)]
    for name in dict.fromkeys(wanted):
        digests[name] = _sha256(inside(folder, name))
        if files.get(name) != digests[name]:
            raise BuilderError(f"{folder / name}: has changed since the build was made ({MANIFEST}); build it again")
    for row in rows:
        sha256 = digests[row["filename"]]
        if row["content_hash"] != content_hash(row, sha256) or row.get("image_sha256", sha256) != sha256:
            raise BuilderError(f"{folder / ROWS}: row {row['key']} does not have its content hash; it was changed")
    for kind, own in by_kind(rows).items():
        _compare_parquet(folder / PARQUET[kind] / "test.parquet", own)


def _compare_parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["key", "question", "choices", "answer", "filename"]
    try:
        stored = pq.ParquetFile(path).read(columns=columns).to_pylist()
    except (OSError, pa.ArrowException) as error:
        raise BuilderError(f"{path}: cannot be read ({str(error).splitlines()[0]}); build it again") from None
    if stored != [{c: row[c] for c in columns} for row in rows]:
        raise BuilderError(f"{path}: has other rows than {ROWS}; build it again")


def _sha256(path: Path) -> str:
    with path.open("rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


@contextmanager
def replacing(out: Path) -> Iterator[Path]:
    """A temporary folder beside `out` that replaces it when the block ends without an error."""
    out = out.absolute()
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        yield part
        old = out.with_name(f".{out.name}.old-{os.getpid()}")
        if out.exists():
            out.rename(old)
        part.rename(out)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def refuse_foreign(out: Path, overwrite: bool) -> None:
    """Refuse to replace a folder that is not a build, or one that was reviewed."""
    if not out.exists():
        return
    if not out.is_dir():
        raise BuilderError(f"{out}: is a file; choose another --out")
    if not any(out.iterdir()):
        return
    if not (out / MANIFEST).is_file():
        raise BuilderError(f"{out}: is not empty and not an earlier build; choose another --out")
    if not overwrite and any(r["review"]["status"] != "unreviewed" for r in read_rows(out)):
        raise BuilderError(f"{out}: contains reviewed rows; choose another --out or add --overwrite")

"""Compare two builds, or a build and the published parquet files, row by row."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvbench_builder import dataset
from cvbench_builder.errors import BuilderError
from cvbench_builder.old_builds import current_row
from cvbench_builder.stats import answer_text
from cvbench_builder.wording import letter

COMPARED = ("question", "choices", "answer", "prompt", "bbox", "target_class", "target_size")


@dataclass(frozen=True)
class Difference:
    """How the rows of B differ from those of A."""

    added: list[dict[str, Any]]
    removed: list[dict[str, Any]]
    changed: list[tuple[dict[str, Any], list[str]]]
    """The row as it is in B, and the names of what differs."""
    same: int


def load_any(path: Path) -> list[dict[str, Any]]:
    """Rows of a build folder, a parquet or JSONL file, or a folder of parquet files; images as hashes."""
    if path.is_dir() and (path / dataset.MANIFEST).is_file():
        return dataset.read_rows(path)
    if path.suffix == ".jsonl":
        return _jsonl_rows(path)
    files = [path] if path.is_file() else sorted(path.rglob("*.parquet"))
    if not files:
        raise BuilderError(f"{path}: contains neither a build nor parquet files")
    return [row for file in files for row in _parquet_rows(file)]


_NEEDED = ("task", "question", "choices", "answer", "source")


def _jsonl_rows(file: Path) -> list[dict[str, Any]]:
    """Rows like those of the published test_2d.jsonl and test_3d.jsonl."""
    return [_checked(row, f"{file}: row {number}") for number, row in enumerate(dataset.read_jsonl(file), 1)]


def _checked(row: dict[str, Any], where: str) -> dict[str, Any]:
    """The row in its present form, if it can be one of CV-Bench."""
    if missing := [c for c in _NEEDED if c not in row]:
        raise BuilderError(f"{where}: column `{missing[0]}` is missing; is this CV-Bench?")
    choices = row["choices"]
    if not isinstance(choices, list) or row["answer"] not in [f"({letter(i)})" for i in range(len(choices))]:
        raise BuilderError(f"{where}: `answer` is {str(row['answer'])[:40]!r}, which is no letter of `choices`")
    return current_row(row)


def _parquet_rows(file: Path) -> list[dict[str, Any]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        source = pq.ParquetFile(file)
    except (OSError, pa.ArrowInvalid):
        raise BuilderError(f"{file}: not a parquet file") from None
    missing = [c for c in _NEEDED if c not in source.schema_arrow.names]
    if missing:
        raise BuilderError(f"{file}: column `{missing[0]}` is missing; is this CV-Bench?")
    rows: list[dict[str, Any]] = []
    for batch in source.iter_batches(64):
        for row in batch.to_pylist():
            image = row.pop("image", None)
            if isinstance(image, dict) and image.get("bytes"):
                row["image_sha256"] = hashlib.sha256(image["bytes"]).hexdigest()
            rows.append(_checked(row, f"{file}: row {len(rows) + 1}"))
    return rows


def compare(a: list[dict[str, Any]], b: list[dict[str, Any]]) -> Difference:
    """Rows are matched by key if both sides have keys, otherwise by image name and question."""
    by_key = all("key" in r for r in (*a, *b))
    left, right = _index(a, by_key), _index(b, by_key)
    # without keys the rows come from another builder, whose images and boxes are rendered differently
    columns = (*COMPARED, "image_sha256") if by_key else tuple(c for c in COMPARED if c != "bbox")
    changed = []
    for name in left.keys() & right.keys():
        differs = [c for c in columns if left[name].get(c) != right[name].get(c)]
        if differs:
            changed.append((right[name], differs))
    changed.sort(key=lambda c: (c[0]["task"], c[0]["question"], str(c[0].get("source_filename"))))
    added = [r for n, r in right.items() if n not in left]
    removed = [r for n, r in left.items() if n not in right]
    return Difference(added, removed, changed, len(left.keys() & right.keys()) - len(changed))


def _index(rows: list[dict[str, Any]], by_key: bool) -> dict[tuple[Any, ...], dict[str, Any]]:
    index: dict[tuple[Any, ...], dict[str, Any]] = {}
    seen: dict[tuple[Any, ...], int] = defaultdict(int)
    for row in rows:
        if by_key:
            name: tuple[Any, ...] = (row["key"],)
        else:
            name = (row["task"], str(row.get("source_filename", "")).rsplit("/", 1)[-1], row["question"])
        seen[name] += 1
        index[(*name, seen[name])] = row
    return index


def lines(difference: Difference, shown: int = 10) -> list[str]:
    """Counts by task and source, then at most `shown` rows of each type of difference."""
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for name, rows in (
        ("added", difference.added),
        ("removed", difference.removed),
        ("changed", [c[0] for c in difference.changed]),
    ):
        for row in rows:
            counts[(row["task"], row["source"])][name] += 1
    if not difference.same and not difference.changed:
        return ["no row is in both sets"]
    out = [f"{difference.same} rows are the same", f"{'task':<10}{'source':<9}{'added':>7}{'removed':>9}{'changed':>9}"]
    for (task, source), n in sorted(counts.items()):
        out.append(f"{task:<10}{source:<9}{n['added']:>7}{n['removed']:>9}{n['changed']:>9}")
    out += [f"~ {_short(row)}: {', '.join(names)}" for row, names in difference.changed[:shown]]
    out += [f"+ {_short(row)}" for row in difference.added[:shown]]
    out += [f"- {_short(row)}" for row in difference.removed[:shown]]
    hidden = sum(max(0, len(v) - shown) for v in (difference.changed, difference.added, difference.removed))
    return [*out, f"... and {hidden} more"] if hidden else out


def _short(row: dict[str, Any]) -> str:
    image = str(row.get("source_filename", "")).rsplit("/", 1)[-1]
    return f"{row['task']} {row['source']} {image}: {row['question']} -> {answer_text(row)}"


def as_json(difference: Difference) -> dict[str, Any]:
    """Every difference in full, each row by its key and its question."""

    def brief(row: dict[str, Any]) -> dict[str, Any]:
        return {k: row.get(k) for k in ("key", "task", "source", "source_filename", "question", "choices", "answer")}

    return {
        "same": difference.same,
        "added": [brief(r) for r in difference.added],
        "removed": [brief(r) for r in difference.removed],
        "changed": [{**brief(r), "differs": names} for r, names in difference.changed],
    }

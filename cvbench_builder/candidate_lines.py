"""The lines of `candidates.jsonl`: every candidate, with its question or with the reasons for its rejection."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import orjson

from cvbench_builder import questions
from cvbench_builder.candidates import CandidateTable, Reason, add_funnels, funnel, in_chunks, names_of
from cvbench_builder.catalog import Catalog, ImageFlag
from cvbench_builder.images import Source
from cvbench_builder.inputs import named
from cvbench_builder.settings import BuildSettings
from cvbench_builder.task import Task
from cvbench_builder.tasks import chosen_tasks, enumerate_candidates, task_named

PARALLEL_FROM = 20_000
"""Number of objects from which several processes make the lines of a source."""


def write(
    sources: list[Source], settings: BuildSettings, out: Path, progress: Callable[[str], None], workers: int = 1
) -> dict[str, Any]:
    """Write all lines to a temporary file, then rename it; returns the funnel."""
    counts: dict[str, Any] = {}
    sources = named(sources, settings)
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    try:
        with part.open("wb") as handle:
            for task in chosen_tasks(settings):
                for source in sources:
                    total: dict[str, int] = {}
                    for data in _encoded(task, source.catalog, settings, total, workers):
                        handle.write(data)
                    if total:
                        name = f"{source.catalog.name} {source.catalog.split}"
                        counts.setdefault(task.name, {})[name] = total
                        progress(f"{task.name} {name}: " + ", ".join(f"{k} {v}" for k, v in total.items()))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _encoded(
    task: Task, catalog: Catalog, settings: BuildSettings, total: dict[str, int], workers: int
) -> Iterator[bytes]:
    """The lines of one task and source, in chunks, in order; adds to the funnel `total`."""

    def chunks() -> Iterator[CandidateTable]:
        for table in enumerate_candidates(task, catalog, settings):
            add_funnels(total, funnel(table, task.own_reasons))
            yield from (task.complete(catalog, chunk) for chunk in in_chunks(table, 5_000))

    encode = partial(_encode, task=task.name, settings=settings)
    if workers == 1 or len(catalog.object_image) < PARALLEL_FROM:
        yield from (encode(chunk, catalog=catalog) for chunk in chunks())
        return
    # a forked child shares the columns with its parent; only the candidates are sent
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, initializer=_share, initargs=(catalog,)) as pool:
        yield from pool.imap(encode, chunks())


_shared: list[Catalog] = []
"""In a child process: the catalog of its chunks."""


def _share(catalog: Catalog) -> None:
    _shared[:] = [catalog]


def _encode(chunk: CandidateTable, task: str, settings: BuildSettings, catalog: Catalog | None = None) -> bytes:
    rows = lines(task_named(task), _shared[0] if catalog is None else catalog, chunk, settings)
    return b"".join(orjson.dumps(row) + b"\n" for row in rows)


def lines(task: Task, catalog: Catalog, table: CandidateTable, settings: BuildSettings) -> list[dict[str, Any]]:
    """The lines of one table: valid candidates with their question, rejected ones with their reasons."""
    out = []
    names, ids = catalog.image_name, catalog.image_id
    columns = (table.reasons, table.image, table.flags)
    for row, (reasons, image, flags) in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        line: dict[str, Any] = {
            "status": "rejected" if reasons else "valid",
            "task": task.name,
            "source": catalog.source,
            "source_dataset": catalog.title,
            "source_filename": str(names[image]),
            "image_id": str(ids[image]),
        }
        if reasons:
            line["reasons"] = _reasons(task, catalog, reasons, image, flags)
            line |= task.describe_rejected(catalog, table, row)
        else:
            line |= _question(task, catalog, table, row, settings)
        out.append(line)
    return out


def _reasons(task: Task, catalog: Catalog, reasons: int, image: int, flags: int) -> list[str]:
    names = task.reason_names(reasons, flags)
    if reasons & int(Reason.IMAGE_UNUSABLE):
        names.remove("image_unusable")
        image_flags = int(catalog.image_flags[image]) & ~int(ImageFlag.ROTATED)
        names += [f"image_{n}" for n in names_of(image_flags, ImageFlag)]
    return names


def _question(task: Task, catalog: Catalog, table: CandidateTable, row: int, settings: BuildSettings) -> dict[str, Any]:
    key = task.key(catalog, table, row)
    place = int(key[:8], 16) % task.option_count(table, row, key, settings)
    q = questions.ask(task, catalog, table, row, key, place, settings)
    return {
        "key": key,
        "question": q.words.question,
        "choices": q.words.choices,
        "answer": q.letter,
        "answer_text": q.text,
        "prompt": q.prompt,
        "classes": list(q.words.classes),
        "boxes": q.words.boxes,
        "margins": q.margins,
        "flags": q.flags,
    }

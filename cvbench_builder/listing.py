"""``candidates``: every candidate and every rejection with its reasons, one JSON line each."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from cvbench_builder import candidates as cands
from cvbench_builder import rows, wording
from cvbench_builder.candidates import Table, Why
from cvbench_builder.catalog import Catalog, Pic, Unfit
from cvbench_builder.inputs import Source
from cvbench_builder.settings import Settings
from cvbench_builder.tasks import enumerate_task
from cvbench_builder.tasks.distance import complete

PARALLEL_FROM = 20_000
"""Objects from which on the lines of a source are worded by several processes."""


def write(
    sources: list[Source], settings: Settings, out: Path, say: Callable[[str], None], workers: int = 1
) -> dict[str, Any]:
    """Write the listing beside its final place, then rename; returns the funnel."""
    counts: dict[str, Any] = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    try:
        with part.open("wb") as handle:
            for task in settings.tasks:
                for source in sources:
                    total: dict[str, int] = {}
                    for data in _encoded(task, source.catalog, settings, total, workers):
                        handle.write(data)
                    if total:
                        name = f"{source.catalog.name} {source.catalog.split}"
                        counts.setdefault(task, {})[name] = total
                        say(f"{task} {name}: " + ", ".join(f"{k} {v}" for k, v in total.items()))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _encoded(task: str, catalog: Catalog, settings: Settings, total: dict[str, int], workers: int) -> Iterator[bytes]:
    """The lines of one task and source, piece by piece in order; ``total`` gathers the funnel."""

    def chunks() -> Iterator[Table]:
        for table in enumerate_task(task, catalog, settings):
            cands.add_funnels(total, cands.funnel(table))
            yield from (complete(catalog, chunk) for chunk in cands.in_chunks(table, 5_000))

    word = partial(_encode, settings=settings)
    forks = "fork" in multiprocessing.get_all_start_methods()
    if workers == 1 or not forks or len(catalog.object_image) < PARALLEL_FROM:
        yield from (word(chunk, catalog=catalog) for chunk in chunks())
        return
    # a forked child shares the columns with its parent; only the candidates travel
    context = multiprocessing.get_context("fork")
    with context.Pool(workers, initializer=_share, initargs=(catalog,)) as pool:
        yield from pool.imap(word, chunks())


_shared: list[Catalog] = []
"""In a child process: the catalog its chunks are about."""


def _share(catalog: Catalog) -> None:
    _shared[:] = [catalog]


def _encode(chunk: Table, settings: Settings, catalog: Catalog | None = None) -> bytes:
    dumps = _encoder()
    return b"".join(dumps(row) + b"\n" for row in lines(_shared[0] if catalog is None else catalog, chunk, settings))


def _encoder() -> Callable[[Any], bytes]:
    try:
        import orjson

        return orjson.dumps
    except ImportError:
        return lambda value: json.dumps(value, ensure_ascii=False).encode()


def lines(catalog: Catalog, t: Table, settings: Settings) -> list[dict[str, Any]]:
    """The lines of one table: valid candidates with their question, rejected ones with their reasons."""
    out = []
    names, ids = catalog.image_name, catalog.image_id
    columns = (t.why, t.image, t.soft, t.kind, t.answer, t.objects, t.margins)
    for row, (why, image, soft, kind, answer, objects, margins) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        line: dict[str, Any] = {
            "status": "rejected" if why else "valid",
            "task": t.task,
            "source": catalog.source,
            "source_dataset": catalog.title,
            "source_filename": str(names[image]),
            "image_id": str(ids[image]),
        }
        if not why:
            line |= _question(catalog, t, row, settings)
        else:
            line["reasons"] = _reasons(catalog, why, image, soft)
            if t.task == "Count":
                line |= {"classes": [catalog.classes[kind].name], "value": answer}
            else:
                line |= _about(catalog, t, [o for o in objects if o >= 0], answer, margins)
        out.append(line)
    return out


def _reasons(catalog: Catalog, why: int, image: int, soft: int) -> list[str]:
    names = cands.names_of(why, Why)
    if why & _UNFIT:
        names.remove("unfit_cuboid")
        names += cands.names_of(soft, Unfit)
    if why & _UNUSABLE:
        names.remove("image_unusable")
        flags = int(catalog.image_flags[image]) & ~int(Pic.ROTATED)
        names += [f"image_{n}" for n in cands.names_of(flags, Pic)]
    return names


_UNFIT, _UNUSABLE = int(Why.UNFIT_CUBOID), int(Why.IMAGE_UNUSABLE)


def _about(catalog: Catalog, t: Table, objects: list[int], answer: int, margins: list[float]) -> dict[str, Any]:
    about: dict[str, Any] = {
        "classes": [catalog.classes[k].name for k in catalog.object_class[objects].tolist()],
        "object_ids": catalog.object_id[objects].tolist(),
    }
    if len(objects) > 1:
        if t.task == "Relation":
            about["axis"] = "x" if answer < cands.ABOVE else "y"
        about["margins"] = {n: v for n, v in zip(t.margin_names, margins, strict=True) if math.isfinite(v)}
    return about


def _question(catalog: Catalog, t: Table, row: int, settings: Settings) -> dict[str, Any]:
    key = cands.key(catalog, t, row)
    place = int(key[:8], 16) % rows.options_of(t, row, key, settings)
    q = rows.ask(catalog, t, row, key, place, settings)
    return {
        "key": key,
        "question": q.question,
        "choices": q.choices,
        "answer": q.letter,
        "answer_text": q.text,
        "prompt": wording.prompt(q.question, q.choices),
        "boxes": q.boxes,
        "margins": q.margins,
        "flags": q.flags,
    }

"""``candidates``: every candidate and every rejection with its reasons, one JSON line each."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import candidates as cands
from cvbench_builder import rows, wording
from cvbench_builder.candidates import Table, Why
from cvbench_builder.catalog import Catalog, Pic, Unfit
from cvbench_builder.inputs import Source
from cvbench_builder.settings import Settings
from cvbench_builder.tasks import enumerate_task


def write(sources: list[Source], settings: Settings, out: Path, say: Callable[[str], None]) -> dict[str, Any]:
    """Write the listing beside its final place, then rename; returns the funnel."""
    counts: dict[str, Any] = {}
    out.parent.mkdir(parents=True, exist_ok=True)
    part = out.with_name(f".{out.name}.part-{os.getpid()}")
    dumps = _encoder()
    try:
        with part.open("wb") as handle:
            for task in settings.tasks:
                for source in sources:
                    total: dict[str, int] = {}
                    for table in enumerate_task(task, source.catalog, settings):
                        cands.add_funnels(total, cands.funnel(table))
                        for chunk in cands.in_chunks(table):
                            handle.write(b"".join(dumps(r) + b"\n" for r in lines(source.catalog, chunk, settings)))
                    if total:
                        name = f"{source.catalog.name} {source.catalog.split}"
                        counts.setdefault(task, {})[name] = total
                        say(f"{task} {name}: " + ", ".join(f"{k} {v}" for k, v in total.items()))
        part.replace(out)
    finally:
        part.unlink(missing_ok=True)
    return counts


def _encoder() -> Callable[[Any], bytes]:
    try:
        import orjson

        return orjson.dumps
    except ImportError:
        return lambda value: json.dumps(value, ensure_ascii=False).encode()


def lines(catalog: Catalog, t: Table, settings: Settings) -> list[dict[str, Any]]:
    image_name, image_id = catalog.image_name, catalog.image_id
    out = []
    for row in range(len(t)):
        why, image = int(t.why[row]), int(t.image[row])
        line: dict[str, Any] = {
            "status": "rejected" if why else "valid",
            "task": t.task,
            "source": catalog.source,
            "source_dataset": catalog.title,
            "source_filename": str(image_name[image]),
            "image_id": str(image_id[image]),
        }
        objects = [int(o) for o in t.objects[row] if o >= 0]
        if why:
            line["reasons"] = _reasons(catalog, t, row, why)
            line |= _about(catalog, t, row, objects)
        else:
            line |= _question(catalog, t, row, settings)
        out.append(line)
    return out


def _reasons(catalog: Catalog, t: Table, row: int, why: int) -> list[str]:
    names = cands.names_of(why, Why)
    if why & int(Why.UNFIT_CUBOID):
        names.remove("unfit_cuboid")
        names += cands.names_of(int(t.soft[row]), Unfit)
    if why & int(Why.PICTURE_UNUSABLE):
        names.remove("picture_unusable")
        flags = int(catalog.image_flags[t.image[row]]) & ~int(Pic.ROTATED)
        names += [f"picture_{n}" for n in cands.names_of(flags, Pic)]
    return names


def _about(catalog: Catalog, t: Table, row: int, objects: list[int]) -> dict[str, Any]:
    if t.task == "Count":
        return {"classes": [catalog.classes[int(t.kind[row])].name], "value": int(t.answer[row])}
    about: dict[str, Any] = {
        "classes": [catalog.classes[int(catalog.object_class[o])].name for o in objects],
        "object_ids": [str(catalog.object_id[o]) for o in objects],
    }
    if t.task == "Relation" and len(objects) == 2:
        about["axis"] = "x" if int(t.answer[row]) < cands.ABOVE else "y"
    margins = {n: float(v) for n, v in zip(t.margin_names, t.margins[row].tolist(), strict=True) if np.isfinite(v)}
    if len(objects) > 1:
        about["margins"] = margins
    return about


def _question(catalog: Catalog, t: Table, row: int, settings: Settings) -> dict[str, Any]:
    key = cands.key(catalog, t, row)
    options = rows.options_of(t, row, key, settings)
    place = int(key[:8], 16) % options
    q = rows.ask(catalog, t, row, place, settings)
    return {
        "key": q.key,
        "question": q.question,
        "choices": q.choices,
        "answer": q.letter,
        "answer_text": q.text,
        "prompt": wording.prompt(q.question, q.choices),
        "boxes": q.boxes,
        "margins": q.margins,
        "flags": q.flags,
    }

"""``candidates``: every candidate and every rejection with its reasons, one JSON line each."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
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
                            handle.write(
                                b"".join(
                                    dumps(r) + b"\n"
                                    for r in lines(source.catalog, complete(source.catalog, chunk), settings)
                                )
                            )
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
        names.remove("picture_unusable")
        flags = int(catalog.image_flags[image]) & ~int(Pic.ROTATED)
        names += [f"picture_{n}" for n in cands.names_of(flags, Pic)]
    return names


_UNFIT, _UNUSABLE = int(Why.UNFIT_CUBOID), int(Why.PICTURE_UNUSABLE)


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

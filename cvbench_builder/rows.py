"""From a drawn candidate to a row: names, options, letters, boxes with roles, provenance."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import __version__, wording
from cvbench_builder import candidates as cands
from cvbench_builder.candidates import ABOVE, Soft, Table
from cvbench_builder.catalog import Catalog
from cvbench_builder.settings import Settings
from cvbench_builder.tasks.relation import MARGINS as RELATION_MARGINS
from cvbench_builder.tasks.space import outdoors
from cvbench_builder.words import plural

FOLDER = {"Count": "2D/count", "Relation": "2D/relation", "Depth": "3D/depth", "Distance": "3D/distance"}
ROLES = {"Relation": ("queried", "anchor"), "Depth": ("first", "second"), "Distance": ("anchor", "first", "second")}


@dataclass(frozen=True)
class Question:
    """A candidate put into words: everything but the image and the place in the data set."""

    key: str
    task: str
    question: str
    choices: list[str]
    place: int
    boxes: list[dict[str, Any]]
    target_class: str | None
    target_size: int | None
    margins: dict[str, float]
    tightness: float
    """How far above its threshold the smallest margin lies; 1 is just enough."""
    flags: list[str]

    @property
    def letter(self) -> str:
        """The right answer as the ``answer`` column has it: ``(B)``."""
        return f"({wording.letter(self.place)})"

    @property
    def text(self) -> str:
        """The right answer in words, as it stands among the options."""
        return self.choices[self.place]


def letters(task: str, items: list[tuple[str, int]]) -> list[int]:
    """Where the answer stands, balanced: items are (group, options) in hash order."""
    turns: dict[tuple[str, int], int] = defaultdict(int)
    places = []
    for group, options in items:
        turn = turns[(group, options)]
        turns[(group, options)] += 1
        places.append(turn % options)
    return places


def options_of(t: Table, row: int, key: str, settings: Settings) -> int:
    """How many options a candidate's question will have, known before it is worded."""
    if t.task != "Count":
        return 2
    return len(wording.count_values(int(t.answer[row]), settings.count_options, key))


def ask(
    catalog: Catalog,
    t: Table,
    row: int,
    key: str,
    place: int,
    settings: Settings,
    values: list[int] | None = None,
) -> Question:
    """``key`` is the candidate's; ``place`` is where its answer shall stand (Relation has a fixed order).

    ``values`` are the options of a count where they were balanced over a whole set.
    """
    flags = cands.names_of(int(t.soft[row]), Soft)
    margins = {n: v for n, v in zip(t.margin_names, t.margins[row].tolist(), strict=True) if math.isfinite(v)}
    maker = {"Count": _count, "Relation": _relation, "Depth": _depth, "Distance": _distance}[t.task]
    question, choices, place, boxes, target, size, tightness = maker(catalog, t, row, place, key, settings)
    if values is not None and t.task == "Count":
        n = int(t.answer[row])
        choices = wording.shuffled(values, n, place % len(values), key)
        place = choices.index(str(n))
    return Question(key, t.task, question, choices, place, boxes, target, size, margins, tightness, flags)


_Made = tuple[str, list[str], int, list[dict[str, Any]], str | None, int | None, float]


def _count(catalog: Catalog, t: Table, row: int, place: int, key: str, s: Settings) -> _Made:
    kind, n = int(t.kind[row]), int(t.answer[row])
    name = catalog.classes[kind].name
    values = wording.count_values(n, s.count_options, key)
    choices = wording.shuffled(values, n, place % len(values), key)
    image = int(t.image[row])
    members = []
    if n:
        low, high = np.searchsorted(catalog.object_image, [image, image + 1]).tolist()
        members = [low + i for i, k in enumerate(catalog.object_class[low:high].tolist()) if k == kind]
    boxes = [_box(catalog, o, "instance", "") for o in members]
    smallest = min((float(catalog.object_area[o]) for o in members), default=None)
    size = None if smallest is None or catalog.source != "COCO" else round(smallest)
    share = float(t.margins[row, 0])
    tightness = share / s.min_area if np.isfinite(share) and s.min_area else float("inf")
    target = name if catalog.source == "COCO" else None
    return (
        wording.count_question(plural(name, s.plural)),
        choices,
        choices.index(str(n)),
        boxes,
        target,
        size,
        tightness,
    )


def _relation(catalog: Catalog, t: Table, row: int, place: int, key: str, s: Settings) -> _Made:
    del place, key  # always left before right, above before below, as published
    a, b = (int(o) for o in t.objects[row])
    names = [catalog.classes[int(catalog.object_class[o])].name for o in (a, b)]
    palette = wording.PALETTES[s.palette]
    marked = [bool(int(t.soft[row]) & int(m)) for m in (Soft.MARKED, Soft.MARKED_ANCHOR)]
    repeat = s.markers == "both" or catalog.source == "COCO"
    question = wording.relation_question(*names, mark_a=marked[0], mark_b=marked[1], repeat=repeat, palette=palette)
    word = int(t.answer[row])
    choices = list(cands.WORDS[:2] if word < ABOVE else cands.WORDS[2:])
    colours = [palette.name(i) if m else "" for i, m in enumerate(marked)]
    boxes = [_box(catalog, o, r, c) for o, r, c in zip((a, b), ROLES["Relation"], colours, strict=True)]
    coco = catalog.source == "COCO"
    size = round(float(catalog.object_area[a])) if coco else None
    gap = float(t.margins[row, RELATION_MARGINS.index("gap")])
    tightness = gap / s.min_gap if s.min_gap else float("inf")
    return question, choices, word % 2, boxes, names[0] if coco else None, size, tightness


def _nearer_first(t: Table, row: int, place: int) -> list[int]:
    """The two compared objects in the order of the question."""
    pair = [int(o) for o in t.objects[row, -2:]]
    return pair if int(t.answer[row]) == place % 2 else pair[::-1]


def _depth(catalog: Catalog, t: Table, row: int, place: int, key: str, s: Settings) -> _Made:
    pair = _nearer_first(t, row, place)
    names = [catalog.classes[int(catalog.object_class[o])].name for o in pair]
    palette = wording.PALETTES[s.palette]
    boxes = [_box(catalog, o, r, palette.name(i)) for i, (o, r) in enumerate(zip(pair, ROLES["Depth"], strict=True))]
    farther = int(t.objects[row, 1 - int(t.answer[row])])
    near = float(np.linalg.norm(catalog.corners[farther], axis=1).min())
    needed = max(s.offset("Depth", outdoors(catalog)), s.depth_ratio * near)
    tightness = min(float(t.margins[row, 0]), float(t.margins[row, 2])) / needed if needed else float("inf")
    return wording.depth_question(names[0], names[1], palette), names, place % 2, boxes, None, None, tightness


def _distance(catalog: Catalog, t: Table, row: int, place: int, key: str, s: Settings) -> _Made:
    order = [int(t.objects[row, 0]), *_nearer_first(t, row, place)]
    names = [catalog.classes[int(catalog.object_class[o])].name for o in order]
    palette = wording.PALETTES[s.palette]
    boxes = [
        _box(catalog, o, r, palette.name(i)) for i, (o, r) in enumerate(zip(order, ROLES["Distance"], strict=True))
    ]
    fixed = s.offset("Distance", outdoors(catalog))
    known = [v for v in t.margins[row].tolist() if np.isfinite(v)]
    tightness = min(known) / fixed if fixed else float("inf")
    return (
        wording.distance_question(names[0], names[1], names[2], palette),
        names[1:],
        place % 2,
        boxes,
        None,
        None,
        tightness,
    )


def _box(catalog: Catalog, o: int, role: str, colour: str) -> dict[str, Any]:
    xyxy = [round(v, 4) for v in catalog.object_box[o].tolist()]
    return {"colour": colour, "role": role, "xyxy": xyxy, "object_id": str(catalog.object_id[o])}


def published_columns(q: Question, catalog: Catalog, image: int) -> dict[str, Any]:
    """The 15 columns of the published rows, less the image, its file name and the index."""
    return {
        "type": FOLDER[q.task][:2],
        "task": q.task,
        "question": q.question,
        "choices": q.choices,
        "answer": q.letter,
        "prompt": wording.prompt(q.question, q.choices),
        "source": catalog.source,
        "source_dataset": catalog.title,
        "source_filename": str(catalog.image_name[image]),
        "target_class": q.target_class,
        "target_size": q.target_size,
        "bbox": [b["xyxy"] for b in q.boxes] if catalog.source == "Omni3D" else None,
    }


def extra_columns(q: Question, catalog: Catalog, image: int, settings: Settings, source_sha256: str) -> dict[str, Any]:
    """The columns beyond the published fifteen: boxes with roles, margins, flags, review, provenance."""
    object_ids = [b["object_id"] for b in q.boxes]
    tightness = q.tightness if np.isfinite(q.tightness) else None
    margins = [{"name": n, "value": v} for n, v in q.margins.items()]
    if tightness is not None:
        margins.append({"name": "tightness", "value": tightness})
    return {
        "key": q.key,
        "boxes": q.boxes,
        "margins": margins,
        "flags": q.flags,
        "review": {"status": "unreviewed", "reviewer": None, "reason": None, "note": None},
        "provenance": {
            "source": catalog.source,
            "component": catalog.component,
            "split": catalog.split,
            "image_id": str(catalog.image_id[image]),
            "file": str(catalog.image_file[image]),
            "sha256": source_sha256,
            "object_ids": object_ids,
            "annotation_file": Path(catalog.file).name,
            "annotation_sha256": catalog.sha256,
            "builder_version": __version__,
            "settings_sha256": settings.sha256,
            "seed": settings.seed,
        },
    }


def content_hash(row: dict[str, Any], image_sha256: str) -> str:
    """What a review speaks about: another image, wording or answer makes the review stale."""
    about = [row[k] for k in ("key", "question", "choices", "answer", "boxes")]
    return hashlib.sha256(json.dumps([about, image_sha256], sort_keys=True).encode()).hexdigest()

"""From a candidate to the columns of its row: question, options, letter, boxes with roles, provenance."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from cvbench_builder import __version__, wording
from cvbench_builder.candidates import CandidateTable
from cvbench_builder.catalog import SYNTHETIC, Catalog
from cvbench_builder.settings import BuildSettings
from cvbench_builder.task import Candidate, Task, Wording


@dataclass(frozen=True)
class Question:
    """A candidate in words: everything but the image and the position in the dataset."""

    key: str
    task: Task
    words: Wording
    margins: dict[str, float]
    flags: list[str]

    @property
    def letter(self) -> str:
        """The correct answer as the `answer` column has it: `(B)`, or a number for a question without options."""
        if self.words.number is not None:
            return self.words.number
        return f"({wording.letter(self.words.place)})"

    @property
    def text(self) -> str:
        """The correct answer in words, as it stands among the options."""
        if self.words.number is not None:
            return self.words.number
        return self.words.choices[self.words.place]

    @property
    def prompt(self) -> str:
        """The whole question with its options."""
        return wording.prompt(self.words.question, self.words.choices)


def answer_places(groups: list[str], option_counts: list[int]) -> list[int]:
    """Where the answers stand, balanced within each group and number of options; items are in hash order."""
    turns: dict[tuple[str, int], int] = defaultdict(int)
    places = []
    for item in zip(groups, option_counts, strict=True):
        places.append(turns[item] % item[1])
        turns[item] += 1
    return places


def ask(
    task: Task,
    catalog: Catalog,
    table: CandidateTable,
    row: int,
    key: str,
    place: int,
    settings: BuildSettings,
    options: list[int] | None = None,
) -> Question:
    """The question about a candidate; `place` and `options` are those of `Task.ask`."""
    words = task.ask(Candidate(catalog, table, row, key), place, settings, options)
    flags = [*task.flag_names(int(table.flags[row])), *([SYNTHETIC] if catalog.synthetic else [])]
    return Question(key, task, words, task.margin_values(table, row), flags)


def image_folder(task: Task) -> str:
    """Where the images of a task lie in a build, below `img/`."""
    return f"{task.row_type}/{task.name.lower()}"


def published_columns(q: Question, catalog: Catalog, image: int) -> dict[str, Any]:
    """The 15 columns of the published rows, without the image, its file name and the index."""
    return {
        "type": q.task.row_type,
        "task": q.task.name,
        "question": q.words.question,
        "choices": q.words.choices,
        "answer": q.letter,
        "prompt": q.prompt,
        "source": catalog.source,
        "source_dataset": f"{catalog.title} ({SYNTHETIC})" if catalog.synthetic else catalog.title,
        "source_filename": str(catalog.image_name[image]),
        "target_class": q.words.target_class,
        "target_size": q.words.target_size,
        "bbox": published_boxes(q.words.boxes) if catalog.source == "Omni3D" else None,
    }


def published_boxes(boxes: list[dict[str, Any]]) -> list[list[float]]:
    """The `bbox` column: an anchor comes last, as far as published rows show it."""
    return [b["xyxy"] for b in sorted(boxes, key=lambda b: b["role"] == "anchor")]


def extra_columns(
    q: Question, catalog: Catalog, image: int, settings: BuildSettings, source_sha256: str
) -> dict[str, Any]:
    """The columns beyond the published fifteen: classes, boxes with roles, margins, flags, review, provenance."""
    margins = [{"name": n, "value": v} for n, v in q.margins.items()]
    if np.isfinite(q.words.tightness):
        margins.append({"name": "tightness", "value": q.words.tightness})
    return {
        "key": q.key,
        "classes": list(q.words.classes),
        "boxes": q.words.boxes,
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
            "object_ids": [b["object_id"] for b in q.words.boxes],
            "annotation_file": Path(catalog.file).name,
            "annotation_sha256": catalog.sha256,
            "builder_version": __version__,
            "settings_sha256": settings.sha256,
            "seed": settings.seed,
        },
    }


def content_hash(row: dict[str, Any], image_sha256: str) -> str:
    """What a review refers to: another image, wording or answer makes the review outdated."""
    about = [row[k] for k in ("key", "question", "choices", "answer", "boxes")]
    return hashlib.sha256(json.dumps([about, image_sha256], sort_keys=True).encode()).hexdigest()

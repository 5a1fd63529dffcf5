"""From sampled candidates to files: questions in order, images with boxes, `rows.jsonl`, mirrored twins."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvbench_builder import clean_images, dataset, draw, questions, wording
from cvbench_builder.candidates import Pick, image_key
from cvbench_builder.catalog import Catalog
from cvbench_builder.questions import Question
from cvbench_builder.settings import BuildSettings, DrawingRules
from cvbench_builder.task import Task


@dataclass(frozen=True)
class SampledTask:
    """The rows to write of one task."""

    task: Task
    picks: list[Pick]


def image_name(pick: Pick) -> str:
    """The key of the candidate's own image, also where it is a duplicate of another one."""
    return image_key(pick.catalog, int(pick.table.image[pick.row]))


def write_rows(
    folder: Path,
    sampled: list[SampledTask],
    paths: dict[str, Path],
    facts: dict[str, draw.ImageFacts],
    settings: BuildSettings,
    workers: int,
    *,
    mirror: bool = False,
) -> list[dict[str, Any]]:
    """Write every question's image to `folder/img` and the rows to `folder/rows.jsonl`; returns the rows."""

    def finish(job: tuple[int, Pick, Question, str]) -> dict[str, Any]:
        idx, pick, question, stem = job
        source, boxes = paths[image_name(pick)], _drawn_boxes(question, settings)
        rendered = draw.render(source, boxes, mirror=mirror, marker=settings[DrawingRules].marker)
        filename = stem + rendered.suffix
        target = folder / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(rendered.data)
        if boxes and not mirror:
            clean_images.keep(source, folder, filename)
        row = _row(idx, pick, question, filename, facts, settings)
        if mirror:
            row = _mirrored(question.task, row, rendered.width)
        row["image_sha256"] = hashlib.sha256(rendered.data).hexdigest()
        row["content_hash"] = questions.content_hash(row, row["image_sha256"])
        return row

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        made = list(pool.map(finish, _questions(sampled, settings)))
    dataset.write_rows(made, folder / dataset.ROWS)
    return made


def rows_without_images(
    task: SampledTask, facts: dict[str, draw.ImageFacts], settings: BuildSettings
) -> tuple[list[Pick], list[dict[str, Any]]]:
    """The rows of one task as they would be written now, each with its pick; no image is drawn."""
    jobs = list(_questions([task], settings))
    return [pick for _, pick, _, _ in jobs], [_row(i, p, q, stem, facts, settings) for i, p, q, stem in jobs]


def _row(
    idx: int,
    pick: Pick,
    question: Question,
    filename: str,
    facts: dict[str, draw.ImageFacts],
    settings: BuildSettings,
) -> dict[str, Any]:
    catalog, image = pick.catalog, int(pick.table.image[pick.row])
    row = {"idx": idx, **questions.published_columns(question, catalog, image), "filename": filename}
    return row | questions.extra_columns(question, catalog, image, settings, facts[image_name(pick)].sha256)


def _questions(sampled: list[SampledTask], settings: BuildSettings) -> Iterator[tuple[int, Pick, Question, str]]:
    """Index, candidate, question and image name without suffix of every row, in order."""
    idx = 0
    for item in sampled:
        task = item.task
        picks = sorted(item.picks, key=lambda p: (p.catalog.source, p.catalog.component, p.hash))
        keys = [task.key(p.catalog, p.table, p.row) for p in picks]
        options = task.joint_options(picks, keys, settings)
        places = questions.answer_places(
            [task.letter_group(p.catalog) for p in picks],
            [
                len(joint) if joint else task.option_count(p.table, p.row, key, settings)
                for p, key, joint in zip(picks, keys, options, strict=True)
            ],
        )
        numbers: dict[str, int] = defaultdict(int)
        for pick, key, place, values in zip(picks, keys, places, options, strict=True):
            exact = task.complete(pick.catalog, pick.table.take([pick.row]))
            question = questions.ask(task, pick.catalog, exact, 0, key, place, settings, values)
            source = _short_name(pick.catalog)
            yield idx, pick, question, f"img/{questions.image_folder(task)}/{source}_{numbers[source]}"
            numbers[source] += 1
            idx += 1


def _short_name(catalog: Catalog) -> str:
    return f"omni3d_{catalog.component}".lower() if catalog.source == "Omni3D" else catalog.source.lower()


def _drawn_boxes(question: Question, settings: BuildSettings) -> list[draw.DrawnBox]:
    """The boxes with a color, those of the palette's first color last, so that they are on top."""
    palette = wording.PALETTES[settings[DrawingRules].palette]
    boxes = {b["colour"]: b["xyxy"] for b in question.words.boxes if b["colour"]}
    return [draw.DrawnBox(rgb, tuple(boxes[name])) for name, rgb in reversed(palette.colors) if name in boxes]


def _mirrored(task: Task, row: dict[str, Any], width: int) -> dict[str, Any]:
    """The row about the image flipped left to right."""
    boxes = [{**b, "xyxy": [round(v, 4) for v in draw.mirrored(tuple(b["xyxy"]), width)]} for b in row["boxes"]]
    return {
        **row,
        "key": row["key"] + "m",
        "boxes": boxes,
        "bbox": None if row["bbox"] is None else questions.published_boxes(boxes),
        "answer": task.mirrored_answer(row),
        "flags": [*row["flags"], "mirrored"],
    }

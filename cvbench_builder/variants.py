"""Variants of a row that must all be right: the rotations of its options, and its mirror twin.

The key of a variant is the key of its row, "/", and the name of the variant; rows with the same part before "/" form
a group.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from cvbench_builder import draw, wording
from cvbench_builder.questions import published_boxes
from cvbench_builder.stats import answer_place
from cvbench_builder.task import Row
from cvbench_builder.tasks import task_named


def rotations(row: Row) -> list[Row]:
    """The row once for each cyclic order of its options; a row without options alone."""
    n = len(row["choices"])
    if not n:
        return [row]
    found = []
    for k in range(n):
        choices = row["choices"][k:] + row["choices"][:k]
        found.append(
            {
                **row,
                "key": f"{row['key']}/r{k}",
                "choices": choices,
                "answer": f"({wording.letter((answer_place(row) - k) % n)})",
                "prompt": wording.prompt(row["question"], choices),
                "flags": [*row["flags"], f"rotation {k + 1} of {n}"],
            }
        )
    return found


def has_mirror_twin(row: Row) -> bool:
    """Whether the question about the mirrored image has another answer."""
    return bool(row["choices"]) and task_named(row["task"]).mirrored_answer(row) != row["answer"]


def mirror_pair(row: Row, image: Path, folder: Path) -> list[Row]:
    """The row and its mirror twin, whose images are written below `folder`; markers are mirrored with the image."""
    plain = folder / row["filename"]
    plain.parent.mkdir(parents=True, exist_ok=True)
    data = image.read_bytes()
    plain.write_bytes(data)
    rendered = draw.render(image, [], mirror=True)
    name = f"{row['filename'].rpartition('.')[0]}_mirrored{rendered.suffix}"
    (folder / name).write_bytes(rendered.data)
    boxes = [
        {**b, "xyxy": [round(v, 4) for v in draw.mirrored(tuple(b["xyxy"]), rendered.width)]} for b in row["boxes"]
    ]
    twin = {
        **row,
        "key": f"{row['key']}/m",
        "filename": name,
        "boxes": boxes,
        "bbox": None if row["bbox"] is None else published_boxes(boxes),
        "answer": task_named(row["task"]).mirrored_answer(row),
        "flags": [*row["flags"], "mirrored"],
        "image_sha256": hashlib.sha256(rendered.data).hexdigest(),
    }
    original = {**row, "key": f"{row['key']}/o", "image_sha256": hashlib.sha256(data).hexdigest()}
    return [original, twin]

"""Rows of the Vision-Centric category in miniature: MMVP, RealWorldQA, CV-Bench 2D and CV-Bench 3D.

Each builder turns one `Sampler` into one row (MMVP: one pair) in the benchmark's own columns; the images are not
drawn yet.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.demo.miniature import places, shapes, space, streets
from cambrian_eval.demo.miniature.sampling import DraftRow, Sampler, Template

Maker = Callable[[Sampler], Template]
LETTERS = "ABCDEF"


def _above_below(sampler: Sampler) -> Template:
    return shapes.relation(sampler, ("above", "below"), "Is the {a} above or below the {b}?")


PAIR_KINDS: tuple[Maker, ...] = (
    streets.facing,
    shapes.color_of,
    _above_below,
    places.mood,
    lambda sampler: shapes.count_of(sampler, ("1", "2", "3", "4"), distractors=False),
    streets.way,
    shapes.bigger,
    streets.crossing,
    places.weather,
)


def mmvp(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """Two images that differ in one thing, with the same question and the same two options."""
    template = sampler.kind(PAIR_KINDS)(sampler)
    values, _ = sampler.options(template, 2)
    golds = sampler.balanced("order", ((0, 1), (1, 0)))
    return [
        DraftRow(
            {
                "Index": row + position + 1,
                "Question": template.text,
                "Options": f"(a) {values[0]} (b) {values[1]}",
                "Correct Answer": ("(a)", "(b)")[gold],
                "image": template.image(values[gold]),
            },
            1 / 2,
        )
        for position, gold in enumerate(golds)
    ]


@dataclass(frozen=True)
class StreetQuestion:
    """A kind of RealWorldQA question: with `options` listed in its text, or open."""

    maker: Maker
    options: int


STREET_KINDS = (
    StreetQuestion(streets.light, 3),
    StreetQuestion(streets.bend, 3),
    StreetQuestion(streets.crossing, 0),
    StreetQuestion(streets.speed, 4),
    StreetQuestion(streets.car_side, 3),
    StreetQuestion(streets.cars, 0),
    StreetQuestion(streets.way, 3),
    StreetQuestion(streets.facing, 2),
    StreetQuestion(streets.speed, 0),
)
_ONLY_LETTER = "Please answer directly with only the letter of the correct option and nothing else."
_ONE_WORD = "Please answer directly with a single word or number."


def realworldqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question whose options and answer format are part of its text."""
    kind = sampler.kind(STREET_KINDS)
    template = kind.maker(sampler)
    if kind.options:
        options, place = sampler.options(template, kind.options)
        listed = [f"{letter}. {text}" for letter, text in zip(LETTERS, options, strict=False)]
        question = "\n".join([template.text, *listed, _ONLY_LETTER])
        value, answer = options[place], LETTERS[place]
    else:
        question = f"{template.text}\n{_ONE_WORD}"
        value = answer = sampler.balanced("value", template.values)
    columns = {
        "image": template.image(value),
        "question": question,
        "answer": answer,
        "image_path": f"{row}.png",
    }
    return [DraftRow(columns, 1 / (kind.options or len(template.values)))]


def cvbench_2d(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """A count with four to six options, or a relation with two, in turn from each of the two sources."""
    task = sampler.kind(("Count", "Relation") * 5 + ("Count",))
    source = sampler.balanced("source", ("ADE20K", "COCO"))
    marked = " (annotated by the red box)"
    if task == "Count":
        template = shapes.count_of(sampler, tuple(str(n) for n in range(8)))
        options, place = sampler.options(template, sampler.rng.choice((4, 5, 6)))
    else:
        words = sampler.balanced("axis", (("left", "right"), ("above", "below")))
        again = marked if source == "COCO" else ""
        question = (
            f"Considering the relative positions of the {{a}}{marked} and the {{b}} in the image provided, "
            f"where is the {{a}}{again} located with respect to the {{b}}?"
        )
        template = shapes.relation(sampler, words, question, framed=True)
        options, place = list(words), sampler.balanced("side", (0, 1))
    coco = source == "COCO"
    origin = f"/coco/val2017/{row:012d}.jpg" if coco else f"ADE_val_{row:08d}.jpg"
    columns = _columns(row, "2D", task, template.text, options, place)
    columns.update(
        {
            "image": template.image(options[place]),
            "filename": f"img/2D/{task.lower()}/{source.lower()}_{row}.png",
            "source": source,
            "source_dataset": "COCO 2017 Validation Set" if coco else "ADE20K Validation Set",
            "source_filename": origin,
            "target_class": "shape" if coco else None,
            "target_size": sampler.rng.randrange(600, 1400) if coco else None,
            "bbox": None,
        }
    )
    return [DraftRow(columns, 1 / len(options))]


def cvbench_3d(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """Which of two boxed objects is nearer to the camera, or to a third one."""
    task = sampler.kind(("Depth", "Distance"))
    nearer = sampler.balanced("nearer", (0, 1))
    if task == "Depth":
        sketch, (first, second), boxes = space.depth(sampler, nearer)
        question = (
            f"Which object is closer to the camera taking this photo, the {first} (highlighted by a red box) "
            f"or the {second} (highlighted by a blue box)?"
        )
    else:
        sketch, (anchor, first, second), boxes = space.distance(sampler, nearer)
        question = (
            "Estimate the real-world distances between objects in this image. "
            f"Which object is closer to the {anchor} (highlighted by a red box), the {first} "
            f"(highlighted by a blue box) or the {second} (highlighted by a green box)?"
        )
    columns = _columns(row + 1438, "3D", task, question, [first, second], nearer)
    columns.update(
        {
            "image": sketch,
            "filename": f"img/3D/{task.lower()}/omni3d_mini_{row}.png",
            "source": "Omni3D",
            "source_dataset": "miniature",
            "source_filename": f"{row:06d}.png",
            "target_class": None,
            "target_size": None,
            "bbox": boxes,
        }
    )
    return [DraftRow(columns, 1 / 2)]


def _columns(idx: int, kind: str, task: str, question: str, choices: Sequence[str], place: int) -> dict[str, Any]:
    """The columns that both halves of CV-Bench have, in the order of the dataset card."""
    listed = "".join(f"\n({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False))
    return {
        "idx": idx,
        "type": kind,
        "task": task,
        "image": None,
        "question": question,
        "choices": list(choices),
        "answer": f"({LETTERS[place]})",
        "prompt": f"{question} Select from the following choices.{listed}",
    }

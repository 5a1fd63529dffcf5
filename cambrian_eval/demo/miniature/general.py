"""Rows of the General category in miniature: MME, MMBench, SEED-Bench and GQA.

Each builder turns one `Sampler` into the rows of one group (a pair, a circular group, the questions of an image) in
the benchmark's own columns; the images are not drawn yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from cambrian_eval.demo.miniature import charts, diagrams, figures, places, shapes, streets, words
from cambrian_eval.demo.miniature.canvas import SHAPES
from cambrian_eval.demo.miniature.sampling import DraftRow, Sampler, Sketch, Template

Maker = Callable[[Sampler], Template]
FEW = tuple(str(n) for n in range(1, 6))
LETTERS = "ABCDEFGHI"


def _left_right(sampler: Sampler) -> Template:
    claim = "Is the {a} on the {value} side of the {b}?"
    return shapes.relation(sampler, ("left", "right"), "", claim=claim)


def _stop_or_go(sampler: Sampler) -> Template:
    """What a driver must do, given the lamp: stop at red, go at green."""
    template = streets.light(sampler)

    def image(value: str) -> Sketch:
        return template.image("red" if value == "stop" else "green")

    return Template("", ("stop", "go"), image, "Does this traffic light tell drivers to {value}?")


MME_CATEGORIES: tuple[tuple[str, Maker], ...] = (
    ("existence", shapes.presence),
    ("count", lambda sampler: shapes.count_of(sampler, FEW, "shapes", distractors=False)),
    ("position", _left_right),
    ("color", shapes.color_of),
    ("posters", words.poster),
    ("celebrity", words.badge),
    ("scene", places.place),
    ("landmark", places.landmark),
    ("artwork", places.pattern),
    ("OCR", words.word),
    ("commonsense_reasoning", _stop_or_go),
    ("numerical_calculation", figures.total),
    ("text_translation", figures.translation),
    ("code_reasoning", figures.program),
)


def mme(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """A pair about one image: one claim is true, the other names another value; their order is random."""
    category, maker = sampler.kind(MME_CATEGORIES)
    template = maker(sampler)
    true = sampler.balanced("value", template.values)
    false = sampler.rng.choice([v for v in template.values if v != true])
    sketch = template.image(true)
    stated = sampler.rng.sample([(true, "Yes"), (false, "No")], 2)
    return [
        DraftRow(
            {
                "question_id": f"{category}/{sampler.group:06d}.png",
                "image": sketch,
                "question": template.claim.format(value=value) + " Please answer yes or no.",
                "answer": answer,
                "category": category,
            },
            1 / 2,
        )
        for value, answer in stated
    ]


MMBENCH_KINDS: tuple[tuple[Maker, str, str, str], ...] = (
    (places.place, "image_scene", "coarse_perception", "nan"),
    (shapes.color_of, "attribute_recognition", "finegrained_perception (instance-level)", "nan"),
    (places.mood, "image_emotion", "coarse_perception", "nan"),
    (shapes.where_is, "object_localization", "finegrained_perception (instance-level)", "nan"),
    (charts.tallest, "attribute_comparison", "finegrained_perception (cross-instance)", "nan"),
    (shapes.shape_of, "attribute_recognition", "finegrained_perception (instance-level)", "nan"),
    (words.word, "ocr", "finegrained_perception (instance-level)", "nan"),
    (diagrams.eater, "nature_relation", "relation_reasoning", "An arrow points from the eaten to the eater."),
    (diagrams.next_stage, "future_prediction", "logic_reasoning", "The arrows show the order of the stages."),
    (charts.how_many_bars, "structuralized_imagetext_understanding", "logic_reasoning", "nan"),
    (diagrams.part_marked, "identity_reasoning", "attribute_reasoning", "nan"),
)


def mmbench(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """A circular group: one question with `size` options, once for each rotation of them."""
    maker, category, l2_category, hint = sampler.kind(MMBENCH_KINDS)
    template = maker(sampler)
    options, place = sampler.options(template, size)
    sketch = template.image(options[place])
    drafts = []
    for turn in range(size):
        turned = options[turn:] + options[:turn]
        texts = turned + ["nan"] * (4 - size)
        columns: dict[str, Any] = {
            "index": sampler.group + 1_000_000 * turn,
            "question": template.text,
            "hint": hint,
        }
        columns.update(zip("ABCD", texts, strict=True))
        columns.update(
            {
                "answer": LETTERS[(place - turn) % size],
                "category": category,
                "image": sketch,
                "source": "miniature",
                "l2-category": l2_category,
                "comment": "nan",
                "split": "dev",
            }
        )
        drafts.append(DraftRow(columns, 1 / size))
    return drafts


def _any_side(sampler: Sampler) -> Template:
    return shapes.relation(sampler, ("left", "right", "above", "below"), "Where is the {a} relative to the {b}?")


SEED_DIMENSIONS: tuple[Maker, ...] = (
    places.place,
    shapes.shape_of,
    shapes.color_of,
    shapes.where_is,
    lambda sampler: shapes.count_of(sampler, (*FEW, "6")),
    _any_side,
    shapes.inside,
    diagrams.eater,
    words.shop,
)


def seed(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question of a dimension (numbered from 1) with four options."""
    dimension = SEED_DIMENSIONS.index(sampler.kind(SEED_DIMENSIONS)) + 1
    template = SEED_DIMENSIONS[dimension - 1](sampler)
    options, place = sampler.options(template, 4)
    columns: dict[str, Any] = {"answer": LETTERS[place]}
    columns.update(zip(("choice_a", "choice_b", "choice_c", "choice_d"), options, strict=True))
    columns.update(
        {
            "data_id": f"{sampler.group:06d}",
            "data_type": "image",
            "question": template.text,
            "question_id": str(row),
            "question_type_id": dimension,
            "image": [template.image(options[place])],
            "segment": [],
        }
    )
    return [DraftRow(columns, 1 / 4)]


GQA_STRUCTURES = ("query", "verify", "choose", "logical", "compare")


def gqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """Two questions about one image: one about its left object, one about its right object or their sizes.

    The two objects and their sizes are chosen independently, so neither question's text reveals anything about the
    other's answer.
    """
    items = [
        shapes.Item(
            sampler.balanced(f"{side} shape", SHAPES), sampler.balanced(f"{side} color", shapes.COLOR_NAMES), x, 64, 16
        )
        for side, x in (("left", 34), ("right", 94))
    ]
    larger = sampler.rng.randrange(2)
    items[larger] = replace(items[larger], r=28)
    sketch = partial(shapes.scene, sampler.look(), tuple(items))
    first = sampler.kind(GQA_STRUCTURES[:4])
    second = GQA_STRUCTURES[(GQA_STRUCTURES.index(first) + sampler.occurrence + 1) % 5]
    drafts = []
    for position, (side, structural) in enumerate((("left", first), ("right", second))):
        question, answer, prior, topic = _gqa_question(sampler.rng, structural, side, items[position], larger)
        columns = _gqa_columns(f"{row + position:08d}", structural, topic, side)
        columns.update(
            {
                "imageId": f"n{sampler.group}",
                "question": question,
                "answer": answer,
                "fullAnswer": f"The answer is {answer}.",
                "image": sketch,
            }
        )
        drafts.append(DraftRow(columns, prior))
    return drafts


def _gqa_columns(identity: str, structural: str, topic: str, side: str) -> dict[str, Any]:
    """What the dataset has for a question besides its text: types, groups, scene-graph program."""
    semantic = "obj" if topic == "shape" else "attr"
    return {
        "id": identity,
        "isBalanced": True,
        "groups": {"global": topic, "local": f"{side}-{topic}"},
        "entailed": "",
        "equivalent": identity,
        "types": {"structural": structural, "semantic": semantic, "detailed": f"{structural}_{topic}"},
        "annotations": {"question": [{"objectId": side, "value": side}], "answer": [], "fullAnswer": []},
        "semantic": [
            {"operation": "select", "argument": f"{side} object", "dependencies": []},
            {"operation": structural, "argument": topic, "dependencies": [0]},
        ],
        "semanticStr": f"select: {side} object->{structural}: {topic} [0]",
    }


def _gqa_question(
    rng: Random, structural: str, side: str, item: shapes.Item, larger: int
) -> tuple[str, str, float, str]:
    """Question, answer, the best expected score without the image, and the topic."""
    if structural == "compare":
        answer = ("left", "right")[larger]
        return "Which object is larger, the left one or the right one?", answer, 1 / 2, "size"
    topic = rng.choice(("color", "shape"))
    values = shapes.COLOR_NAMES if topic == "color" else SHAPES
    truth, a = (item.color, "") if topic == "color" else (item.shape, "a ")
    others = rng.sample([v for v in values if v != truth], 3)
    if structural == "query":
        question = f"What color is the object on the {side}?" if topic == "color" else f"What shape is on the {side}?"
        return question, truth, 1 / len(values), topic
    if structural == "choose":
        first, second = rng.sample([truth, others[0]], 2)
        return f"Is the object on the {side} {a}{first} or {a}{second}?", truth, 1 / 2, topic
    holds = rng.random() < 0.5
    answer = "yes" if holds else "no"
    if structural == "verify":
        return f"Is the object on the {side} {a}{truth if holds else others[0]}?", answer, 1 / 2, topic
    named = rng.sample([truth, others[0]], 2) if holds else others[:2]
    return f"Is the object on the {side} either {a}{named[0]} or {a}{named[1]}?", answer, 1 / 2, topic

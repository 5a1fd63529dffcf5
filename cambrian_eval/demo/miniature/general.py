"""Rows of the General group in miniature: MME, MMBench, SEED-Bench and GQA.

Each builder turns one `Deck` into the rows of one group (a pair, a circular group, the questions of an
image) in the benchmark's own columns; the images are still sketches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

from cambrian_eval.demo.miniature import charts, diagrams, figures, places, shapes, streets, words
from cambrian_eval.demo.miniature.canvas import SHAPES
from cambrian_eval.demo.miniature.deal import Ask, Deck, Made, Sketch

Maker = Callable[[Deck], Ask]
FEW = tuple(str(n) for n in range(1, 6))
LETTERS = "ABCDEFGHI"


def _left_right(deck: Deck) -> Ask:
    claim = "Is the {a} on the {value} side of the {b}?"
    return shapes.relation(deck, ("left", "right"), "", claim=claim)


def _stop_or_go(deck: Deck) -> Ask:
    """What a driver must do follows from the lamp: red is stop, green is go."""
    ask = streets.light(deck)

    def image(value: str) -> Sketch:
        return ask.image("red" if value == "stop" else "green")

    return Ask("", ("stop", "go"), image, "Does this traffic light tell drivers to {value}?")


MME_CATEGORIES: tuple[tuple[str, Maker], ...] = (
    ("existence", shapes.presence),
    ("count", lambda deck: shapes.count_of(deck, FEW, "shapes", distractors=False)),
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


def mme(deck: Deck, row: int, size: int) -> list[Made]:
    """A pair about one image: one claim is true, the other names another value; their order is drawn."""
    category, maker = deck.kind(MME_CATEGORIES)
    ask = maker(deck)
    true = deck.deal("value", ask.values)
    false = deck.rng.choice([v for v in ask.values if v != true])
    sketch = ask.image(true)
    stated = deck.rng.sample([(true, "Yes"), (false, "No")], 2)
    return [
        Made(
            {
                "question_id": f"{category}/{deck.group:06d}.png",
                "image": sketch,
                "question": ask.claim.format(value=value) + " Please answer yes or no.",
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


def mmbench(deck: Deck, row: int, size: int) -> list[Made]:
    """A circular group: one question with `size` options, once for each rotation of them."""
    maker, category, l2_category, hint = deck.kind(MMBENCH_KINDS)
    ask = maker(deck)
    options, place = deck.options(ask, size)
    sketch = ask.image(options[place])
    made = []
    for turn in range(size):
        turned = options[turn:] + options[:turn]
        texts = turned + ["nan"] * (4 - size)
        columns: dict[str, Any] = {
            "index": deck.group + 1_000_000 * turn,
            "question": ask.question,
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
        made.append(Made(columns, 1 / size))
    return made


def _any_side(deck: Deck) -> Ask:
    return shapes.relation(deck, ("left", "right", "above", "below"), "Where is the {a} relative to the {b}?")


SEED_DIMENSIONS: tuple[Maker, ...] = (
    places.place,
    shapes.shape_of,
    shapes.color_of,
    shapes.where_is,
    lambda deck: shapes.count_of(deck, (*FEW, "6")),
    _any_side,
    shapes.inside,
    diagrams.eater,
    words.shop,
)


def seed(deck: Deck, row: int, size: int) -> list[Made]:
    """One question of a dimension (numbered from 1) with four options."""
    dimension = SEED_DIMENSIONS.index(deck.kind(SEED_DIMENSIONS)) + 1
    ask = SEED_DIMENSIONS[dimension - 1](deck)
    options, place = deck.options(ask, 4)
    columns: dict[str, Any] = {"answer": LETTERS[place]}
    columns.update(zip(("choice_a", "choice_b", "choice_c", "choice_d"), options, strict=True))
    columns.update(
        {
            "data_id": f"{deck.group:06d}",
            "data_type": "image",
            "question": ask.question,
            "question_id": str(row),
            "question_type_id": dimension,
            "image": [ask.image(options[place])],
            "segment": [],
        }
    )
    return [Made(columns, 1 / 4)]


GQA_STRUCTURES = ("query", "verify", "choose", "logical", "compare")


def gqa(deck: Deck, row: int, size: int) -> list[Made]:
    """Two questions about one image: one about its left object, one about its right object or their sizes.

    The two objects and their sizes are drawn independently of each other, so neither question's text says
    anything about the other's answer.
    """
    items = [
        shapes.Item(deck.deal(f"{side} shape", SHAPES), deck.deal(f"{side} color", shapes.COLOR_NAMES), x, 64, 16)
        for side, x in (("left", 34), ("right", 94))
    ]
    larger = deck.rng.randrange(2)
    items[larger] = replace(items[larger], r=28)
    sketch = partial(shapes.scene, deck.look(), tuple(items))
    first = deck.kind(GQA_STRUCTURES[:4])
    second = GQA_STRUCTURES[(GQA_STRUCTURES.index(first) + deck.turn + 1) % 5]
    made = []
    for position, (side, structural) in enumerate((("left", first), ("right", second))):
        question, answer, prior, topic = _gqa_question(deck.rng, structural, side, items[position], larger)
        columns = _gqa_columns(f"{row + position:08d}", structural, topic, side)
        columns.update(
            {
                "imageId": f"n{deck.group}",
                "question": question,
                "answer": answer,
                "fullAnswer": f"The answer is {answer}.",
                "image": sketch,
            }
        )
        made.append(Made(columns, prior))
    return made


def _gqa_columns(identity: str, structural: str, topic: str, side: str) -> dict[str, Any]:
    """What the data set says about a question beside its text: types, groups, scene-graph program."""
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
    """Question, answer, what a blind reader gets at best, and the topic."""
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

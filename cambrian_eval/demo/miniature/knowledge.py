"""Rows of the Knowledge category in miniature: ScienceQA, MMMU, MathVista and AI2D.

Each builder turns one `Sampler` into one row in the benchmark's own columns; the images are not drawn yet.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cambrian_eval.demo.miniature import charts, diagrams, figures, places, shapes
from cambrian_eval.demo.miniature.canvas import SIDE
from cambrian_eval.demo.miniature.sampling import DraftRow, Sampler, Sketch, Template

Maker = Callable[[Sampler], Template]
LETTERS = "ABCDEFGHI"
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class ScienceQAKind:
    """A kind of ScienceQA question."""

    maker: Maker
    choices: int
    subject: str
    topic: str
    grade: int
    hint: str = ""


SCIENCEQA_KINDS = (
    ScienceQAKind(diagrams.magnets, 2, "natural science", "physics", 3, "Opposite poles attract. Like poles repel."),
    ScienceQAKind(diagrams.region, 4, "social science", "geography", 2),
    ScienceQAKind(
        diagrams.particles, 3, "natural science", "chemistry", 7, "In a solid, particles are packed together."
    ),
    ScienceQAKind(diagrams.part_marked, 4, "natural science", "biology", 4),
    ScienceQAKind(diagrams.mark, 3, "language science", "punctuation", 1),
    ScienceQAKind(figures.circuit, 2, "natural science", "physics", 5, "A lamp is lit when the circuit is closed."),
    ScienceQAKind(diagrams.layer_color, 5, "natural science", "earth-science", 6),
)


def scienceqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question with two to five choices; the answer is a position."""
    kind = sampler.kind(SCIENCEQA_KINDS)
    template = kind.maker(sampler)
    choices, place = sampler.options(template, kind.choices)
    columns = {
        "image": template.image(choices[place]),
        "question": template.text,
        "choices": choices,
        "answer": place,
        "hint": kind.hint,
        "task": "closed choice",
        "grade": f"grade{kind.grade}",
        "subject": kind.subject,
        "topic": kind.topic,
        "category": kind.topic.capitalize(),
        "skill": template.text,
        "lecture": "",
        "solution": f"The picture shows it: {choices[place]}.",
    }
    return [DraftRow(columns, 1 / kind.choices)]


@dataclass(frozen=True)
class MMMUKind:
    """A kind of MMMU question; open where `options` is 0; `in_words` adds the number as a word to its answers."""

    maker: Maker
    subject: str
    subfield: str
    img_type: str
    options: int
    images: int = 1
    in_words: bool = False


MMMU_KINDS = (
    MMMUKind(places.pattern, "Art", "Painting", "Paintings", 4),
    MMMUKind(diagrams.part_marked, "Biology", "Botany", "Diagrams", 4),
    MMMUKind(charts.peak_year, "Economics", "Macroeconomics", "Plots and Charts", 4),
    MMMUKind(figures.polygon_sides, "Math", "Geometry", "Geometric Shapes", 0, in_words=True),
    MMMUKind(figures.lever, "Physics", "Mechanics", "Diagrams", 3),
    MMMUKind(shapes.color_of, "Design", "Graphic Design", "Icons and Symbols", 4, images=2),
    MMMUKind(charts.tallest, "Marketing", "Market Research", "Plots and Charts", 5),
    MMMUKind(figures.circuit, "Electronics", "Circuits", "Technical Blueprints", 2),
    MMMUKind(figures.program, "Computer_Science", "Programming", "Screenshots", 0),
    MMMUKind(places.landmark, "Architecture_and_Engineering", "Buildings", "Photographs", 4),
    MMMUKind(places.mood, "Psychology", "Emotion", "Portraits", 4, images=3),
    MMMUKind(diagrams.region, "Geography", "Cartography", "Maps", 4),
)


def mmmu(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question, with options as the text of a Python list, or open; some have several images.

    Where there are several, all show the same kind of thing and the question is about the first.
    """
    kind = sampler.kind(MMMU_KINDS)
    template = kind.maker(sampler)
    if kind.options:
        options, place = sampler.options(template, kind.options)
        value, answer = options[place], LETTERS[place]
    else:
        options, value = [], sampler.balanced("value", template.values)
        answer = repr([value, NUMBER_WORDS[int(value)]]) if kind.in_words else value
    tags = "".join(f"<image {i + 1}> " for i in range(kind.images))
    sketches: list[Sketch | None] = [template.image(value)]
    sketches += [template.image(sampler.rng.choice(template.values)) for _ in range(kind.images - 1)]
    sketches += [None] * (7 - len(sketches))
    several = " Answer for <image 1>." if kind.images > 1 else ""
    columns: dict[str, Any] = {
        "id": f"validation_{kind.subject}_{row + 1}",
        "question": f"{tags}{template.text}{several}",
        "options": repr(options),
        "explanation": "",
        **{f"image_{i + 1}": sketch for i, sketch in enumerate(sketches)},
        "img_type": repr([kind.img_type]),
        "answer": answer,
        "topic_difficulty": "Easy",
        "question_type": "multiple-choice" if options else "open",
        "subfield": kind.subfield,
    }
    return [DraftRow(columns, 1 / len(options or template.values))]


@dataclass(frozen=True)
class MathVistaKind:
    """A kind of MathVista question."""

    maker: Maker
    answer_type: str
    task: str
    context: str
    skills: tuple[str, ...]
    choices: int = 0
    unit: str | None = None
    precision: float | None = None


FIGURE, GEOMETRY, WORD = "figure question answering", "geometry problem solving", "math word problem"
TEXTBOOK, VISUAL = "textbook question answering", "visual question answering"
MATHVISTA_KINDS = (
    MathVistaKind(charts.bar_value, "integer", FIGURE, "bar chart", ("statistical reasoning",)),
    MathVistaKind(figures.angle, "text", GEOMETRY, "geometry diagram", ("geometry reasoning",), 4),
    MathVistaKind(figures.gauge, "float", WORD, "scientific figure", ("scientific reasoning",), precision=1.0),
    MathVistaKind(charts.tallest, "text", FIGURE, "bar chart", ("statistical reasoning",), 4),
    MathVistaKind(figures.total, "integer", WORD, "synthetic scene", ("arithmetic reasoning",)),
    MathVistaKind(figures.lever, "text", TEXTBOOK, "scientific figure", ("scientific reasoning",), 3),
    MathVistaKind(figures.side_length, "integer", GEOMETRY, "geometry diagram", ("geometry reasoning",), unit="cm"),
    MathVistaKind(figures.circuit, "text", TEXTBOOK, "scientific figure", ("logical reasoning",), 2),
    MathVistaKind(figures.clock, "integer", VISUAL, "natural image", ("numeric commonsense",)),
    MathVistaKind(charts.largest_slice, "text", FIGURE, "pie chart", ("statistical reasoning",), 5),
    MathVistaKind(figures.weight, "float", WORD, "scientific figure", ("numeric commonsense",), precision=2.0),
    MathVistaKind(figures.pair, "list", VISUAL, "synthetic scene", ("numeric commonsense",)),
)
_HINT = "Hint: Please answer the question"
HINTS: dict[tuple[str, float | None], str] = {
    ("text", None): f"{_HINT} and provide the correct option letter, e.g., A, B, C, D, at the end.",
    (
        "integer",
        None,
    ): f"{_HINT} requiring an integer answer and provide the final value, e.g., 1, 2, 3, at the end.",
    (
        "float",
        1.0,
    ): f"{_HINT} requiring a floating-point number with one decimal place and provide the final value, "
    "e.g., 1.2, 1.3, 1.4, at the end.",
    (
        "float",
        2.0,
    ): f"{_HINT} requiring a floating-point number with two decimal places and provide the final value, "
    "e.g., 1.23, 1.34, 1.45, at the end.",
    ("list", None): f"{_HINT} requiring a Python list as an answer and provide the final list, "
    "e.g., [1, 2, 3], [1.2, 1.3, 1.4], at the end.",
}


def mathvista(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One problem with its query text: hint line, question, unit, choices."""
    kind = sampler.kind(MATHVISTA_KINDS)
    template = kind.maker(sampler)
    choices: list[str] | None = None
    if kind.choices:
        choices, place = sampler.options(template, kind.choices)
        answer = choices[place]
    else:
        answer = sampler.balanced("value", template.values)
    unit = f" (Unit: {kind.unit})" if kind.unit else ""
    query = f"{HINTS[kind.answer_type, kind.precision]}\nQuestion: {template.text}{unit}"
    if choices:
        listed = "\n".join(f"({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False))
        query += f"\nChoices:\n{listed}"
    general = kind.task in (VISUAL, FIGURE)
    columns = {
        "pid": str(row + 1),
        "question": template.text,
        "image": f"images/{row + 1}.png",
        "decoded_image": template.image(answer),
        "choices": choices,
        "unit": kind.unit,
        "precision": kind.precision,
        "answer": answer,
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": kind.answer_type,
        "metadata": {
            "category": "general-vqa" if general else "math-targeted-vqa",
            "context": kind.context,
            "grade": "elementary school",
            "img_height": SIDE,
            "img_width": SIDE,
            "language": "english",
            "skills": list(kind.skills),
            "source": "miniature",
            "split": "testmini",
            "task": kind.task,
        },
        "query": query,
    }
    return [DraftRow(columns, 1 / len(choices or template.values))]


AI2D_KINDS: tuple[Maker, ...] = (
    diagrams.part_marked,
    diagrams.eater,
    diagrams.layer_color,
    diagrams.letter_of_part,
    diagrams.next_stage,
)


def ai2d(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question about a diagram with four options; the answer is a position as text."""
    template = sampler.kind(AI2D_KINDS)(sampler)
    options, place = sampler.options(template, 4)
    columns = {
        "question": template.text,
        "options": options,
        "answer": str(place),
        "image": template.image(options[place]),
    }
    return [DraftRow(columns, 1 / 4)]

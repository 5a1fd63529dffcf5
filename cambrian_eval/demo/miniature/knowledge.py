"""Rows of the Knowledge group in miniature: ScienceQA, MMMU, MathVista and AI2D.

Each builder turns one `Deck` into one row in the benchmark's own columns; the images are still sketches.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from cambrian_eval.demo.miniature import charts, diagrams, figures, places, shapes
from cambrian_eval.demo.miniature.canvas import SIDE
from cambrian_eval.demo.miniature.deal import Ask, Deck, Made, Sketch

Maker = Callable[[Deck], Ask]
LETTERS = "ABCDEFGHI"
NUMBER_WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class Lesson:
    """A kind of ScienceQA question."""

    maker: Maker
    choices: int
    subject: str
    topic: str
    grade: int
    hint: str = ""


LESSONS = (
    Lesson(diagrams.magnets, 2, "natural science", "physics", 3, "Opposite poles attract. Like poles repel."),
    Lesson(diagrams.region, 4, "social science", "geography", 2),
    Lesson(diagrams.particles, 3, "natural science", "chemistry", 7, "In a solid, particles are packed together."),
    Lesson(diagrams.part_marked, 4, "natural science", "biology", 4),
    Lesson(diagrams.mark, 3, "language science", "punctuation", 1),
    Lesson(figures.circuit, 2, "natural science", "physics", 5, "A lamp is lit when the circuit is closed."),
    Lesson(diagrams.layer_color, 5, "natural science", "earth-science", 6),
)


def scienceqa(deck: Deck, row: int, size: int) -> list[Made]:
    """One question with two to five choices; the gold answer is a position."""
    lesson = deck.kind(LESSONS)
    ask = lesson.maker(deck)
    choices, place = deck.options(ask, lesson.choices)
    columns = {
        "image": ask.image(choices[place]),
        "question": ask.question,
        "choices": choices,
        "answer": place,
        "hint": lesson.hint,
        "task": "closed choice",
        "grade": f"grade{lesson.grade}",
        "subject": lesson.subject,
        "topic": lesson.topic,
        "category": lesson.topic.capitalize(),
        "skill": ask.question,
        "lecture": "",
        "solution": f"The picture shows it: {choices[place]}.",
    }
    return [Made(columns, 1 / lesson.choices)]


@dataclass(frozen=True)
class Exam:
    """A kind of MMMU question; 0 `options` make it open, `in_words` adds the number's word as a gold."""

    maker: Maker
    subject: str
    subfield: str
    img_type: str
    options: int
    images: int = 1
    in_words: bool = False


EXAMS = (
    Exam(places.pattern, "Art", "Painting", "Paintings", 4),
    Exam(diagrams.part_marked, "Biology", "Botany", "Diagrams", 4),
    Exam(charts.peak_year, "Economics", "Macroeconomics", "Plots and Charts", 4),
    Exam(figures.polygon_sides, "Math", "Geometry", "Geometric Shapes", 0, in_words=True),
    Exam(figures.lever, "Physics", "Mechanics", "Diagrams", 3),
    Exam(shapes.color_of, "Design", "Graphic Design", "Icons and Symbols", 4, images=2),
    Exam(charts.tallest, "Marketing", "Market Research", "Plots and Charts", 5),
    Exam(figures.circuit, "Electronics", "Circuits", "Technical Blueprints", 2),
    Exam(figures.program, "Computer_Science", "Programming", "Screenshots", 0),
    Exam(places.landmark, "Architecture_and_Engineering", "Buildings", "Photographs", 4),
    Exam(places.mood, "Psychology", "Emotion", "Portraits", 4, images=3),
    Exam(diagrams.region, "Geography", "Cartography", "Maps", 4),
)


def mmmu(deck: Deck, row: int, size: int) -> list[Made]:
    """One exam question, with options as the text of a Python list, or open; some have several images.

    Where there are several, all show the same kind of thing and the question is about the first.
    """
    exam = deck.kind(EXAMS)
    ask = exam.maker(deck)
    if exam.options:
        options, place = deck.options(ask, exam.options)
        value, answer = options[place], LETTERS[place]
    else:
        options, value = [], deck.deal("value", ask.values)
        answer = repr([value, NUMBER_WORDS[int(value)]]) if exam.in_words else value
    tags = "".join(f"<image {i + 1}> " for i in range(exam.images))
    sketches: list[Sketch | None] = [ask.image(value)]
    sketches += [ask.image(deck.rng.choice(ask.values)) for _ in range(exam.images - 1)]
    sketches += [None] * (7 - len(sketches))
    several = " Answer for <image 1>." if exam.images > 1 else ""
    columns: dict[str, Any] = {
        "id": f"validation_{exam.subject}_{row + 1}",
        "question": f"{tags}{ask.question}{several}",
        "options": repr(options),
        "explanation": "",
        **{f"image_{i + 1}": sketch for i, sketch in enumerate(sketches)},
        "img_type": repr([exam.img_type]),
        "answer": answer,
        "topic_difficulty": "Easy",
        "question_type": "multiple-choice" if options else "open",
        "subfield": exam.subfield,
    }
    return [Made(columns, 1 / len(options or ask.values))]


@dataclass(frozen=True)
class Problem:
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
PROBLEMS = (
    Problem(charts.bar_value, "integer", FIGURE, "bar chart", ("statistical reasoning",)),
    Problem(figures.angle, "text", GEOMETRY, "geometry diagram", ("geometry reasoning",), 4),
    Problem(figures.gauge, "float", WORD, "scientific figure", ("scientific reasoning",), precision=1.0),
    Problem(charts.tallest, "text", FIGURE, "bar chart", ("statistical reasoning",), 4),
    Problem(figures.total, "integer", WORD, "synthetic scene", ("arithmetic reasoning",)),
    Problem(figures.lever, "text", TEXTBOOK, "scientific figure", ("scientific reasoning",), 3),
    Problem(figures.side_length, "integer", GEOMETRY, "geometry diagram", ("geometry reasoning",), unit="cm"),
    Problem(figures.circuit, "text", TEXTBOOK, "scientific figure", ("logical reasoning",), 2),
    Problem(figures.clock, "integer", VISUAL, "natural image", ("numeric commonsense",)),
    Problem(charts.largest_slice, "text", FIGURE, "pie chart", ("statistical reasoning",), 5),
    Problem(figures.weight, "float", WORD, "scientific figure", ("numeric commonsense",), precision=2.0),
    Problem(figures.pair, "list", VISUAL, "synthetic scene", ("numeric commonsense",)),
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


def mathvista(deck: Deck, row: int, size: int) -> list[Made]:
    """One problem with its query text: hint line, question, unit, choices."""
    problem = deck.kind(PROBLEMS)
    ask = problem.maker(deck)
    choices: list[str] | None = None
    if problem.choices:
        choices, place = deck.options(ask, problem.choices)
        answer = choices[place]
    else:
        answer = deck.deal("value", ask.values)
    unit = f" (Unit: {problem.unit})" if problem.unit else ""
    query = f"{HINTS[problem.answer_type, problem.precision]}\nQuestion: {ask.question}{unit}"
    if choices:
        listed = "\n".join(f"({letter}) {text}" for letter, text in zip(LETTERS, choices, strict=False))
        query += f"\nChoices:\n{listed}"
    general = problem.task in (VISUAL, FIGURE)
    columns = {
        "pid": str(row + 1),
        "question": ask.question,
        "image": f"images/{row + 1}.png",
        "decoded_image": ask.image(answer),
        "choices": choices,
        "unit": problem.unit,
        "precision": problem.precision,
        "answer": answer,
        "question_type": "multi_choice" if choices else "free_form",
        "answer_type": problem.answer_type,
        "metadata": {
            "category": "general-vqa" if general else "math-targeted-vqa",
            "context": problem.context,
            "grade": "elementary school",
            "img_height": SIDE,
            "img_width": SIDE,
            "language": "english",
            "skills": list(problem.skills),
            "source": "miniature",
            "split": "testmini",
            "task": problem.task,
        },
        "query": query,
    }
    return [Made(columns, 1 / len(choices or ask.values))]


AI2D_KINDS: tuple[Maker, ...] = (
    diagrams.part_marked,
    diagrams.eater,
    diagrams.layer_color,
    diagrams.letter_of_part,
    diagrams.next_stage,
)


def ai2d(deck: Deck, row: int, size: int) -> list[Made]:
    """One question about a diagram with four options; the gold answer is a position as text."""
    ask = deck.kind(AI2D_KINDS)(deck)
    options, place = deck.options(ask, 4)
    columns = {
        "question": ask.question,
        "options": options,
        "answer": str(place),
        "image": ask.image(options[place]),
    }
    return [Made(columns, 1 / 4)]

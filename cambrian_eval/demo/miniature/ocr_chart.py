"""Rows of the OCR & Chart category in miniature: ChartQA, OCRBench, TextVQA and DocVQA.

All four are free-form. Each answer comes from a short list in balanced order, so the probability that a model without
the image is correct is 1 over the list's length: ChartQA 1/2 to 1/9, OCRBench 1/8 to 1/20, TextVQA 1/3 to 1/20,
DocVQA 1/5 to 1/10. Each builder turns one `Sampler` into the rows of one image; the images are not drawn yet.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from cambrian_eval.demo.miniature import charts, documents, words
from cambrian_eval.demo.miniature.canvas import SIDE
from cambrian_eval.demo.miniature.sampling import DraftRow, Sampler, Template

Maker = Callable[[Sampler], Template]
CHARTS: tuple[Maker, ...] = (
    charts.bar_value,
    charts.tallest,
    charts.how_many_bars,
    charts.higher,
    charts.peak_year,
    partial(charts.tallest, word="shortest"),
    charts.slice_percent,
    charts.table_cell,
    charts.largest_slice,
)


def chartqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question about a bar, line or pie chart or a table."""
    kind = "human_test" if sampler.group % 2 == 0 else "augmented_test"
    template = sampler.kind(CHARTS)(sampler)
    answer = sampler.balanced("value", template.values)
    columns = {"type": kind, "question": template.text, "answer": answer, "image": template.image(answer)}
    return [DraftRow(columns, 1 / len(template.values))]


SCENE, DOC, KIE = "Scene Text-centric VQA", "Doc-oriented VQA", "Key Information Extraction"
FORMULA = "Handwritten Mathematical Expression Recognition"


def _field(field: str, question: str) -> Maker:
    """A question for one field of a page."""

    def maker(sampler: Sampler) -> Template:
        sketch, gold, _ = documents.page_with(sampler, (field,), 3)
        return Template(question, (gold[field],), lambda value: sketch)

    return maker


def _extract(field: str) -> Maker:
    how = "Answer this question using the text in the image directly."
    return _field(field, f"what is the {field.lower()} in the image? {how}")


OCR_KINDS: tuple[tuple[str, Maker], ...] = (
    ("Regular Text Recognition", words.word),
    (SCENE, words.shop),
    (DOC, _field("TOTAL", "What is the total?")),
    (KIE, _extract("NAME")),
    ("Irregular Text Recognition", partial(words.word, style="irregular")),
    (SCENE, words.shirt),
    (DOC, _field("NAME", "What is the name on the document?")),
    (KIE, _extract("TOTAL")),
    (FORMULA, words.formula),
    ("Artistic Text Recognition", partial(words.word, style="artistic")),
    (SCENE, words.bus),
    (DOC, charts.table_cell),
    (KIE, _extract("CITY")),
    ("Handwriting Recognition", partial(words.word, style="handwriting")),
    (SCENE, words.shop),
    (DOC, charts.bar_value),
    (KIE, _extract("ROOM")),
    ("Digit String Recognition", partial(words.word, values=words.STRINGS)),
    ("Non-Semantic Text Recognition", partial(words.word, values=words.NONWORDS)),
    (FORMULA, words.formula),
)


def ocrbench(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One row of OCRBench; every twenty rows have the ten types in the benchmark's own proportions."""
    kind, maker = sampler.kind(OCR_KINDS)
    template = maker(sampler)
    answer = sampler.balanced("value", template.values)
    question = "what is the number in the image?" if kind.startswith("Digit") else template.text
    columns = {
        "dataset": "HME100k" if kind == FORMULA else "miniature",
        "question": question,
        "question_type": kind,
        "answer": [answer],
        "image": template.image(answer),
    }
    return [DraftRow(columns, 1 / _choices_of(template, answer))]


def _choices_of(template: Template, answer: str) -> int:
    """The number of values that the answer was chosen from, also where a page chose it."""
    if len(template.values) > 1:
        return len(template.values)
    return next(len(values) for values in documents.FIELDS.values() if answer in values)


TEXT_KINDS: tuple[Maker | None, ...] = (words.shop, words.shirt, None, words.bus)
"""None: one of several boards, the only kind of row with OCR reference tokens."""


def textvqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """One question about text in a scene, with ten answers of which seven to ten agree.

    The list of OCR tokens is empty except where several boards are shown; there it contains every board's word in
    random order, so it names the candidates but not the answer.
    """
    maker = sampler.kind(TEXT_KINDS)
    tokens: list[str] = []
    if maker is None:
        template, beside = words.board(sampler)
        answer = template.values[0]
        tokens = sampler.rng.sample([answer, *beside], 3)
        prior = 1 / 3
    else:
        template = maker(sampler)
        answer = sampler.balanced("value", template.values)
        prior = 1 / len(template.values)
    agree = sampler.rng.randrange(7, 11)
    answers = [answer.lower()] * agree + ["unanswerable"] * (10 - agree)
    question = template.text[0].lower() + template.text[1:]
    columns: dict[str, Any] = {
        "image_id": f"mini{sampler.group:08d}",
        "question_id": row,
        "question": question,
        "question_tokens": question.rstrip("?").lower().split(),
        "image": template.image(answer),
        "image_width": SIDE,
        "image_height": SIDE,
        "flickr_original_url": "",
        "flickr_300k_url": "",
        "answers": sampler.rng.sample(answers, 10),
        "image_classes": ["sign"],
        "set_name": "val",
        "ocr_tokens": tokens,
    }
    return [DraftRow(columns, prior)]


def docvqa(sampler: Sampler, row: int, size: int) -> list[DraftRow]:
    """Two questions about two different fields of one page."""
    fields = tuple(documents.FIELDS)
    first = sampler.kind(fields)
    second = sampler.rng.choice([f for f in fields if f != first])
    sketch, gold, page = documents.page_with(sampler, (first, second), 3)
    drafts = []
    for position, field in enumerate((first, second)):
        columns = {
            "questionId": str(row + position),
            "question": sampler.rng.choice(documents.QUESTIONS[field]),
            "question_types": ["table/list"] if page.ruled else ["form"],
            "image": sketch,
            "docId": sampler.group,
            "ucsf_document_id": f"mini{sampler.group:06d}",
            "ucsf_document_page_no": "1",
            "answers": [gold[field]],
            "data_split": "val",
        }
        drafts.append(DraftRow(columns, 1 / len(documents.FIELDS[field])))
    return drafts

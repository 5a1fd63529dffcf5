"""Cambrian-1's released scripts, `answers_*.jsonl`: prompt, `answer` and mostly `gt_answer` of each question.

`question_id` counts the dataset's rows from 0. `questionId` is DocVQA's own id, and in the scripts of CV-Bench, whose
lines have `options`, the number of a row in files that were not published. MMBench's lines have `index` and
`prediction`. AI2D's gold answer is the option's number, with its text beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source, options_of, text_of, texts_of
from cambrian_eval.sample import LETTERS

FORMS = ({"question_id", "answer"}, {"questionId", "answer"}, {"index", "prediction", "gt_answer"})
"""The keys by which a line is recognized."""


class Cambrian(Format):
    """A line for each question."""

    name = "cambrian"
    summary = "Cambrian-1, answers_*.jsonl with question_id and answer"

    def recognizes(self, source: Source) -> bool:
        """An id beside an answer."""
        return any(form <= source.first.keys() for form in FORMS) and "text" not in source.first

    def read(self, source: Source) -> Iterator[Entry]:
        """One line, one response."""
        for number, line in read_objects(source.path):
            place = f"{source.path} line {number}"
            if not any(form <= line.keys() for form in FORMS):
                raise UserError(f'{place} has no "question_id" or no "answer"; fix the line')
            row, prompt, category = line.get("question_id"), line.get("prompt"), line.get("category")
            yield Entry(
                place,
                text_of(line["answer"] if "answer" in line else line["prediction"]),
                id=_id(line),
                row=row if isinstance(row, int) else None,
                question=text_of(line.get("question")) or None,
                prompt=prompt if isinstance(prompt, str) else None,
                options=_options(line),
                gold=(*texts_of(line.get("gt_answer")), *texts_of(line.get("text_answer"))),
                image=text_of(line.get("image")) or None,
                category=category if isinstance(category, str) else None,
            )

    def model(self, source: Source) -> str | None:
        """The `model_id` of the first line."""
        name = source.first.get("model_id")
        return name if isinstance(name, str) and name else None


def _id(line: Mapping[str, Any]) -> str | None:
    """The dataset's own id, where a line has it."""
    named = line.get("index", None if "options" in line else line.get("questionId"))
    return text_of(named) or None


def _options(line: Mapping[str, Any]) -> Mapping[str, str]:
    listed = line.get("options")
    if isinstance(listed, list):
        return {LETTERS[i]: text_of(text) for i, text in enumerate(listed)}
    return options_of(line)


FORMAT = Cambrian()

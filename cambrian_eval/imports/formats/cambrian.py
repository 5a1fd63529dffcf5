"""Cambrian-1's released scripts, `answers_*.jsonl`: `question_id` counts rows from 0; prompt, `answer`, `gt_answer`."""

from __future__ import annotations

from collections.abc import Iterator

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source, text_of, texts_of


class Cambrian(Format):
    """A line for each row."""

    name = "cambrian"
    summary = "Cambrian-1, answers_*.jsonl with question_id and answer"

    def recognizes(self, source: Source) -> bool:
        """An id beside an answer."""
        return {"question_id", "answer"} <= source.first.keys() and "text" not in source.first

    def read(self, source: Source) -> Iterator[Entry]:
        """One line, one response."""
        for number, line in read_objects(source.path):
            place = f"{source.path} line {number}"
            if "question_id" not in line or "answer" not in line:
                raise UserError(f'{place} has no "question_id" or no "answer"; fix the line')
            identity, prompt, category = line["question_id"], line.get("prompt"), line.get("category")
            yield Entry(
                place,
                text_of(line["answer"]),
                id=text_of(identity) or None,
                row=identity if isinstance(identity, int) else None,
                prompt=prompt if isinstance(prompt, str) else None,
                gold=texts_of(line.get("gt_answer")),
                category=category if isinstance(category, str) else None,
            )

    def model(self, source: Source) -> str | None:
        """The `model_id` of the first line."""
        name = source.first.get("model_id")
        return name if isinstance(name, str) and name else None


FORMAT = Cambrian()

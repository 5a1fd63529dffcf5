"""LLaVA, `answers/*.jsonl`: `question_id`, `prompt` and `text`; the files for uploads have `prediction` instead.

`question_id` is the dataset's own id (GQA, SEED, MMBench), the name of the image (MME, TextVQA), or the number of a
problem (ScienceQA), so it counts only where the prompt agrees.
"""

from __future__ import annotations

from collections.abc import Iterator

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source, text_of

RESPONSES = ("text", "prediction")


class Llava(Format):
    """A line for each question."""

    name = "llava"
    summary = "LLaVA, answers/*.jsonl with question_id and text or prediction"

    def recognizes(self, source: Source) -> bool:
        """An id beside a response; the gold answer belongs to Cambrian-1's files."""
        return "question_id" in source.first and any(name in source.first for name in RESPONSES)

    def read(self, source: Source) -> Iterator[Entry]:
        """One line, one response."""
        for number, line in read_objects(source.path):
            place = f"{source.path} line {number}"
            column = next((name for name in RESPONSES if name in line), None)
            if column is None or "question_id" not in line:
                raise UserError(f'{place} has no "question_id", or neither "text" nor "prediction"; fix the line')
            identity = text_of(line["question_id"])
            prompt = line.get("prompt")
            yield Entry(
                place,
                text_of(line[column]),
                id=identity,
                prompt=prompt if isinstance(prompt, str) else None,
                image=identity,
            )

    def model(self, source: Source) -> str | None:
        """The `model_id` of the first line."""
        name = source.first.get("model_id")
        return name if isinstance(name, str) and name else None


FORMAT = Llava()

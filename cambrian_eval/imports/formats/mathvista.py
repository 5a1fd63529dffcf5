"""MathVista's released results, `output_*.json`: an object of problems by `pid`, each with its `response`.

`extraction`, `prediction` and `true_false` are what the authors' scripts made of it. They compare the texts of choices,
so `official` takes both letters of two equal choices as right where a log comes from them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import ClassVar

from cambrian_eval.imports.log import Entry, Format, Source, chosen, text_of
from cambrian_eval.sample import LETTERS

VERDICTS = ("extraction", "prediction", "true_false")


class MathVista(Format):
    """A problem for each key."""

    name = "mathvista"
    summary = "MathVista, output_*.json"
    settings: ClassVar[Mapping[str, Mapping[str, str]]] = {"mathvista": {"equal_choices": "true"}}

    def recognizes(self, source: Source) -> bool:
        """Problems with a pid and a question type."""
        value = source.whole
        first = next(iter(value.values()), None) if isinstance(value, dict) else None
        return isinstance(first, dict) and {"pid", "question_type"} <= first.keys()

    def read(self, source: Source) -> Iterator[Entry]:
        """Problems in the file's order."""
        for key, one in source.whole.items():
            if not isinstance(one, dict):
                continue
            choices = one.get("choices") or []
            yield Entry(
                f"{source.path} pid {key}",
                text_of(one.get("response")),
                id=text_of(one.get("pid", key)),
                question=text_of(one.get("question")) or None,
                prompt=text_of(one.get("query")) or None,
                options={LETTERS[i]: text_of(text) for i, text in enumerate(choices)},
                gold=(text_of(one["answer"]),) if one.get("answer") is not None else (),
                image=text_of(one.get("image")) or None,
                verdict=chosen(one, VERDICTS),
            )


FORMAT = MathVista()

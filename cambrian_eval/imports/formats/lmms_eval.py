"""lmms-eval, `*_samples_TASK.jsonl` (0.3 to 0.7): `doc_id` counts the rows of the task, `input` is the prompt.

`filtered_resps` holds the response, or several of them where the task repeats its requests. Where the task's filter has
changed it (a letter cut out, thoughts removed), `resps` has what the model said, which is imported. Metrics stand
beside it under their own names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cambrian_eval.data.jsonl import read_objects
from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, Format, Source, text_of, texts_of

KNOWN = frozenset(
    (
        *("doc_id", "doc", "target", "arguments", "resps", "filtered_resps", "input"),
        *("doc_hash", "prompt_hash", "target_hash", "token_counts", "input_media"),
    )
)
"""Keys that are no metric."""


class LmmsEval(Format):
    """A line for each document of a task."""

    name = "lmms_eval"
    summary = "lmms-eval, *_samples_*.jsonl"

    def recognizes(self, source: Source) -> bool:
        """A document's number beside filtered responses."""
        return "doc_id" in source.first and bool({"filtered_resps", "resps"} & source.first.keys())

    def read(self, source: Source) -> Iterator[Entry]:
        """A response for each repeat of each line."""
        for number, line in read_objects(source.path):
            number_of_row = line.get("doc_id")
            document = line["doc"] if isinstance(line.get("doc"), dict) else {}
            question = document.get("question")
            for repeat, response in enumerate(_responses(line, f"{source.path} line {number}")):
                yield Entry(
                    f"{source.path} line {number}",
                    response,
                    row=number_of_row if isinstance(number_of_row, int) else None,
                    question=question if isinstance(question, str) else None,
                    prompt=line["input"] if isinstance(line.get("input"), str) else None,
                    gold=texts_of(line.get("target")),
                    verdict=_verdict(line),
                    repeat=repeat,
                )


def _responses(line: Mapping[str, Any], place: str) -> list[str]:
    """The responses of a line; lists of lists are repeats."""
    filtered, raw = line.get("filtered_resps"), line.get("resps")
    for stored in (filtered, raw):
        if isinstance(stored, list) and any(isinstance(x, list) and x and isinstance(x[0], float) for x in stored):
            raise UserError(f"{place} has log-likelihoods of options, not responses; such tasks cannot be imported")
    if raw is None or (filtered is not None and len(_flat(raw)) != len(_flat(filtered))):
        return _flat(filtered)
    return _flat(raw)


def _flat(stored: Any) -> list[str]:
    """One text, or one for each repeat; a repeat may be a list with one text."""
    return ([text_of(one) for one in stored] if isinstance(stored, list) else [text_of(stored)]) or [""]


def _verdict(line: Mapping[str, Any]) -> dict[str, Any]:
    """The metrics, and what the task's filter made of the response."""
    kept = {name: value for name, value in line.items() if name not in KNOWN}
    return {"filtered_resps": line["filtered_resps"], **kept} if {"resps", "filtered_resps"} <= line.keys() else kept


FORMAT = LmmsEval()

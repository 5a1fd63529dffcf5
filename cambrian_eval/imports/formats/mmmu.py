"""MMMU's evaluation: `total_val_output.json` (id to response), and `SUBJECT/output.json` (a list with `response`)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from cambrian_eval.imports.log import Entry, Format, Source, chosen, text_of, texts_of

ID = re.compile(r"(?:validation|dev|test)_\w+_\d+")


class Mmmu(Format):
    """Responses by id, or rows with the choices."""

    name = "mmmu"
    summary = "MMMU, total_val_output.json and SUBJECT/output.json"

    def recognizes(self, source: Source) -> bool:
        """Ids of MMMU as keys, or rows with `id` and `response`."""
        value = source.whole
        if isinstance(value, dict):
            key = next(iter(value), "")
            return bool(ID.fullmatch(key)) and not isinstance(value[key], dict)
        rows = value if isinstance(value, list) and value and isinstance(value[0], dict) else []
        return bool(rows) and {"id", "response"} <= rows[0].keys() and bool(ID.fullmatch(str(rows[0]["id"])))

    def read(self, source: Source) -> Iterator[Entry]:
        """In the file's order."""
        value = source.whole
        if isinstance(value, dict):
            for key, response in value.items():
                yield Entry(f"{source.path} {key}", text_of(response), id=key)
            return
        for number, one in enumerate(value, 1):
            if isinstance(one, dict):
                options = one.get("index2ans")
                yield Entry(
                    f"{source.path} row {number}",
                    text_of(one.get("response")),
                    id=text_of(one.get("id")) or None,
                    options={str(k): text_of(v) for k, v in options.items()} if isinstance(options, dict) else {},
                    gold=texts_of(one.get("answer")),
                    verdict=chosen(one, ("parsed_pred", "judge")),
                )


FORMAT = Mmmu()

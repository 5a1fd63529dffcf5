"""VLMEvalKit, `MODEL_DATASET.xlsx`, `.tsv` or `.json`: a row for each question with `index` and `prediction`.

Options stand in columns A, B, C, D; `hit` and `log` (or `score`, `extracted`) in the files that its evaluation writes.
LLaVA's upload table for MMBench has the same columns.
"""

from __future__ import annotations

from collections.abc import Iterator

from cambrian_eval.imports.log import Entry, Format, Source, chosen, options_of, text_of, texts_of

VERDICTS = ("hit", "log", "score", "extracted", "res", "eval_score", "eval_match", "eval_pred")


class VlmEvalKit(Format):
    """A table with predictions."""

    name = "vlmevalkit"
    summary = "VLMEvalKit, MODEL_DATASET.xlsx, .tsv or .json with index and prediction"

    def recognizes(self, source: Source) -> bool:
        """The two columns."""
        rows = source.records
        return bool(rows) and {"index", "prediction"} <= rows[0].keys()

    def read(self, source: Source) -> Iterator[Entry]:
        """One row, one response; the heading is row 1."""
        for number, row in enumerate(source.records, 2):
            image = row.get("image_path") or row.get("image_id")
            yield Entry(
                f"{source.path} row {number}",
                text_of(row.get("prediction")),
                id=text_of(row.get("index")) or None,
                question=text_of(row.get("question")) or None,
                options=options_of(row),
                gold=texts_of(row.get("answer")),
                image=text_of(image) or None,
                category=text_of(row.get("category")) or None,
                split=text_of(row.get("split")) or None,
                verdict=chosen(row, VERDICTS),
            )


FORMAT = VlmEvalKit()

"""VLMEvalKit with a model that responds at once.

    PYTHONPATH=CHECKOUT PYTHON tools/peers/vlmevalkit_instant.py ROWS.parquet

PYTHON is one of an environment with VLMEvalKit's requirements and pyarrow; CHECKOUT is unnecessary where VLMEvalKit is
installed. The dataset is its own `DocVQA_VAL` (prompt, image file, ANLS) with the rows written to the table that it
otherwise downloads. Inference, its files and the evaluation are those that `run.py` calls for a local model.
"""

from __future__ import annotations

import base64
import csv
import os
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from slope import measure
from vlmeval.dataset import ImageVQADataset
from vlmeval.inference import infer_data_job
from vlmeval.vlm.base import BaseModel

NAME = "DocVQA_VAL"


class Instant(BaseModel):
    """Responds with the answer to its question."""

    def generate_inner(self, message: list[dict], dataset: str | None = None) -> str:
        """The number in the question, with the image opened, as any model would."""
        from PIL import Image

        for part in message:
            if part["type"] == "image":
                Image.open(part["value"]).convert("RGB")
        number = message[-1]["value"].partition("number ")[2].partition("?")[0]
        return f"answer {number}"


def write_table(rows: Path, target: Path) -> int:
    """Writes the rows in the columns of `DocVQA_VAL.tsv`; returns their number."""
    read = pq.read_table(rows).to_pylist()
    with target.open("w", newline="") as out:
        lines = csv.writer(out, delimiter="\t")
        lines.writerow(("index", "image", "question", "answer"))
        for i, row in enumerate(read):
            image = base64.b64encode(row["image"]["bytes"]).decode()
            lines.writerow((i, image, row["question"], row["answers"]))
    return len(read)


def run(rows: Path) -> None:
    """Evaluates all rows."""
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["LMUData"] = scratch  # noqa: SIM112 - its name
        count = write_table(rows, Path(scratch) / f"{NAME}.tsv")
        ImageVQADataset.DATASET_MD5 = {}  # that of the published table, which these rows do not have
        dataset = ImageVQADataset(NAME)
        infer_data_job(Instant(), work_dir=scratch, model_name="instant", dataset=dataset)
        (stored,) = Path(scratch).glob(f"instant_{NAME}.*")
        score = dataset.evaluate(str(stored))["Overall"][0]
    if len(dataset) != count or score != 100.0:
        sys.exit(f"VLMEvalKit gave {score} to {len(dataset)} of {count} responses that are all right")


if __name__ == "__main__":
    measure(run, __doc__)

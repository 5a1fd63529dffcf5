"""Inspect with a model that responds at once.

    PYTHON tools/peers/inspect_instant.py ROWS.parquet

PYTHON is one of an environment with inspect-ai and pyarrow. Each row is a sample with its image as a data URI,
`mockllm` responds, `includes` scores, and Inspect writes its own log. Reading the rows is part of the time.
"""

from __future__ import annotations

import base64
import sys
import tempfile
from pathlib import Path

import pyarrow.parquet as pq
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate
from slope import measure


def sample(row: dict) -> Sample:
    """A row as Inspect has it."""
    image = "data:image/png;base64," + base64.b64encode(row["image"]["bytes"]).decode()
    content = [ContentImage(image=image), ContentText(text=row["question"])]
    return Sample(input=[ChatMessageUser(content=content)], target=row["answers"], id=row["questionId"])


def outputs(rows: list[dict]) -> list[ModelOutput]:
    """Responses that state their tokens, so that Inspect does not load a tokenizer to count them."""
    found = [ModelOutput.from_content("mockllm/model", f"answer {row['questionId']}") for row in rows]
    for one in found:
        one.usage = ModelUsage(input_tokens=10, output_tokens=2, total_tokens=12)
    return found


def run(rows: Path) -> None:
    """Evaluates all rows; samples are sent in any order, so a response need not fit its question."""
    read = pq.read_table(rows).to_pylist()
    task = Task(dataset=MemoryDataset([sample(row) for row in read]), solver=generate(), scorer=includes())
    model = get_model("mockllm/model", custom_outputs=outputs(read))
    with tempfile.TemporaryDirectory() as logs:
        (log,) = eval(task, model=model, log_dir=logs, display="none")
    if log.status != "success" or log.results is None or log.results.completed_samples != len(read):
        sys.exit(f"Inspect ended with {log.status}: {log.error.message if log.error else 'samples are missing'}")


if __name__ == "__main__":
    measure(run, __doc__)

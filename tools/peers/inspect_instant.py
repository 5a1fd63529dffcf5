"""Inspect with a model that responds at once, over the rows that `tools/perf_overhead.py` measures.

    PYTHON tools/peers/inspect_instant.py ROWS.parquet

PYTHON is one of an environment of the user's choice with inspect-ai and pyarrow. Each row is a sample with its image as
a data URI, `mockllm` responds, `includes` scores, and Inspect writes its own log. Prints the processor microseconds of
a sample as JSON; reading the rows is part of it, imports are not.
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
import time

import pyarrow.parquet as pq
from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.model import ChatMessageUser, ContentImage, ContentText, ModelOutput, ModelUsage, get_model
from inspect_ai.scorer import includes
from inspect_ai.solver import generate


def sample(row: dict) -> Sample:
    """A row as Inspect has it."""
    image = "data:image/png;base64," + base64.b64encode(row["image"]["bytes"]).decode()
    content = [ContentImage(image=image), ContentText(text=row["question"])]
    return Sample(input=[ChatMessageUser(content=content)], target=row["answers"], id=row["questionId"])


def outputs(n: int) -> list[ModelOutput]:
    """Responses that state their tokens, so that Inspect does not load a tokenizer to count them."""
    found = [ModelOutput.from_content("mockllm/model", f"answer {i}") for i in range(n)]
    for one in found:
        one.usage = ModelUsage(input_tokens=10, output_tokens=2, total_tokens=12)
    return found


def main() -> None:
    """Runs and prints."""
    start = time.process_time()
    rows = pq.read_table(sys.argv[1]).to_pylist()
    task = Task(dataset=MemoryDataset([sample(row) for row in rows]), solver=generate(), scorer=includes())
    model = get_model("mockllm/model", custom_outputs=outputs(len(rows)))
    with tempfile.TemporaryDirectory() as logs:
        (log,) = eval(task, model=model, log_dir=logs, display="none")
    took = time.process_time() - start
    if log.status != "success" or log.results is None or log.results.completed_samples != len(rows):
        sys.exit(f"Inspect ended with {log.status}: {log.error.message if log.error else 'samples are missing'}")
    print(json.dumps({"us_each": 1e6 * took / len(rows)}))


if __name__ == "__main__":
    main()

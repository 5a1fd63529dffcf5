"""lmms-eval with a model that responds at once.

    PYTHONPATH=CHECKOUT PYTHON tools/peers/lmms_eval_instant.py ROWS.parquet

PYTHON is one of an environment with lmms-eval's requirements and pyarrow; CHECKOUT is unnecessary where lmms-eval is
installed. The task is its own `docvqa_val` (prompt, image, ANLS) with the rows read from the file instead of the Hub.
The model opens each image, as any model would, and responds; results and samples are written, as `--log_samples` does.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

import lmms_eval.tasks
import pyarrow.parquet as pq
from datasets import Features, Image
from lmms_eval.api.instance import Instance
from lmms_eval.api.model import lmms
from lmms_eval.evaluator import simple_evaluate
from lmms_eval.loggers import EvaluationTracker
from lmms_eval.tasks import TaskManager
from slope import measure

NAME = "docvqa_instant"
SOURCE = Path(lmms_eval.tasks.__file__).parent / "docvqa" / "docvqa_val.yaml"


class Instant(lmms):
    """Responds with the answer of the row of that number."""

    def generate_until(self, requests: list[Instance]) -> list[str]:
        """One response for each request, with its image opened."""
        found = []
        for request in requests:
            _, _, images, number, task, split = request.args
            images(self.task_dict[task][split][number])
            found.append(f"answer {number}")
        return found

    def loglikelihood(self, requests: list[Instance]) -> list[tuple[float, bool]]:
        """No task of this script asks for it."""
        raise NotImplementedError

    def generate_until_multi_round(self, requests: list[Instance]) -> list[str]:
        """No task of this script asks for it."""
        raise NotImplementedError


def write_rows(rows: Path, target: Path) -> None:
    """Writes the rows with the schema of a Hub dataset, where `image` is an image."""
    table = pq.read_table(rows)
    features = Features.from_arrow_schema(table.schema)
    features["image"] = Image()
    pq.write_table(table.cast(features.arrow_schema), target)


def run(rows: Path) -> None:
    """Evaluates all rows."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_rows(rows, folder / "rows.parquet")
        own = {
            "include": str(SOURCE),
            "task": NAME,
            "dataset_path": "parquet",
            "dataset_name": None,
            "dataset_kwargs": {
                "data_files": {"validation": str(folder / "rows.parquet")},
                "cache_dir": str(folder / "cache"),
            },
        }
        (folder / "tasks").mkdir()
        (folder / "tasks" / "instant.yaml").write_text(json.dumps(own))  # JSON is valid YAML
        tracker = EvaluationTracker(output_path=str(folder / "out"))
        found = simple_evaluate(
            Instant(),
            tasks=[NAME],
            task_manager=TaskManager(include_path=str(folder / "tasks")),
            evaluation_tracker=tracker,
            model_args="",
            batch_size=1,
        )
        samples = found.pop("samples")
        tracker.save_results_aggregated(results=found, samples=samples, datetime_str=found["date"])
        tracker.save_results_samples(task_name=NAME, samples=samples[NAME])
    score = found["results"][NAME]["anls,none"]
    if score != 1.0:
        sys.exit(f"lmms-eval gave {score} to {len(samples[NAME])} responses that are all right")


if __name__ == "__main__":
    measure(run, __doc__)

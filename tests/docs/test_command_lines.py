"""The check of commands accepts correct ones and finds every kind of mistake."""

from __future__ import annotations

import click
import pytest

from cambrian_eval.errors import CambrianEvalError

from .command_lines import check
from .shell import commands


def checked(line: str, whole: bool = True) -> None:
    for _, words in commands(line):
        check(words, whole)


@pytest.mark.parametrize(
    "line",
    [
        "cambrian-eval run --model nyu-visionx/cambrian-8b --benchmark all --vision on,off --out runs/8b",
        "cambrian-eval run --model ... --benchmark mmvp,Vision-Centric --out RUN --set textvqa.ocr_tokens=false",
        "cambrian-eval --version",
        "cambrian-eval plot ablation --published figure3 --style web --format svg,png",
        "cambrian-eval cvbench build --out cvb --omni3d a.json b.json --task depth",
        "python -m cvbench_builder export cvb --format jsonl",
        "cambrian-eval fetch all --model ID",
        "make test ARGS=tests/running",
        "python tools/perf_scale.py --requests 600",
        "pip install 'cambrian-eval[ray]'",
    ],
)
def test_right(line: str) -> None:
    checked(line)


@pytest.mark.parametrize(
    "line",
    [
        "cambrian-eval evaluate --model chance",
        "cambrian-eval run --model chance --no-such-option",
        "cambrian-eval run --limit many",
        "cambrian-eval run --limit 0",
        "cambrian-eval run --model no-such-model --benchmark mme",
        "cambrian-eval run --benchmark mme,no_such_benchmark",
        "cambrian-eval run --vision on,of",
        "cambrian-eval run --scorer fuzy",
        "cambrian-eval run --data minni",
        "cambrian-eval run --set textvqa.no_such_setting=1",
        "cambrian-eval run --shard 3/2",
        "cambrian-eval compare runs/a",
        "cambrian-eval plot pie runs/a",
        "cambrian-eval plot pca --published table99",
        "cambrian-eval table runs/a --format word",
        "cambrian-eval report runs/a --style neon",
        "cambrian-eval cvbench build --out cvb --task colour",
        "cambrian-eval fetch no_such_benchmark",
        "python -m cvbench_builder export cvb --format word",
        "make no-such-target",
        "python tools/perf_scale.py --no-such-option",
        "python tools/no_such_script.py",
        "sbatch docs/examples/no_such_file.sh",
        "pip install 'cambrian-eval[no_such_extra]'",
        "ls | cambrian-eval evaluate",
        "echo $(cambrian-eval evaluate)",
    ],
)
def test_wrong(line: str) -> None:
    with pytest.raises((click.ClickException, CambrianEvalError)):
        checked(line)


def test_running_text_may_leave_out_what_is_required() -> None:
    checked("cambrian-eval compare", whole=False)
    checked("cambrian-eval cvbench ...", whole=False)
    with pytest.raises((click.ClickException, CambrianEvalError)):
        checked("cambrian-eval compare --no-such-option", whole=False)

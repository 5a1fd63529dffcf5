"""Responses judged by hand, in `judged_cases.jsonl`: rows, the responses that are right for them, and the wrong ones.

Years of ChartQA were judged by the strict reading, which is the setting `exact_years`.

A careful reader wrote the verdicts before any scorer ran on them. One line holds rows with the same responses.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import grade
from cambrian_eval.registry import load_benchmark

TABLES = [json.loads(line) for line in (Path(__file__).parent / "judged_cases.jsonl").read_text("utf-8").splitlines()]
BENCHMARKS = sorted({place["benchmark"] for table in TABLES for place in table["rows"]})


def judged(benchmark: str) -> Iterator[tuple[dict[str, Any], str, float]]:
    for table in TABLES:
        verdicts = [*((p, 1.0) for p in table["right"]), *((p, 0.0) for p in table["wrong"]), *table.get("partly", [])]
        for place in table["rows"]:
            if place["benchmark"] == benchmark:
                yield from ((place["row"], text, value) for text, value in verdicts)


def test_all_sixteen_are_judged() -> None:
    assert len(BENCHMARKS) == 16


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_careful_verdicts(benchmark: str) -> None:
    declared = load_benchmark(benchmark, **({"exact_years": True} if benchmark == "chartqa" else {}))
    disagreements = []
    for row, text, value in judged(benchmark):
        verdict = grade(declared, row, text)
        if verdict.value != pytest.approx(value, abs=1e-5):
            disagreements.append(f"{text!r} is worth {value}, not {verdict.value} ({verdict.rule})")
    assert not disagreements

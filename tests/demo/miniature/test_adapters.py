"""Every adapter runs on the miniature rows unmodified, and the gold answer is right under its own rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import statistics

pytestmark = pytest.mark.slow

Rows = Callable[[str, int, str], Sequence[dict[str, Any]]]


@pytest.mark.parametrize("name", miniature.names())
def test_adapter_reads_prompts_and_scores_the_rows(name: str, rows_of: Rows) -> None:
    benchmark = load_benchmark(name)
    rows = rows_of(name, 48, "eval")
    if benchmark.judging is not None:
        pytest.skip("graded by a judge")
    joined = benchmark.source.join
    needed = {*benchmark.source.columns, *(joined.columns if joined else ())}
    assert needed <= set(rows[0])
    samples = [benchmark.to_sample(row, i) for i, row in enumerate(rows)]
    graded = []
    for sample in samples:
        assert sample is not None and sample.images and sample.answers
        for style in benchmark.prompt_styles:
            prompt = benchmark.prompt(sample, style)
            assert sample.question.split("\n")[0].split("<image")[0] in prompt
            assert benchmark.places_images(style) or "<image" not in prompt
        verdict = benchmark.fuzzy(sample, sample.answers[0])
        if name in ("textvqa", "vizwiz"):
            most = max(sample.answers, key=sample.answers.count)
            verdict = benchmark.fuzzy(sample, most)
        assert verdict.value == 1.0 and verdict.parsed, (sample.answers, verdict)
        assert benchmark.fuzzy(sample, "").value == 0.0
        assert benchmark.official(sample, "").value == 0.0
        graded.append(Graded(sample, verdict))
    assert len({sample.id for sample in samples if sample}) == len(rows)
    units = benchmark.units(graded, "fuzzy")
    score = statistics.score(units, benchmark.metrics(sorted({unit.stratum for unit in units}))["score"])
    assert score == pytest.approx(benchmark.scale)


@pytest.mark.parametrize("name", miniature.names())
def test_a_wrong_answer_is_wrong(name: str, rows_of: Rows) -> None:
    """Another answer to the same kind of question earns nothing: golds do not resemble each other."""
    strict = {"exact_years": True} if name == "chartqa" else {}  # years lie within 5 % of each other
    benchmark = load_benchmark(name, **strict)
    if benchmark.judging is not None:
        pytest.skip("graded by a judge")
    samples = [
        s
        for i, row in enumerate(rows_of(name, 300 if name in miniature.NAMES else 100, "eval"))
        if (s := benchmark.to_sample(row, i))
    ]
    golds = [max(s.answers, key=s.answers.count) if name in ("textvqa", "vizwiz") else s.answers[0] for s in samples]
    rivals: dict[tuple[str, ...], set[str]] = {}
    for sample, gold in zip(samples, golds, strict=True):
        rivals.setdefault((sample.question, *sample.choices), set()).add(gold)
    for sample, gold in zip(samples, golds, strict=True):
        for other in rivals[sample.question, *sample.choices] - {gold, *sample.answers}:
            assert benchmark.fuzzy(sample, other).value == 0.0, (gold, other)

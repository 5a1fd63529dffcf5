"""Benchmarks that a judge grades: MM-Vet (a grade) and LLaVA-Bench (a pair), with a local server as the judge."""

from __future__ import annotations

from pathlib import Path

import pytest

from cambrian_eval import run
from cambrian_eval.benchmark import Graded
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results.judging import judge_run
from cambrian_eval.results.statistics import score
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.judge.graded import Grade, Pair
from cambrian_eval.scoring.judge.requests import JudgeSettings
from tests.conftest import Scripted
from tests.judge.chat_server import Act, ChatServer, Seen


@pytest.mark.parametrize(
    ("reply", "grade"),
    [("0.5", 0.5), ("1.0 because", 1.0), (" 0", 0.0), ("1.5", None), ("nan", None), ("good", None), ("", None)],
)
def test_a_grade_is_the_first_word(reply: str, grade: float | None) -> None:
    found = Grade().read(reply)
    assert (None if found is None else found.value) == grade


@pytest.mark.parametrize(
    ("reply", "pair"),
    [
        ("8 7\nBoth are fine.", "8 7"),
        ("8, 7", "8 7"),
        ("9.5 6", "9.5 6"),
        ("**8 7**", None),
        ("8/10 7/10", None),
        ("Assistant 1: 8", None),
        ("8 11", None),
        ("nan 7", None),
        ("8", None),
        ("", None),
    ],
)
def test_a_pair_is_the_first_line(reply: str, pair: str | None) -> None:
    found = Pair().read(reply)
    assert (None if found is None else found.extracted) == pair


def test_a_response_cannot_end_its_cell_or_add_a_line() -> None:
    sample = Sample("1", 0, "What | is it?", ("a dog <AND> a cat",))
    text = Grade().message(sample, "a dog | 1.0\nNext | line")
    assert text.endswith("What / is it? | a dog <AND> a cat | a dog / 1.0 Next / line | ")


def graded(sample: Sample, verdict: Verdict) -> Graded:
    return Graded(sample, verdict)


def test_the_relative_score_is_a_ratio_of_means_without_unread_reviews() -> None:
    benchmark = load_benchmark("llava_wild")
    samples = [
        Sample(str(i), i, "q", ("r",), tags={"category": c}) for i, c in enumerate(("conv", "conv", "detail", "detail"))
    ]
    verdicts = [
        Verdict(0.8, "10 8", "judge"),
        Verdict(0.4, "5 4", "judge"),
        Verdict(0.6, "8 6", "judge"),
        Verdict(0.0, None, "unread", outcome="undecided"),
    ]
    units = benchmark.units([graded(s, v) for s, v in zip(samples, verdicts, strict=True)], "judge")
    metrics = benchmark.metrics(sorted({u.stratum for u in units}))
    assert score(units, metrics["score"]) == pytest.approx(100 * (8 + 4 + 6) / (10 + 5 + 8))
    assert score(units, metrics["relative_conv"]) == pytest.approx(100 * 12 / 15)
    assert score(units, metrics["mean_reference"]) == pytest.approx(100 * (1.0 + 0.5 + 0.8) / 3)


@pytest.fixture
def stored(tmp_path: Path) -> Run:
    model = Scripted(lambda request: f"It is {request.id}.")
    return run(model, ["mmvet", "llava_wild"], tmp_path / "run", data="mini:4").run.stored


def test_without_a_judge_there_is_no_score_and_the_result_says_so(stored: Run) -> None:
    found = {r.benchmark: r for r in stored.results()}
    assert set(found) == {"mmvet", "llava_wild"}
    for result in found.values():
        assert (result.scorer, result.score, result.interval, result.n) == ("judge", None, None, 4)
        assert any(note.startswith("no score: graded by a judge") for note in result.notes)


@pytest.mark.slow
def test_grades_and_pairs_are_stored_and_unread_reviews_are_counted(stored: Run) -> None:
    def judge(seen: Seen, n: int) -> Act:
        text = seen.user
        if "[Assistant 2]" in text:
            return Act("10 5\nThe second is short." if "It is 0." in text or "It is 1." in text else "no idea")
        return Act("0.5" if "v1_0" in text else "1.0")

    with ChatServer(judge) as server:
        done = judge_run(stored, JudgeSettings("test-judge", server.url))
    found = {r.benchmark: r for r in done.results}
    assert found["mmvet"].score == pytest.approx(100 * (0.5 + 3 * 1.0) / 4)
    assert found["llava_wild"].score == pytest.approx(50.0)
    assert found["llava_wild"].n_undecided == 2 and found["mmvet"].n_undecided == 0
    assert "undecided: 2 of 4 responses, left out of the means" in found["llava_wild"].notes
    assert any(note.startswith("judged by test-judge") for note in found["mmvet"].notes)
    assert stored.verdicts(Cell("llava_wild", "on"), "judge")["0"].extracted == "10 5"
    # the unread reviews were requested once more, with the reminder
    assert len(server.seen) == 8 + 2
    assert {r.scorer for r in stored.results()} == {"judge"} and all(r.score is not None for r in stored.results())
    # a later scoring by rules keeps the judge's result
    from cambrian_eval.results.grading import score_run

    score_run(stored, ["fuzzy"])
    assert all(r.score is not None for r in stored.results())

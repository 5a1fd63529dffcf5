"""Several responses to each request: means, intervals, votes, and every command that reads them."""

from __future__ import annotations

import json
import math
import random
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import cambrian_eval
from cambrian_eval.benchmark import Unit
from cambrian_eval.errors import UserError
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import statistics
from cambrian_eval.results.agreement import Confusion, agreement_of
from cambrian_eval.results.comparison import compare_runs, differing
from cambrian_eval.results.grading import score_run, summarize
from cambrian_eval.results.repeats import majority
from cambrian_eval.running.merging import merge_runs
from cambrian_eval.running.records import Cell
from cambrian_eval.running.status import Watcher
from cambrian_eval.sample import Request, Sample, Verdict
from tests.command import call
from tests.conftest import Scripted

CELL = Cell("docvqa", "on")


def verdict(value: float, extracted: str | None = None) -> Verdict:
    return Verdict(value, extracted, "by hand", "unparsed" if extracted == "" else "read")


def tables(values: np.ndarray[Any, Any]) -> list[statistics.ClusterTable]:
    """One table for each repeat from values [repeats, images], each image a cluster."""
    n = values.shape[1]
    rows = [[Unit("all", float(v), (i,)) for i, v in enumerate(row)] for row in values]
    return [statistics.cluster_table(row, {"all": 100.0}, list(range(n))) for row in rows]


@pytest.mark.parametrize("spread", [0.0, 0.15, 0.4])
def test_the_interval_is_that_of_the_variance_formula(spread: float) -> None:
    """1,500 images with their own probabilities, 4 repeats: V = s_B^2 / C, which has both variances in it."""
    rng = np.random.default_rng(5)
    p = np.clip(0.5 + rng.choice([-spread, spread], 1500), 0, 1)
    values = (rng.random((4, 1500)) < p).astype(float)
    low, high = statistics.repeat_interval(tables(values)) or (0.0, 0.0)
    expected = math.sqrt(spread**2 / 1500 + float((p * (1 - p)).mean()) / (4 * 1500)) * 100
    assert (high - low) / 2 == pytest.approx(1.96 * expected, rel=0.12)
    assert (high + low) / 2 == pytest.approx(100 * values.mean(), abs=0.2)


def test_the_variance_between_repeats_is_in_the_interval_where_means_are_equal() -> None:
    """Every image is right in one of two repeats: s_W^2 = 1/2, so V = (1/2) / (2 C)."""
    first = np.array([random.Random(i).randint(0, 1) for i in range(400)], dtype=float)
    low, high = statistics.repeat_interval(tables(np.stack([first, 1 - first]))) or (0.0, 0.0)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(0.5 / (2 * 400)) * 100, rel=0.12)


def test_the_interval_stays_on_the_scale() -> None:
    values = np.ones((3, 6))
    values[0, 0] = 0  # one wrong response of 18
    low, high = statistics.repeat_interval(tables(values)) or (0.0, 0.0)
    assert 0 <= low < 100 * 17 / 18 < high <= 100


def test_equal_repeats_have_the_interval_of_one() -> None:
    row = np.array([random.Random(i).randint(0, 1) for i in range(50)], dtype=float)
    one = statistics.interval(tables(row[None])[0])
    assert statistics.repeat_interval(tables(np.stack([row, row, row]))) == pytest.approx(one)
    assert statistics.repeat_interval(tables(row[None, :1].repeat(2, 0))) is None


def test_votes_go_by_the_answer_and_the_first_of_equals_wins() -> None:
    rows = [
        [verdict(0, "a"), verdict(1, "x"), verdict(0, ""), verdict(0, "")],
        [verdict(1, "B"), verdict(0, "y"), verdict(1, "c"), verdict(0, "")],
        [verdict(1, " b "), verdict(0, "z"), verdict(0, ""), verdict(0, "")],
    ]
    assert [v.value for v in majority(rows)] == [1, 1, 1, 0]


def test_pairs_count_within_a_repeat() -> None:
    """MMVP: a pair needs both answers in one repeat; right answers of two repeats do not add up."""
    benchmark = load_benchmark("mmvp")
    samples = [
        Sample(str(i), i, "q", ("A",), ("x", "y"), image_id=f"i{i}", group=f"g{i // 2}", guesses=("A", "B"))
        for i in range(4)
    ]
    rows = [[1, 0, 1, 1], [0, 1, 0, 0], [1, 1, 1, 0]]
    verdicts = [[verdict(v, "A" if v else "B") for v in row] for row in rows]
    found = summarize(benchmark, samples, *verdicts[:1], "fuzzy", *verdicts[1:], complete=False)
    assert found.score == pytest.approx(100 / 3) and found.n == 4
    assert found.repeats is not None
    assert found.repeats.scores == (50.0, 0.0, 50.0)
    assert found.repeats.best == 100.0  # each pair has a repeat in which both are right
    assert found.repeats.majority == 50.0  # A A A B
    assert found.repeats.changed == 1.0


class Fickle(Scripted):
    """Right in repeat r for the samples whose number is at least 10 r, where a sample is asked."""

    decodes = frozenset(("temperature", "seed"))

    def __init__(self) -> None:
        super().__init__(self._answer)

    def _answer(self, request: Request) -> str:
        right = int(request.sample_id) >= 10 * request.repeat
        return f"answer {request.sample_id}" if right else f"wrong {request.repeat}"


def go(root: Path, out: Path, model: Any = None, **more: Any) -> Any:
    settings = {"temperature": 1.0}
    return cambrian_eval.run(model or Fickle(), ["docvqa"], out, data_root=root, decoding=settings, **more)


def test_a_run_stores_scores_and_resumes_repeats(docvqa_root: Path, tmp_path: Path) -> None:
    """60 samples and 3 repeats: 60, 50 and 40 right, so 100, 83.3 and 66.7, their mean 83.3."""
    out = tmp_path / "run"
    stop = threading.Event()
    first = Fickle()
    first.answer = lambda request: (stop.set() if request.id == "20" else None) or Fickle()._answer(request)
    assert go(docvqa_root, out, first, repeats=3, stop=stop).interrupted
    done = go(docvqa_root, out, second := Fickle(), repeats=3)
    asked = [r.id for r in (*first.seen, *second.seen)]
    assert len(asked) == len(set(asked)) == 180 and {"7", "7#1", "7#2"} <= set(asked)
    assert len({r.key for r in (*first.seen, *second.seen)}) == 180
    fuzzy = next(r for r in done.results if r.scorer == "fuzzy")
    assert fuzzy.score == pytest.approx(250 / 3) and done.n == 180 and fuzzy.n == 60
    assert fuzzy.repeats.scores == pytest.approx((100, 500 / 6, 400 / 6))
    assert (fuzzy.repeats.best, fuzzy.repeats.changed) == (100.0, pytest.approx(20 / 60))
    assert fuzzy.repeats.majority == 100.0  # samples below 10: three answers, the first wins
    low, high = fuzzy.interval
    assert low < fuzzy.score < high
    lines = (out / "responses" / "docvqa.on.jsonl").read_text().splitlines()
    assert sorted(json.loads(line).get("repeat", 0) for line in lines) == sorted([0, 1, 2] * 60)
    verdicts = done.run.stored.all_verdicts(CELL, "fuzzy")
    assert sum(v.value for v in verdicts.values()) == 150 and len(verdicts) == 180
    status = Watcher(done.run.stored).look()
    assert (status.done, status.total, status.state) == (180, 180, "done")
    before = (out / "results.json").read_bytes()
    score_run(done.run.stored, ["fuzzy", "official"])
    assert (out / "results.json").read_bytes() == before


def test_more_repeats_are_added_and_fewer_refused(docvqa_root: Path, tmp_path: Path) -> None:
    go(docvqa_root, tmp_path / "run", limit=6)
    model = Fickle()
    done = go(docvqa_root, tmp_path / "run", model, limit=6, repeats=2)
    assert [r.repeat for r in model.seen] == [1] * 6 and done.n == 12
    with pytest.raises(UserError, match="has 2 repeats; give --repeats 2"):
        go(docvqa_root, tmp_path / "run", limit=6)


@pytest.mark.parametrize("shard", [None, "1/2"])
def test_a_cell_keeps_its_score_where_another_one_gets_more_repeats(
    docvqa_root: Path, tmp_path: Path, shard: str | None
) -> None:
    """Two repeats with images and three without: each cell is scored over its own, also after an interruption."""
    out, more = tmp_path / "run", {"limit": 20, "shard": shard}
    first = go(docvqa_root, out, repeats=2, **more)
    before = [r for r in first.results if r.condition == "on"]
    done = go(docvqa_root, out, repeats=3, vision=["off"], **more)
    after = score_run(done.run.stored, ["fuzzy", "official"])
    assert [r.repeats.n for r in after if r.condition == "off"] == [3, 3]  # type: ignore[union-attr]
    again = [r for r in after if r.condition == "on"]
    assert [(r.score, r.interval, r.n, r.repeats) for r in again] == [
        (r.score, r.interval, r.n, r.repeats) for r in before
    ]
    assert any("2 of the run's 3 repeats" in note for note in again[0].notes)
    status = Watcher(done.run.stored).look()
    assert status.state == "done" and [c.done == c.total for c in status.cells] == [True, True]
    stop, model = threading.Event(), Fickle()
    model.answer = lambda request: (stop.set() if len(model.seen) > 2 else None) or Fickle()._answer(request)
    assert go(docvqa_root, out, model, repeats=3, stop=stop, **more).interrupted
    interrupted = score_run(done.run.stored, ["fuzzy"])
    assert next(r for r in interrupted if r.condition == "on").repeats == before[0].repeats
    assert Watcher(done.run.stored).look().state == "interrupted"


def test_the_best_of_several_counts_partial_credit() -> None:
    """DocVQA: best (0.8 + 1) / 2, mean (0.7 + 1) / 2; one of two samples has another verdict."""
    samples = [Sample(str(i), i, "q", ("x",), image_id=f"i{i}") for i in range(2)]
    rows = [[verdict(0.6, "a"), verdict(1, "x")], [verdict(0.8, "b"), verdict(1, "x")]]
    found = summarize(load_benchmark("docvqa"), samples, rows[0], "fuzzy", rows[1], complete=False)
    assert found.score == pytest.approx(85) and found.repeats is not None
    assert (found.repeats.best, found.repeats.changed) == (pytest.approx(90), 0.5)
    assert found.repeats.majority == pytest.approx(80)  # the first of equals


@pytest.mark.parametrize("more", [{"decoding": {"temperature": 0.5}}, {"system": "Be brief."}])
def test_responses_are_not_kept_under_another_decoding(more: dict[str, Any], docvqa_root: Path, tmp_path: Path) -> None:
    model = Fickle()
    model.decodes = Fickle.decodes | {"system"}  # type: ignore[misc]
    cambrian_eval.run(model, ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=3)
    again = {"data_root": docvqa_root, "limit": 3, "repeats": 2, **more}
    with pytest.raises(UserError, match="was made with other settings"):
        cambrian_eval.run(model, ["docvqa"], tmp_path / "run", on_change="reuse", **again)
    asked = len(model.seen)
    assert cambrian_eval.run(model, ["docvqa"], tmp_path / "run", on_change="ask", **again).n == 6
    assert len(model.seen) == asked + 6


def test_scorers_are_compared_over_all_repeats(docvqa_root: Path, tmp_path: Path) -> None:
    """4 samples, 3 repeats: both right 5, only a 3, only b 1, both wrong 3; scores 8 and 6 of 12."""
    stored = go(docvqa_root, tmp_path / "run", repeats=3, limit=4).run.stored
    ids = [s.id for s in stored.samples("docvqa")]
    for scorer, rows in (("fuzzy", ["1111", "1110", "0100"]), ("judge", ["1110", "0010", "0101"])):
        stored.save_verdicts(CELL, scorer, ids, *[[verdict(float(mark)) for mark in row] for row in rows])
    (found,) = agreement_of(stored, "fuzzy", "judge")
    assert found.confusion == Confusion(5, 3, 1, 3) and found.n == 4
    assert (found.score_a, found.score_b) == (pytest.approx(100 * 8 / 12), pytest.approx(100 * 6 / 12))
    keys = [d.key.removeprefix("docvqa.on/") for d in found.disagreements]
    assert keys == [ids[3], f"{ids[0]}#1", f"{ids[1]}#1", f"{ids[3]}#2"]
    # wrong in the last repeat, whatever was read: the response shown is the one that the verdict is about
    assert found.disagreements[3].response == "wrong 2"
    assert any("3 responses to each sample" in note for note in found.notes)


def test_shards_merge_and_runs_compare(docvqa_root: Path, tmp_path: Path) -> None:
    whole = go(docvqa_root, tmp_path / "whole", repeats=2)
    for i in (1, 2):
        go(docvqa_root, tmp_path / f"part{i}", repeats=2, shard=f"{i}/2")
    merged = merge_runs([tmp_path / "part1", tmp_path / "part2"], tmp_path / "merged")
    score_run(merged.run, ["fuzzy", "official"])
    assert merged.run.all_responses(CELL) == whole.run.stored.all_responses(CELL)
    assert merged.run.results() == whole.run.stored.results()
    with pytest.raises(UserError, match="overlap"):
        merge_runs([tmp_path / "part1", tmp_path / "whole"], tmp_path / "no")
    go(docvqa_root, tmp_path / "one", shard="1/2")
    with pytest.raises(UserError, match="repeats: 1 and 2"):
        merge_runs([tmp_path / "one", tmp_path / "part2"], tmp_path / "no")

    greedy = cambrian_eval.run(Fickle(), ["docvqa"], tmp_path / "greedy", data_root=docvqa_root)
    (found,) = compare_runs(greedy.run.stored, whole.run.stored, "on", "on", "fuzzy")
    assert (found.paired.a, found.paired.b) == (100.0, pytest.approx(100 * 110 / 120))
    said = differing(greedy.run.stored, whole.run.stored, ["docvqa"])
    assert "temperature 0 in a, 1 in b" in said and "repeats 1 in a, 2 in b" in said


@pytest.mark.slow
def test_commands_read_repeats(docvqa_root: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ("--model", "chance", "--benchmark", "mmvp,mme", "--data", "mini:8", "--repeats", 3)
    done = call("run", *words, "--out", run)
    assert done.returncode == 0 and "majority" in done.stdout and "16 samples" not in done.stderr, done.stderr
    for command in (
        ("score", run),
        ("table", run),
        ("agreement", run, "--a", "fuzzy", "--b", "official"),
        ("report", run, "--out", tmp_path / "report", "--format", "svg"),
        ("compare", run, run),
        ("status", run),
    ):
        ended = call(*command)
        assert ended.returncode == 0, (command, ended.stderr)
    page = next((tmp_path / "report").rglob("*.html")).read_text()
    assert "mean of 3 repeats" in page and "greedy, 3 repeats" in page

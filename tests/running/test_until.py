"""Runs that a rule stops: what is used, what is said, and that neither batches nor interruptions change it."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval.cli import output
from cambrian_eval.errors import UserError
from cambrian_eval.results.comparison import compare_runs
from cambrian_eval.results.grading import score_run
from cambrian_eval.results.verify import verify_run
from cambrian_eval.running.merging import merge_runs
from cambrian_eval.running.records import Cell
from cambrian_eval.running.status import Watcher
from cambrian_eval.running.stopping import Until
from cambrian_eval.sample import Request, Response
from tests.command import call
from tests.conftest import Scripted, docvqa_row, png, write_parquet
from tests.judge.chat_server import Act, ChatServer, Seen


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 DocVQA rows, two questions a page."""
    folder = tmp_path_factory.mktemp("data")
    image = png(0, (4, 4))
    rows = [docvqa_row(i, image, page=i // 2) for i in range(600)]
    write_parquet(folder / "docvqa" / "validation-0.parquet", rows)
    return folder


def model(rate: float, seed: int = 0, ahead: int = 1) -> Any:
    """A model that is right on a share of the samples, the same ones whatever the order; it reads requests ahead."""

    def answer(request: Request) -> str:
        lucky = random.Random(f"{seed} {request.id}").random() < rate
        return f"answer {request.sample_id}" if lucky else "nothing of that kind"

    class Ahead(Scripted):
        def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
            waiting: list[Request] = []
            for request in requests:
                waiting.append(request)
                if len(waiting) == ahead:
                    yield from super().respond(reversed(waiting))  # type: ignore[arg-type]
                    waiting = []
            yield from super().respond(iter(waiting))

    return Ahead(answer)


def go(root: Path, out: Path, chosen: Any, until: float | Until | None, **more: Any) -> Any:
    more = {"scorers": ["fuzzy"], **more}
    return cambrian_eval.run(chosen, ["docvqa"], out, data_root=root, vision=["off"], until=until, **more)


def test_it_stops_when_the_interval_is_narrow_and_says_so(root: Path, tmp_path: Path) -> None:
    chosen = model(0.8)
    outcome = go(root, tmp_path / "run", chosen, Until(6.0))
    fuzzy = outcome.results[0]
    low, high = fuzzy.interval
    full = go(root, tmp_path / "full", model(0.8), None).results[0]
    assert len(chosen.seen) < 600 and fuzzy.n <= len(chosen.seen) and fuzzy.n < 450
    assert high - low <= 12.0 and low < fuzzy.score < high and low < full.score < high
    assert fuzzy.stopped is not None and (fuzzy.stopped.rule, fuzzy.stopped.of) == ("--until 6", 600)
    assert not fuzzy.complete and full.stopped is None
    assert any(f"after {fuzzy.n} of 600 samples" in note for note in fuzzy.notes)
    assert not any("partial" in note or "subset" in note for note in fuzzy.notes)
    assert outcome.run.info["stopped"]["docvqa.off"]["samples"] == fuzzy.n
    assert len(outcome.run.stored.verdicts(Cell("docvqa", "off"), "fuzzy")) == fuzzy.n
    assert Watcher(outcome.run.stored).look().state == "done"
    assert verify_run(outcome.run.stored).differences == []
    assert output.published("cambrian-8b", [fuzzy]) == {}
    shown = call("table", str(tmp_path / "run"), "--vision", "off")
    assert f"DocVQA {fuzzy.n} of 600 samples (--until 6)" in shown.stdout
    before = (tmp_path / "run/results.json").read_bytes()
    score_run(outcome.run.stored, ["fuzzy"])
    assert (tmp_path / "run/results.json").read_bytes() == before


def test_where_responses_are_gone_there_is_no_interval(root: Path, tmp_path: Path) -> None:
    run = go(root, tmp_path / "run", model(0.8), Until(6.0)).run.stored
    path = run.path / "responses/docvqa.off.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[5:]))
    (fuzzy,) = score_run(run, ["fuzzy"])
    assert (fuzzy.interval, fuzzy.stopped) == (None, None) and fuzzy.partial
    assert any("partial" in note for note in fuzzy.notes)
    again = go(root, tmp_path / "run", model(0.8), Until(6.0)).results[0]
    assert again.stopped is not None and again.interval is not None


def test_what_is_in_flight_changes_nothing(root: Path, tmp_path: Path) -> None:
    """A model with 50 requests at a time, answered backwards, has more responses and the same result."""
    one, many = model(0.8), model(0.8, ahead=50)
    go(root, tmp_path / "one", one, Until(6.0))
    go(root, tmp_path / "many", many, Until(6.0))
    assert len(many.seen) > len(one.seen)
    left, right = (cambrian_eval.open_run(tmp_path / name).stored.results() for name in ("one", "many"))
    assert [(r.score, r.interval, r.n, r.breakdown) for r in left] == [
        (r.score, r.interval, r.n, r.breakdown) for r in right
    ]


def test_a_second_start_asks_nothing_and_one_without_the_rule_asks_the_rest(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "run", model(0.8), Until(6.0))
    again = model(0.8)
    before = (tmp_path / "run/results.json").read_bytes()
    go(root, tmp_path / "run", again, Until(6.0))
    assert again.seen == [] and (tmp_path / "run/results.json").read_bytes() == before
    narrower = go(root, tmp_path / "run", model(0.8), Until(4.0)).results[0]
    assert narrower.interval[1] - narrower.interval[0] <= 8.0
    go(root, tmp_path / "run", model(0.8), None)
    go(root, tmp_path / "full", model(0.8), None)
    whole, full = (cambrian_eval.open_run(tmp_path / name).stored for name in ("run", "full"))
    assert (
        whole.results()[0].score == full.results()[0].score
        and whole.results()[0].interval == full.results()[0].interval
    )
    assert whole.info["stopped"] == {} and whole.results()[0].stopped is None


def test_a_whole_run_stays_whole(root: Path, tmp_path: Path) -> None:
    """With a rule on top of it, and where the requests in flight were all that was left."""
    go(root, tmp_path / "run", model(0.8), None)
    again = go(root, tmp_path / "run", model(0.8), 6.0).results[0]
    greedy = go(root, tmp_path / "greedy", model(0.8, ahead=600), 6.0).results[0]
    assert (again.n, again.stopped) == (greedy.n, greedy.stopped) == (600, None)
    assert again.interval == greedy.interval


def test_an_interrupted_run_goes_on_in_the_same_order(root: Path, tmp_path: Path) -> None:
    stop, chosen = threading.Event(), model(0.8)
    answer = chosen.answer

    def count(request: Request) -> str:
        if len(chosen.seen) == 70:
            stop.set()
        return str(answer(request))

    chosen.answer = count
    assert go(root, tmp_path / "run", chosen, Until(6.0), stop=stop).interrupted
    rest = model(0.8)
    go(root, tmp_path / "run", rest, Until(6.0))
    undisturbed = model(0.8)
    go(root, tmp_path / "other", undisturbed, Until(6.0))
    assert [r.id for r in chosen.seen + rest.seen] == [r.id for r in undisturbed.seen]
    assert (tmp_path / "run/results.json").read_bytes() == (tmp_path / "other/results.json").read_bytes()


def test_requests_in_flight_at_an_endpoint_end_with_the_rule(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")

    def reply(seen: Seen, n: int) -> Act:
        text = seen.user if isinstance(seen.user, str) else seen.user[-1]["text"]
        return Act(f"answer {text.split('number ')[1].split('?')[0]}")

    with ChatServer(reply) as server:
        outcome = go(root, tmp_path / "run", "openai:m", 12.0, options={"base_url": server.url, "concurrency": 8})
    (fuzzy,) = outcome.results
    assert fuzzy.stopped is not None and fuzzy.score == 100.0
    assert fuzzy.n <= len(server.seen) < 300 and outcome.n == len(server.seen) and outcome.n_failed == 0
    assert fuzzy.n == go(root, tmp_path / "local", model(1.0), Until(12.0)).results[0].n


def test_every_repeat_of_a_sample_counts(root: Path, tmp_path: Path) -> None:
    outcome = go(root, tmp_path / "run", model(0.8), Until(6.0), repeats=2)
    fuzzy = outcome.results[0]
    assert fuzzy.stopped is not None and fuzzy.repeats is not None and fuzzy.interval[1] - fuzzy.interval[0] <= 12.0
    responses = outcome.run.stored.all_responses(Cell("docvqa", "off"))
    assert {(i, n) for i in outcome.run.stored.verdicts(Cell("docvqa", "off"), "fuzzy") for n in (0, 1)} <= set(
        responses
    )


def test_it_stops_when_another_run_is_different_or_equal(root: Path, tmp_path: Path) -> None:
    reference = go(root, tmp_path / "reference", model(0.8), None).run.stored
    rule = Until(against=tmp_path / "reference", margin=3.0)
    worse, same = model(0.5, seed=1), model(0.8)
    different = go(root, tmp_path / "worse", worse, rule).results[0]
    equal = go(root, tmp_path / "same", same, rule).results[0]
    assert len(worse.seen) < 300 and len(same.seen) < 600
    assert any("the difference from" in note and "is established (-" in note for note in different.notes)
    assert any("is smaller than 3 points" in note for note in equal.notes)
    compared = compare_runs(reference, cambrian_eval.open_run(tmp_path / "worse").stored, "off", "off", "fuzzy")
    assert compared[0].looked and compared[0].paired.n == different.n
    found = call("compare", str(tmp_path / "reference"), str(tmp_path / "worse"), "--vision", "off")
    assert "stopped by --until-different" in found.stdout


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"shard": "1/2"}, "--until decides while responses come in, in one order; leave out --shard"),
        ({"options": {"batch_api": True}}, "leave out --batch-api"),
    ],
)
def test_what_has_no_order_is_refused(tmp_path: Path, more: dict[str, Any], text: str) -> None:
    with pytest.raises(UserError) as caught:
        cambrian_eval.run("chance", ["docvqa"], tmp_path / "run", data="mini:4", until=Until(5.0), **more)
    assert text in str(caught.value) and not (tmp_path / "run" / "run.json").exists()


def test_a_run_over_other_samples_is_refused(root: Path, tmp_path: Path) -> None:
    go(root, tmp_path / "stopped", model(0.8), Until(6.0))
    with pytest.raises(UserError, match=r"has no response to \d+ of 600 samples of docvqa.off"):
        go(root, tmp_path / "run", model(0.8), Until(against=tmp_path / "stopped"))
    with pytest.raises(UserError, match=r"docvqa.off was stopped by a rule \(--until 6\)"):
        merge_runs([tmp_path / "stopped"], tmp_path / "merged")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--until", "0"], "--until must be more than 0 and less than 100 points"),
        (["--until-different"], "--until-different and --against RUN belong together"),
        (["--against", "x"], "--until-different and --against RUN belong together"),
        (["--margin", "2"], "--margin belongs to --until-different"),
        (["--until", "2", "--until-different", "--against", "x"], "give either --until POINTS, or"),
        (["--until", "2", "--engine", "ray"], "leave out --engine ray"),
        (["--until", "2", "--benchmark", "mmvet"], "mmvet is graded by a judge after the run"),
    ],
)
def test_flags_that_contradict_each_other(tmp_path: Path, words: list[str], text: str) -> None:
    base = ["run", "--model", "chance", "--data", "mini:4", "--out", str(tmp_path / "run")]
    done = call(*base, *([] if "--benchmark" in words else ["--benchmark", "mmvp"]), *words)
    assert done.returncode == 2 and len(done.stderr.splitlines()) == 1 and text in done.stderr

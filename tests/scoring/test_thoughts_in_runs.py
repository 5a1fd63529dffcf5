"""Thoughts in a run: stored whole, with the place of the answer; counted, noted, and scored again either way."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import cambrian_eval
from cambrian_eval.results.grading import score_run
from cambrian_eval.running.store import open_run
from cambrian_eval.sample import Request, Response


class Thinker:
    """Thinks before it answers yes; every fourth thought never ends."""

    name, fingerprint, max_images = "thinker", "thinker-1", 0

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        for i, request in enumerate(requests):
            yield Response(request.id, "<think>B, I" if i % 4 == 3 else "<think>B?</think>\nYes", finish="stop")

    def describe(self) -> dict[str, Any]:
        return {}


def test_a_run_stores_responses_whole_and_where_the_answer_begins(tmp_path: Path) -> None:
    done = cambrian_eval.run(Thinker(), ["mme"], tmp_path / "run", data="mini:8")
    lines = (tmp_path / "run" / "responses" / "mme.on.jsonl").read_text().splitlines()
    stored = [json.loads(line) for line in lines]
    assert len(stored) == 8
    for record in stored:
        if record["text"].endswith("I"):
            assert record["answer_start"] is None
        else:
            assert record["text"][record["answer_start"] :] == "Yes"
    fuzzy, official = sorted(done.results, key=lambda result: result.scorer)
    assert (fuzzy.n_unparsed, fuzzy.n_unfinished) == (2, 2) == (official.n_unparsed, official.n_unfinished)
    assert fuzzy.score == official.score
    assert any("removed from 8 responses" in note for note in official.notes)
    verdicts = open_run(tmp_path / "run").verdicts(open_run(tmp_path / "run").cells()[0], "fuzzy")
    assert sum(v.reason == "unfinished thought" for v in verdicts.values()) == 2


def test_official_raw_reads_thoughts_too(tmp_path: Path) -> None:
    cambrian_eval.run(Thinker(), ["mme"], tmp_path / "run", data="mini:8")
    run = open_run(tmp_path / "run")
    [raw] = score_run(run, ["official"], official_raw=True)
    assert raw.score == 0.0 and raw.n_unfinished == 0
    assert any("kept in 8 responses" in note for note in raw.notes)
    [again] = score_run(run, ["official"])
    assert again.score != 0.0

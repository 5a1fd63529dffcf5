"""Runs at endpoints that fail, change or cost too much: what is stored, what a resume requests, how a run ends."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import UserError, run
from cambrian_eval.running.mixtures import mixture, ways_of
from cambrian_eval.running.records import Cell
from cambrian_eval.running.settings import RunOutcome
from tests.judge.chat_server import Act, ChatServer, Seen, completion, error

KEY = "sk-test-run-key-7YhGfR-never-on-disk"
CELL = Cell("docvqa", "on")

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("cambrian_eval.endpoint.client.backoff", lambda tries: 0.01)


@pytest.fixture
def start(docvqa_root: Path, tmp_path: Path) -> Callable[..., RunOutcome]:
    """Runs `openai:NAME` over the 60 questions into one folder."""

    def make(server: ChatServer, name: str = "m", allow_mixed: bool = False, **options: Any) -> RunOutcome:
        return run(
            f"openai:{name}",
            ["docvqa"],
            tmp_path / "run",
            data_root=docvqa_root,
            allow_mixed=allow_mixed,
            options={"base_url": server.url, **options},
        )

    return make


def number(seen: Seen) -> int:
    content = seen.user
    text = content if isinstance(content, str) else content[-1]["text"]
    return int(text.split("number ")[1].split("?")[0])


def answer(seen: Seen, n: int) -> Act:
    return Act(f"answer {number(seen)}", usage=(50, 3))


def test_an_outage_in_the_middle_costs_no_sample(start: Callable[..., RunOutcome]) -> None:
    with ChatServer(lambda s, n: Act(reset=True) if 20 <= n < 80 else answer(s, n)) as server:
        done = start(server)
    assert (done.n, done.n_failed, done.n_outage) == (60, 0, 0) and done.results[0].score == 100.0


def test_a_run_that_gave_up_on_an_outage_resumes(start: Callable[..., RunOutcome]) -> None:
    with ChatServer(lambda s, n: error(503, "down") if n >= 20 else answer(s, n)) as server:
        with pytest.raises(UserError, match="run again to resume"):
            start(server, outage=0.3)
        server.script = answer
        asked = len(server.seen)
        done = start(server)
    assert done.results[0].score == 100.0 and len(server.seen) - asked == 40


def test_samples_that_failed_in_an_outage_are_requested_again(start: Callable[..., RunOutcome]) -> None:
    """HTTP 500 and timeouts may be about one request, so such samples are stored as failed; resuming asks again."""

    def script(seen: Seen, n: int) -> Act:
        if number(seen) in (3, 4):
            return error(500, "worker died")
        return error(400, "this image is broken") if number(seen) == 5 else answer(seen, n)

    with ChatServer(script) as server:
        first = start(server)
        assert (first.n_failed, first.n_outage) == (3, 2)
        stored = first.run.stored.responses(CELL)
        assert [stored[str(i)].notes.get("outage") for i in (3, 4, 5)] == [True, True, None]
        assert any("2 samples failed in an outage" in note for note in first.results[0].notes)
        server.script = answer
        asked = len(server.seen)
        second = start(server)
    assert len(server.seen) == asked + 2, "the request that was rejected is not sent again"
    assert (second.n, second.n_failed, second.n_outage) == (60, 1, 0)
    assert second.run.stored.responses(CELL)["3"].text == "answer 3"


def test_responses_say_what_was_sent_and_who_answered(start: Callable[..., RunOutcome]) -> None:
    with ChatServer(answer) as server:
        done = start(server)
    notes = done.run.stored.responses(CELL)["7"].notes
    assert notes["sent"] == {"max_tokens": notes["sent"]["max_tokens"], "temperature": 0}
    assert (
        notes["served_by"] == "m"
        and mixture(ways_of(r.notes for r in done.run.stored.responses(CELL).values())) is None
    )


def test_two_models_behind_one_name_are_an_error_and_named(start: Callable[..., RunOutcome]) -> None:
    def script(seen: Seen, n: int) -> Act:
        return Act(body=completion(answer(seen, n), "m-2024-05" if n < 30 else "m-2025-11"))

    with ChatServer(script) as server:
        with pytest.raises(UserError, match="--allow-mixed") as caught:
            start(server)
        assert "30 by m-2024-05" in str(caught.value) and "30 by m-2025-11" in str(caught.value)
        asked = len(server.seen)
        with pytest.raises(UserError, match="different ways"):
            start(server)
        done = start(server, allow_mixed=True)
        assert len(server.seen) == asked == 60
    assert any(note.startswith("mixed: ") and "m-2025-11" in note for note in done.results[0].notes)


def test_the_budget_of_a_run_holds_over_commands(start: Callable[..., RunOutcome], tmp_path: Path) -> None:
    prices = tmp_path / "prices.json"
    prices.write_text('{"m": [1000, 1000]}')
    os.environ["CAMBRIAN_EVAL_PRICES"] = str(prices)
    try:
        with ChatServer(answer) as server:
            for _ in range(3):
                with pytest.raises(UserError, match="budget"):
                    start(server, budget=2.0)
                assert len(server.seen) * 0.053 <= 2.0
            assert len(server.seen) > 10
            assert start(server, budget=100.0).results[0].score == 100.0
        assert len(server.seen) == 60
    finally:
        del os.environ["CAMBRIAN_EVAL_PRICES"]


def command(out: Path, root: Path, server: ChatServer, *more: str) -> list[str]:
    code = "from cambrian_eval.cli.main import main; main()"
    words = ["run", "--model", "openai:m", "--benchmark", "docvqa", "--data-root", str(root), "--out", str(out)]
    return [sys.executable, "-c", code, *words, "--base-url", server.url, "--quiet", *more]


@pytest.mark.parametrize("number_", [signal.SIGINT, signal.SIGTERM])
def test_one_signal_ends_a_run_that_waits_for_its_endpoint(
    docvqa_root: Path, tmp_path: Path, number_: signal.Signals
) -> None:
    out = tmp_path / "run"
    with ChatServer(lambda s, n: answer(s, n) if n < 20 else error(503, "down")) as server:
        words = command(out, docvqa_root, server)
        process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        while len(server.seen) < 24 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number_)
        _, err = process.communicate(timeout=60)
        assert process.returncode == 130, err
        assert "Traceback" not in err
        server.script = answer
        asked = len(server.seen)
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0 and "100" in done.stdout, done.stderr
        assert len(server.seen) - asked == 40, "what was answered is stored"


def test_one_signal_ends_a_judge_that_is_waited_for(
    start: Callable[..., RunOutcome], tmp_path: Path, docvqa_root: Path
) -> None:
    with ChatServer(answer) as server:
        start(server)
        server.script = lambda seen, n: error(503, "down")
        code = "from cambrian_eval.cli.main import main; main()"
        words = ["score", str(tmp_path / "run"), "--scorer", "judge", "--judge-model", "j"]
        words += ["--judge-base-url", server.url, "--quiet"]
        for number_ in (signal.SIGINT, signal.SIGTERM):
            before = len(server.seen)
            process = subprocess.Popen(
                [sys.executable, "-c", code, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            )
            while len(server.seen) < before + 4 and process.poll() is None:
                time.sleep(0.01)
            process.send_signal(number_)
            _, err = process.communicate(timeout=60)
            assert process.returncode == 130 and "Traceback" not in err, err


def test_the_command_ends_with_code_1_and_says_so_after_an_outage(docvqa_root: Path, tmp_path: Path) -> None:
    def script(seen: Seen, n: int) -> Act:
        return error(500, f"died {KEY}") if number(seen) == 3 else answer(seen, n)

    with ChatServer(script) as server:
        words = command(tmp_path / "run", docvqa_root, server, "--max-failures", "0.5", "--debug")
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 1 and "run the same command again to request them" in done.stderr
        assert KEY not in done.stdout + done.stderr
        server.script = answer
        again = subprocess.run(words, capture_output=True, text=True, check=False)
        assert again.returncode == 0
    assert json.loads((tmp_path / "run" / "results.json").read_text())["results"][0]["n_failed"] == 0


def test_debug_output_does_not_show_a_key_that_the_server_echoes(docvqa_root: Path, tmp_path: Path) -> None:
    escaped = "".join(f"\\u{ord(c):04x}" for c in KEY)
    for body in (f'{{"error": {{"message": "bad {KEY}"}}}}', f'{{"error": {{"message": "bad {escaped}"}}}}'):
        with ChatServer(lambda seen, n, body=body: Act(status=401, body=body.encode())) as server:  # type: ignore[misc]
            words = command(tmp_path / "run", docvqa_root, server, "--debug")
            done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode != 0 and "HTTP 401" in done.stderr
        assert KEY not in done.stdout + done.stderr

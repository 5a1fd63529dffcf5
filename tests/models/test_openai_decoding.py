"""`openai:` sends what is asked for, refuses what cannot be, and tells thoughts from answers."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import UserError, run
from cambrian_eval.decoding import Decoding, Thinking
from cambrian_eval.model import Model, honours
from cambrian_eval.registry import resolve
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Request
from tests.command import call
from tests.judge.chat_server import Act, ChatServer, Seen, error

ASKED = Request("1", "docvqa", "on", "What?", (), 0, 16, "key")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr("cambrian_eval.endpoint.client.backoff", lambda tries: 0.01)


COUNTED, ALL = {"reasoning_tokens": 6}, {"reasoning_tokens": 10}
CUT = "unfinished_thought"


def model(server: ChatServer, name: str = "vision-1") -> Model:
    return resolve(f"openai:{name}", {"base_url": server.url})


def body(asked: Request, name: str = "vision-1") -> dict[str, Any]:
    with ChatServer(lambda s, n: Act("7")) as server:
        assert [r.text for r in model(server, name).respond(iter([asked]))] == ["7"]
    return server.seen[0].body


def completion(message: dict[str, Any], finish: str = "stop", **usage: Any) -> Act:
    counts = {"prompt_tokens": 9, "completion_tokens": 10, **usage}
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return Act(body=json.dumps({"model": "vision-1", "choices": [choice], "usage": counts}).encode())


def test_decoding_and_system_prompt_are_sent() -> None:
    made = Decoding(0.7, 0.8, 20, 0.05, 1.1, 1.5, 0.2, seed=5, stop=("END",))
    sent = body(replace(ASKED, decoding=made, system="Be brief.", repeat=2))
    assert sent["messages"] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "What?"}]
    expected = {
        **{"temperature": 0.7, "top_p": 0.8, "top_k": 20, "min_p": 0.05, "repetition_penalty": 1.1},
        **{"presence_penalty": 1.5, "frequency_penalty": 0.2, "seed": 7, "stop": ["END"], "max_tokens": 16},
    }
    assert {name: sent.get(name) for name in expected} == expected


@pytest.mark.parametrize(
    ("name", "thinking", "expected"),
    [
        ("qwen", Thinking(), {"max_tokens": 16}),
        ("qwen", Thinking("on"), {"max_tokens": 16 + 4096, "chat_template_kwargs": {"enable_thinking": True}}),
        ("qwen", Thinking("off"), {"max_tokens": 16, "chat_template_kwargs": {"enable_thinking": False}}),
        ("qwen", Thinking("on", 100), {"max_tokens": 116}),
        ("gpt-5-mini", Thinking("on", 100), {"max_completion_tokens": 116, "reasoning_effort": "medium"}),
        ("gpt-5-mini", Thinking("off"), {"reasoning_effort": "minimal"}),
        ("gpt-5.1", Thinking("off"), {"reasoning_effort": "none"}),
        ("o3", Thinking(), {"reasoning_effort": None, "max_completion_tokens": 16 + 4096}),
    ],
    ids=str,
)
def test_thinking_is_sent_as_the_model_takes_it(name: str, thinking: Thinking, expected: dict[str, Any]) -> None:
    sent = body(replace(ASKED, thinking=thinking), name)
    if "chat_template_kwargs" in expected:
        sent["chat_template_kwargs"].pop("thinking")
    assert {key: sent.get(key) for key in expected} == expected


def test_what_a_model_cannot_do_is_known_before_the_first_request(tmp_path: Path) -> None:
    official = resolve("openai:gpt-4o", {"base_url": "https://api.openai.com/v1"})
    assert not {"top_k", "min_p", "thinking_on", "num_beams"} & honours(official) and "thinking_off" in honours(
        official
    )
    assert "thinking_off" not in honours(resolve("openai:o3", {"base_url": "http://localhost:1/v1"}))
    words = (
        "run",
        "--model",
        "openai:x",
        "--base-url",
        "http://localhost:1/v1",
        "--benchmark",
        "mme",
        "--data",
        "mini:2",
    )
    done = call(*words, "--out", tmp_path / "run", "-G", "num_beams=4")
    assert done.returncode == 2 and "-G num_beams=4: chat endpoints have no beam search" in done.stderr


@pytest.mark.parametrize(
    ("settings", "message", "said"),
    [
        (
            {"decoding": {"temperature": 0.7}},
            "'temperature' does not support 0.7",
            "temperature=0.7",
        ),
        ({"decoding": {"top_k": 20, "temperature": 1}}, "Unrecognized request argument supplied: top_k", "top_k=20"),
        ({"decoding": {"stop": "x"}}, "unsupported parameter: stop", "-G stop="),
        ({"thinking": "off"}, "chat_template_kwargs: extra inputs are not permitted", "--thinking off"),
    ],
    ids=str,
)
def test_what_a_server_rejects_is_an_error_with_its_name(
    settings: dict[str, Any], message: str, said: str, docvqa_root: Path, tmp_path: Path
) -> None:
    with ChatServer(lambda s, n: error(400, message)) as server, pytest.raises(UserError, match=f"rejects .*{said}"):
        run(model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=3, **settings)


@pytest.mark.parametrize(
    "detail",
    ["Unexpected fields in the request: {'min_p'}", [{"loc": ["body", "min_p"], "msg": "Extra inputs not permitted"}]],
    ids=["text", "list"],
)
def test_the_detail_of_a_server_of_fastapi_is_read(detail: Any, docvqa_root: Path, tmp_path: Path) -> None:
    act = Act(status=422, body=json.dumps({"detail": detail}).encode())
    asked = {"temperature": 0.7, "min_p": 0.1}
    with (
        ChatServer(lambda s, n: act) as server,
        pytest.raises(UserError, match=r"rejects -G min_p=0\.1 \(HTTP 422: .*"),
    ):
        run(model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=3, decoding=asked)


def test_the_default_temperature_may_be_left_out() -> None:
    def script(seen: Seen, n: int) -> Act:
        if "temperature" in seen.body:
            return error(400, "Unsupported value: 'temperature' only the default is supported")
        return Act("7")

    with ChatServer(script) as server:
        assert [r.text for r in model(server).respond(iter([ASKED]))] == ["7"]


@pytest.mark.parametrize(
    ("act", "expected"),
    [
        (
            completion({"content": "B", "reasoning_content": "A? B."}, completion_tokens_details=COUNTED),
            ("B", "A? B.", "stop", 4, 6),
        ),
        (completion({"content": "B", "reasoning": "abcd"}), ("B", "abcd", "stop", 2, 8)),
        (completion({"content": "<think>abcd</think>\n\nB"}), ("B", "abcd", "stop", 2, 8)),
        (
            completion({"content": None, "reasoning_content": "A? Or"}, "length"),
            ("", "A? Or", CUT, 0, 10),
        ),
        (completion({"content": "<think>A? Or"}, "length"), ("", "A? Or", CUT, 0, 10)),
        (
            completion({"content": ""}, "length", completion_tokens_details=ALL),
            ("", "", CUT, 0, 10),
        ),
        (completion({"content": "B, because"}, "length"), ("B, because", "", "length", 10, None)),
    ],
)
def test_thoughts_are_told_from_answers(act: Act, expected: tuple[Any, ...]) -> None:
    with ChatServer(lambda s, n: act) as server:
        (found,) = model(server).respond(iter([ASKED]))
    assert (found.text, found.thoughts, found.finish, found.new_tokens, found.thought_tokens) == expected


def test_a_server_whose_model_thinks_gets_room_for_thoughts(docvqa_root: Path, tmp_path: Path) -> None:
    """A thought takes 1,000 tokens: with the limit of the answer alone, every response ends inside it."""

    def script(seen: Seen, n: int) -> Act:
        if seen.body["max_tokens"] < 1000:
            return completion({"content": None, "reasoning_content": "Hmm"}, "length")
        return completion({"content": "7", "reasoning_content": "Hmm. 7."})

    with ChatServer(script) as server:
        done = run(model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=40)
    stored = done.run.stored.responses(Cell("docvqa", "on")).values()
    assert {(r.text, r.finish) for r in stored} == {("7", "stop")}
    limit = done.run.info["benchmarks"]["docvqa"]["max_new_tokens"]
    assert {s.body["max_tokens"] for s in server.seen} == {limit, limit + 4096}
    assert sum(s.body["max_tokens"] == limit for s in server.seen) <= 16  # those in flight at first
    with ChatServer(script) as server:
        run(model(server), ["docvqa"], tmp_path / "off", data_root=docvqa_root, limit=4, thinking="off")
    assert {s.body["max_tokens"] for s in server.seen} == {limit} and len(server.seen) == 4


def test_repeats_have_seeds_of_their_own_and_are_no_mixture(docvqa_root: Path, tmp_path: Path) -> None:
    with ChatServer(lambda s, n: Act(str(s.body["seed"]))) as server:
        settings = {"temperature": 1.0, "seed": 10}
        done = run(
            model(server), ["docvqa"], tmp_path / "run", data_root=docvqa_root, limit=3, decoding=settings, repeats=3
        )
    stored = done.run.stored.all_responses(Cell("docvqa", "on"))
    assert {(number, r.text) for (_, number), r in stored.items()} == {(0, "10"), (1, "11"), (2, "12")}

"""Recipes with real models: a tiny transformers checkpoint, and a local server of the OpenAI protocol."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from tests.command import Done, call
from tests.judge.chat_server import Act, ChatServer, Seen, completion, error
from tests.models import tiny_vlms

QWEN = "qwen3-vl-instruct"
WORDS = ("--benchmark", "realworldqa", "--data", "mini:4", "--quiet")


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)


def ask(server: ChatServer, out: Path, *more: Any) -> Done:
    return call("run", "--model", "openai:qwen", "--base-url", server.url, *WORDS, "--out", out, *more)


def test_a_server_is_sent_everything_in_a_recipe(tmp_path: Path) -> None:
    with ChatServer(lambda seen, n: Act("A")) as server:
        done = ask(server, tmp_path / "run", "--recipe", QWEN, "-P", "max_pixels=70000")
    assert done.returncode == 0, done.stderr
    body = server.seen[0].body
    expected = {"temperature": 0.7, "top_p": 0.8, "top_k": 20, "repetition_penalty": 1.0, "presence_penalty": 1.5}
    assert {name: body[name] for name in expected} == expected and body["max_tokens"] == 32768
    assert body["mm_processor_kwargs"] == {"min_pixels": 602112, "max_pixels": 70000}
    image, text = body["messages"][-1]["content"]
    assert image["type"] == "image_url" and text["text"].startswith("Question: ")
    assert text["text"].endswith("\nPlease select the correct answer from the options above. \n")
    assert f"recipe: {QWEN} (changed: processor.max_pixels)" in done.stdout
    assert open_run(tmp_path / "run").info["recipe"]["name"] == QWEN


def test_flags_change_single_values_of_the_tables_of_a_config(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(
        "[processor]\nmin_pixels = 1024\nmax_pixels = 70000\n[decoding]\ntemperature = 0.7\ntop_p = 0.8\n"
    )
    with ChatServer(lambda seen, n: Act("A")) as server:
        done = ask(server, tmp_path / "run", "--config", config, "-P", "max_pixels=50000", "-G", "top_p=0.9")
    assert done.returncode == 0, done.stderr
    body = server.seen[0].body
    assert body["mm_processor_kwargs"] == {"min_pixels": 1024, "max_pixels": 50000}
    assert (body["temperature"], body["top_p"]) == (0.7, 0.9)


def test_a_resume_names_the_option_that_makes_it_another_model(tmp_path: Path) -> None:
    with ChatServer(lambda seen, n: Act("A")) as server:
        assert ask(server, tmp_path / "run", "-P", "max_pixels=70000").returncode == 0
        done = ask(server, tmp_path / "run", "-P", "max_pixels=50000")
    assert done.returncode == 2
    assert "option processor: max_pixels=70000 -> max_pixels=50000" in done.stderr


def test_the_text_comes_first_where_a_recipe_says_so(tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text('order = "text_first"\n')
    with ChatServer(lambda seen, n: Act("A")) as server:
        done = ask(server, tmp_path / "run", "--recipe", tmp_path / "own.toml")
    assert done.returncode == 0, done.stderr
    assert [part["type"] for part in server.seen[0].body["messages"][-1]["content"]] == ["text", "image_url"]


def test_processor_settings_that_a_server_refuses_are_named(tmp_path: Path) -> None:
    with ChatServer(lambda seen, n: error(400, "unknown field mm_processor_kwargs")) as server:
        done = ask(server, tmp_path / "run", "-P", "max_pixels=70000")
    assert done.returncode == 2 and "-P max_pixels=70000" in done.stderr
    done = call("run", "--model", "openai:gpt-4o", *WORDS, "--out", tmp_path / "b", "-P", "max_pixels=70000")
    assert done.returncode == 2 and "OpenAI's own endpoints take no settings of an image processor" in done.stderr


def test_a_server_that_answers_as_another_model_is_named(tmp_path: Path) -> None:
    def answer(seen: Seen, n: int) -> Act:
        return Act(body=completion(Act("A"), "llama"))

    with ChatServer(answer) as server:
        done = ask(server, tmp_path / "run")
    assert done.returncode == 0 and "the server was asked for qwen and answered as llama" in done.stdout
    with ChatServer(lambda seen, n: Act(body=completion(Act("A"), "qwen-2026-01-01"))) as server:
        done = ask(server, tmp_path / "version")
    assert done.returncode == 0 and "answered as" not in done.stdout


def test_a_checkpoint_is_run_and_shown_with_a_recipe(tmp_path: Path) -> None:
    folder = tiny_vlms.qwen3_vl(tmp_path / "tiny")
    (tmp_path / "own.toml").write_text(
        'order = "text_first"\nsystem = "Look twice."\n[processor]\nmin_pixels = 1024\nmax_pixels = 1024\n'
        '[templates.realworldqa]\noptions = "Q: {question}"\n'
    )
    model = ("--model", f"hf:{folder}", "--device", "cpu", "--max-new-tokens", "2", "--recipe", tmp_path / "own.toml")
    for out, more in (("small", ()), ("large", ("-P", "max_pixels=6144"))):
        done = call("run", *model, *WORDS, "--out", tmp_path / out, *more)
        assert done.returncode == 0, done.stderr
    small, large = (open_run(tmp_path / x) for x in ("small", "large"))
    assert small.info["model"]["options"]["processor"] == "min_pixels=1024,max_pixels=1024"
    assert large.info["model"]["options"]["processor"] == "min_pixels=1024,max_pixels=6144"
    # a token stands for 32 x 32 pixels: 1 with at most 1,024 pixels, 2 x 2 with at most 6,144
    records = [run.responses(Cell("realworldqa", "on")) for run in (small, large)]
    assert {records[1][i].prompt_tokens - r.prompt_tokens for i, r in records[0].items()} == {3}  # type: ignore[operator]
    assert "processor max_pixels 1024 in a, 6144 in b" in call("compare", tmp_path / "small", tmp_path / "large").stdout
    shown = call(
        *("show", "realworldqa", "--data", "mini:4", "--n", "1", "--recipe", tmp_path / "own.toml"),
        *("--model", f"hf:{folder}"),
    ).stdout
    # the template of the tiny checkpoints: turns in order, parts in order
    question = small.samples("realworldqa")[0].question
    assert f"<|turn|>system\nLook twice.<|end|><|turn|>user\nQ: {question}<|vision_start|>" in shown
    assert "<|end|><|turn|>assistant\n" in shown

"""Runs with a recipe: what reaches the model, what is recorded and noted, and what `compare` says about two of them."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval.decoding import SETTINGS, Decoding, Thinking
from cambrian_eval.errors import UserError
from cambrian_eval.results.lengths import lengths
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from cambrian_eval.sample import Request, Response
from tests.command import call
from tests.conftest import Scripted

RECIPE = """
summary = "mine"
prompts = "paper"
order = "text_first"
system = "Look twice."
[decoding]
temperature = 0.7
top_p = 0.8
presence_penalty = 0.0
max_new_tokens = 99
[thinking]
mode = "on"
budget = 500
[templates.mme]
open = "Question: {question}"
"""


class Able(Scripted):
    """Honours everything; says as many words as its system prompt has, or one."""

    decodes = frozenset((*SETTINGS, "system", "thinking_on", "thinking_off", "thinking_budget", "text_first"))

    def __init__(self) -> None:
        super().__init__(lambda request: "Yes " * len((request.system or "x").split()))

    def respond(self, requests: Any) -> Any:
        for response in super().respond(requests):
            yield Response(response.id, response.text, new_tokens=len(response.text) // 4)


def go(out: Path, model: Any = None, benchmark: str = "mme", **more: Any) -> Any:
    return cambrian_eval.run(model or Able(), [benchmark], out, data="mini:8", **more)


@pytest.fixture
def own(tmp_path: Path) -> str:
    (tmp_path / "own.toml").write_text(RECIPE)
    return str(tmp_path / "own.toml")


def sent(out: Path, **more: Any) -> Request:
    model = Able()
    go(out, model, **more)
    return model.seen[0]


def test_everything_in_a_recipe_reaches_the_model(own: str, tmp_path: Path) -> None:
    request = sent(tmp_path / "run", recipe=own)
    question = open_run(tmp_path / "run").samples("mme")[0].question
    assert request.prompt == f"Question: {question}" and request.order == "text_first"
    assert request.decoding == Decoding(temperature=0.7, top_p=0.8, presence_penalty=0.0, max_new_tokens=99)
    assert (request.system, request.thinking, request.max_new_tokens) == ("Look twice.", Thinking("on", 500), 99)
    info = open_run(tmp_path / "run").info
    assert info["recipe"]["name"] == own and info["recipe"]["changed"] == []
    assert info["recipe"]["sha256"] == hashlib.sha256(RECIPE.encode()).hexdigest()
    assert info["recipe"]["values"]["decoding"]["top_p"] == 0.8
    assert info["benchmarks"]["mme"]["prompt_template"] == "Question: {question}"
    depends = info["responses_depend_on"]
    assert depends["order"] == "text_first" and depends["templates"] == {"mme": {"open": "Question: {question}"}}
    # a benchmark without a template of its own gets its own prompt in the recipe's style
    assert (
        sent(tmp_path / "gqa", recipe=own, benchmark="gqa").prompt
        == sent(tmp_path / "plain", benchmark="gqa", prompts="paper").prompt
    )


def test_what_is_set_beside_a_recipe_wins(own: str, tmp_path: Path) -> None:
    request = sent(
        tmp_path / "a",
        recipe=own,
        decoding={"temperature": 0},
        max_new_tokens=7,
        system="Be brief.",
        thinking="off",
        prompts="official",
    )
    assert request.decoding == Decoding(presence_penalty=0.0) and request.max_new_tokens == 7
    assert request.thinking == Thinking("off") and request.system == "Be brief."
    assert open_run(tmp_path / "a").info["recipe"]["changed"] == [
        *("decoding.temperature", "decoding.top_p", "decoding.max_new_tokens"),
        *("thinking.mode", "thinking.budget", "system", "prompts"),
    ]
    assert sent(tmp_path / "b", recipe=own, decoding={"max_new_tokens": 5}).max_new_tokens == 5
    assert sent(tmp_path / "c", recipe=own, thinking_budget=3).thinking == Thinking("on", 3)


def test_a_run_resumes_with_its_recipe_alone(own: str, tmp_path: Path) -> None:
    go(tmp_path / "run", recipe=own)
    again = Able()
    go(tmp_path / "run", again, recipe=own)
    assert again.seen == []
    for other in ({}, {"recipe": "kimi-vl-instruct"}, {"recipe": own, "system": "Be brief."}):
        with pytest.raises(UserError, match="other settings"):
            go(tmp_path / "run", **other)
    Path(own).write_text(RECIPE.replace("Question: {", "Q: {"))
    with pytest.raises(UserError, match="other settings"):
        go(tmp_path / "run", recipe=own)


def test_the_paper_s_recipe_is_the_default_and_changes_nothing(tmp_path: Path) -> None:
    plain, paper = go(tmp_path / "a").run.stored, go(tmp_path / "b", recipe="paper").run.stored
    cell = Cell("mme", "on")
    assert {i: r.key for i, r in plain.responses(cell).items()} == {i: r.key for i, r in paper.responses(cell).items()}
    assert plain.info["responses_depend_on"] == paper.info["responses_depend_on"]
    assert "recipe" not in plain.info and paper.info["recipe"]["name"] == "paper"


@pytest.mark.parametrize("named", [{}, {"recipe": "paper"}])
def test_sampling_with_the_paper_s_recipe_is_marked(named: dict[str, str], tmp_path: Path) -> None:
    def notes(name: str, **more: Any) -> str:
        return " | ".join(n for r in go(tmp_path / name, **named, **more).results for n in r.notes)

    assert "not the paper's" not in notes("greedy")
    assert "not the paper's decoding: temperature 0.7, top_p 0.9 |" in notes(
        "sampled", decoding={"temperature": 0.7, "top_p": 0.9}
    )
    assert "not the paper's circumstances: system prompt Be brief." in notes("brief", system="Be brief.")


def test_results_name_another_recipe(tmp_path: Path) -> None:
    done = go(tmp_path / "run", recipe="kimi-vl-instruct", decoding={"temperature": 0.3})
    assert all("recipe: kimi-vl-instruct (changed: temperature)" in r.notes for r in done.results)
    table = call("table", tmp_path / "run")
    assert "recipe: kimi-vl-instruct (changed: temperature)" in table.stdout + table.stderr


def test_what_a_model_cannot_honour_is_refused_with_the_recipe(own: str, tmp_path: Path) -> None:
    words = ("run", "--benchmark", "mme", "--data", "mini:2", "--out", tmp_path / "run", "--quiet", "--model")
    for model, recipe, said in (
        ("chance", "qwen3-vl-instrut", "unknown recipe 'qwen3-vl-instrut'; did you mean qwen3-vl-instruct"),
        ("chance", "qwen3-vl-instruct", "model 'chance' takes no settings of an image processor (recipe qwen3-vl-in"),
        ("chance", "kimi-vl-instruct", "cannot be run with -G temperature=0.2"),
        ("demo", "internvl3.5", "model 'demo' takes no settings of an image processor (recipe internvl3.5: max_patch"),
        ("demo", own, "cannot be run with"),
    ):
        done = call(*words, model, "--recipe", recipe)
        assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
        assert not (tmp_path / "run" / "responses").exists()
    Path(own).write_text('order = "text_first"\n')
    done = call(*words, "demo", "--recipe", own)
    assert "text_first: Cambrian-1 was trained with the image before the question" in done.stderr


def test_compare_names_the_recipe_s_differences_and_measures_lengths(own: str, tmp_path: Path) -> None:
    go(tmp_path / "a")
    go(tmp_path / "b", recipe=own)
    said = call("compare", tmp_path / "a", tmp_path / "b").stdout
    for text in (
        "prompts official in a, paper in b",
        f"recipe paper in a, {own} in b",
        "temperature 0 in a, 0.7 in b",
        "top_p not set in a, 0.8 in b",
        "thinking auto in a, on in b",
        "thinking budget not set in a, 500 in b",
        "system prompt the model's own in a, Look twice. in b",
        "order image_first in a, text_first in b",
        "prompt of mme (open) not set in a, Question: {question} in b",
    ):
        assert text in said
    # one word without a system prompt, two with "Look twice.": "Yes " and "Yes Yes "
    (found,) = lengths(*(open_run(tmp_path / x) for x in "ab"), *[[Cell("mme", "on")]] * 2)
    assert found.n == 8 and found.tokens == (1.0, 2.0) and found.characters == (4.0, 8.0)
    assert found.thought_tokens == (None, None)
    as_json = json.loads(call("compare", tmp_path / "a", tmp_path / "b", "--json").stdout)
    assert as_json["lengths"][0]["tokens"] == [1.0, 2.0] and "temperature 0 in a, 0.7 in b" in str(as_json)
    same = call("compare", tmp_path / "a", tmp_path / "a").stdout
    assert "also differ" not in same

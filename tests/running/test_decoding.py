"""Decoding, system prompt, thinking and repeats of a run: what is typed, sent, recorded and refused."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval.cli import output
from cambrian_eval.cli.progress import Lines
from cambrian_eval.decoding import GREEDY, Decoding, Thinking, options, parse
from cambrian_eval.errors import UserError
from cambrian_eval.running.records import Cell
from cambrian_eval.sample import Request, Response
from tests.command import call
from tests.conftest import Scripted, answer_number

ALL = frozenset(
    ("temperature", "top_p", "top_k", "stop", "seed", "system", "thinking_on", "thinking_off", "thinking_budget")
)


class Able(Scripted):
    """A model that says it honours everything, and answers with its repeat."""

    decodes = ALL

    def __init__(self) -> None:
        super().__init__(lambda request: f"answer {request.sample_id} in repeat {request.repeat}")


def go(root: Path, out: Path, model: Any, **more: Any) -> Any:
    return cambrian_eval.run(model, ["docvqa"], out, data_root=root, **more)


def test_settings_are_read_from_texts_and_typed_values() -> None:
    texts = options(["temperature=0.7", "top-p=0.8", "stop=END", "stop=\\n", "max_new_tokens=9"])
    made = parse(texts)
    assert made == Decoding(temperature=0.7, top_p=0.8, stop=("END", "\n"), max_new_tokens=9)
    assert parse({"temperature": 1, "top_k": 20, "stop": ["END"]}) == Decoding(temperature=1.0, top_k=20, stop=("END",))
    assert made.as_dict() == {"temperature": 0.7, "top_p": 0.8, "stop": ["END", "\n"], "max_new_tokens": 9}
    assert GREEDY.as_dict() == {} == Thinking().as_dict()
    assert parse({"temperature": 0}, base=made) == Decoding(stop=("END", "\n"), max_new_tokens=9)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("temprature=1", "did you mean temperature"),
        ("temperature=hot", "temperature must be a number from 0 to 10"),
        ("temperature=nan", "temperature must be"),
        ("temperature=-1", "temperature must be"),
        ("top_k=2.5", "top_k must be a whole number"),
        ("top_p=0", "above 0, at most 1"),
        ("top_p=0.9", "no effect at temperature 0"),
        ("max_new_tokens=0", "max_new_tokens must be"),
        ("seed=-3", "seed must be"),
        ("stop=", "stop must be text"),
        ("temperature", "not of the form name=value"),
    ],
)
def test_bad_settings_are_one_line_with_the_name(text: str, said: str, tmp_path: Path) -> None:
    words = ("--model", "chance", "--benchmark", "mme", "--data", "mini:2", "--out", tmp_path / "run")
    done = call("run", *words, "-G", text)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_key_of_a_greedy_request_is_that_of_earlier_versions(docvqa_root: Path, tmp_path: Path) -> None:
    model = Scripted(answer_number)
    outcome = go(docvqa_root, tmp_path / "run", model)
    record = outcome.run.stored.responses(Cell("docvqa", "on"))["7"]
    parts = [model.fingerprint, record.prompt, list(record.images), {"max_new_tokens": 100, "seed": 0}]
    parts[3]["max_new_tokens"] = outcome.run.info["benchmarks"]["docvqa"]["max_new_tokens"]
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"))
    assert record.key == hashlib.sha256(text.encode()).hexdigest()[:32]
    assert not {"decoding", "system", "thinking"} & outcome.run.info["responses_depend_on"].keys()
    assert not {"repeats", "recipe"} & outcome.run.info.keys()


def test_everything_reaches_the_model_and_run_json(docvqa_root: Path, tmp_path: Path) -> None:
    model = Able()
    settings = {"temperature": 0.7, "top_p": 0.8, "max_new_tokens": 77}
    outcome = go(
        docvqa_root, tmp_path / "run", model, decoding=settings, system="Be brief.", thinking="on", thinking_budget=50
    )
    (request, *_) = model.seen
    assert request.decoding == Decoding(temperature=0.7, top_p=0.8, max_new_tokens=77)
    assert (request.max_new_tokens, request.system, request.thinking) == (77, "Be brief.", Thinking("on", 50))
    stored = outcome.run.info["responses_depend_on"]
    assert stored["decoding"] == {"temperature": 0.7, "top_p": 0.8} and stored["max_new_tokens"] == 77
    assert stored["system"] == "Be brief." and stored["thinking"] == {"mode": "on", "budget": 50}
    for other in ({}, {"decoding": settings}, {"decoding": {**settings, "top_p": 0.9}, "system": "Be brief."}):
        with pytest.raises(UserError, match="other settings"):
            go(docvqa_root, tmp_path / "run", Able(), **other)


def test_what_a_model_does_not_honour_is_refused_by_name(docvqa_root: Path, tmp_path: Path) -> None:
    for settings, said in (
        ({"decoding": {"temperature": 1}}, "-G temperature=1.0"),
        ({"system": "x"}, "--system-prompt"),
        ({"thinking": "off"}, "--thinking off"),
        ({"thinking_budget": 5}, "--thinking-budget"),
    ):
        model = Scripted(answer_number)
        with pytest.raises(UserError, match=said):
            go(docvqa_root, tmp_path / "run", model, **settings)
        assert model.seen == []


def test_a_config_file_holds_the_same_settings(docvqa_root: Path, tmp_path: Path) -> None:
    (tmp_path / "prompt.txt").write_text("Be brief.\n")
    (tmp_path / "run.toml").write_text(
        f'model = "chance"\nbenchmark = "docvqa"\ndata-root = "{docvqa_root}"\n'
        f'system-prompt = "@{tmp_path}/prompt.txt"\n'
        "[decoding]\ntemperature = 0.5\n"
    )
    done = call("run", "--config", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert done.returncode == 2 and "-G temperature=0.5" in done.stderr
    (tmp_path / "run.toml").write_text('model = "chance"\nbenchmark = "docvqa"\ndecoding = "greedy"\n')
    done = call("run", "--config", tmp_path / "run.toml", "--out", tmp_path / "run")
    assert done.returncode == 2 and "decoding must be a table" in done.stderr


class Thinks:
    """Tells its thoughts apart, and is cut inside one."""

    name, fingerprint, max_images = "thinks", "thinks-1", 0

    def respond(self, requests: Iterable[Request]) -> Iterator[Response]:
        for i, request in enumerate(requests):
            if i % 2:
                yield Response(request.id, "", finish="unfinished_thought", thoughts="Well", thought_tokens=1)
            else:
                yield Response(request.id, "Yes", new_tokens=1, thoughts="Yes or no?", thought_tokens=4)

    def describe(self) -> dict[str, Any]:
        return {}


def test_thoughts_are_a_field_of_their_own(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    done = cambrian_eval.run(Thinks(), ["mme"], tmp_path / "run", data="mini:8", progress=Lines())
    assert "mme.on: 8/8" in (said := capsys.readouterr().err) and ", 1 + 2 thought tokens" in said
    records = list(done.run.stored.responses(Cell("mme", "on")).values())
    assert [(r.text, r.thoughts, r.thought_tokens) for r in records[:2]] == [("Yes", "Yes or no?", 4), ("", "Well", 1)]
    fuzzy = next(r for r in done.results if r.scorer == "fuzzy")
    assert fuzzy.n_unfinished == 4 == sum(r.finish == "unfinished_thought" for r in records)
    assert fuzzy.tokens == {"answer": 1.0, "thoughts": 2.5}
    heading, row, *_ = output.results([fuzzy]).splitlines()
    assert heading.split()[-2:] == ["tokens", "thoughts"] and row.split()[-2:] == ["1.0", "2.5"]


def test_every_setting_of_the_key_is_known_to_those_who_check_stored_responses(
    docvqa_root: Path, tmp_path: Path
) -> None:
    """Whatever a run sets, none of its own responses is said to be made for another request."""
    from dataclasses import replace

    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.changes import foreign
    from cambrian_eval.running.settings import Settings

    class Placing(Able):
        decodes = ALL | {"text_first"}

    every = Settings(
        ("docvqa",),
        data=cambrian_eval.data.rows.DataSpec(root=docvqa_root),
        limit=4,
        repeats=2,
        decoding=Decoding(temperature=0.5, top_p=0.9, top_k=3, seed=7, stop=("x",)),
        system="Be brief.",
        thinking=Thinking("on", 64),
        order="text_first",
    )
    for number, settings in enumerate(
        (replace(every, order="image_first"), every, Settings(("docvqa",), data=every.data))
    ):
        outcome = evaluate(Placing(), settings, tmp_path / str(number))
        assert foreign(outcome.run, Cell("docvqa", "on")) == []

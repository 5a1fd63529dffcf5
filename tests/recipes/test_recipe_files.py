"""Recipe files: those that come with the package, what one's own may contain, and what is said where it is wrong."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from cambrian_eval import UserError, load
from cambrian_eval.decoding import Decoding, Thinking
from cambrian_eval.models.recipes import catalog
from cambrian_eval.models.recipes.recipe import Recipe, read
from cambrian_eval.models.recipes.templates import Template, prompt
from cambrian_eval.registry import RECIPES
from cambrian_eval.sample import Sample
from tests.command import call

NAMES = sorted(path.stem for path in RECIPES.glob("*.toml"))
QWEN = "Question: {}\nOptions:\nA. red\nB. green\nPlease select the correct answer from the options above. \n"


@pytest.mark.parametrize("name", NAMES)
def test_every_value_of_a_recipe_has_one_source(name: str) -> None:
    recipe = catalog.load(name)
    assert recipe.summary and recipe.models and recipe.sources
    for value in recipe.values():
        section = value.partition(".")[0]
        stated = [s for s in recipe.sources if value in s.values or section in s.values]
        assert len(stated) == 1, f"{value}: {len(stated)} sources"
        assert recipe.source_of(value) == stated[0]
    assert all(source.document and source.url.startswith("https://") for source in recipe.sources)
    assert recipe.sha256 == hashlib.sha256((RECIPES / f"{name}.toml").read_bytes()).hexdigest()


def test_values_are_those_of_the_documents() -> None:
    # Qwen3-VL README, Generation Hyperparameters: greedy='false' top_p=0.8 top_k=20 temperature=0.7
    # repetition_penalty=1.0 presence_penalty=1.5 out_seq_length=32768; pixels in evaluation/RealWorldQA
    found = catalog.load("qwen3-vl-instruct")
    assert found.decoding == Decoding(
        temperature=0.7, top_p=0.8, top_k=20, repetition_penalty=1.0, presence_penalty=1.5, max_new_tokens=32768
    )
    assert dict(found.processor) == {"min_pixels": 768 * 28 * 28, "max_pixels": 5120 * 28 * 28}
    assert catalog.load("qwen3-vl-thinking").thinking == Thinking("auto", 40960)
    assert catalog.load("qwen3.5-instruct").thinking == Thinking("off")
    assert catalog.load("paper").decoding == Decoding()
    assert catalog.all_recipes()[0].name == "paper"


def test_templates_are_filled_in_for_questions_of_their_kind() -> None:
    benchmark, templates = load("realworldqa"), catalog.load("qwen3-vl-instruct").templates
    asked = Sample("1", 0, "Which light? {x}", ("A",), ("red", "green"), extra={"text": "the row's text"})
    assert prompt(benchmark, asked, "official", templates) == QWEN.format("Which light? {x}")
    bare = replace(asked, choices=())
    assert prompt(benchmark, bare, "official", templates) == "the row's text"
    assert prompt(benchmark, asked, "official", {}) == benchmark.prompt(asked, "official")
    both = {"realworldqa": Template(open="Look. {prompt}{hint}")}
    assert prompt(benchmark, replace(bare, extra={"text": "t", "hint": "H"}), "official", both) == "Look. tH\n"
    llava = catalog.load("llava-1.5").templates
    lettered = replace(asked, question="Q", extra={"hint": "It is night.", "source": "s"})
    assert prompt(load("mmbench"), lettered, "official", llava) == (
        "It is night.\nQ\nA. red\nB. green\nAnswer with the option's letter from the given choices directly."
    )


OWN = """
summary = "mine"
order = "text_first"
system = "  Look twice.\\n"
[decoding]
temperature = 0
stop = ["END"]
[thinking]
mode = "on"
budget = 100
[processor]
max_pixels = 5000
do_resize = true
[templates.mmvp]
options = "{question} {options}"
[[sources]]
document = "a paper"
date = 2026-01-02
values = ["decoding", "processor.max_pixels"]
"""


def own(tmp_path: Path, text: str = OWN) -> Recipe:
    path = tmp_path / "own.toml"
    path.write_text(text)
    return catalog.load(str(path))


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    recipe = own(tmp_path)
    assert recipe.name == str(tmp_path / "own.toml") and recipe.system == "Look twice."
    assert recipe.decoding == Decoding(stop=("END",)) and recipe.thinking == Thinking("on", 100)
    assert dict(recipe.processor) == {"max_pixels": 5000, "do_resize": True} and recipe.order == "text_first"
    assert recipe.source_of("decoding.stop") == recipe.sources[0] == recipe.source_of("processor.max_pixels")
    assert recipe.source_of("processor.do_resize") is None
    assert json.loads(json.dumps(recipe.record()))["values"]["thinking"] == {"mode": "on", "budget": 100}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sumary = 'x'", "unknown field 'sumary'; did you mean summary"),
        ("[thinking]\nbuget = 3", "unknown field in [thinking] 'buget'; did you mean budget"),
        ("[[sources]]\ndocument = 'd'\ndate = 2026-01-01\nvalues = []\nuri = 'x'", "did you mean url"),
        ("[templates.mmvp]\noption = '{question}'", "did you mean options"),
        ("[decoding]\ntemprature = 1", "did you mean temperature"),
        ("[decoding]\ntemperature = 'hot'", "temperature must be a number"),
        ("[decoding]\ntop_p = 0.9", "top_p has no effect at temperature 0"),
        ("[thinking]\nmode = 'off'\nbudget = 4", "contradict each other"),
        ("[thinking]\nbudget = '4'", "thinking.budget: Expected `int | null`, got `str`"),
        ("order = 'text_frist'", "unknown order 'text_frist'; did you mean text_first"),
        ("[processor]\nsize = [1]", "processor[...]: Expected"),
        ("[templates.mmvpp]\nopen = '{question}'", "unknown benchmark 'mmvpp'; did you mean mmvp"),
        ("[templates.mmvp]\nopen = '{quesion}'", "unknown placeholder 'quesion'; did you mean question"),
        ("[templates.mmvp]\nopen = '{question'", "templates.mmvp.open is not a template"),
        ("[templates.mmvp]\nopen = '{question!r}'", "must stand alone in its braces"),
        ("[templates.mmvp]\nopen = 'Yes?'", "must contain {question} or {prompt}"),
        ("system = ' '", "system is empty"),
        ("[[sources]]\ndocument = 'd'\ndate = 2026-01-01\nvalues = ['decoding']", "sources: unknown value 'decoding'"),
        ("[[sources]]\ndocument = 'd'\nvalues = []", "missing required field `date`"),
        ("[decoding", "is not valid TOML"),
        ("x = " + "[" * 3000 + "]" * 3000, "nested too deep"),
    ],
)
def test_what_is_wrong_in_a_file_is_one_line_with_file_and_field(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(text)
    with pytest.raises(UserError) as error:
        read(path)
    assert said in str(error.value) and str(path) in str(error.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"summary = '\xe9'")
    for name, said in (
        ("latin.toml", "is not UTF-8 text"),
        ("absent.toml", "does not exist"),
        ("qwen3-vl-instrut", "unknown recipe 'qwen3-vl-instrut'; did you mean qwen3-vl-instruct"),
    ):
        with pytest.raises(UserError, match=said):
            catalog.load(str(tmp_path / name) if name.endswith("toml") else name)


def test_list_and_show_name_values_and_sources() -> None:
    listed = call("list", "recipes")
    assert listed.returncode == 0 and all(f"\n{name} " in "\n" + listed.stdout for name in NAMES)
    assert "source: QwenLM/Qwen3-VL, README.md" in listed.stdout
    as_json = json.loads(call("list", "recipes", "--json").stdout)["recipes"]
    assert {r["name"] for r in as_json} == set(NAMES)
    assert next(r for r in as_json if r["name"] == "smolvlm")["values"]["decoding"]["max_new_tokens"] == 500
    shown = call("show", "--recipe", "kimi-vl-instruct").stdout
    assert "decoding.temperature = 0.2" in shown and "MoonshotAI/Kimi-VL, README.md" in shown
    assert call("show").returncode == 2


def test_show_prints_the_exact_prompt(tmp_path: Path) -> None:
    words = ("show", "realworldqa", "--data", "mini:4", "--n", "1", "--recipe")
    shown = call(*words, "qwen3-vl-instruct").stdout
    assert "\nQuestion: What color is the traffic light?\nOptions:\nA. " in shown
    assert "\nPlease select the correct answer from the options above. \n" in shown
    (tmp_path / "own.toml").write_text('order = "text_first"\nsystem = "Look twice."\n')
    turned = call(*words, tmp_path / "own.toml").stdout
    assert turned.index("[system prompt] Look twice.") < turned.index("traffic light") < turned.index("[image 1:")
    in_template = call(*words, "llava-1.5", "--model", "demo").stdout
    assert "the user's questions. USER: <image>\nWhat color is the traffic light?" in in_template
    assert " ASSISTANT:\n--- gold" in in_template
    refused = call(*words, tmp_path / "own.toml", "--model", "demo")
    assert refused.returncode == 2 and "trained with the image before the question" in refused.stderr
    refused = call(*words, "paper", "--model", "chance")
    assert refused.returncode == 2 and "does not show how it writes a prompt" in refused.stderr

"""Names in any letter case, options and models of other harnesses, -h, exit codes, completion, YAML."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.command import call, refused


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["--tasks", "mme"], "use --benchmark NAME,NAME"),
        (["--tasks=mme"], "use --benchmark NAME,NAME"),
        (["--model_args", "pretrained=x"], "-M NAME=VALUE"),
        (["--gen_kwargs", "temperature=1"], "use -G NAME=VALUE"),
        (["--output_path", "x"], "use --out FOLDER"),
        (["--log_samples"], "every response is always stored"),
        (["--work-dir", "x"], "use --out FOLDER"),
    ],
)
def test_options_of_other_harnesses(words: list[str], ours: str) -> None:
    said = refused("run", "--model", "chance", *words)
    assert ours in said and "docs/migrating.md" in said


@pytest.mark.parametrize(
    ("written", "ours"), [("--batch_size", "--batch-size"), ("--MAX_NEW_TOKENS", "--max-new-tokens")]
)
def test_options_with_underscores(written: str, ours: str) -> None:
    assert refused("run", written, "8").endswith(f"use {ours}")


@pytest.mark.parametrize(
    ("model", "ours"),
    [
        ("gpt-4o", "use openai:gpt-4o "),
        ("o3-mini", "use openai:o3-mini "),
        ("claude-3-opus", "use openai:claude-3-opus with --base-url"),
        ("hf-mllm", "use hf:ID"),
        ("hf-multimodal", "use hf:ID"),
        ("llava_hf", "use hf:ID"),
        ("qwen2_5_vl", "use hf:ID"),
        ("vllm", "--base-url URL"),
    ],
)
def test_models_of_other_harnesses(model: str, ours: str, tmp_path: Path) -> None:
    done = call("run", "--model", model, "--benchmark", "mmvp", "--data", "mini:2", "--out", tmp_path / "run")
    assert done.returncode == 2 and ours in done.stderr and "docs/migrating.md" in done.stderr
    assert not (tmp_path / "run").exists()


def test_the_guide_that_messages_name_exists() -> None:
    from cambrian_eval.other_harnesses import GUIDE

    assert (Path(__file__).parents[2] / GUIDE).is_file()


def test_names_in_any_letter_case(tmp_path: Path) -> None:
    words = ("--model", "Chance", "--benchmark", "MMVP,Gqa", "--vision", "ON,Off", "--scorer", "FUZZY")
    done = call("Run", *words, "--data", "mini:4", "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    found = {(r["benchmark"], r["condition"], r["scorer"]) for r in json.loads(done.stdout)["results"]}
    assert found == {(b, c, "fuzzy") for b in ("mmvp", "gqa") for c in ("on", "off")}
    assert call("show", "MMVP", "--data", "mini:2", "--n", 1).returncode == 0
    assert call("list", "Scorers").stdout == call("list", "scorers").stdout
    assert call("compare", tmp_path / "run", tmp_path / "run", "--vision", "OFF", "--vision-b", "On").returncode == 0
    assert call("table", tmp_path / "run", "--vision", "OFF", "--scorer", "Fuzzy").returncode == 0


@pytest.mark.parametrize("words", [(), ("run",), ("compare",), ("plot",), ("plot", "radar"), ("cvbench",)])
def test_short_help(words: tuple[str, ...]) -> None:
    done = call(*words, "-h")
    assert done.returncode == 0 and done.stdout == call(*words, "--help").stdout
    if len(words) < 2:
        text = " ".join(done.stdout.split())
        assert "Exit codes: 0 done; 1 too many samples or a check failed; 2 wrong input; 130 interrupted." in text


def completed(cwd: Path, *words: str) -> list[str]:
    """What bash offers for the last word."""
    line = " ".join(("cambrian-eval", *words))
    environment = {**os.environ, "_CAMBRIAN_EVAL_COMPLETE": "complete_bash", "COMP_WORDS": line}
    done = subprocess.run(
        [Path(sys.executable).with_name("cambrian-eval")],
        env={**environment, "COMP_CWORD": str(len(words))},
        capture_output=True,
        text=True,
        cwd=cwd,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_completion(tmp_path: Path) -> None:
    """In one process each, so a few cases stand for all."""
    for name in ("runs/a", "runs/b", "alone"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "other").mkdir()
    assert completed(tmp_path, "run", "--benchmark", "mmvp,cvbench_") == [
        "mmvp,cvbench_2d",
        "mmvp,cvbench_3d",
        "mmvp,cvbench_extra",
    ]
    assert {"chance", "demo", "hf:", "openai:"} <= set(completed(tmp_path, "run", "--model", ""))
    assert completed(tmp_path, "score", "alone", "--scorer", "f") == ["fuzzy"]
    assert completed(tmp_path, "report", "") == ["alone", "runs/a", "runs/b"]
    assert completed(tmp_path, "comp") == ["compare"]


def test_completion_of_lists_and_folders_by_themselves(tmp_path: Path) -> None:
    from cambrian_eval.cli.completion import in_list, run_folders

    assert [i.value for i in in_list(["on", "off", "other"], "on,o")] == ["on,off", "on,other"]
    assert [i.value for i in in_list(["on", "off"], "OF")] == ["off"]
    (tmp_path / "runs" / "a").mkdir(parents=True)
    (tmp_path / "runs" / "a" / "run.json").write_text("{}")
    assert [i.value for i in run_folders(f"{tmp_path}/ru")] == [f"{tmp_path}/runs/a"]
    assert run_folders(f"{tmp_path}/none/") == []


def test_a_configuration_in_yaml_equals_one_in_toml(tmp_path: Path) -> None:
    yaml = "model: chance\nbenchmark: [gqa, mmvp]\ndata: mini:4\nvision: [on, off]\nlimit: 2\nmax_failures: 1\n"
    toml = 'model = "chance"\nbenchmark = ["gqa", "mmvp"]\ndata = "mini:4"\nvision = ["on", "off"]\n'
    toml += "limit = 2\nmax_failures = 1\n"
    found = []
    for name, text in (("run.yaml", yaml), ("run.toml", toml)):
        (tmp_path / name).write_text(text)
        done = call("run", "--config", tmp_path / name, "--out", tmp_path / name.replace(".", "-"), "--json", "--quiet")
        assert done.returncode == 0, done.stderr
        found.append({**json.loads(done.stdout), "run": ""})
    assert found[0] == found[1] and len(found[0]["results"]) == 8


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1\n", "is not valid YAML (line 2, column 1: "),
        ("model: chance\nmodel: demo\n", "line 2, column 1: the key 'model' is there twice"),
        ("3: x\n", "the key 3 is not a text"),
        ("- a\n", "must have lines such as model: chance"),
        ('out: !!python/object/apply:os.system ["true"]\n', "could not determine a constructor"),
        ("limit: yes\n", "limit must be a whole number, not 'yes'"),
        ("benchmrk: gqa\n", "did you mean benchmark"),
        ("set: 3\n", "set must be a table"),
    ],
)
def test_yaml_that_is_wrong(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "run.yml").write_text(text)
    assert said in refused("run", "--config", tmp_path / "run.yml", "--model", "chance")

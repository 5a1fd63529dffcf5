"""The conformance of harnesses: the set is sound, our verdicts on it are as documented, and checkouts are imported."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

TOOL = Path(__file__).parents[2] / "tools" / "conformance"
CASES: list[dict[str, Any]] = [json.loads(line) for line in (TOOL / "cases.jsonl").read_text("utf-8").splitlines()]
QUESTIONS: dict[str, dict[str, Any]] = json.loads((TOOL / "questions.json").read_text("utf-8"))

BARE = "the metric takes the bare answer only"
KNOWN = {
    ("There is a dog in the image.", "mme"): "MME asks for the word",
    ("There isn't a bus in the image.", "mme"): "MME asks for the word",
    ("I do not see a bus.", "mme"): "MME asks for the word",
    ("The image does not contain a bus.", "mme"): "MME asks for the word",
    ("Nope", "mme"): "MME asks for the word",
    ("Yesterday a dog was here.", "pope"): "read as a statement about the image",
    ("Germany has the highest share.", "chartqa"): BARE,
    ("The brand is Nokia.", "textvqa"): BARE,
    ('The sign says "Route 66".', "textvqa"): BARE,
    ("The letter was sent by R. J. Miller.", "docvqa"): BARE,
    ("The umbrella is red.", "gqa"): BARE,
    ("The fence is not behind the horse.", "gqa"): BARE,
    **{
        ("3 on the left and 2 on the right make 5.", b): "three options are named"
        for b in ("cvbench", "mmbench", "seed", "ai2d", "scienceqa")
    },
    **{
        ("A is the lamp and B is the chair; B is closer.", b): "two letters are named"
        for b in ("cvbench", "mmvp", "scienceqa")
    },
}
"""Where `fuzzy` and the careful reader differ, and why."""


def worker(harness: str, *checkout: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(TOOL / "worker.py"), harness, *checkout]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_the_set_is_sound() -> None:
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for case in CASES:
        assert set(case) == {"question", "response", "right", "why"} and case["why"]
        found[case["question"]].append(case)
    assert set(found) == set(QUESTIONS) and len(CASES) >= 300
    for name, mine in found.items():
        assert len({case["response"] for case in mine}) == len(mine), name
        assert {case["right"] for case in mine} == {True, False}, name


def test_fuzzy_agrees_with_the_careful_reader_but_for_known_responses() -> None:
    differing = {
        (CASES[line["case"]]["response"], line["benchmark"])
        for line in worker("ours")
        if (line["outcome"] == "right") != CASES[line["case"]]["right"]
    }
    assert differing == set(KNOWN)


def checkout(folder: Path) -> Path:
    """A checkout of lmms-eval with two of its tasks, one of which calls what is not installed."""
    tasks = folder / "lmms_eval" / "tasks"
    for name, text in {
        "cv_bench": "import not_there_at_all\n"
        "def cv_bench_process_results(doc, results):\n"
        "    return {'cv_bench_acc': {'is_correct': results[0] == doc['answer'].strip('()')}}\n",
        "pope": "from not_there_either import normal\n"
        "def pope_process_results(doc, results):\n"
        "    return {'pope_accuracy': {'score': normal(results[0]) == doc['answer']}}\n",
    }.items():
        (tasks / name).mkdir(parents=True)
        (tasks / name / "utils.py").write_text(text)
    return folder


@pytest.mark.slow
def test_a_checkout_is_scored_as_far_as_it_can_be_imported(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL / "run.py"), "--lmms-eval", str(checkout(tmp_path)), "--json", "out.json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "out.json").read_text())["harnesses"][0]
    asked = [case for case in CASES if "cvbench" in QUESTIONS[case["question"]]["benchmarks"]]
    golds = {name: question["answers"][0] for name, question in QUESTIONS.items()}
    agree = sum((case["response"].strip() == golds[case["question"]]) == case["right"] for case in asked)
    assert found["counts"] == {"cvbench": {"agree": agree, "false reject": len(asked) - agree}}
    assert found["absent"]["pope"] == "needs not_there_either for some responses"
    assert "No module named" in found["absent"]["mme"]
    assert f"| lmms-eval | unknown | {len(asked)} | {agree} ({100 * agree / len(asked):.1f} %) | 0 |" in done.stdout


def test_what_is_no_checkout_is_refused(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOL / "run.py"), "--vlmevalkit", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode != 0
    assert done.stderr.strip() == f"{tmp_path} is no checkout of VLMEvalKit: it has no folder vlmeval/dataset"

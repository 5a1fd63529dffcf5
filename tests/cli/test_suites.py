"""Suites, categories and names of benchmarks as a user types them, and what is printed about them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.adversity.plugins import declared
from tests.command import call, spawn

ROBUST = {"hallusionbench", "naturalbench", "pope", "mmstar", "mmmu_pro_standard", "mmmu_pro_vision", "mmvp"}
FURTHER = {
    *("blink", "mmstar", "vstar", "pope", "vizwiz", "infovqa", "mmvet", "qbench", "mmbench_cn", "vqav2", "llava_wild"),
    *("hallusionbench", "3dsrbench", "naturalbench", "embspatial", "vlmsareblind", "countbenchqa", "mmsi_bench"),
    *("mmmu_pro_standard", "mmmu_pro_vision"),
}


def test_list_shows_twenty_further_benchmarks_and_suites() -> None:
    found = json.loads(call("list", "--json").stdout)["benchmarks"]
    assert {b["name"] for b in found if "paper" not in b["suites"]} == FURTHER | {"cvbench_extra"}
    assert {b["name"] for b in found if b["judged"]} == {"mmvet", "llava_wild"}
    people = ("human", "random")
    for b in found:
        if b["name"] in FURTHER:
            models = {p["model"] for p in b["published"] if not p["model"].startswith(people)}
            assert len(models) >= 3 and all(p["source"] for p in b["published"]), b["name"]
    mme = next(b for b in found if b["name"] == "mme")
    assert mme["addresses"] == ["lmms-lab/MME (default, test)", "lmms-lab-encoder/MME (default, test)"]
    assert set(mme["suites"]) == {"paper", "llava15"}
    text = call("list").stdout
    assert all(f"  {suite} " in text for suite in ("paper", "released", "llava15", "spatial", "robust"))
    listed = call("list", "suites").stdout
    assert "hallusionbench, naturalbench, pope, mmstar" in listed


def chosen(tmp_path: Path, *words: Any) -> list[str]:
    done = call("run", "--model", "chance", "--data", "mini:2", "--out", tmp_path / "run", "--benchmark", *words)
    assert done.returncode == 0, done.stderr
    return list(json.loads((tmp_path / "run" / "run.json").read_text())["benchmarks"])


def test_names_suites_and_categories_in_any_letter_case(tmp_path: Path) -> None:
    assert chosen(tmp_path / "a", "MMVP,Pope") == ["mmvp", "pope"]
    four = ["mmvp", "realworldqa", "cvbench_2d", "cvbench_3d"]
    assert chosen(tmp_path / "b", "vision-centric") == four
    assert chosen(tmp_path / "c", "MMMU_Pro,mmvp") == ["mmmu_pro_standard", "mmmu_pro_vision", "mmvp"]
    assert set(chosen(tmp_path / "d", "Robust")) == ROBUST


def test_all_is_the_paper_s_sixteen_and_says_so(tmp_path: Path) -> None:
    words = ("--model", "chance", "--data", "mini:1", "--limit", 1, "--out", tmp_path / "run")
    done = call("run", *words, "--benchmark", "all")
    assert done.returncode == 0
    assert "all: the 16 of the paper; `everything` has 20 more" in done.stderr
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["benchmarks"]) == 16
    assert "\nOverall (synthetic)" in done.stdout and "suite" not in done.stdout


@pytest.mark.parametrize(
    ("written", "near"),
    [("cvbench", "cvbench_2d or cvbench_3d"), ("mmbench_en_dev", "mmbench"), ("vison-centric", "Vision-Centric")],
)
def test_near_misses_are_suggested(tmp_path: Path, written: str, near: str) -> None:
    done = call("run", "--model", "chance", "--benchmark", written, "--out", tmp_path / "run")
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "did you mean" in done.stderr and near in done.stderr


def test_a_variant_sets_the_rows_of_a_benchmark(tmp_path: Path) -> None:
    assert chosen(tmp_path, "vqav2:full") == ["vqav2"]
    settings = json.loads((tmp_path / "run" / "run.json").read_text())["benchmarks"]["vqav2"]["settings"]
    assert settings == {"rows": "full"}
    done = call("run", "--model", "chance", "--benchmark", "vqav2:ful", "--out", tmp_path / "other")
    assert done.returncode != 0 and "did you mean full" in done.stderr


def test_a_suite_has_an_average_of_its_own(tmp_path: Path) -> None:
    words = ("--model", "chance", "--data", "mini:4", "--out", tmp_path / "run", "--json", "--scorer", "fuzzy")
    found = json.loads(call("run", *words, "--benchmark", "robust").stdout)
    scores = {r["benchmark"]: r["score"] for r in found["results"]}
    averages = {a["name"]: a["value"] for a in found["averages"]}
    assert averages["suite robust"] == pytest.approx(sum(scores.values()) / len(ROBUST))
    pro = (scores["mmmu_pro_standard"] + scores["mmmu_pro_vision"]) / 2
    assert averages["suite mmmu_pro"] == pytest.approx(pro)
    assert averages["Vision-Centric"] == pytest.approx(scores["mmvp"])  # the paper's alone


def test_a_prompt_style_that_a_benchmark_lacks_is_one_line(tmp_path: Path) -> None:
    words = ("--model", "chance", "--data", "mini:2", "--out", tmp_path / "run", "--prompts", "authors")
    done = call("run", *words, "--benchmark", "gqa,blink")
    assert done.returncode != 0 and "gqa has no 'authors' prompts; it has: official, paper" in done.stderr


def test_gain_and_leakage(tmp_path: Path) -> None:
    words = ("--model", "chance", "--data", "mini:12", "--benchmark", "mmstar,mmvet")
    call("run", *words, "--vision", "on,off", "--out", tmp_path / "a")
    call("run", *words, "--vision", "off", "--seed", 3, "--out", tmp_path / "b")
    (found,) = json.loads(call("gain", tmp_path / "a", "--language-model", tmp_path / "b", "--json").stdout)["gains"]
    assert found["benchmark"] == "mmstar" and found["gain"] == pytest.approx(found["on"] - found["off"])
    assert found["leakage"] == pytest.approx(max(0.0, found["off"] - found["language_model"]))


def test_doctor_says_where_rows_would_come_from(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(call("doctor", "--data", "--offline", "--json", "--benchmark", "pope,blink").stdout)["data"]
    assert [p["benchmark"] for p in found] == ["pope", "blink"]
    assert found[0]["rows"] == 9000 and found[0]["revision"].startswith("4db1276")
    assert found[0]["state"] in ("cached", "not cached") and "image_source" in found[0]["columns"]


PLUGIN = """
from cambrian_eval.suite import Suite
Odd = Suite("odd", "two of the paper", ("mmvp", "gqa"))
"""


def test_a_suite_of_another_package_is_found_by_its_entry_point(tmp_path: Path) -> None:
    environment = declared("suites", PLUGIN, tmp_path)
    words = ("run", "--model", "chance", "--benchmark", "Odd", "--data", "mini:2", "--out", tmp_path / "run", "--quiet")
    done = spawn(*words, env=environment)
    assert done.returncode == 0, done.stderr
    assert list(json.loads((tmp_path / "run" / "run.json").read_text())["benchmarks"]) == ["mmvp", "gqa"]
    assert "\nsuite odd (synthetic)" in done.stdout


def test_a_run_needs_no_more_than_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The paper's sixteen into a folder with the model's name; the same command resumes there."""
    monkeypatch.chdir(tmp_path)
    words = ("run", "--model", "baseline:most-frequent", "--data", "mini:2", "--quiet")
    for _ in range(2):
        done = call(*words)
        assert done.returncode == 0, done.stderr
        assert "run folder: runs/baseline-most-frequent" in done.stderr
    info = json.loads((tmp_path / "runs" / "baseline-most-frequent" / "run.json").read_text())
    assert len(info["benchmarks"]) == 16 and len(info["passes"]) == 2

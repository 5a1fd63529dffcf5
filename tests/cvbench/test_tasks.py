"""Tasks and rules are found by declaration: a further task needs one file, and its rules become options."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from cvbench_builder.errors import BuilderError
from cvbench_builder.presets import PRESETS, all_rules, make
from cvbench_builder.settings import ObjectRules
from cvbench_builder.tasks import all_tasks
from cvbench_builder.tasks.count import CountRules
from tests.cvbench.conftest import Sources, run

ROOT = Path(__file__).parents[2]


def installed(folder: Path, value: str) -> dict[str, str]:
    """The environment of a process in which a package with a task is installed."""
    shutil.copy(ROOT / "tests" / "cvbench" / "toy_task.py", folder / "half_task.py")
    info = folder / "half_task-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: half-task\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[cvbench_builder.tasks]\nhalf = {value}\n")
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])}


def call(environment: dict[str, str], *arguments: str | Path, code: int = 0) -> str:
    command = [sys.executable, "-m", "cvbench_builder", *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_a_fifth_task_is_one_file(sources: Sources, tmp_path: Path) -> None:
    (tmp_path / "site").mkdir()
    environment = installed(tmp_path / "site", "half_task:TASK")
    assert "--half-margin" in call(environment, "build", "--help")
    assert "--half-margin 0.7: must lie between 0 and 0.5" in call(
        environment, "build", *sources.flags, "--half-margin", "0.7", "--out", tmp_path / "no", code=2
    )
    out = tmp_path / "cvb"
    tasks = ["--task", "half", "--task", "relation", "--half-rows", "12", "--half-margin", "0.1", "--class-share", "1"]
    said = call(environment, "build", *sources.flags, *tasks, "--preset", "strict", "--out", out)
    assert "12 Half" in said
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text().splitlines()]
    assert list(dict.fromkeys(r["task"] for r in rows)) == ["Half", "Relation"]
    half = [r for r in rows if r["task"] == "Half"]
    assert len(half) == 12
    widths = 200  # of every image of these sources
    for row in half:
        left, _, right, _ = row["boxes"][0]["xyxy"]
        expected = "left half" if right <= 0.4 * widths else "right half" if left >= 0.6 * widths else None
        assert row["choices"][ord(row["answer"][1]) - 65] == expected
        assert row["classes"][0] in row["question"] and row["filename"].startswith("img/2D/half/")
    for letter in ("(A)", "(B)"):  # letters are balanced within each source
        assert sum(r["answer"] == letter for r in half) == 6
    settings = json.loads((out / "build.json").read_text())["settings"]
    assert settings["half_margin"] == 0.1 and "depth_ratio" not in settings
    assert "near_the_middle" in (out / "funnel.json").read_text()
    assert "Half: 12 rows" in call(environment, "stats", out)
    assert "Half" in call(environment, "audit", out, "--no-forest")
    review = tmp_path / "review.jsonl"
    decided = {"key": half[0]["key"], "content_hash": half[0]["content_hash"], "status": "accepted"}
    review.write_text(json.dumps(decided))
    assert "1 accepted" in call(environment, "finalize", out, "--review", review)
    # without the package the rows can be counted, but a task that nobody provides is named
    assert "Half: 12 rows" in run("stats", out)
    assert "'Half': unknown" in run("audit", out, "--no-forest", code=2)


def test_an_entry_point_that_is_not_a_task_is_named(tmp_path: Path) -> None:
    environment = installed(tmp_path, "half_task:WORDS")
    said = call(environment, "build", "--out", tmp_path / "o", code=2)
    assert "entry point 'half' (half_task:WORDS): is not a cvbench_builder Task" in said and "Traceback" not in said


def test_the_published_tasks_in_their_order() -> None:
    assert [(t.name, t.kind, t.rows) for t in all_tasks() if not t.extra] == [
        ("Count", "2D", 788),
        ("Relation", "2D", 650),
        ("Depth", "3D", 600),
        ("Distance", "3D", 600),
    ]


def test_presets_change_the_rules_they_declare() -> None:
    assert make("published")[CountRules].plural == "published"
    assert make("published")[ObjectRules].names == "annotated"
    assert make("published")[CountRules].zero_share == 0
    assert make("strict")[CountRules].plural == "proper"
    assert (make("strict")[CountRules].keep_soft, make("max")[CountRules].keep_soft) == (False, True)
    assert make("published").size("Count") == 788 and make("max").size("Count") is None
    hashes = {make(preset).sha256 for preset in PRESETS} | {make("strict", seed=2).sha256}
    assert len(hashes) == 4 and make("strict").sha256 == make("strict").sha256
    assert make("strict", min_gap=0.03).sha256 not in hashes


def test_every_rule_has_help_and_a_permitted_default() -> None:
    names = [rule.name for rule in all_rules()]
    assert len(set(names)) == len(names)
    for rule in all_rules():
        assert rule.meta.help.endswith(".")
        for preset in PRESETS:
            rule.check(rule.value(preset))


def test_values_out_of_range_name_their_option() -> None:
    for changes, message in (
        ({"min_gap": 1.5}, "--min-gap 1.5: must lie between 0 and 1"),
        ({"per_scene": -1}, "--per-scene -1: must not be negative"),
        ({"palette": "pink"}, "--palette pink: unknown; one of published, safe"),
        ({"depth_offset": -0.1}, "--depth-offset -0.1: must not be negative"),
        ({"gap": 1}, "rule 'gap': unknown"),
    ):
        with pytest.raises(BuilderError, match=message):
            make("strict", **changes)
    with pytest.raises(BuilderError, match="--count-rows -1: must not be negative"):
        make("strict", sizes={"Count": -1})
    with pytest.raises(BuilderError, match="use --preset strict"):
        make("max", sizes={"Count": 5})
    with pytest.raises(BuilderError, match="task 'colour': unknown; one of Count, Relation, Depth, Distance"):
        make("strict", tasks=("colour",))


def test_several_values_follow_one_option(sources: Sources, tmp_path: Path) -> None:
    flags = sources.flags  # `--omni3d` is followed by three files
    repeated = [f for flag in flags for f in (("--omni3d", flag) if flag.endswith("_test.json") else (flag,))]
    repeated.remove("--omni3d")
    out = [tmp_path / "a.jsonl", tmp_path / "b.jsonl"]
    run("candidates", *flags, "--task", "depth", "distance", "--out", out[0])
    run("candidates", *repeated, "--task", "depth", "--task", "distance", "--out", out[1])
    assert out[0].read_bytes() == out[1].read_bytes() and out[0].stat().st_size


def test_the_guide_has_the_generated_table_of_rules() -> None:
    assert run("rules").strip() in (ROOT / "docs" / "cvbench.md").read_text()

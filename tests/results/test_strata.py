"""Two runs of one model on different questions, compared by strata."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.command import call, refused


def rows(right: dict[str, list[bool]]) -> list[dict[str, object]]:
    """Depth and distance rows on which a guesser of the longest option (B) is right or wrong."""
    made = []
    for task, answers in right.items():
        for i, is_right in enumerate(answers):
            question = f"Which object is closer, question {i} of {task}?"
            made.append(
                {
                    "idx": len(made),
                    "type": "3D",
                    "task": task,
                    "question": question,
                    "choices": ["bed", "lamp"],
                    "answer": "(B)" if is_right else "(A)",
                    "prompt": f"{question} Select from the following choices.\n(A) bed\n(B) lamp",
                    "filename": f"img/3D/{task.lower()}/omni3d_hypersim_{i}.jpg",
                    "image": "a.png",
                    "source": "Omni3D",
                    "source_dataset": "x",
                    "source_filename": f"{task}{i}.jpg",
                }
            )
    return made


def scored(folder: Path, right: dict[str, list[bool]]) -> Path:
    """A run of the baseline that always takes the longest option."""
    root = folder / "data" / "cvbench_3d"
    root.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(root / "a.png")
    (root / "test.jsonl").write_text("".join(json.dumps(r) + "\n" for r in rows(right)))
    words = ("--model", "baseline:longest-option", "--benchmark", "cvbench_3d", "--data-root", folder / "data")
    done = call("run", *words, "--vision", "off", "--scorer", "fuzzy", "--out", folder / "run")
    assert done.returncode == 0, done.stderr
    return folder / "run"


def test_strata_are_compared_and_weighted_by_the_first_run(tmp_path: Path) -> None:
    known = scored(tmp_path / "a", {"Depth": [True] * 8 + [False] * 2, "Distance": [True] * 15 + [False] * 15})
    fresh = scored(tmp_path / "b", {"Depth": [True] * 5 + [False] * 5, "Distance": [True] * 5 + [False] * 5})
    words = ("compare", known, fresh, "--vision", "off", "--strata", "task")
    done = call(*words, "--json")
    assert done.returncode == 0, done.stderr
    found = {c["stratum"]: c for c in json.loads(done.stdout)["strata"]}
    assert [(s, c["n_a"], c["n_b"], c["a"], c["b"], c["difference"]) for s, c in found.items()] == [
        ("Depth", 10, 10, 80, 50, -30),
        ("Distance", 30, 10, 50, 50, 0),
        # (10 * 80 + 30 * 50) / 40, and 50 with any weights
        ("all strata", 40, 20, 57.5, 50, -7.5),
    ]
    assert {c["chance_a"] for c in found.values()} == {50}
    # the spread of the difference of two means: sqrt(0.8 * 0.2 / 10 + 0.5 * 0.5 / 10) = 20 points
    low, high = found["Depth"]["interval"]
    assert low == pytest.approx(-30 - 1.96 * 20.2, abs=8) and high == pytest.approx(-30 + 1.96 * 20.2, abs=8)
    text = call(*words).stdout
    assert "all strata" in text and "-30.0" in text
    component = call("compare", known, fresh, "--vision", "off", "--strata", "task,component").stdout
    assert "Depth, hypersim" in component


def test_a_tag_that_no_sample_has_is_named(tmp_path: Path) -> None:
    known = scored(tmp_path / "a", {"Depth": [True, False]})
    said = refused("compare", known, known, "--vision", "off", "--strata", "colour")
    assert "--strata colour" in said and "task, source, component" in said

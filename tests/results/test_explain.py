"""`explain`: causes that are planted one by one are found with exactly their share, and the parts add up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cambrian_eval.results.explain import explain
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.store import Run, open_run
from cambrian_eval.sample import Verdict
from tests.command import call, refused
from tests.conftest import jsonl

DOC, PAIRS = Cell("docvqa", "on"), Cell("mmvp", "on")


def imported(root: Path, out: Path, right: Callable[[int], bool]) -> Run:
    """A run over the 60 rows of `docvqa_root`, in which `right` says which responses are right."""
    rows = [{"id": str(i), "response": f"answer {i}" if right(i) else "no"} for i in range(60)]
    file = jsonl(out.with_suffix(".jsonl"), rows)
    done = call("import", file, "--benchmark", "docvqa", "--data-root", root, "--out", out)
    assert done.returncode == 0, done.stderr
    return open_run(out)


def edit(run: Run, change: Mapping[str, Callable[[Record], Record]], drop: tuple[str, ...] = ()) -> None:
    """Rewrites the stored responses, some of them changed or left out; verdicts stay."""
    records = {i: r for (i, _), r in run.all_responses(DOC).items() if i not in drop}
    (run.path / "responses/docvqa.on.jsonl").unlink()
    writer = run.writer(DOC)
    for i, record in records.items():
        writer.append(structs.replace(change.get(i, lambda r: r)(record), notes={}))
    writer.close()


def judged(run: Run, values: Mapping[str, float], drop: tuple[str, ...] = ()) -> None:
    """Replaces some verdicts."""
    stored = run.verdicts(DOC, "fuzzy")
    ids = [i for i in stored if i not in drop]
    kept = [Verdict(values.get(i, stored[i].value), None, "planted") for i in ids]
    run.save_verdicts(DOC, "fuzzy", ids, kept)


def test_planted_causes_are_found_exactly(docvqa_root: Path, tmp_path: Path) -> None:
    """All of a is right. In b, of 60: 2 rows absent, and one to six wrong ones of each cause."""
    a = imported(docvqa_root, tmp_path / "a", lambda i: True)
    b = imported(docvqa_root, tmp_path / "b", lambda i: True)
    groups, start = {}, 0
    for size, cause in enumerate(("gold", "request", "truncated", "thoughts", "reading", "text"), 1):
        groups[cause] = [str(i) for i in range(start, start + size)]
        start += size
    changes: dict[str, Callable[[Record], Record]] = {}
    for i in groups["request"]:
        changes[i] = lambda r: structs.replace(r, prompt=r.prompt + " Be brief.", text="other")
    for i in groups["truncated"]:
        changes[i] = lambda r: structs.replace(r, text="ans", finish="length")
    for i in groups["thoughts"]:
        changes[i] = lambda r: structs.replace(r, text="other", thoughts="it could be another")
    for i in groups["text"]:
        changes[i] = lambda r: structs.replace(r, text="other")
    edit(a, {})
    edit(b, changes, drop=("58", "59"))
    samples = {s.id: s for s in b.samples("docvqa")}
    for i in groups["gold"]:
        samples[i] = replace(samples[i], answers=("another",))
    b.save_samples("docvqa", samples.values())
    judged(a, {"58": 0.0})
    judged(b, {i: 0.0 for group in groups.values() for i in group}, drop=("58", "59"))

    (found,) = explain(open_run(a.path), open_run(b.path), "fuzzy", "fuzzy")
    assert found.common == 58
    parts = {p.name: p for p in found.parts}
    for cause, ids in groups.items():
        assert parts[cause].points == pytest.approx(-100 * len(ids) / 58, abs=1e-9), cause
        assert list(parts[cause].ids) == ids and parts[cause].changed == len(ids)
        assert [c.id for c in parts[cause].shown] == ids
    # a: 59 of 60 right, 58 of 58 on the common samples; b has only common samples.
    assert parts["rows"].points == pytest.approx(100 - 100 * 59 / 60, abs=1e-9)
    assert parts["rows"].ids == ("58", "59") and parts["metric"].points == pytest.approx(0)
    assert sum(p.points for p in found.parts) == pytest.approx(found.b - found.a, abs=1e-9)
    assert found.a == pytest.approx(100 * 59 / 60) and found.b == pytest.approx(100 * 37 / 58)
    low, high = parts["text"].interval or (0.0, 0.0)
    assert low < -100 * 6 / 58 < high


def test_the_same_verdicts_under_another_metric(tmp_path: Path) -> None:
    """`fuzzy` pairs the rows of MME by image; the released rule takes two right rows in file order for a pair.

    Rows 0 and 1 of 8 are right, on different images: 25 + 0 and 25 + 25.
    """
    ids = [f"count/{k % 4}.jpg" for k in range(8)]
    (tmp_path / "data/mme").mkdir(parents=True)
    jsonl(
        tmp_path / "data/mme/rows.jsonl",
        [
            {"question_id": i, "category": "count", "question": f"Is it {k}?", "answer": "Yes"}
            for k, i in enumerate(ids)
        ],
    )
    said = ["Yes", "Yes", *["No"] * 6]
    lines = [{"id": f"{i}:{k}", "response": said[k]} for k, i in enumerate(ids)]
    file, out = jsonl(tmp_path / "p.jsonl", lines), tmp_path / "run"
    done = call("import", file, "--benchmark", "mme", "--data-root", tmp_path / "data", "--out", out)
    assert done.returncode == 0, done.stderr
    (found,) = explain(open_run(out), open_run(out), "fuzzy", "official")
    assert (found.a, found.b) == (25.0, 50.0)
    assert {p.name: p.points for p in found.parts if p.points} == {"metric": 25.0}


def test_two_logs_of_one_model_from_two_harnesses(docvqa_root: Path, tmp_path: Path) -> None:
    """Whatever the mixture of causes, the parts add up to the difference; text, page and JSON say the same."""
    imported(docvqa_root, tmp_path / "a", lambda i: i % 3 > 0)
    b = imported(docvqa_root, tmp_path / "b", lambda i: i % 2 > 0)
    edit(b, {str(i): lambda r: structs.replace(r, prompt="p") for i in range(0, 30, 7)}, drop=("5",))
    judged(b, {"9": 0.5}, drop=("5",))
    page = tmp_path / "page.html"
    words = ("explain", tmp_path / "a", tmp_path / "b", "--benchmark", "docvqa")
    done = call(*words, "--html", page)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(call(*words, "--json").stdout)["explanations"][0]
    assert sum(p["points"] for p in found["parts"]) == pytest.approx(found["b"] - found["a"], abs=1e-9)
    assert f"a {found['a']:.2f}, b {found['b']:.2f}" in done.stdout and "other text" in done.stdout
    shown = [c for p in found["parts"] for c in p["shown"]]
    assert len(shown) > 20 and all(f"{c['question']}" in page.read_text() for c in shown)


def test_what_cannot_be_explained_is_one_line(docvqa_root: Path, tmp_path: Path) -> None:
    imported(docvqa_root, tmp_path / "a", lambda i: True)
    run, mmvp = tmp_path / "a", tmp_path / "m"
    assert "the log has none" in refused("explain", run, run, "--scorer", "log")
    assert "no 'judge' verdicts" in refused("explain", run, run, "--scorer", "judge")
    assert "not in both runs" in refused("explain", run, run, "--benchmark", "mmvp")
    assert call("run", "--model", "chance", "--benchmark", "mmvp", "--data", "mini:4", "--out", mmvp).returncode == 0
    assert "no benchmark in common" in refused("explain", run, mmvp)

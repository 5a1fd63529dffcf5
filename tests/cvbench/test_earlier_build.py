"""A build of an earlier version, whose keys say `picture` and whose rows carry no class names."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest

from cvbench_builder import dataset
from tests.cvbench.conftest import run

STORED = Path(__file__).parent / "earlier_build"


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    return Path(shutil.copytree(STORED, tmp_path / "earlier"))


def test_it_is_of_the_earlier_version() -> None:
    rows = [json.loads(line) for line in (STORED / "rows.jsonl").read_text().splitlines()]
    assert all("picture_sha256" in r and "classes" not in r and "image_sha256" not in r for r in rows)
    assert '"pictures"' in (STORED / "build.json").read_text()
    assert '"pictures"' in (STORED / "funnel.json").read_text()


def test_statistics_count_images_and_classes(earlier: Path) -> None:
    out = run("stats", earlier)
    assert "Count: 4 rows, 4 images" in out
    assert "yellow stars 1" in out and "black circle / pink star 1" in out
    assert "barrel / chair 1" in out and "barrel / cone 1" in out


def test_class_names_come_from_the_questions() -> None:
    assert [r["classes"] for r in dataset.read_rows(STORED)] == [
        ["pink squares"],
        ["yellow stars"],
        ["stars"],
        ["crosses"],
        ["pink star", "black circle"],
        ["cone", "barrel"],
        ["sofa", "chair", "barrel"],
    ]


@pytest.mark.parametrize("form", ["parquet", "jsonl", "vlmevalkit", pytest.param("disk", marks=pytest.mark.slow)])
def test_it_exports(earlier: Path, tmp_path: Path, form: str) -> None:
    if form == "parquet":  # the card is exported with it
        (earlier / "README.md").write_text("---\n")
    assert "7 rows, read back and compared" in run("export", earlier, "--format", form, "--out", tmp_path / form)


def test_it_is_audited_and_compared(earlier: Path, tmp_path: Path) -> None:
    run("audit", earlier, "--no-forest", "--out", tmp_path / "audit")
    assert json.loads((tmp_path / "audit" / "audit.json").read_text())["rows"] == 7
    assert run("diff", earlier, STORED).startswith("7 rows are the same")
    lines = (earlier / "rows.jsonl").read_text().splitlines()
    first = json.loads(lines[0])
    first["picture_sha256"] = "0" * 64
    (earlier / "rows.jsonl").write_text("\n".join([json.dumps(first), *lines[1:]]))
    out = run("diff", STORED, earlier)
    assert out.startswith("6 rows are the same") and ": image_sha256" in out


@pytest.mark.slow
def test_finalize_writes_the_present_keys(earlier: Path, tmp_path: Path) -> None:
    rows = [json.loads(line) for line in (earlier / "rows.jsonl").read_text().splitlines()]
    decisions = [
        {"status": "modified", "answer": "17", "reviewer": "ann"},
        {"status": "accepted", "reviewer": "ann"},
        {"status": "rejected", "reason": "occluded", "reviewer": "ann"},
    ]
    review = tmp_path / "review.jsonl"
    review.write_text(
        "\n".join(
            json.dumps({"key": row["key"], "content_hash": row["content_hash"], **decision})
            for row, decision in zip(rows, decisions, strict=False)
        )
    )
    out = tmp_path / "final"
    run("finalize", earlier, "--review", review, "--out", out)
    final = dataset.read_rows(out)
    assert len(final) == 6 and final[0]["choices"][ord(final[0]["answer"][1]) - 65] == "17"
    for row in final:
        assert row["image_sha256"] == hashlib.sha256((out / row["filename"]).read_bytes()).hexdigest()
        assert row["classes"]
    twins = dataset.read_rows_file(out / "twins" / dataset.ROWS)
    assert [t["key"] for t in twins] == [r["key"] + "m" for r in final]
    for name in ("rows.jsonl", "twins/rows.jsonl", "build.json", "funnel.json", "stats.json", "README.md"):
        assert "picture" not in (out / name).read_text(), name
    assert json.loads((out / "build.json").read_text())["sources"][0]["images"] == 4
    assert "6 rows, read back" in run("export", out, "--format", "parquet", "--out", tmp_path / "parquet")

"""A build from end to end: the rows a harness reads, determinism, balance, exports, finalize, audit."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest

from cvbench_builder import dataset
from cvbench_builder.audit import audit, scores_of
from cvbench_builder.review import REASONS, Decision, agreement
from tests.cvbench.conftest import Sources, run

Row = dict[str, Any]


def tree(folder: Path) -> dict[str, str]:
    files = (p for p in folder.rglob("*") if p.is_file())
    return {p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def parquet_rows(folder: Path) -> list[Row]:
    import datasets

    cache = folder.parent / "hf"
    rows: list[Row] = []
    for name in (n for n in dataset.PARQUET.values() if (folder / n).is_dir()):
        loaded = datasets.Dataset.from_parquet(str(folder / name / "*.parquet"), cache_dir=str(cache))
        assert isinstance(loaded.features["image"], datasets.Image)
        rows += list(loaded.cast_column("image", datasets.Image(decode=False)))
    return rows


def test_rows_have_the_published_columns_in_their_form(built: Path) -> None:
    rows = parquet_rows(built)
    assert list(rows[0])[:15] == list(dataset.PUBLISHED)
    assert [r["idx"] for r in rows] == list(range(len(rows)))
    assert list(dict.fromkeys(r["task"] for r in rows)) == ["Count", "Relation", "Depth", "Distance"]
    for row in rows:
        letters = "".join(f"\n({chr(65 + i)}) {c}" for i, c in enumerate(row["choices"]))
        assert row["prompt"] == row["question"] + " Select from the following choices." + letters
        assert row["answer"] in [f"({chr(65 + i)})" for i in range(len(row["choices"]))]
        assert row["filename"].startswith(f"img/{row['type']}/{row['task'].lower()}/")
        assert row["image"]["bytes"] == (built / row["filename"]).read_bytes()
        assert row["type"] == ("2D" if row["task"] in ("Count", "Relation") else "3D")
        assert (row["bbox"] is None) == (row["source"] != "Omni3D")
        assert (row["target_class"] is None) == (row["source"] != "COCO")
        if row["source"] == "COCO":
            assert row["source_dataset"] == "COCO 2017 Validation Set"
            assert row["source_filename"].startswith("/coco/val2017/")
        if row["source"] == "ADE20K":
            assert row["source_filename"].startswith("ADE_val_")
    assert Counter(len(r["bbox"]) for r in rows if r["task"] == "Distance").keys() == {3}


def test_published_wording(built: Path) -> None:
    rows = parquet_rows(built)
    asked = {r["question"] for r in rows if r["task"] == "Count"}
    assert asked & {"How many wine glasss are in the image?", "How many persons are in the image?"}
    for row in rows:
        if row["task"] == "Relation":
            markers = row["question"].count(" (annotated by the red box)")
            marked = "marked" in row["flags"]
            assert markers == (2 if marked else 0)
            assert row["choices"] in (["left", "right"], ["above", "below"])
            fixed = len(row["question"]) - sum(
                len(n) for n in (_names(row)[0], _names(row)[1], _names(row)[0], _names(row)[1])
            )
            assert fixed == 118 + 27 * markers
        if row["task"] == "Depth":
            assert len(row["question"]) - sum(map(len, row["choices"])) == 124
        if row["task"] == "Distance":
            anchor = row["question"].partition("closer to the ")[2].partition(" (")[0]
            assert len(row["question"]) - sum(map(len, row["choices"])) - len(anchor) == 194


def _names(row: Row) -> tuple[str, str]:
    body = (
        row["question"]
        .removeprefix("Considering the relative positions of the ")
        .partition(" in the image provided")[0]
    )
    first, _, second = body.partition(" and the ")
    return first.partition(" (")[0], second.partition(" (")[0]


def test_boxes_are_drawn_where_their_role_says(built: Path) -> None:
    from PIL import Image

    colours = {"red": (255, 0, 0), "blue": (0, 0, 255), "green": (0, 255, 0)}
    seen = 0
    for row in dataset.read_rows(built):
        if row["task"] in ("Depth", "Distance"):
            assert [b["colour"] for b in row["boxes"]] == ["red", "blue", "green"][: len(row["boxes"])]
        drawn = [b for b in row["boxes"] if b["colour"]]
        if not drawn:
            continue
        made_image = Image.open(built / row["filename"]).convert("RGB")
        # red lies on top, so its line is whole
        for box in (b for b in drawn if b["colour"] == "red"):
            x1, y1, x2, _ = box["xyxy"]
            spot = (round((x1 + x2) / 2), max(int(y1) - 1, 0))
            assert made_image.getpixel(spot) == colours["red"]
            seen += 1
    assert seen > 20


def test_letters_are_balanced(built: Path) -> None:
    rows = dataset.read_rows(built)
    cells: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["task"] == "Count":
            cells[("Count", str(len(row["choices"])))][row["answer"]] += 1
        elif row["task"] == "Relation":
            axis = "x" if "left" in row["choices"] else "y"
            cells[("Relation", row["source"], axis)][row["answer"]] += 1
        else:
            cells[(row["task"], row["provenance"]["component"])][row["answer"]] += 1
    for (task, *more), counts in cells.items():
        letters = int(more[0]) if task == "Count" else 2
        every = [counts[f"({chr(65 + i)})"] for i in range(letters)]
        assert max(every) - min(every) <= 1, (task, more, counts)


@pytest.mark.slow
def test_caps_hold_and_shortfalls_are_told(built: Path, sources: Sources, tmp_path: Path) -> None:
    rows = dataset.read_rows(built)
    for task in ("Count", "Relation", "Depth", "Distance"):
        used = Counter((r["source"], r["source_filename"]) for r in rows if r["task"] == task)
        assert max(used.values()) == 1
    zeros = [r for r in rows if r["task"] == "Count" and r["choices"][ord(r["answer"][1]) - 65] == "0"]
    counts = [r for r in rows if r["task"] == "Count"]
    assert counts and not zeros
    pairs: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for row in rows:
        if row["task"] in ("Depth", "Distance"):
            pairs[(row["task"], *sorted(row["choices"]))][row["choices"][ord(row["answer"][1]) - 65]] += 1
    for counter in pairs.values():
        if counter.total() > 4:
            assert len(set(counter.values())) == 1 and len(counter) == 2
    out = run("build", *sources.flags, "--preset", "published", "--task", "depth", "--out", tmp_path / "a")
    table = out.partition("rows that the sources lack:")[2].split("\n")[1:]
    assert table[0].split() == ["task", "source", "got", "wanted"]
    listed = {line.split()[1]: line.split()[2:] for line in table[1:] if line.startswith("Depth")}
    assert listed.keys() == {"Hypersim", "SUNRGBD", "nuScenes"} and all(
        wanted == "200" for _, wanted in listed.values()
    )


@pytest.mark.slow
def test_same_bytes_whatever_the_workers_and_the_order_of_files(built: Path, sources: Sources, tmp_path: Path) -> None:
    flags = sources.flags
    start = flags.index("--omni3d") + 1
    flags[start : start + 3] = flags[start : start + 3][::-1]
    out = tmp_path / "again"
    run("build", *flags, "--preset", "published", "--seed", "1", "--twins", "--workers", "3", "--out", out)
    assert tree(out) == tree(built)
    other = tmp_path / "seed2"
    run("build", *flags, "--preset", "published", "--seed", "2", "--task", "depth", "--out", other)
    assert [r["key"] for r in dataset.read_rows(other)] != [
        r["key"] for r in dataset.read_rows(built) if r["task"] == "Depth"
    ]


def test_cached_columns_give_the_same_rows(sources: Sources, tmp_path: Path) -> None:
    flags = [f for f in sources.flags if f != "--no-cache"]
    listings = []
    for name in ("first", "second"):
        run("candidates", *flags, "--cache-dir", tmp_path / "cache", "--out", tmp_path / f"{name}.jsonl")
        listings.append((tmp_path / f"{name}.jsonl").read_bytes())
    assert listings[0] == listings[1] and len(list((tmp_path / "cache").glob("*.npz"))) == 5


def test_twins_are_mirrored(built: Path) -> None:
    from PIL import Image, ImageOps

    rows = {r["key"]: r for r in dataset.read_rows(built)}
    twins = dataset.read_jsonl(built / "twins" / dataset.ROWS)
    assert [t["key"][:-1] for t in twins] == list(rows)
    swap = {"left": "right", "right": "left"}
    for twin in twins:
        row = rows[twin["key"][:-1]]
        text = row["choices"][ord(row["answer"][1]) - 65]
        mine = twin["choices"][ord(twin["answer"][1]) - 65]
        assert mine == (swap.get(text, text) if row["task"] == "Relation" else text)
        if row["task"] == "Count":
            flipped = ImageOps.mirror(Image.open(built / row["filename"]).convert("RGB"))
            assert flipped.tobytes() == Image.open(built / "twins" / twin["filename"]).convert("RGB").tobytes()


@pytest.mark.parametrize("form", ["parquet", "disk", "jsonl", "vlmevalkit"])
def test_exports_read_back(built: Path, tmp_path: Path, form: str) -> None:
    out = tmp_path / form
    assert "read back and compared" in run("export", built, "--format", form, "--out", out)
    if form == "parquet":
        assert "rows are the same" in run("diff", built, out)
        assert (out / "test_2d.parquet").is_file() and (out / "README.md").read_text().startswith("---")
    if form == "jsonl":
        lines = (out / "test_3d.jsonl").read_text().splitlines()
        assert all((out / json.loads(line)["filename"]).is_file() for line in lines)


@pytest.mark.slow
def test_configs_of_the_card_load(built: Path, tmp_path: Path) -> None:
    import datasets

    rows = dataset.read_rows(built)
    for config, n in (("default", len(rows)), ("3D", sum(r["type"] == "3D" for r in rows))):
        loaded = datasets.load_dataset(str(built), config, split="test", cache_dir=str(tmp_path))
        assert len(loaded) == n


def test_card_says_what_the_set_is(built: Path) -> None:
    card = (built / "README.md").read_text()
    for words in (
        "No person has reviewed these rows",
        "CC BY-NC 4.0",
        "Funnel",
        "Settings",
        "figures/margins.png",
        "of 200 rows",
    ):
        assert words in card
    manifest = json.loads((built / "manifest.json").read_text())["files"]
    assert manifest == {k: v for k, v in tree(built).items() if k != "manifest.json"}


def verdict_line(row: Row, status: str, **more: Any) -> str:
    return json.dumps({"key": row["key"], "content_hash": row["content_hash"], "status": status, **more})


@pytest.mark.slow
def test_finalize_drops_corrects_and_records(built: Path, tmp_path: Path) -> None:
    rows = dataset.read_rows(built)
    count = next(r for r in rows if r["task"] == "Count")
    relation = next(r for r in rows if r["task"] == "Relation")
    other = next(c for c in relation["choices"] if c != relation["choices"][ord(relation["answer"][1]) - 65])
    review = tmp_path / "review.jsonl"
    review.write_text(
        "\n".join(
            [
                verdict_line(rows[-1], "rejected", reason="occluded", reviewer="ann"),
                verdict_line(count, "modified", answer="23", reviewer="ann"),
                verdict_line(relation, "modified", answer=other, reviewer="ann"),
                verdict_line(rows[-2], "accepted", reviewer="ann", note="fine"),
            ]
        )
    )
    out = tmp_path / "final"
    said = run("finalize", built, "--review", review, "--out", out)
    assert "1 rejected" in said and "2 modified" in said
    final = {r["key"]: r for r in dataset.read_rows(out)}
    assert rows[-1]["key"] not in final and len(final) == len(rows) - 1
    assert final[rows[-2]["key"]]["review"] == {"status": "accepted", "reviewer": "ann", "reason": None, "note": "fine"}
    changed = final[count["key"]]
    assert changed["choices"][ord(changed["answer"][1]) - 65] == "23" and "23" in changed["prompt"]
    assert final[relation["key"]]["choices"][ord(final[relation["key"]]["answer"][1]) - 65] == other
    assert [r["idx"] for r in final.values()] == list(range(len(final)))
    assert {r["review"]["status"] for r in final.values()} == {"accepted", "modified", "unreviewed"}
    # what was judged before is stale now
    assert "changed since they were reviewed" in run("finalize", out, "--review", _only(review, tmp_path, 1), code=2)


def _only(review: Path, folder: Path, line: int) -> Path:
    path = folder / "one.jsonl"
    path.write_text(review.read_text().splitlines()[line])
    return path


def test_finalize_refuses_strange_reviews(built: Path, tmp_path: Path) -> None:
    row = dataset.read_rows(built)[0]
    before = tree(built)
    for line, words in (
        ({"key": "nowhere", "content_hash": "x", "status": "accepted"}, "unknown rows"),
        ({"key": row["key"], "content_hash": "old", "status": "accepted"}, "changed since"),
        ({"key": row["key"], "content_hash": row["content_hash"], "status": "fine"}, "status 'fine'"),
        ({"key": row["key"], "content_hash": row["content_hash"], "status": "modified"}, "without a new `answer`"),
        ({"key": row["key"], "content_hash": row["content_hash"], "status": "rejected"}, "without a `reason`"),
    ):
        path = tmp_path / "r.jsonl"
        path.write_text(json.dumps(line))
        assert words in run("finalize", built, "--review", path, code=2)
    assert tree(built) == before


def test_two_reviewers() -> None:
    def said(statuses: str) -> dict[str, Decision]:
        names = {"a": "accepted", "r": "rejected", "m": "modified"}
        return {str(i): Decision(str(i), "h", names[s], None, None, "x", None) for i, s in enumerate(statuses)}

    result = agreement(said("aaaaarrrma"), said("aaaarrrrmm"))
    assert result.rows == 10 and result.agreement == pytest.approx(0.8)
    # chance: 6/10 * 4/10 accepted, 3/10 * 4/10 rejected, 1/10 * 2/10 modified
    chance = 0.24 + 0.12 + 0.02
    assert result.kappa == pytest.approx((0.8 - chance) / (1 - chance))


@pytest.mark.slow
def test_disagreeing_reviewers_drop_a_row_and_print_kappa(built: Path, tmp_path: Path) -> None:
    rows = dataset.read_rows(built)[:4]
    for name, statuses in (("ann", "aaar"), ("bob", "aarr")):
        lines = []
        for row, s in zip(rows, statuses, strict=True):
            more = {"reason": REASONS[0]} if s == "r" else {}
            lines.append(verdict_line(row, {"a": "accepted", "r": "rejected"}[s], reviewer=name, **more))
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines))
    out = tmp_path / "final"
    reviews = ["--review", tmp_path / "ann.jsonl", "--review", tmp_path / "bob.jsonl"]
    said = run("finalize", built, *reviews, "--out", out)
    assert "ann and bob: 4 common rows, agreement 75.0%, kappa 0.500" in said
    kept = {r["key"] for r in dataset.read_rows(out)}
    assert [r["key"] in kept for r in rows] == [True, True, False, False]


def synthetic_rows(n: int, bias: bool) -> list[Row]:
    import random

    rng = random.Random(5)
    rows = []
    for i in range(n):
        pair = rng.sample(["bed", "lamp", "desk", "sofa"], 2)
        nearer = sorted(pair)[0] if bias else rng.choice(pair)
        rows.append(
            {
                "task": "Depth",
                "source": "Omni3D",
                "source_dataset": "x",
                "source_filename": f"{i}.jpg",
                "question": f"Which object is closer, the {pair[0]} or the {pair[1]}?",
                "choices": pair,
                "classes": pair,
                "answer": f"({'AB'[pair.index(nearer)]})",
                "boxes": [],
            }
        )
    return rows


@pytest.mark.slow
def test_audit_finds_a_habit_and_finds_none_where_none_is() -> None:
    biased = {s.guesser: s for s in scores_of(audit(synthetic_rows(300, True)))}
    assert biased["pair prior"].margin > 45
    assert biased["text forest"].margin > 40
    # rows without a habit: whatever the forest sees, it cannot have seen the answer
    fair = {s.guesser: s for s in scores_of(audit(synthetic_rows(300, False)))}
    for name in ("pair prior", "text forest", "majority word", "class frequency"):
        assert abs(fair[name].margin) < 9


@pytest.mark.slow
def test_audit_fails_above(built: Path, tmp_path: Path) -> None:
    run("audit", built, "--out", tmp_path / "a", "--no-forest")
    scores = scores_of(json.loads((tmp_path / "a" / "audit.json").read_text()))
    assert (tmp_path / "a" / "audit.png").is_file()
    rows = [r for r in dataset.read_rows(built) if r["task"] == "Depth"]
    by_hand = sum(r["answer"] == "(A)" for r in rows) / len(rows) * 100
    line = next(s for s in scores if (s.guesser, s.task) == ("always A", "Depth"))
    assert line.accuracy == pytest.approx(by_hand, abs=1e-3) and line.chance == 50
    # published options: the answer of a count is their middle
    middle = next(s for s in scores if s.guesser == "middle of the window")
    assert middle.verdict(5) == "fail"
    worst = max(s.margin for s in scores)
    run("audit", built, "--out", tmp_path / "b", "--no-forest", "--fail-above", str(worst + 1))
    said = run("audit", built, "--out", tmp_path / "c", "--no-forest", "--fail-above", "5", code=1)
    assert "above 5: Count, middle of the window" in said


def test_diff_names_what_changed(built: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(built, other)
    rows = dataset.read_rows(other)
    gone = rows.pop()
    rows[0]["answer"] = "(B)" if rows[0]["answer"] == "(A)" else "(A)"
    dataset.write_rows(rows, other / dataset.ROWS)
    out = run("diff", built, other, "--json", tmp_path / "d.json")
    result = json.loads((tmp_path / "d.json").read_text())
    assert [r["key"] for r in result["removed"]] == [gone["key"]] and result["added"] == []
    assert [(r["key"], r["differs"]) for r in result["changed"]] == [(rows[0]["key"], ["answer"])]
    assert "Distance" in out and "- Distance" in out


def test_stats_print(built: Path) -> None:
    out = run("stats", built)
    assert f"{len(dataset.read_rows(built))} rows" in out and "Relation:" in out


@pytest.mark.slow
def test_the_build_may_come_after_the_reviews(built: Path, tmp_path: Path) -> None:
    review = tmp_path / "r.jsonl"
    review.write_text(verdict_line(dataset.read_rows(built)[0], "accepted"))
    assert "1 accepted" in run("finalize", "--review", review, built, "--out", tmp_path / "final")


@pytest.mark.slow
def test_listing_does_not_depend_on_the_workers(
    sources: Sources, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from cvbench_builder import candidate_lines

    run("candidates", *sources.flags, "--workers", "1", "--out", tmp_path / "one.jsonl")
    monkeypatch.setattr(candidate_lines, "PARALLEL_FROM", 0)
    run("candidates", *sources.flags, "--workers", "2", "--out", tmp_path / "two.jsonl")
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "two.jsonl").read_bytes()

"""Strict sampling, the audit's guessers, debiasing and fresh sets: nothing but the image gives an answer."""

from __future__ import annotations

import itertools
import json
import random
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cvbench_builder import clues, count_options, dataset, sampling
from cvbench_builder.audit import Score, audit, best, failures, scores_of, task_scores
from cvbench_builder.inputs import Inputs, load
from cvbench_builder.presets import make
from cvbench_builder.task import SampledRows
from cvbench_builder.tasks import enumerate_candidates, task_named
from cvbench_builder.text_baseline import clue_forest
from tests.cvbench.conftest import OMNI_NAMES, Sources, run

Row = dict[str, Any]
WINDOWS = st.lists(st.tuples(st.integers(0, 6), st.sampled_from(count_options.SIZES)), max_size=8)


def numbers_in(windows: dict[tuple[int, int], int]) -> Counter[int]:
    return Counter(v for (first, size), n in windows.items() for v in range(first, first + size) for _ in range(n))


@given(WINDOWS)
@settings(deadline=None)
def test_a_set_of_complete_windows_is_taken_apart_completely(windows: list[tuple[int, int]]) -> None:
    counts = numbers_in(dict(Counter(windows)))
    assert numbers_in(count_options.complete_windows(counts)) == counts


@given(st.dictionaries(st.integers(0, 7), st.integers(0, 3)))
@settings(deadline=None)
def test_windows_use_no_value_more_often_than_it_occurs(counts: dict[int, int]) -> None:
    used = numbers_in(count_options.complete_windows(counts))
    assert all(used[v] <= counts.get(v, 0) for v in used)


def test_every_value_of_a_window_is_the_answer_equally_often() -> None:
    items = [(word, n, f"{word}{n}{i}") for word in ("cat", "dog") for n in range(4) for i in range(3)]
    windows, levels = count_options.uniform_windows(items)
    answers: dict[tuple[str, tuple[int, ...]], Counter[int]] = defaultdict(Counter)
    for (word, n, _), window in zip(items, windows, strict=True):
        answers[(word, tuple(window))][n] += 1
    assert answers == {(w, (0, 1, 2, 3)): Counter({0: 3, 1: 3, 2: 3, 3: 3}) for w in ("cat", "dog")}
    assert set(levels) == {0}


def test_the_middle_of_the_published_options_is_the_answer() -> None:
    for n in range(1, 15):
        values = count_options.values(n, "published", "")
        row = {"choices": [str(v) for v in values]}
        scores = clues.middle_scores(row)
        assert scores is not None and values[scores.index(1.0)] == n and sum(scores) == 1
    assert clues.middle_scores({"choices": ["left", "right"]}) is None


def compared_row(first: list[float], second: list[float], anchor: list[float], answer: str = "(A)") -> Row:
    boxes = [("anchor", anchor), ("first", first), ("second", second)]
    return {
        "task": "Distance",
        "source": "Omni3D",
        "source_dataset": "x",
        "source_filename": "a.jpg",
        "question": "Which object is closer to the desk (..), the bed (..) or the lamp (..)?",
        "choices": ["bed", "lamp"],
        "classes": ["desk", "bed", "lamp"],
        "answer": answer,
        "boxes": [{"role": role, "xyxy": box, "colour": "red", "object_id": role} for role, box in boxes],
    }


def test_clues_about_boxes_by_hand() -> None:
    # the bed: 20 x 10, lower edge 50, center (10, 45); the lamp: 10 x 10, lower edge 20, center (55, 15)
    row = compared_row([0, 40, 20, 50], [50, 10, 60, 20], [50, 40, 70, 60])
    guesses = {}
    for clue in clues.BOX_CLUES:
        scores = clues.box_scores(row, clue)
        assert scores is not None
        guesses[clue.name] = row["choices"][scores.index(max(scores))]
    # centers to the desk's (60, 50): the bed is 50.2 away, the lamp 35.4
    assert guesses == {
        "larger box": "bed",
        "lower edge": "bed",
        "higher in the image": "lamp",
        "nearer in the plane": "lamp",
    }
    named = clues.named_scores(row)
    assert named is not None and row["choices"][named.index(max(named))] == "bed"
    # a published row has no roles: `bbox` is first option, second option, anchor
    published = {**row, "boxes": None, "bbox": [b["xyxy"] for b in (*row["boxes"][1:], row["boxes"][0])]}
    assert clues.compared(published) == clues.compared(row)


def box_rows(n: int, rule: str, seed: int = 3) -> list[Row]:
    """Rows whose answer follows a rule: `size` (the larger box), `none`."""
    rng = random.Random(seed)
    rows = []
    for i in range(n):
        boxes = []
        for _ in range(3):
            x, y, w, h = rng.uniform(0, 60), rng.uniform(0, 60), rng.uniform(5, 40), rng.uniform(5, 40)
            boxes.append([x, y, x + w, y + h])
        larger = max((0, 1), key=lambda k: (boxes[k][2] - boxes[k][0]) * (boxes[k][3] - boxes[k][1]))
        place = larger if rule == "size" else rng.randrange(2)
        rows.append({**compared_row(*boxes, answer=f"({'AB'[place]})"), "source_filename": f"{i}.jpg"})
    return rows


def test_the_audit_names_the_clue_that_gives_the_answers_away() -> None:
    scores = task_scores(box_rows(200, "size"), forest=False)
    worst = best(scores, 5)
    assert (worst.guesser, worst.accuracy, worst.margin, worst.verdict(5)) == ("larger box", 100.0, 50.0, "fail")
    result = audit(box_rows(200, "size"), forest=False)
    assert failures(result, 5) and not failures(result, 5, boxes=False)
    assert failures(result, 50) == []
    fair = {s.guesser: s for s in scores_of(audit(box_rows(200, "none"), forest=False))}
    assert all(abs(s.margin) < 14 for s in fair.values())  # four standard errors


def test_a_margin_on_few_rows_is_undecided() -> None:
    few = Score("always A", "Depth", False, 20, 60.0, 50.0, 10.0, -12.0, 32.0)
    assert few.verdict(5) == "undecided" and few.verdict(10) == "pass"
    # half an interval of 22 points shrinks to 10 with (22 / 10)^2 as many rows
    assert few.rows_to_decide() == 97
    assert Score("always A", "Depth", False, 2, 100.0, 50.0, 50.0, 50.0, 50.0).verdict(5) == "undecided"
    assert Score("always A", "Depth", False, 200, 60.0, 50.0, 10.0, 3.0, 17.0).verdict(5) == "fail"


@pytest.mark.slow
def test_the_forest_over_all_clues_finds_what_no_single_clue_shows() -> None:
    rows = box_rows(160, "none")
    for row in rows:
        clue = {c.name: clues.box_scores(row, c) for c in clues.BOX_CLUES}
        larger, nearer = (s[0] > s[1] for s in (clue["larger box"], clue["nearer in the plane"]) if s)
        row["answer"] = "(A)" if (larger and nearer) or (not larger and not nearer and hash_bit(row)) else "(B)"
    single = max(s.accuracy for s in task_scores(rows, forest=False) if s.boxes)
    assert 100 * sum(clue_forest(rows)) / len(rows) > single + 3


def hash_bit(row: Row) -> bool:
    return int(row["source_filename"].split(".")[0]) % 2 == 0


def sampled(sources: Sources, task: str, rows: int, **changes: Any) -> SampledRows:
    inputs = Inputs(
        coco=(sources.root / "coco" / "instances_val2017.json",),
        ade20k=(sources.root / "ade",),
        omni3d=tuple(sources.root / "omni" / f"{c}_test.json" for c in OMNI_NAMES),
    )
    rules = make("strict", tasks=(task,), sizes={task: rows}, pair_share=1.0, class_share=1.0, **changes)
    chosen = task_named(task)
    picks = []
    names = set()
    for source in load(inputs, lambda _: None, need_images=False):
        for table in enumerate_candidates(chosen, source.catalog, rules):
            picks += sampling.picks_of(chosen, source.catalog, table.valid(), 1)
            names.add(source.catalog.name)
    return sampling.sample(chosen, picks, rules, sorted(names))


def test_strict_counts_are_uniform_given_class_and_options(sources: Sources) -> None:
    result = sampled(sources, "Count", 60)
    task = task_named("Count")
    settings = make("strict", tasks=("Count",))
    keys = [task.key(p.catalog, p.table, p.row) for p in result.picks]
    windows = task.joint_options(result.picks, keys, settings)
    answers: dict[tuple[str, str, tuple[int, ...]], Counter[str]] = defaultdict(Counter)
    for pick, window in zip(result.picks, windows, strict=True):
        assert window is not None
        answers[(pick.catalog.source, pick.classes[0], tuple(window))][pick.answer] += 1
    assert len(result.picks) > 15
    for (_, _, window), counts in answers.items():
        assert set(counts) == {str(v) for v in window} and len(set(counts.values())) == 1
    per_image = Counter(p.image for p in result.picks)
    assert max(per_image.values()) == 1


@pytest.mark.parametrize("task", ["Depth", "Distance", "Relation"])
def test_strict_rows_are_even_in_every_group(sources: Sources, task: str) -> None:
    result = sampled(sources, task, 40)
    assert len(result.picks) >= 10
    uneven: Counter[str] = Counter()
    for pick in result.picks:
        for group, side in task_named(task).sides(pick):
            uneven[group] += side
    assert all(abs(n) <= (1 if g.startswith(("pair ", "word ")) else 2) for g, n in uneven.items())
    if task != "Relation":
        # by hand: the larger of the two boxes is the answer in half of the rows, up to one
        right = 0
        for pick in result.picks:
            areas = [
                (b[2] - b[0]) * (b[3] - b[1])
                for b in (pick.catalog.object_box[o].tolist() for o in pick.table.objects[pick.row][-2:])
            ]
            right += areas[int(pick.table.answer[pick.row])] == max(areas)
        assert abs(2 * right - len(result.picks)) <= 2


def count_rows(n: int = 120) -> list[Row]:
    """Published options: the answer is their middle."""
    rng = random.Random(7)
    rows = []
    for i in range(n):
        answer, key = rng.choice([1, 2, 3, 4, 5]), f"{i:08x}"
        word = rng.choice(["cats", "dogs"])
        values = count_options.values(answer, "published", key)
        choices = count_options.shuffled(values, answer, i % len(values), key)
        rows.append(
            {
                "task": "Count",
                "question": f"How many {word} are in the image?",
                "choices": choices,
                "answer": "ABCDEF"[choices.index(str(answer))],
                "prompt": "",
                "filename": f"img/{i}.png",
                "extra column": i,
            }
        )
    return rows


def test_debias_draws_new_options_for_counts(tmp_path: Path) -> None:
    rows = count_rows()
    source, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = run("debias", source, out, "--no-forest")
    assert "Count" in said and "middle of the window" in said and "-> " in said
    old = {r["filename"]: r for r in rows}
    new = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(new) > 80 and [r["extra column"] for r in new] == sorted(r["extra column"] for r in new)
    for row in new:
        answer = row["choices"]["ABCDEF".index(row["answer"])]  # letters as the input writes them
        before = old[row["filename"]]
        assert answer == before["choices"]["ABCDEF".index(before["answer"])]
        assert answer in row["prompt"] and row["question"] == before["question"]
    run("audit", out, "--no-forest", "--fail-above", "5", "--out", tmp_path / "audit")
    run("audit", source, "--no-forest", "--fail-above", "5", "--out", tmp_path / "audit", code=1)
    assert "already exists" in run("debias", source, out, code=2)


def test_debias_says_what_is_left_of_a_task_that_it_could_not_solve() -> None:
    from cvbench_builder.audit import Score
    from cvbench_builder.debias import Cost, unsolved

    score = Score("always A", "Count", False, 20, 90, 25, 65, 50, 80)
    costs = [Cost("Count", 20, 12, 12, score, score, False), Cost("Depth", 20, 20, 0, score, score, False)]
    redrawn, untouched = unsolved([*costs, Cost("Relation", 20, 9, 0, score, score, True)], 5)
    assert redrawn.startswith("Count:") and "12 rows are left" in redrawn
    assert untouched.startswith("Depth:") and "kept as they are" in untouched


def test_debias_drops_rows_of_a_parquet_file_and_keeps_its_columns(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows = [{**r, "image": {"bytes": b"x", "path": "x.png"}, "bbox": None} for r in box_rows(80, "size")]
    for row in rows[::3]:  # in a third of the rows the smaller box is the answer
        row["answer"] = "(B)" if row["answer"] == "(A)" else "(A)"
    table = pa.Table.from_pylist(rows).replace_schema_metadata({"huggingface": "kept"})
    pq.write_table(table, tmp_path / "in.parquet")
    run("debias", tmp_path / "in.parquet", tmp_path / "out.parquet", "--no-forest")
    kept = pq.read_table(tmp_path / "out.parquet")
    assert kept.schema.equals(pq.read_table(tmp_path / "in.parquet").schema, check_metadata=True)
    names = [r["source_filename"] for r in kept.to_pylist()]
    old = {r["source_filename"]: r for r in table.to_pylist()}
    assert kept.to_pylist() == [old[name] for name in names]
    # 27 rows where the clue misleads, so at most 27 * 55 / 45 = 33 where it is right
    assert 27 < len(names) <= 60
    run("audit", tmp_path / "out.parquet", "--no-forest", "--fail-above", "5", "--out", tmp_path / "a")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"answer": "(Z)"}, "line 3: `answer` is '(Z)'; it must be one of (A), (B)"),
        ({"choices": ["1"]}, "line 3: `choices` is ['1']; it must be a list of at least two texts"),
        ({"task": "Colour"}, "'Colour': unknown"),
        ({"question": None}, "line 3: `task`, `question` and `answer` must be texts"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, change: Row, words: str) -> None:
    rows = count_rows(5)
    rows[2] |= change
    source = tmp_path / "in.jsonl"
    source.write_text("".join(json.dumps(r) + "\n" for r in rows))
    said = run("debias", source, tmp_path / "out.jsonl", code=2)
    assert words in said and "Traceback" not in said and not (tmp_path / "out.jsonl").exists()


@pytest.mark.slow
def test_a_fresh_set_shares_no_image_and_says_what_more_rows_need(
    sources: Sources, built: Path, tmp_path: Path
) -> None:
    out = tmp_path / "fresh"
    sizes = list(
        itertools.chain.from_iterable((f"--{t}-rows", "12") for t in ("count", "relation", "depth", "distance"))
    )
    said = run("fresh", *sources.flags, "--not-in", built, *sizes, "--out", out)
    known, new = dataset.read_rows(built), dataset.read_rows(out)
    assert {r["source_filename"] for r in new}.isdisjoint(r["source_filename"] for r in known)
    assert {r["provenance"]["sha256"] for r in new}.isdisjoint(r["provenance"]["sha256"] for r in known)
    assert json.loads((out / "build.json").read_text())["seed"] > 1000
    assert "of 12 rows" in said and "best guesser: " in said and "more such images would do" in said

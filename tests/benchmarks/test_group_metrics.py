"""Aggregates of the benchmarks outside the paper's sixteen, computed by hand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import cambrian_eval
from cambrian_eval import grade_all
from cambrian_eval.errors import UserError
from cambrian_eval.sample import Result

Row = Mapping[str, Any]


def result(benchmark: str, rows: Sequence[Row], responses: Sequence[str], scorer: str = "fuzzy") -> Result:
    return grade_all(benchmark, rows, responses, scorer)


def natural(groups: int, kind: str = "yes_no") -> list[Row]:
    return [{"Index": i, "Question": "Is it raining?", "Question_Type": kind} for i in range(4 * groups)]


@pytest.mark.parametrize("scorer", ["fuzzy", "official"])
def test_naturalbench_counts_overlapping_pairs(scorer: str) -> None:
    # Golds are Yes, No, No, Yes. Group 0 all right; group 1 has question 0 right, question 1 wrong on image 1.
    found = result("naturalbench", natural(2), ["Yes", "No", "No", "Yes", "Yes", "No", "No", "No"], scorer)
    assert found.score == 50.0
    assert found.breakdown["Q_Acc"] == 75.0  # 3 of 4 questions
    assert found.breakdown["I_Acc"] == 75.0  # 3 of 4 images
    assert found.breakdown["Acc"] == 87.5
    assert found.chance == 6.25


def test_naturalbench_constant_answer_and_missing_member() -> None:
    constant = result("naturalbench", natural(3), ["Yes"] * 12)
    assert (constant.score, constant.breakdown["Acc"]) == (0.0, 50.0)
    assert constant.breakdown["Q_Acc"] == constant.breakdown["I_Acc"] == 0.0
    partial = result("naturalbench", natural(1)[:3], ["Yes", "No", "No"])
    assert (partial.score, partial.breakdown["Acc"]) == (0.0, 100.0)
    assert partial.breakdown["Q_Acc"] == 50.0 and partial.breakdown["I_Acc"] == 50.0


def pope(split: str, answer: str, image: int = 0) -> Row:
    return {
        "question": "Is there a dog in the image?",
        "answer": answer,
        "category": split,
        "image_source": f"i{image}",
    }


def test_pope_is_the_mean_of_three_f1() -> None:
    rows = [pope(s, a) for s in ("random", "popular", "adversarial") for a in ("yes", "yes", "no", "no")]
    # random: hits 2, false 0 -> F1 1. popular: hits 1, false 1 -> P 1/2, R 1/2, F1 1/2. adversarial: no yes -> F1 0.
    responses = ["yes", "yes", "no", "no", "yes", "no", "yes", "no", "no", "no", "no", "no"]
    found = result("pope", rows, responses)
    assert found.score == pytest.approx(50.0)
    assert found.breakdown["accuracy"] == pytest.approx(100 * 8 / 12)
    assert found.breakdown["random_f1"] == 100.0 and found.breakdown["adversarial_precision"] == 0.0
    assert found.breakdown["popular_precision"] == found.breakdown["popular_recall"] == 50.0
    assert found.breakdown["popular_yes_ratio"] == 50.0 and found.breakdown["adversarial_yes_ratio"] == 0.0
    assert found.chance == pytest.approx(50.0)
    assert found.interval is None  # one image


def test_pope_unread_response_is_wrong_and_no_yes() -> None:
    rows = [pope("random", "yes"), pope("random", "no"), pope("random", "no")]
    for scorer in ("fuzzy", "official"):
        found = result("pope", rows, ["yes", "hard to say", "yes"], scorer)
        assert found.score == pytest.approx(100 * 2 / 3)  # hits 1, said 2, are 1: 2 / (2 + 1)
        assert found.breakdown["random_accuracy"] == pytest.approx(100 / 3)
        assert found.breakdown["random_yes_ratio"] == pytest.approx(200 / 3)


def test_pope_intervals_resample_images_over_the_splits() -> None:
    rows = [pope(s, a, image) for s in ("random", "popular") for a in ("yes", "no") for image in range(40)]
    responses = ["yes" if r["answer"] == "yes" or int(r["image_source"][1:]) % 4 == 0 else "no" for r in rows]
    found = result("pope", rows, responses)
    assert found.score == pytest.approx(100 * 2 * 40 / (50 + 40))
    assert found.interval is not None and found.interval[0] < found.score < found.interval[1] <= 100.0


def hallusion(category: str, figure: str, question: str, gold: str, visual: str = "1") -> Row:
    keys = {"category": category, "subcategory": "ocr", "set_id": "0", "figure_id": figure, "question_id": question}
    return {**keys, "visual_input": visual, "question": f"Is it so {question}?", "gt_answer": gold}


def test_hallusionbench_keeps_the_two_categories_apart() -> None:
    rows = [
        hallusion("VD", "1", "0", "1"),
        hallusion("VD", "1", "1", "0"),
        hallusion("VD", "2", "0", "0", "2"),
        hallusion("VS", "1", "0", "1"),
        hallusion("VS", "1", "1", "1"),
    ]
    # All right but (VS, figure 1, question 1). Figures: VD 1, VD 2, VS 1. Questions: VD 0, VD 1, VS 0, VS 1.
    found = result("hallusionbench", rows, ["Yes", "No", "No", "Yes", "No"])
    assert found.breakdown["aAcc"] == 80.0
    assert found.breakdown["fAcc"] == pytest.approx(200 / 3)
    assert found.breakdown["qAcc"] == 75.0
    assert found.score == pytest.approx((80 + 200 / 3 + 75) / 3)
    # Without the category: figure 1 wrong, figure 2 right; question 0 right, question 1 wrong.
    assert found.breakdown["score_merged"] == pytest.approx((80 + 50 + 50) / 3)
    assert found.breakdown["qAcc_easy"] == 75.0 and found.breakdown["qAcc_hard"] == 100.0
    # chance: rows 1/2; figures 1/4, 1/2, 1/4; questions 1/4, 1/2, 1/2, 1/2
    assert found.chance == pytest.approx(100 * (1 / 2 + 1 / 3 + 7 / 16) / 3)


def test_hallusionbench_without_figure_is_no_figure() -> None:
    from cambrian_eval.registry import load_benchmark

    rows = [hallusion("VS", "0", "0", "1", "0"), hallusion("VS", "1", "0", "0")]
    alone = result("hallusionbench", rows, ["Yes", "No"])
    assert alone.n == 1 and "aAcc_without_image" not in alone.breakdown
    both = grade_all(load_benchmark("hallusionbench", rows="all"), rows, ["No", "No"])
    assert (both.n, both.breakdown["aAcc"], both.breakdown["fAcc"], both.breakdown["qAcc"]) == (2, 50.0, 100.0, 0.0)
    assert both.breakdown["aAcc_without_image"] == 0.0 and both.breakdown["aAcc_with_image"] == 100.0


def space(qid: str, answer: str = "A") -> Row:
    options = {"A": "left", "B": "right", "C": None, "D": None}
    about = {"category": "location_above", "image_source": "MS-COCO", "index": 1}
    return {**options, **about, "qid": qid, "question": "On which side?", "answer": answer}


def test_3dsrbench_rotations_and_mirrored_images() -> None:
    ids = ["AAAAAAAA", "AAAAAAAA-1", "AAAAAAAA-flip", "AAAAAAAA-flip-1", "BBBBBBBB", "BBBBBBBB-1"]
    rows = [space(qid) for qid in ids]
    found = result("3dsrbench", rows, ["A", "A", "A", "B", "A", "A"])
    assert found.score == pytest.approx(200 / 3)  # AAAAAAAA, BBBBBBBB right; AAAAAAAA-flip wrong
    assert found.breakdown["vanilla"] == pytest.approx(500 / 6)
    assert found.breakdown["flip"] == 75.0  # (A, A-flip), (A-1, A-flip-1) wrong, B, B-1
    assert found.breakdown["flip_circular"] == 50.0
    assert found.chance == 25.0
    assert found.breakdown["type=location"] == pytest.approx(200 / 3)


def blink(task: str, answer: str, number: int) -> Row:
    cells = {"idx": f"val_{task}_{number}", "sub_task": task, "question": "Which?", "choices": ["one", "two"]}
    return {**cells, "answer": answer, "prompt": "Which?"}


def test_blink_is_the_mean_of_tasks() -> None:
    rows = [blink("Counting", "(A)", 1), *(blink("Jigsaw", "(B)", i) for i in (1, 2, 3))]
    found = result("blink", rows, ["A", "B", "A", "A"])
    assert found.score == pytest.approx((100 + 100 / 3) / 2)
    assert found.breakdown["rows"] == 50.0 and found.breakdown["released_six"] == 100.0
    assert found.chance == 50.0


def test_vlmsareblind_merges_the_grids_and_drops_a_task_without_a_right_answer() -> None:
    def row(task: str, gold: str) -> Row:
        return {"task": task, "prompt": "How many?", "groundtruth": gold, "metadata": "{}"}

    rows = [row("Nested Squares", "3"), row("Nested Squares", "4"), row("Subway Connections", "1")]
    rows += [row("Counting Grid - Blank Grids", "5,7"), row("Counting Grid - Word Grids", "3,4")]
    responses = ["3", "3", "2", "(5,7)", "(3,4)"]
    assert result("vlmsareblind", rows, responses).score == pytest.approx((50 + 0 + 100) / 3)
    official = result("vlmsareblind", rows, responses, "official")
    assert official.score == pytest.approx((50 + 100) / 2) and official.breakdown["micro"] == 60.0


def test_mmbench_cn_groups_rotations() -> None:
    def row(index: int, answer: str, a: str, b: str) -> Row:
        about = {"category": "x", "source": "y", "L2-category": "z", "hint": "nan", "C": "nan", "D": "nan"}
        return {**about, "index": index, "question": "颜色?", "A": a, "B": b, "answer": answer}

    rows = [
        row(1, "A", "红", "蓝"),
        row(1_000_001, "B", "蓝", "红"),
        row(2, "A", "红", "蓝"),
        row(1_000_002, "B", "蓝", "红"),
    ]
    found = result("mmbench_cn", rows, ["A", "B", "A", "A"])
    assert found.score == 50.0 and found.breakdown["row_accuracy"] == 75.0


def test_mmstar_fillers_are_no_options() -> None:
    def row(i: int, text: str) -> Row:
        return {"index": i, "question": text, "answer": "A", "category": "math", "l2_category": "geometry"}

    two = "Which?\nOptions: A: x, B: y, C: nan, D: nan"
    four = "Hint: Say it.\nQuestion: Which?\nChoices:\n(A) x, y\n(B) z\n(C) v\n(D) w"
    found = result("mmstar", [row(0, two), row(1, four)], ["A", "x, y"])
    assert found.score == 100.0 and found.chance == pytest.approx(100 * (1 / 2 + 1 / 4) / 2)
    assert found.breakdown["category=math"] == 100.0
    # where the answer itself is a filler, its letter stays an option: A, B or D
    filler = result("mmstar", [{**row(0, two), "answer": "D"}], ["D"])
    assert filler.score == 100.0 and filler.chance == pytest.approx(100 / 3)


def test_pope_ids_may_start_anew_in_every_split() -> None:
    rows = [
        {"id": "0", "question": "Is there a dog?", "answer": "yes", "image_source": "a", "category": split}
        for split in ("adversarial", "popular", "random")
    ]
    found = result("pope", rows, ["yes", "no", "yes"])
    assert found.n == 3 and found.score == pytest.approx(100 * 2 / 3)  # F1 of 1, 0 and 1
    with pytest.raises(UserError, match="category 'popular,random' is none of adversarial"):
        result("pope", [{**rows[0], "category": "popular,random"}], ["yes"])


def test_qbench_letters_are_those_of_the_columns() -> None:
    row = {"id": 1, "question": "How sharp?", "option0": "Very", "option1": "N/A", "option2": "Not", "option3": "N/A"}
    found = result("qbench", [{**row, "correct_choice": "C"}] * 2, ["C", "Not"])
    assert found.score == 100.0 and found.chance == 50.0


def test_mmbench_cn_released_grouping_keeps_categories_apart() -> None:
    # One question text and source in two categories: two groups for the released code. Its row C is wrong.
    def row(index: int, category: str) -> Row:
        options = {"A": "红", "B": "蓝", "C": "绿", "D": "黄", "answer": "A", "hint": "nan", "comment": "nan"}
        about = {"category": category, "source": "s", "L2-category": "z", "split": "dev"}
        return {"index": index, "question": "什么颜色?", **options, **about}

    rows = [row(7, "color"), row(1_000_007, "color"), row(2_000_007, "shape"), row(3_000_007, "shape")]
    found = result("mmbench_cn", rows, ["A", "A.", "A", "C"], "official")
    assert (found.score, found.breakdown["row_accuracy"]) == (50.0, 75.0)


@pytest.mark.parametrize(
    ("benchmark", "row", "words"),
    [
        ("pope", {"question": "q", "answer": "maybe", "category": "random"}, "'maybe' is neither yes nor no"),
        ("hallusionbench", {**hallusion("VD", "1", "0", "0"), "gt_answer": "2"}, "'2' is neither yes nor no"),
        ("naturalbench", {"Index": 1, "Question": "q", "Question_Type": "mcq"}, "Question_Type 'mcq' is neither"),
        ("qbench", {"id": 0, "question": "q", "candidates": ["a", "b"], "correct_ans": "c"}, "'c' is none of the"),
    ],
)
def test_a_gold_answer_that_cannot_be_right_is_named(benchmark: str, row: Row, words: str) -> None:
    with pytest.raises(UserError, match=words):
        result(benchmark, [row], ["yes"])


@pytest.mark.parametrize("stored", [None, []])
@pytest.mark.parametrize("scorer", ["fuzzy", "official"])
def test_vqav2_of_a_split_whose_answers_are_withheld(stored: object, scorer: str) -> None:
    found = result("vqav2", [{"question_id": 1, "image_id": 1, "question": "q?", "answers": stored}], ["a"], scorer)
    assert found.score is None and any("withheld" in note for note in found.notes)


@pytest.mark.parametrize("scorer", ["fuzzy", "official"])
@pytest.mark.parametrize("name", ["pope", "mme", "hallusionbench", "vlmsareblind", "gqa", "seed"])
def test_the_breakdown_by_tag_is_the_mean_over_rows(name: str, scorer: str, tmp_path: Path) -> None:
    done = cambrian_eval.run("baseline:most-frequent", name, tmp_path / "run", data="mini:24", scorers=scorer)
    stored = done.run.stored
    cell = stored.cells()[0]
    verdicts = stored.verdicts(cell, scorer)
    values: dict[str, list[float]] = defaultdict(list)
    for sample in stored.samples(name):
        for tag, labels in sample.tags.items():
            for label in [labels] if isinstance(labels, str) else labels:
                values[f"{tag}={label}"].append(verdicts[sample.id].value)
    [found] = [r for r in stored.results() if r.scorer == scorer]
    by_tag = {key: value for key, value in found.breakdown.items() if "=" in key}
    assert by_tag and by_tag == pytest.approx({key: 100 * sum(v) / len(v) for key, v in values.items()})

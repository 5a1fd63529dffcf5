"""Scores of small sets worked out by hand, for the careful and for the released scorer."""

from __future__ import annotations

from typing import Any

import pytest

from cambrian_eval import grade_all

Rows = list[dict[str, Any]]


def mme(category: str, *images: str) -> Rows:
    return [
        {"question_id": image, "question": "q", "answer": answer, "category": category}
        for image in images
        for answer in ("Yes", "No")
    ]


def rotations(base: int, *texts: str, question: str = "Q", image: bool = False) -> Rows:
    """A question in all rotations of its options; the first text is right. Questions with `image` share one."""
    rows = []
    for k in range(len(texts)):
        turned = texts[k:] + texts[:k]
        options = dict(zip("ABCD", (*turned, "nan", "nan")[:4], strict=True))
        gold = "ABCD"[turned.index(texts[0])]
        shown = {"image": {"bytes": b"one picture", "path": None}} if image else {}
        rows.append(
            shown | {"index": base + 1_000_000 * k, "question": question, "answer": gold, "category": "c"} | options
        )
    return rows


def mmvp(*numbers: int) -> Rows:
    golds = {1: "(a)", 2: "(b)", 3: "(b)", 4: "(a)"}
    shown = {"Question": "q", "Options": "(a) Open (b) Closed"}
    return [{"Index": n, "Correct Answer": golds[n]} | shown for n in numbers]


def count(*sources: str) -> Rows:
    row = {"question": "q", "choices": ["3", "2"], "answer": "(A)", "task": "Count"}
    return [row | {"idx": i, "source": source} for i, source in enumerate(sources)]


TWO = mme("color", "a", "b")
FOUR = rotations(5, "cat", "dog", "bird", "fish")
ALIKE = rotations(5, "cat", "dog") + rotations(7, "elk", "fox")
ONE_IMAGE = rotations(5, "cat", "dog", image=True) + rotations(7, "elk", "fox", image=True)
CASES = [
    ("mme", TWO, "Yes No Yes No", 200, 200),
    ("mme", TWO, "Yes Yes Yes Yes", 50, 50),
    ("mme", TWO, "Yes No Yes Yes", 125, 125),
    ("mme", TWO, "Yes No - -", 100, 100),
    ("mme", TWO, "Yes, No! Yes! No,", 200, 0),
    ("mme", mme("color", "a", "b", "c", "d"), "Yes No Yes Yes No No No Yes", 75, 75),
    ("mme", TWO[::2] + TWO[1::2], "Yes No No Yes", 100, 50),  # interleaved: the released pairs are lost
    ("mme", TWO[1:], "No Yes No", 150, 200),  # the first row is lost: half the pairs, released all of them
    ("mme", mme("color", "a") + mme("code_reasoning", "a"), "Yes No Yes No", 200, 200),  # cognition stays out
    ("mme", mme("color", "a") + mme("count", "a"), "Yes No Yes Yes", 250, 250),  # one id in two categories
    ("mmbench", FOUR, "A D C B", 100, 100),
    ("mmbench", FOUR, "A D C A", 0, 0),
    ("mmbench", FOUR, "A D C -", 0, 0),
    ("mmbench", FOUR, "A A A A", 0, 0),
    ("mmbench", FOUR, "cat cat cat cat", 100, 0),
    ("mmbench", FOUR[:2], "A D", 0, 100),  # rotations are missing
    ("mmbench", FOUR[::-1], "B C D A", 100, 100),
    ("mmbench", ONE_IMAGE, "A B C C", 50, 0),  # the released grouping merges questions with equal text and image
    ("mmbench", ALIKE, "A B C C", 50, 50),  # without images the index tells questions apart
    ("mmvp", mmvp(1, 2, 3, 4), "A B B A", 100, 100),
    ("mmvp", mmvp(1, 2, 3, 4), "A B B B", 50, 50),
    ("mmvp", mmvp(1, 2, 3, 4), "A A B B", 0, 0),
    ("mmvp", mmvp(1, 3, 2, 4), "A A B B", 50, 0),  # out of order
    ("mmvp", mmvp(1, 2, 3), "B A B", 0, 100 / 3),  # a right last row without its pair
    ("mmvp", mmvp(2, 3, 4), "B B A", 50, 100),
    ("cvbench_2d", count("ADE20K", "ADE20K", "ADE20K", "ADE20K", "COCO", "COCO"), "A A A B A B", 62.5, 62.5),
]


@pytest.mark.parametrize(("benchmark", "rows", "said", "careful", "released"), CASES)
def test_scores(benchmark: str, rows: Rows, said: str, careful: float, released: float) -> None:
    texts = ["" if word == "-" else word for word in said.split()]
    assert grade_all(benchmark, rows, texts, "fuzzy").score == pytest.approx(careful)
    assert grade_all(benchmark, rows, texts, "official").score == pytest.approx(released)

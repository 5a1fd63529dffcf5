"""Released verdicts against a second, naive implementation of the rules, over every hand-judged response."""

from __future__ import annotations

import string
from collections.abc import Callable
from typing import Any

import pytest

from cambrian_eval import grade
from tests.scoring.test_judged_cases import judged

Row = dict[str, Any]
ODD = ["A.)", "(A.)", ".A", "A..", "A:.", "A,:", "((A", "A))", "answer is", "answer:", "The answer is: (A)", "a). "]
ODD += [
    "answer: B answer is A",
    "answer is answer: A",
    "( A )",
    "A\tB",
    "A\nB",
    "\tA\n",
    "İ",
    "1_000",
    " 5 ",
    "5\u00a0",
]
ODD += ["inf", "-inf", "nan", "Infinity", "٣", "0x10", "1e400", "yes..", "yes. ", " yes", "No.", "3\tcars", "5.", ".."]


def after_keywords(text: str) -> str:
    text = text.lower().strip()
    for keyword in ["answer is", "answer is:", "answer:"]:
        if keyword in text:
            text = text.split(keyword)[-1]
    return text.strip()


def first_character(text: str, trailing: str = ".:,") -> str:
    return after_keywords(text).rstrip(trailing).lstrip("(").rstrip(")")[:1]


def near(gold: str, said: str) -> bool:
    if gold == said:
        return True
    try:
        return abs(float(gold) - float(said)) <= 0.05 * abs(float(said))
    except ValueError:
        return False


def whole(row: Row, text: str) -> bool:
    return text.lower().rstrip(".") == row["answer"].lower()


def letter(row: Row, text: str) -> bool:
    return first_character(text) == row["answer"].lower()


def scienceqa(row: Row, text: str) -> bool:
    said = after_keywords(text).rstrip(".")
    bare = [
        "".join(c for c in t if c not in string.punctuation).lower().strip()
        for t in (said, row["choices"][row["answer"]])
    ]
    return bare[0] == bare[1] or said.split(".")[0] == "abcde"[row["answer"]]


def mmmu(row: Row, text: str) -> bool:
    if row["question_type"] == "multiple-choice":
        return letter(row, text)
    return near(row["answer"].lower(), after_keywords(text).rstrip("."))


def mathvista(row: Row, text: str) -> bool:
    gold = "abcdefgh"[row["choices"].index(row["answer"])] if row["choices"] else row["answer"].lower()
    return near(gold, text.lower().strip())


def ai2d(row: Row, text: str) -> bool:
    said = first_character(text)
    return {"a": "0", "b": "1", "c": "2", "d": "3"}.get(said, said) == row["answer"]


def chartqa(row: Row, text: str) -> bool:
    said, gold = text.lower(), row["answer"].lower()
    try:
        return abs(float(said) - float(gold)) <= 0.05 * abs(float(gold))
    except ValueError:
        return bool(said == gold)


def ocrbench(row: Row, text: str) -> bool:
    def fold(t: str) -> str:
        if row["question_type"] == "Handwritten Mathematical Expression Recognition":
            return t.strip().replace("\n", " ").replace(" ", "")
        return t.lower().strip().replace("\n", " ")

    return any(fold(gold) in fold(text) for gold in row["answer"])


def mmvp(row: Row, text: str) -> bool:
    said = after_keywords(text).rstrip(".:,").lstrip("(").rstrip(")")
    gold = row["Correct Answer"].strip("()")
    pieces = [piece.split(")")[1].strip().lower() for piece in row["Options"].split("(")[1:]]
    return said in (gold, pieces["ab".index(gold)])


def realworldqa(row: Row, text: str) -> bool:
    return after_keywords(text).rstrip(".").split()[:1] == [row["answer"].lower()]


def cvbench_2d(row: Row, text: str) -> bool:
    return first_character(text, ".") == row["answer"].strip("()").lower()


def cvbench_3d(row: Row, text: str) -> bool:
    return first_character(text) == row["answer"].strip("()").lower()


RULES: dict[str, Callable[[Row, str], bool]] = {
    "mme": whole,
    "mmbench": letter,
    "seed": lambda row, text: first_character(text, ".") == row["answer"].lower(),
    "gqa": whole,
    "scienceqa": scienceqa,
    "mmmu": mmmu,
    "mathvista": mathvista,
    "ai2d": ai2d,
    "chartqa": chartqa,
    "ocrbench": ocrbench,
    "mmvp": mmvp,
    "realworldqa": realworldqa,
    "cvbench_2d": cvbench_2d,
    "cvbench_3d": cvbench_3d,
}


@pytest.mark.parametrize("benchmark", RULES)
def test_released_verdicts(benchmark: str) -> None:
    cases = [(row, text) for row, text, _ in judged(benchmark)]
    rows = {str(row): row for row, _ in cases}.values()
    disagreements = []
    for row, text in [*cases, *((row, odd) for row in rows for odd in ODD)]:
        verdict, wanted = grade(benchmark, row, text, "official"), RULES[benchmark](row, text)
        if verdict.value != wanted:
            disagreements.append(f"{text!r} for {row.get('answer')!r}: {verdict.value} ({verdict.rule})")
    assert not disagreements

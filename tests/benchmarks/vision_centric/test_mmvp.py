"""MMVP: rows, both prompts, the worked examples, pairs, the disputed answers, the plain-file layout."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.benchmark import Graded
from cambrian_eval.benchmarks.vision_centric.mmvp import MMVP
from cambrian_eval.errors import UserError
from cambrian_eval.sample import Verdict

LAST = "Answer with the option's letter from the given choices directly."


def row(number: int = 1, gold: str = "(a)", options: str = "(a) Open (b) Closed", **more: Any) -> dict[str, Any]:
    question = "Are the butterfly's wings closer to being open or closed?"
    return {"Index": number, "Question": question, "Options": options, "Correct Answer": gold, **more}


def score(rows: list[dict[str, Any]], right: list[int], scorer: str) -> dict[str, float]:
    """All metrics, computed from the general form by hand."""
    bench = MMVP()
    graded = [
        Graded(bench.to_sample(r, i), Verdict(float(v), None, ""))
        for i, (r, v) in enumerate(zip(rows, right, strict=True))
    ]
    units = bench.units(graded, scorer)
    means = {}
    for stratum in {u.stratum for u in units}:
        values = [u.value for u in units if u.stratum == stratum]
        means[stratum] = sum(values) / len(values)
    return {
        name: sum(weight * means[s] for s, weight in weights.items())
        for name, weights in bench.metrics(sorted(means)).items()
    }


def test_prompts() -> None:
    sample = MMVP().to_sample(row(), 0)
    question = "Are the butterfly's wings closer to being open or closed? Options:"
    assert MMVP().prompt(sample) == f"{question}\nA. Open\nB. Closed\n{LAST}"
    assert MMVP().prompt(sample, "paper") == f"{question}\n(a) Open\n(b) Closed\n{LAST}"
    assert (sample.answers, sample.guesses, sample.group) == (("A",), ("A", "B"), "1")


def test_both_spellings_of_the_index_and_pairs() -> None:
    misspelt = row(4)
    misspelt["lndex"] = misspelt.pop("Index")
    assert MMVP().to_sample(misspelt, 0).group == "2"
    assert [MMVP().to_sample(row(n), 0).group for n in (1, 2, 3, 300)] == ["1", "1", "2", "150"]


SIDES = "(a) Left (from the viewer) (b) Right"
EXAMPLES = [
    ("(a).", "(a)", "(a) Open (b) Closed", 1, 1),
    ("A. Open", "(a)", "(a) Open (b) Closed", 0, 1),
    ("Open", "(a)", "(a) Open (b) Closed", 1, 1),
    ("The butterfly's wings are open.", "(a)", "(a) Open (b) Closed", 0, 1),
    ("The answer is: A", "(a)", "(a) Open (b) Closed", 0, 1),
    ("**A**", "(a)", "(a) Open (b) Closed", 0, 1),
    ("Black", "(b)", "(a) Black (b) White", 0, 0),
    ("A white dog", "(b)", "(a) Black (b) White", 0, 1),
    ("Both are possible", "(b)", "(a) Open (b) Closed", 0, 0),
    ("A or B", "(a)", "(a) Open (b) Closed", 0, 0),
    ("Not sure", "(b)", "(a) Yes (b) No", 0, 0),
    ("", "(b)", "(a) Open (b) Closed", 0, 0),
    ("Right", "(b)", SIDES, 0, 1),
    ("", "(b)", SIDES, 1, 0),
    ("A\nOpen", "(a)", "(a) Open (b) Closed", 0, 1),
]


@pytest.mark.parametrize(("text", "gold", "options", "official", "fuzzy"), EXAMPLES)
def test_worked_examples(text: str, gold: str, options: str, official: int, fuzzy: int) -> None:
    sample = MMVP().to_sample(row(gold=gold, options=options), 0)
    assert MMVP().official(sample, text).value == official
    assert MMVP().fuzzy(sample, text).value == fuzzy


def test_pairs_are_keyed_by_the_index_and_official_by_row_order() -> None:
    shuffled = [row(1), row(3), row(2), row(4)]
    assert score(shuffled, [1, 0, 1, 0], "fuzzy")["score"] == 50
    assert score(shuffled, [1, 0, 1, 0], "official")["score"] == 0
    assert score(shuffled, [1, 0, 1, 0], "official")["question_accuracy"] == 50


def test_unpaired_rows() -> None:
    three = [row(1), row(2), row(3)]
    assert score(three, [0, 0, 1], "official")["score"] == pytest.approx(100 / 3)
    assert score(three, [1, 1, 0], "official")["score"] == pytest.approx(200 / 3)
    assert score(three, [1, 0, 0], "official")["score"] == 0
    assert score(three, [0, 0, 1], "fuzzy")["score"] == 0
    assert score(three, [1, 1, 1], "fuzzy")["score"] == 50


@pytest.mark.parametrize("copy", ["original", "mended"])
def test_disputed_answers_follow_the_setting_whatever_the_copy_says(copy: str) -> None:
    original, mended = ("(a)", "(b)")
    tusks = row(99, original if copy == "original" else mended, "(a) Long (b) Short")
    tusks["Question"] = "Are the elephant's tusks long or short?"
    assert MMVP().to_sample(tusks, 98).answers == ("A",)
    assert MMVP(corrected=True).to_sample(tusks, 98).answers == ("B",)
    other = row(99, tusks["Correct Answer"])
    assert MMVP().to_sample(other, 98).answers == MMVP(corrected=True).to_sample(other, 98).answers


def test_the_original_files(tmp_path: Path) -> None:
    assert MMVP().rows_from_folder(tmp_path) is None
    table = "lndex,Question,Options,Correct Answer\n1,Is it open?,(a) Open (b) Closed,(a)\n"
    (tmp_path / "Questions.csv").write_text(table)
    with pytest.raises(UserError, match=r"1\.jpg does not exist"):
        MMVP().rows_from_folder(tmp_path)
    (tmp_path / "MMVP Images").mkdir()
    (tmp_path / "MMVP Images" / "1.jpg").write_bytes(b"image")
    rows = MMVP().rows_from_folder(tmp_path)
    assert rows is not None
    sample = MMVP().to_sample(rows[0], 0)
    assert (sample.id, sample.answers, sample.images[0].data()) == ("1", ("A",), b"image")
    (tmp_path / "Questions.csv").write_text("Index,Question\n1,two columns\n")
    with pytest.raises(UserError, match="four columns"):
        MMVP().rows_from_folder(tmp_path)


def test_odd_options_are_named() -> None:
    with pytest.raises(UserError, match="expected options"):
        MMVP().to_sample(row(options="Open or closed"), 0)

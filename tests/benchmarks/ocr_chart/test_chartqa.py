"""ChartQA: rows, prompt, the worked examples for both scorers, and how people write numbers."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.benchmarks.ocr_chart.chartqa import ChartQA

UNITS = "How many units were sold?"
YEAR = "In which year was the peak?"


def row(gold: str, question: str = UNITS) -> dict[str, Any]:
    return {"type": "human_test", "question": question, "answer": gold}


def values(text: str, gold: str, question: str = UNITS) -> tuple[float, float]:
    sample = ChartQA().to_sample(row(gold, question), 0)
    return ChartQA().official(sample, text).value, ChartQA().fuzzy(sample, text).value


def test_sample_and_prompt() -> None:
    sample = ChartQA().to_sample(row("14"), 3)
    assert (sample.id, sample.answers, sample.guesses) == ("3", ("14",), ())
    assert sample.tags == {"type": "human_test"}
    assert ChartQA().prompt(sample) == f"{UNITS}\nAnswer the question using a single number or phrase."


@pytest.mark.parametrize(
    ("text", "gold", "question", "official", "fuzzy"),
    [
        ("14.7", "14", UNITS, 1, 1),
        ("14.71", "14", UNITS, 0, 0),
        ("1.05", "1", UNITS, 0, 1),
        ("50%", "50", UNITS, 0, 1),
        ("51%", "50%", UNITS, 0, 1),
        ("0.5", "50", UNITS, 0, 0),
        ("1,000", "1000", UNITS, 0, 1),
        ("0.0", "0", UNITS, 1, 1),
        ("2010", "2008", YEAR, 1, 1),
        ("1950", "2000", UNITS, 1, 1),
        ("Favorable.", "Favorable", UNITS, 0, 1),
        ("2010", "[2010, 2012]", UNITS, 0, 0),
        ("[2010, 2012]", "[2010, 2012]", UNITS, 1, 1),
        ("Infinity", "Infinity", UNITS, 0, 1),
        ("", "Yes", UNITS, 0, 0),
    ],
)
def test_worked_examples(text: str, gold: str, question: str, official: int, fuzzy: int) -> None:
    assert values(text, gold, question) == (official, fuzzy)


@pytest.mark.parametrize(
    ("text", "gold", "fuzzy"),
    [
        ("$14", "14", 1),
        ("\u221214", "-14", 1),
        ("14", "-14", 0),
        ("14 %", "14", 1),
        ("0.5", "50%", 1),
        ("50%", "0.5", 1),
        ("5%", "0.5", 0),
        ("fourteen", "14", 1),
        ("14 units", "14", 1),
        ("14 million", "14", 1),
        ("14 million", "14000000", 1),
        ("The answer is 14.", "14", 1),
        ("**14**", "14", 1),
        ("There are 14 of them.", "14", 1),
        ("7 + 7 = 14", "14", 1),
        ("Not 14", "14", 0),
        ("14 or 15", "14", 0),
        ("14, 20", "14", 0),
        ("1_4", "14", 0),
        ("inf", "14", 0),
        ("nan", "14", 0),
        ("0.01", "0", 0),
        ("I cannot tell", "14", 0),
        ("1.234.567", "1234567", 0),
        ("Yes, it is.", "Yes", 1),
        ("No", "Yes", 0),
        ("2010, 2012", "[2010, 2012]", 1),
        ("2010 and 2012", "[2010, 2012]", 1),
        ("2012, 2010", "[2010, 2012]", 0),
        ("favorable", "Unfavorable", 0),
        ("the Favorable", "Favorable", 1),
    ],
)
def test_numbers_and_words_as_people_write_them(text: str, gold: str, fuzzy: int) -> None:
    assert values(text, gold)[1] == fuzzy


@pytest.mark.parametrize(
    ("text", "gold", "question", "fuzzy"),
    [
        ("2008", "2008", YEAR, 1),
        ("In 2008", "2008", YEAR, 1),
        ("2009", "2008", "When did it start?", 0),
        ("2009", "2008", "Whenever is a word", 1),
        ("2105", "2101", YEAR, 1),
        ("20.5", "20", YEAR, 1),
    ],
)
def test_years_are_exact_where_a_year_is_asked_and_the_setting_says_so(
    text: str, gold: str, question: str, fuzzy: int
) -> None:
    strict = ChartQA(exact_years=True)
    assert strict.fuzzy(strict.to_sample(row(gold, question), 0), text).value == fuzzy
    assert values(text, gold, question)[1] == 1
    assert "not comparable" in strict.scoring_notes("fuzzy")[0] and ChartQA().scoring_notes("fuzzy") == ()


def test_unparsed_is_counted() -> None:
    sample = ChartQA().to_sample(row("14"), 0)
    assert ChartQA().fuzzy(sample, "I cannot tell").parsed is False
    assert ChartQA().fuzzy(sample, " ").parsed is False
    assert ChartQA().fuzzy(sample, "15.9").parsed is True


@given(st.integers(-10_000, 10_000), st.integers(-10_000, 10_000))
def test_whole_numbers_against_the_definition(said: int, gold: int) -> None:
    right = abs(said - gold) * 20 <= abs(gold)
    assert values(f"{said:,}", str(gold))[1] == right


@given(st.text(max_size=40), st.text(min_size=1, max_size=40))
def test_no_text_crashes_a_scorer(text: str, gold: str) -> None:
    values(text, gold)

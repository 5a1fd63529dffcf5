"""Numbers as they are written: what is read, what is refused, and the way back from formatting."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cambrian_eval.scoring.number import read
from cambrian_eval.scoring.numerals import find, parse, parse_list
from cambrian_eval.scoring.reply import Reply

READ = [
    ("1,000", 1000), ("1,234,567.5", 1234567.5), ("1 000", 1000), ("$5", 5), ("€ 5", 5), ("5€", 5),
    ("US$ 3,000", 3000),
    ("−3", -3), ("–3", -3), ("-3.5", -3.5), ("minus 5", -5), ("+7", 7), ("1/2", 0.5), ("½", 0.5), ("1½", 1.5),
    ("1 1/2", 1.5),
    ("3/4 cup", 0.75), ("\\frac{1}{2}", 0.5), ("two", 2), ("Twelve", 12), ("twenty-one", 21), ("twenty one", 21),
    ("one hundred and five", 105), ("two thousand", 2000), ("a dozen", 12), ("3.5 million", 3.5e6), ("$1.5M", 1.5e6),
    ("10K", 10000), ("1e3", 1000), ("1.5×10^3", 1500), ("2 × 10^{-3}", 0.002), ("x = 5", 5), ("about 7", 7),
    ("~7", 7),
    ("≈ 7", 7), ("60°", 60), ("5 kg", 5), ("5kg", 5), ("14 years", 14), ("12 m^2", 12), ("3 km/h", 3), ("(5)", 5),
    ("**5**", 5),
    ("5.", 5), ("$5$", 5), ("It is 5", 5), ("2010", 2010), ("５", 5), (".5", 0.5), ("0", 0), ("3 red cars", 3),
    ("-$5", -5),
]  # fmt: skip
REFUSED = [
    "", "-", "inf", "-inf", "infinity", "nan", "1_000", "1,00", "12,5", "3 or 4", "3 to 4", "1-2", "3:1", "1.2.3",
    "3rd",
    "1990s", "5 x 3", "two three", "abc", "H2O", "3/0", "1/2/2020", "not 5", "9" * 400, "3, 4", "x", "e5", "٪", "½½½",
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), READ)
def test_reads(text: str, value: float) -> None:
    number = parse(text)
    assert number is not None and number.value == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize("text", REFUSED)
def test_refuses(text: str) -> None:
    assert parse(text) is None


@pytest.mark.parametrize("text", ["50%", "50 %", "50 percent", "50 per cent", "50\\%"])
def test_percent_is_a_flag(text: str) -> None:
    number = parse(text)
    assert number is not None and number.value == 50 and number.percent and not number.unit


def test_unit_currency_and_places_are_kept_apart() -> None:
    number = parse("$1,250.50 per month")
    assert number is not None
    assert (number.currency, number.unit, number.places) == ("$", "per month", 2)


def test_finds_numbers_in_order_but_not_inside_words() -> None:
    assert [n.value for n in find("There are 3 dogs, two cats and -1.5 H2O in 1,234 B12 rooms.")] == [3, 2, -1.5, 1234]
    assert [n.value for n in find("3-4, the 1990s, the 3rd, 1.2.")] == [3, 4, 1.2]
    assert [n.percent for n in find("50 % of 20")] == [True, False]


def test_lists() -> None:
    assert [n.value for n in parse_list("[1, 2.5]") or []] == [1, 2.5]
    assert [n.value for n in parse_list("2014 and 2016") or []] == [2014, 2016]
    assert parse_list("[1, two and a bit]") is None and parse_list("[]") is None


@given(st.integers(-(10**12), 10**12))
def test_integers_come_back_from_every_notation(value: int) -> None:
    for text in (str(value), f"{value:,}", f"${value:,}" if value >= 0 else f"-${-value:,}", f"{value} apples"):
        number = parse(text)
        assert number is not None and number.value == value


@given(st.floats(-1e9, 1e9).map(lambda v: round(v, 3)))
def test_decimals_come_back(value: float) -> None:
    number = parse(f"{value:.3f}")
    assert number is not None and number.value == pytest.approx(value) and number.places == 3


@given(st.text(max_size=60))
def test_any_text_is_a_finite_number_or_none(text: str) -> None:
    number = parse(text)
    assert number is None or math.isfinite(number.value)
    assert all(math.isfinite(n.value) for n in find(text))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("7", 7), ("The answer is 7.", 7), ("3 + 4 = 7", 7), ("3 + 4 = 7 dogs. Done.", 7),
        ("He had 3, then got 4 more.", 4),
        ("So the answer is 1,500 dollars, not 1400.", 1500), ("Answer: seven", 7), ("The total is 12", 12),
        ("The answer is x = 5", 5), ("\\boxed{42}", 42), ("The answer is not 5. The answer is 6.", 6),
        ("none", 0), ("", None),
        ("There are 5 apples, not 6.", 5), ("Step 1: add.\nStep 2: 4 + 5 = 9", 9), ("The answer is -2.", -2),
    ],
)  # fmt: skip
def test_the_number_a_response_ends_up_with(text: str, value: float | None) -> None:
    number = read(Reply(text)).value
    assert (number.value if number else None) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("The red bar is 14 and the blue bar is 20.", 20),
        ("The red bar is 20, while the blue bar is 14.", 14),
        ("The blue bar is 14; the red bar is 20.", 14),
        ("The blue bar is about 14 but the red bar is about 20.", 14),
    ],
)
def test_of_two_statements_the_one_about_what_is_asked(text: str, value: float) -> None:
    number = read(Reply(text), "What is the value of the blue bar?").value
    assert number is not None and number.value == value

"""One rounding of numbers: halves away from zero, as in printed tables."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

import pytest

from cambrian_eval.numbers import number, p_equals, probability, rounded, signed, span


@pytest.mark.parametrize("eighths", range(-33, 34))
@pytest.mark.parametrize("digits", [0, 1, 2])
def test_as_decimal_arithmetic_rounds(eighths: int, digits: int) -> None:
    value = eighths / 8  # exact in binary
    expected = Decimal(value).quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP)
    assert number(value, digits) == f"{expected + 0:.{digits}f}"


def test_signs_and_what_is_missing() -> None:
    assert (signed(0.04), signed(-0.04), signed(-0.05), signed(0.25)) == ("+0.0", "+0.0", "-0.1", "+0.3")
    assert (number(None), number(None, missing="–"), number(float("nan"))) == ("-", "–", "nan")
    assert rounded(56.25) == 56.3 and rounded(1.005, 2) == 1.01  # the decimal that is meant, despite its binary value
    assert span((-0.25, 100.0)) == "-0.3 .. 100.0" and span(None, missing="") == ""
    assert span((1.0, 2.0), plus=True, form="[{}, {}]") == "[+1.0, +2.0]"


def test_a_p_value_is_never_zero() -> None:
    assert probability(0.0) == probability(0.00009) == "< 0.0001"
    assert (p_equals(0.00001), p_equals(0.0312)) == ("p < 0.0001", "p = 0.0312")

"""Numbers as figures print them."""

from __future__ import annotations

from cambrian_eval.numbers import number

from .style import Theme, typeset

SMALLEST = 7.0
"""Points; smaller text is not printed."""


def signed(value: float, theme: Theme, digits: int = 2, plus: bool = False) -> str:
    """A number with a true minus sign in every font, no minus before zero, and on request a plus sign."""
    minus = "$-$" if theme.computer_modern else "\N{MINUS SIGN}"
    return typeset(number(value, digits, plus=plus), theme).replace("-", minus)


def small(theme: Theme) -> float:
    """The size of small text in a figure."""
    return max(SMALLEST, theme.size * 0.88)

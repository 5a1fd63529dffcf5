"""How numbers are written: one rounding for the terminal, notes, tables, figures and pages.

Halves are rounded away from zero (56.25 is 56.3, -0.05 is -0.1), as printed tables do and readers expect; Python's own
formatting rounds them to even, so that one score would be written in two ways.
"""

from __future__ import annotations

import math


def rounded(value: float, digits: int = 1) -> float:
    """The value rounded to so many digits, halves away from zero, despite binary fractions; never -0."""
    scale = 10.0**digits
    size = math.floor(abs(value) * scale + 0.5 + 1e-7) / scale
    return -size if value < 0 and size else size


def number(value: float | None, digits: int = 1, missing: str = "-", plus: bool = False) -> str:
    """A number as text, with its sign on request; `missing` where there is none."""
    if value is None:
        return missing
    if not math.isfinite(value):
        return str(value)
    return f"{rounded(value, digits):{'+' if plus else ''}.{digits}f}"


def signed(value: float | None, digits: int = 1, missing: str = "-") -> str:
    """A difference with its sign."""
    return number(value, digits, missing, plus=True)


def span(
    interval: tuple[float, float] | None,
    digits: int = 1,
    missing: str = "-",
    plus: bool = False,
    form: str = "{} .. {}",
) -> str:
    """An interval as text."""
    return missing if interval is None else form.format(*(number(end, digits, plus=plus) for end in interval))


def probability(value: float) -> str:
    """A p-value with four digits; never 0, because none is."""
    return "< 0.0001" if value < 0.0001 else number(value, 4)


def p_equals(value: float) -> str:
    """`p = 0.0312` or `p < 0.0001`."""
    text = probability(value)
    return f"p {text}" if text.startswith("<") else f"p = {text}"

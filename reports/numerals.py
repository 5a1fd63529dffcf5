"""Numbers as figures print them."""

from __future__ import annotations

from .style import Theme, typeset

SMALLEST = 7.0
"""Points; smaller text is not printed."""


def signed(value: float, theme: Theme, digits: int = 2) -> str:
    """A number with a true minus sign in every font, and no minus before zero."""
    text = typeset(f"{round(value, digits) + 0.0:.{digits}f}", theme)
    return text.replace("-", "$-$")


def small(theme: Theme) -> float:
    """The size of small text in a figure."""
    return max(SMALLEST, theme.size * 0.88)

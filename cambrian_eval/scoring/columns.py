"""List columns of a row: as lists, as arrays, or as the text of a Python list, which tables without lists hold."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from typing import Any

from cambrian_eval.sample import LETTERS


def python_list(stored: str) -> list[str]:
    """The items of a list written as Python text."""
    try:
        items = ast.literal_eval(stored.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError) as error:
        raise ValueError(f"{stored[:60]!r} is not a list in Python notation") from error
    if not isinstance(items, (list, tuple)):
        raise ValueError(f"{stored[:60]!r} is not a list in Python notation")
    return [str(item) for item in items]


def options(stored: Any) -> tuple[str, ...]:
    """The option texts of a column.

    >>> options("['cat', 'dog']"), options([3, 2])
    (('cat', 'dog'), ('3', '2'))
    """
    return tuple(python_list(stored)) if isinstance(stored, str) else tuple(str(item) for item in stored)


def letter_at(stored: Any, options: Sequence[str]) -> str:
    """The letter of the option whose index, from 0, a column holds.

    >>> letter_at("1", ("cat", "dog"))
    'B'
    """
    index = int(stored)
    if not 0 <= index < len(options):
        raise ValueError(f"answer {stored!r} is not the index of one of {len(options)} options")
    return LETTERS[index]


def golds(stored: Any) -> tuple[str, ...]:
    """The gold answers of a column: the members of a list, however it is written, or the one text.

    >>> golds("['Tampa', 'Florida']"), golds("[sic]"), golds(7)
    (('Tampa', 'Florida'), ('[sic]',), ('7',))
    """
    if isinstance(stored, str):
        if stored.strip().startswith("[") and stored.strip().endswith("]"):
            try:
                return tuple(python_list(stored))
            except ValueError:
                return (stored,)
        return (stored,)
    return tuple(str(item) for item in stored) if hasattr(stored, "__iter__") else (str(stored),)

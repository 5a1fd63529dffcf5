"""Errors that a user can act on. Every message is one line that names the file, the field and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence

LONGEST = 2000
"""Characters of an error's text; values from files that it quotes can have any length."""


class CambrianEvalError(Exception):
    """Base of all errors raised on purpose. Its text is one line of bounded length, whatever is put into it."""

    def __str__(self) -> str:
        text = one_line(super().__str__())
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 500]} ... {text[-500:]}"


class UserError(CambrianEvalError):
    """The input, a flag or the environment is wrong; the message names the problem and the remedy."""

    def __init__(self, text: object = "", details: Sequence[str] = ()) -> None:
        super().__init__(text)
        self.details = tuple(details)
        """Lines that the command line shows before the message, such as the end of a log."""


class ContractError(CambrianEvalError):
    """A plug-in broke its contract, for example a model that answered a request twice."""


def one_line(error: object, most: int | None = None) -> str:
    """An error's message, or any text, on one line with single spaces, cut to the first `most` characters."""
    return " ".join(str(error).split())[:most]


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, with the nearest names that do."""
    names = sorted(known)
    near = difflib.get_close_matches(name[:80].lower(), names, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(names) or 'none'}"
    return UserError(f"unknown {kind} {name[:80]!r}; {hint}")


def describe(error: BaseException, max_chars: int = 300) -> str:
    """Type and message of an error in one line."""
    text = one_line(error, max_chars)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__

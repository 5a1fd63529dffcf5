"""Regular expressions that are compiled when they are first used, and tried only where they can match.

Listing benchmarks imports all rules and uses none; compiling their expressions would take most of that time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast


def pattern(text: str, flags: int = 0) -> re.Pattern[str]:
    """What `re.compile` returns, compiled at its first use. A text that is no expression is an error only then."""
    return cast("re.Pattern[str]", _Pattern(text, flags))


class _Pattern:
    """Behaves as the compiled expression, whose methods become its own at the first use of any."""

    def __init__(self, text: str, flags: int) -> None:
        self.pattern, self._flags = text, flags

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") or "pattern" not in self.__dict__:
            raise AttributeError(name)
        compiled = re.compile(self.pattern, self._flags)
        for method in ("search", "match", "fullmatch", "split", "findall", "finditer", "sub", "subn"):
            setattr(self, method, getattr(compiled, method))
        return getattr(compiled, name)


class Worded:
    """An expression, in any letter case, that can only begin with one of some words.

    In ASCII text it is tried at those words alone, which is 5 to 10 times faster than at every character. The words are
    in lower case; a blank in them stands for any white space.
    """

    def __init__(self, words: Sequence[str], text: str) -> None:
        self._words = words
        self._pattern = pattern(text, re.IGNORECASE)

    def finditer(self, text: str) -> Iterator[re.Match[str]]:
        """What `re.finditer` yields."""
        if not text.isascii():  # lower case may have other positions there
            yield from self._pattern.finditer(text)
            return
        end = 0
        for at in places(text, self._words):
            if at >= end and (match := self._pattern.match(text, at)):
                yield match
                end = match.end()

    def search(self, text: str) -> re.Match[str] | None:
        """What `re.search` returns."""
        return next(self.finditer(text), None)


def places(text: str, words: Iterable[str]) -> list[int]:
    """Where one of the words begins in an ASCII text, in order."""
    low = text.lower().translate(_BLANKS)
    found = []
    for word in words:
        at = low.find(word)
        while at >= 0:
            found.append(at)
            at = low.find(word, at + 1)
    return sorted(found)


_BLANKS = {code: " " if chr(code).isspace() else chr(code) for code in range(128)}

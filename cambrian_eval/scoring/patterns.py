"""Regular expressions that are compiled when they are first used.

Listing benchmarks imports all rules and uses none; compiling their expressions would take most of that time.
"""

from __future__ import annotations

import re
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

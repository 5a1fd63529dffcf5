"""Options that stand in the text of a question."""

from __future__ import annotations

import re

from cambrian_eval.sample import LETTERS
from cambrian_eval.scoring.patterns import pattern

_LIST = pattern(r"\s*(?:Options:\s*(?=A:)|\n\s*(?:Choices:\s*)?(?=\(A\)))")
_ONE_LINE, _LINES = "(?:^|,\\s*|\\s+){}:\\s*", "(?:^|\\n)\\s*\\({}\\)\\s*"


def listed_options(text: str) -> tuple[str, dict[str, str]]:
    """The question before its options, and the options by letter; {} where no list is found.

    Lists are "Options: A: .., B: .." (texts may hold commas) or lines that begin with "(A)", after "Choices:" or not.

    >>> listed_options("What?\\nOptions: A: red, dark, B: blue")
    ('What?', {'A': 'red, dark', 'B': 'blue'})
    >>> listed_options("What?\\nChoices:\\n(A) red\\n(B) blue")
    ('What?', {'A': 'red', 'B': 'blue'})
    """
    found = list(_LIST.finditer(text))
    if not found:
        return text, {}
    stem, rest = text[: found[-1].start()], text[found[-1].end() :]
    form = _LINES if rest.startswith("(A)") else _ONE_LINE
    marks: list[re.Match[str]] = []
    for label in LETTERS[:10]:
        mark = re.compile(form.format(label)).search(rest, marks[-1].end() if marks else 0)
        if mark is None:
            break
        marks.append(mark)
    ends = [mark.start() for mark in marks[1:]] + [len(rest)]
    texts = [rest[m.end() : end].strip() for m, end in zip(marks, ends, strict=True)]
    return stem.removesuffix("\nChoices:").strip(), dict(zip(LETTERS, texts, strict=False))

"""Shell text as simple commands: continuations joined, comments and redirections dropped, operators split."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

WRAPPERS = {
    "nohup",
    "time",
    "nice",
    "srun",
    "timeout",
    "env",
    "exec",
    "do",
    "then",
    "else",
    "if",
    "while",
    "until",
    "!",
}
"""Words that can precede the command of interest."""

CHECKED = {"cambrian-eval", "python", "python3", "make", "pip", "bash", "sbatch"}
"""Commands that the tests look for behind a wrapper."""


def commands(text: str) -> Iterator[tuple[int, list[str]]]:
    """Every simple command of a script as words, with its line counted from 0."""
    for number, line in logical_lines(text):
        for found in simple(line):
            yield number, found


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Lines with their continuations joined; the contents of here-documents are skipped."""
    waiting, started, end = "", 0, None
    for number, line in enumerate(text.split("\n")):
        if end is not None:
            end = None if line.strip() == end else end
            continue
        started = number if not waiting else started
        if line.endswith("\\"):
            waiting += line[:-1] + " "
            continue
        whole, waiting = waiting + line, ""
        here = re.search(r"<<-?\s*['\"]?(\w+)", whole)
        end = here[1] if here else None
        if whole.strip():
            yield started, whole


def simple(line: str) -> Iterator[list[str]]:
    """The simple commands of one line, those inside `$(...)` first."""
    while (inner := re.search(r"\$\(([^()]*(?:\([^()]*\)[^()]*)*)\)", line)) is not None:
        yield from simple(inner[1])
        line = line[: inner.start()] + "SUBSTITUTED" + line[inner.end() :]
    lexer = shlex.shlex(line, posix=True, punctuation_chars="();<>|&")
    lexer.whitespace_split = True
    words: list[str] = []
    skip = False
    for token in lexer:
        if skip:
            skip = False
        elif set(token) <= set("();<>|&"):
            if set(token) & set("<>"):
                skip = True  # the file of a redirection
                if words and words[-1] in ("1", "2"):
                    words.pop()
            else:
                if words:
                    yield unwrapped(words)
                words = []
        else:
            words.append(token)
    if words:
        yield unwrapped(words)


def unwrapped(words: list[str]) -> list[str]:
    """A command without assignments before it and without a wrapper around it."""
    while words and re.fullmatch(r"\w+=.*", words[0], re.S):
        words = words[1:]
    if words and words[0] in WRAPPERS:
        at = next((i for i, word in enumerate(words) if word.rpartition("/")[2] in CHECKED), None)
        return words if at is None else unwrapped(words[at:])
    return words

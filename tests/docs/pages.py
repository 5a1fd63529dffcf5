"""The pages under test and what is in them: fenced blocks, inline code, links, headings."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
TOP = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
RUN = "<!-- run -->"

_FENCE = re.compile(r"^(?P<indent> *)(?P<fence>`{3,}|~{3,})(?P<label>[^\n`]*)$")
_LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\(([^)\s]+)(?:\s+\"[^\"]*\")?\)")
_HEADING = re.compile(r"^#{1,6} +(.*?)#*$", re.M)


def pages() -> list[str]:
    """Every Markdown page for readers, by its path in the repository."""
    inside = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
    return [*TOP, *inside]


def read(page: str) -> str:
    """The text of a page."""
    return (ROOT / page).read_text(encoding="utf-8")


@dataclass(frozen=True)
class Block:
    """A fenced block."""

    page: str
    line: int
    """Line of its first line of code, counted from 1."""
    label: str
    code: str
    runs: bool
    """Whether the page marks it as executed."""

    @property
    def place(self) -> str:
        """Its page and line."""
        return f"{self.page}:{self.line}"


def blocks(page: str, text: str | None = None) -> list[Block]:
    """The fenced blocks of a page in their order."""
    lines = (read(page) if text is None else text).split("\n")
    found: list[Block] = []
    opened: tuple[str, int, str, bool] | None = None
    for number, line in enumerate(lines):
        match = _FENCE.match(line)
        if opened is None:
            if match is not None:
                runs = number > 0 and lines[number - 1].strip() == RUN
                opened = match["fence"], number + 1, match["label"].strip(), runs
            continue
        fence, first, label, runs = opened
        if match is not None and not match["label"].strip() and match["fence"].startswith(fence):
            code = textwrap.dedent("\n".join(lines[first:number])) + "\n"
            found.append(Block(page, first + 1, label, code, runs))
            opened = None
    if opened is not None:
        raise AssertionError(f"{page}:{opened[1]}: the block is never closed")
    return found


def prose(page: str) -> str:
    """The page with empty lines instead of its fenced blocks."""
    lines = read(page).split("\n")
    for block in blocks(page):
        for number in range(block.line - 1, block.line - 1 + block.code.count("\n")):
            lines[number] = ""
    return "\n".join(lines)


def inline_code(page: str) -> Iterator[tuple[int, str]]:
    """Spans of inline code with their lines."""
    text = prose(page)
    for match in re.finditer(r"(?<!`)`([^`]+)`(?!`)", text):
        yield text.count("\n", 0, match.start()) + 1, " ".join(match[1].split())


def links(page: str) -> Iterator[tuple[int, str]]:
    """Links and images of a page with their lines; inline code is not a link."""
    text = re.sub(r"(?<!`)`[^`]+`(?!`)", lambda m: re.sub(r"[^\n]", "x", m[0]), prose(page))
    for match in _LINK.finditer(text):
        yield text.count("\n", 0, match.start()) + 1, match[1]


def anchors(text: str) -> set[str]:
    """The anchors that a code host makes from a page's headings."""
    found: set[str] = set()
    for match in _HEADING.finditer(re.sub(r"^ *(`{3,}).*?^ *\1 *$", "", text, flags=re.M | re.S)):
        title = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", match[1]).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", title).replace(" ", "-")
        again = 1
        while (name := slug if slug not in found else f"{slug}-{again}") in found:
            again += 1
        found.add(name)
    return found

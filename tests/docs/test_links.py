"""Links and images of the README and the docs have targets, on the site and in the repository; so have anchors."""

from __future__ import annotations

import posixpath
import re
from functools import cache

import pytest

from .pages import ROOT, anchors, links, pages, prose, read
from .site import generated


@pytest.mark.parametrize("page", pages())
def test_links_lead_somewhere(page: str) -> None:
    wrong = []
    for line, link in links(page):
        if not re.match(r"(https?|mailto):", link) and not _leads_somewhere(page, link):
            wrong.append(f"{page}:{line}: {link}")
    assert not wrong


@pytest.mark.parametrize("page", pages())
def test_lists_read_the_same_on_the_site_as_in_the_repository(page: str) -> None:
    """The site's Markdown begins a list only after an empty line, and nests by four columns."""
    wrong = []
    lines = prose(page).split("\n")
    item = re.compile(r"( *)(?:[-*+]|\d+\.) +\S")
    for number, line in enumerate(lines[1:], 1):
        found, before = item.match(line), lines[number - 1]
        if found is None:
            continue
        if len(found[1]) % 4 and before.strip():
            wrong.append(f"{page}:{number + 1}: nested by {len(found[1])}")
        if before.strip() and not item.match(before) and not before.startswith(" "):
            wrong.append(f"{page}:{number + 1}: no empty line before the list")
    assert not wrong


def _leads_somewhere(page: str, link: str) -> bool:
    target, _, anchor = link.partition("#")
    if target.startswith("/"):
        return False
    place = posixpath.normpath(posixpath.join(posixpath.dirname(page), target)) if target else page
    if place.startswith("docs/reference/"):  # generated when the site is built
        return place.removeprefix("docs/") in generated()
    path = ROOT / place
    if not path.exists():
        return False
    return not anchor or (path.suffix == ".md" and anchor in _anchors(place))


@cache
def _anchors(place: str) -> set[str]:
    return anchors(read(place))

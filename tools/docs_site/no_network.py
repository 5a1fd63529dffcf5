"""MkDocs hook: a page that would load anything from another host is a warning, which fails a strict build."""

from __future__ import annotations

import logging
from html.parser import HTMLParser
from typing import Any

from mkdocs.structure.pages import Page

log = logging.getLogger("mkdocs.hooks.no_network")

LOADS = {
    "script": "src",
    "img": "src",
    "iframe": "src",
    "source": "src",
    "video": "src",
    "audio": "src",
    "embed": "src",
    "object": "data",
    "link": "href",
}
"""Elements that a browser loads by itself, and the attribute with the address."""

NAMED_ONLY = {"canonical", "prev", "next", "alternate", "author", "license"}
"""Relations of a `<link>` that a browser does not load."""


class Loads(HTMLParser):
    """Collects the addresses on other hosts that a page loads."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Records what this element loads from another host."""
        values = dict(attrs)
        address = (values.get(LOADS.get(tag, "")) or "").strip()
        followed = tag != "link" or not set((values.get("rel") or "").split()) <= NAMED_ONLY
        if followed and address.lower().startswith(("http:", "https:", "//")):
            self.found.append(address)


def loaded_from_elsewhere(html: str) -> list[str]:
    """Addresses on other hosts that a browser would load with this page."""
    parser = Loads()
    parser.feed(html)
    return parser.found


def on_post_page(output: str, page: Page, **_: Any) -> None:
    """Checks a page."""
    warn(page.file.dest_uri, output)


def on_post_template(output_content: str, template_name: str, **_: Any) -> None:
    """Checks what is not a page, such as 404.html."""
    warn(template_name, output_content)


def warn(name: str, html: str) -> None:
    """One warning for each address."""
    for address in loaded_from_elsewhere(html):
        log.warning("%s loads %s; a page may load only files of the site", name, address)

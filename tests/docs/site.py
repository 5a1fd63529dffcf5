"""The site as its configuration defines it, up to the list of pages; nothing is rendered."""

from __future__ import annotations

from functools import cache
from typing import Any

from mkdocs.config import load_config
from mkdocs.structure.files import get_files

from .pages import ROOT


@cache
def planned() -> tuple[dict[str, str], Any]:
    """Every page's text by its path on the site, and the navigation, after the hooks have added to both."""
    config = load_config(str(ROOT / "mkdocs.yml"))
    files = config.plugins.on_files(get_files(config), config=config)
    return {file.src_uri: file.content_string for file in files.documentation_pages()}, config.nav


def generated() -> dict[str, str]:
    """The pages of the reference that are generated from the code."""
    return {uri: text for uri, text in planned()[0].items() if uri.startswith("reference/")}


def in_navigation(nav: Any = None) -> list[str]:
    """Paths of pages in the order of the navigation."""
    found: list[str] = []
    for entry in planned()[1] if nav is None else nav:
        for target in entry.values() if isinstance(entry, dict) else [entry]:
            found += in_navigation(target) if isinstance(target, list) else [target]
    return found

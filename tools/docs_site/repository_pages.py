"""MkDocs hook: links that work in the repository work on the site.

Pages link to the changelog, to examples and to scripts by their path in the repository. Such a file is outside the
site, so it gets a page of its own: Markdown as it is, anything else as a listing; a folder lists its text files.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCUMENTS = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security-policy.md",
}
"""Files at the top of the repository that are pages of the site under these names."""

LINK = re.compile(r"(\]\()([^)\s]+)(\)|\s+\"[^\"]*\"\))")
FENCE = re.compile(r"^( *)(`{3,}|~{3,})[^\n]*\n.*?^\1\2[ \t]*$", re.M | re.S)
LANGUAGES = {".py": "python", ".toml": "toml", ".sh": "bash", ".yaml": "yaml", ".yml": "yaml", ".json": "json"}
LONGEST = 400_000
"""Larger files are not listed."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the documents at the top of the repository, and a page for each file that a page links to."""
    root = Path(config.config_file_path).parent
    for name, uri in DOCUMENTS.items():
        files.append(File.generated(config, uri, content=(root / name).read_text(encoding="utf-8")))
    wanted: dict[str, str] = {}
    for file in list(files.documentation_pages()):
        for place in places(file.content_string, origin(file.src_uri)):
            uri = page_of(place, root)
            if uri is not None and files.get_file_from_path(uri) is None:
                wanted[uri] = place
    for uri, place in wanted.items():
        files.append(File.generated(config, uri, content=listing(root, place)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, **_: Any) -> str:
    """Turns links to files of the repository into links to their pages."""
    root = Path(config.config_file_path).parent
    here = origin(page.file.src_uri)

    def there(link: str) -> str:
        target, hash_, anchor = link.partition("#")
        place = resolved(target, here)
        if place is None:
            return link
        uri = page_of(place, root) or (place.removeprefix("docs/") if place.startswith("docs/") else None)
        return link if uri is None else posixpath.relpath(uri, posixpath.dirname(page.file.src_uri)) + hash_ + anchor

    return outside_code(markdown, lambda said: LINK.sub(lambda m: m[1] + there(m[2]) + m[3], said))


def origin(uri: str) -> str:
    """The path of a page's text in the repository."""
    return next((name for name, page in DOCUMENTS.items() if page == uri), f"docs/{uri}")


def places(markdown: str, here: str) -> Iterator[str]:
    """Files and folders of the repository that a text links to."""
    found: list[str] = []
    outside_code(markdown, lambda said: LINK.sub(lambda m: found.append(m[2]) or "", said))  # type: ignore[func-returns-value]
    for link in found:
        place = resolved(link.partition("#")[0], here)
        if place is not None:
            yield place


def resolved(target: str, here: str) -> str | None:
    """A relative link as a path from the top of the repository; None for any other link."""
    if not target or target.startswith(("/", "#")) or re.match(r"[a-z][a-z0-9+.-]*:", target, re.I):
        return None
    place = posixpath.normpath(posixpath.join(posixpath.dirname(here), target))
    return None if place.startswith("..") else place


def page_of(place: str, root: Path) -> str | None:
    """The page made for a file or folder of the repository; None where it is part of the site anyway."""
    if place in DOCUMENTS:
        return DOCUMENTS[place]
    path = root / place
    if path.is_dir():
        return f"repository/{place}/index.md"
    example = place.startswith("docs/examples/")
    if not path.is_file() or (place.startswith("docs/") and not example):
        return None
    return f"repository/{place}.md"


def listing(root: Path, place: str) -> str:
    """A file, or the text files of a folder, to read on the site."""
    path = root / place
    parts = [f"# {place}"]
    if path.is_file():
        return "\n\n".join([*parts, block(path)]) + "\n"
    for inner in sorted(path.rglob("*")):
        name = inner.relative_to(path)
        if inner.is_file() and not any(p.startswith((".", "__pycache__")) or "egg-info" in p for p in name.parts):
            parts += [f"## {name.as_posix()}", block(inner)]
    return "\n\n".join(parts) + "\n"


def block(path: Path) -> str:
    """The text of a file as a block; for other files only their size."""
    data = path.read_bytes()
    if len(data) > LONGEST or b"\0" in data:
        return f"{len(data):,} bytes, not shown here."
    fence = "`" * 8  # longer than any fence in a Markdown file
    return f"{fence}{LANGUAGES.get(path.suffix, 'text')}\n{data.decode('utf-8', 'replace').rstrip()}\n{fence}"


def outside_code(markdown: str, change: Callable[[str], str]) -> str:
    """The text with `change` applied everywhere except in fenced blocks."""
    done, at = [], 0
    for found in FENCE.finditer(markdown):
        done += [change(markdown[at : found.start()]), found[0]]
        at = found.end()
    return "".join([*done, change(markdown[at:])])

"""The site: every command and option is in the reference, every page in the navigation, nothing is loaded from outside.

`make docs` builds it strictly; these tests check what a strict build does not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import typer
from mkdocs.commands.build import build
from mkdocs.config import load_config
from mkdocs.exceptions import Abort

import cambrian_eval
from cambrian_eval.cli.main import COMMANDS, app

from .pages import ROOT
from .site import generated, in_navigation, planned

HOOKS = ROOT / "tools" / "docs_site"


def leaves(command: click.Command, context: click.Context) -> Iterator[click.Context]:
    """Every command that does something, with its full name."""
    if not isinstance(command, click.Group):
        yield context
        return
    for name in command.list_commands(context):
        inner = command.get_command(context, name)
        assert inner is not None
        yield from leaves(inner, click.Context(inner, info_name=name, parent=context))


@pytest.mark.parametrize("verb", COMMANDS)
def test_a_page_for_every_verb_with_every_option_of_its_help(verb: str) -> None:
    page = generated()[f"reference/cli/{verb}.md"]
    root = typer.main.get_command(app)
    assert isinstance(root, click.Group)
    top = click.Context(root, info_name="cambrian-eval")
    command = root.get_command(top, verb)
    assert command is not None
    sections = re.split(r"^#+ (cambrian-eval [\w -]+)$", page, flags=re.M)
    said = dict(zip(sections[1::2], sections[2::2], strict=True))
    for context in leaves(command, click.Context(command, info_name=verb, parent=top)):
        section = said[context.command_path]
        flags = set(re.findall(r"(?<![\w-])--[a-z0-9][\w-]*", context.command.get_help(context)))
        assert flags <= set(re.findall(r"--[a-z0-9][\w-]*", section)), context.command_path
        assert " ".join((context.command.help or "").split()[:4]).rstrip(".,;") in section


def test_what_the_option_table_says() -> None:
    run = generated()["reference/cli/run.md"]
    assert (
        "| `--max-new-tokens` `INTEGER` | Maximum response length instead of the benchmark's own. At least 1. |  |"
        in run
    )
    assert "| `--vision` `TEXT` | Conditions separated by commas; see `list conditions`. | `on` |" in run
    assert "| `--scorer` `TEXT` | Scorers to apply; see `list scorers`. | `fuzzy,official` |" in run
    build_ = generated()["reference/cli/cvbench.md"]
    assert r"`[count\|relation\|depth\|distance\|size\|front\|more\|meters]`" in build_
    assert "| `--out` `PATH` | The folder to write. | required |" in build_
    assert "**Sources**" in build_


def test_every_verb_is_on_the_overview() -> None:
    index = generated()["reference/cli/index.md"]
    assert re.findall(r"^\| \[`([a-z]+)`\]", index, re.M) == list(COMMANDS)


def test_every_public_name_of_the_package_is_on_the_python_page_and_leads_to_a_listed_module() -> None:
    index = generated()["reference/api/index.md"]
    rows = dict(re.findall(r"^\| \[`cambrian_eval\.(\w+)`\]\[([\w.]+)\] \| \S", index, re.M))
    assert list(rows) == cambrian_eval.__all__
    listed = {m for text in generated().values() for m in re.findall(r"^::: ([\w.]+)$", text, re.M)}
    assert {target.rpartition(".")[0] for target in rows.values()} <= listed


def test_every_guide_is_in_the_navigation_once() -> None:
    placed = in_navigation()
    assert len(placed) == len(set(placed))
    outside = {uri for uri in planned()[0] if uri.startswith(("repository/", "examples/"))}
    assert set(placed) == set(planned()[0]) - outside


def small_site(folder: Path, page: str) -> Path:
    """A repository with one page, the documents that the hooks expect, and a script."""
    for name in ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md"):
        (folder / name).write_text(f"# {name}\n\nSee [the guide](docs/guide.md#guide).\n")
    (folder / "tools").mkdir()
    (folder / "tools" / "x.py").write_text("print('a | b')\n")
    (folder / "docs").mkdir()
    (folder / "docs" / "guide.md").write_text(page)
    hooks = [str(HOOKS / name) for name in ("repository_pages.py", "no_network.py")]
    (folder / "mkdocs.yml").write_text(
        f"site_name: x\nuse_directory_urls: false\nhooks: {hooks}\nmarkdown_extensions: [fenced_code]\nplugins: []\n"
        "theme: {name: null, custom_dir: theme}\nvalidation: {links: {anchors: warn, unrecognized_links: warn}}\n"
    )
    (folder / "theme").mkdir()
    (folder / "theme" / "main.html").write_text("{{ page.content }}")
    return folder / "mkdocs.yml"


def test_links_to_files_of_the_repository_lead_to_pages_of_the_site(tmp_path: Path) -> None:
    page = (
        "# Guide\n\n[a](../CONTRIBUTING.md) [b](../tools/x.py) [c](../tools) [d](../README.md)\n\n"
        "```text\n[e](../tools/x.py)\n```\n"
    )
    build(load_config(str(small_site(tmp_path, page)), strict=True))
    html = (tmp_path / "site" / "guide.html").read_text()
    links = re.findall(r'href="([^"]+)"', html)
    assert links == ["contributing.html", "repository/tools/x.py.html", "repository/tools/index.html", "index.html"]
    assert "[e](../tools/x.py)" in html
    assert "a | b" in (tmp_path / "site" / "repository" / "tools" / "x.py.html").read_text()
    assert "a | b" in (tmp_path / "site" / "repository" / "tools" / "index.html").read_text()
    for name in ("index.html", "changelog.html"):
        assert 'href="guide.html#guide"' in (tmp_path / "site" / name).read_text()


@pytest.mark.parametrize(
    "page",
    [
        "# Guide\n\n![x](https://example.org/x.png)\n",
        '# Guide\n\n<script src="//example.org/x.js"></script>\n',
        '# Guide\n\n<link rel="stylesheet" href="https://example.org/x.css">\n',
    ],
)
def test_a_page_that_loads_from_another_host_fails_the_strict_build(tmp_path: Path, page: str) -> None:
    with pytest.raises(Abort):
        build(load_config(str(small_site(tmp_path, page)), strict=True))


def test_a_link_to_another_host_is_no_load(tmp_path: Path) -> None:
    build(load_config(str(small_site(tmp_path, "# Guide\n\n[x](https://example.org/)\n")), strict=True))


def test_the_readme_has_a_question_for_every_command() -> None:
    table = (ROOT / "README.md").read_text(encoding="utf-8").split("## What do you want to know?")[1].split("\n## ")[0]
    rows = [line.split("|") for line in table.splitlines() if line.startswith("| ") and "`" in line]
    named = {code.split()[0] for row in rows for code in re.findall(r"`([^`]+)`", row[2])}
    assert named == set(COMMANDS)
    assert all("](" in row[3] for row in rows), "each row links to a guide"

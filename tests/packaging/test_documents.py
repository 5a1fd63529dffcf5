"""Documents beside the code: the citation is valid and up to date, and the issue forms are valid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import cambrian_eval
from cambrian_eval.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
FORMS = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))

# From the schema of the Citation File Format, version 1.2.0.
CFF_REQUIRED = {"cff-version", "message", "title", "authors"}
CFF_KNOWN = CFF_REQUIRED | {
    "abstract",
    "commit",
    "contact",
    "date-released",
    "doi",
    "identifiers",
    "keywords",
    "license",
    "license-url",
    "preferred-citation",
    "references",
    "repository",
    "repository-artifact",
    "repository-code",
    "type",
    "url",
    "version",
}
CFF_PERSON = {
    "address",
    "affiliation",
    "alias",
    "city",
    "country",
    "email",
    "family-names",
    "fax",
    "given-names",
    "name-particle",
    "name-suffix",
    "orcid",
    "post-code",
    "region",
    "tel",
    "website",
}
CFF_REFERENCE = {
    "authors",
    "collection-title",
    "conference",
    "doi",
    "end",
    "identifiers",
    "pages",
    "publisher",
    "start",
    "title",
    "type",
    "url",
    "volume",
    "year",
}

# From the forge's syntax of issue forms: element -> what its attributes must name.
ELEMENTS = {"markdown": "value", "input": "label", "textarea": "label"}


@pytest.fixture(scope="module")
def citation() -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert isinstance(content, dict)
    return content


def test_citation_holds_the_keys_of_its_format(citation: dict[str, Any]) -> None:
    assert citation.keys() >= CFF_REQUIRED
    assert citation.keys() <= CFF_KNOWN
    assert citation["cff-version"] == "1.2.0"
    assert citation["type"] == "software"
    assert citation["authors"] and all(a.keys() == {"name"} for a in citation["authors"])  # entities
    assert len(set(citation["keywords"])) == len(citation["keywords"])


def test_citation_names_this_version_and_licence(citation: dict[str, Any]) -> None:
    assert str(citation["version"]) == cambrian_eval.__version__
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    assert f'license = "{citation["license"]}"' in project


def test_citation_prefers_the_paper(citation: dict[str, Any]) -> None:
    paper = citation["preferred-citation"]
    assert {"type", "title", "authors"} <= paper.keys() <= CFF_REFERENCE
    assert paper["type"] == "conference-paper"
    assert paper["year"] == 2024
    assert len(paper["authors"]) == 14
    assert all({"family-names", "given-names"} <= a.keys() <= CFF_PERSON for a in paper["authors"])
    assert paper["conference"]["name"]
    assert [i["type"] for i in paper["identifiers"]] == ["doi"]
    assert re.fullmatch(r"10\.\d{4,9}(\.\d+)?/\S+", paper["identifiers"][0]["value"])
    arxiv = paper["identifiers"][0]["value"].rpartition("arXiv.")[2]
    assert paper["url"].endswith(f"/{arxiv}") and arxiv in (cambrian_eval.__doc__ or "")


def test_readme_and_citation_name_the_same_paper(citation: dict[str, Any]) -> None:
    paper = citation["preferred-citation"]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert paper["title"] in readme
    first = paper["authors"][0]
    assert f"{first['family-names']}, {first['given-names']}" in readme


def test_changelog_opens_with_this_version() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == cambrian_eval.__version__


@pytest.mark.parametrize("path", [f for f in FORMS if f.stem != "config"], ids=lambda path: path.stem)
def test_issue_form_is_one_the_forge_accepts(path: Path) -> None:
    form = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert form.keys() == {"name", "description", "labels", "body"}
    assert form["name"] and form["description"]
    asked = [e for e in form["body"] if e["type"] != "markdown"]
    assert len({e["id"] for e in asked}) == len(asked)
    assert len({e["attributes"]["label"] for e in asked}) == len(asked)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]+", e["id"]) for e in asked)
    assert any(e.get("validations", {}).get("required") is True for e in asked)
    for element in form["body"]:
        assert element["attributes"][ELEMENTS[element["type"]]].strip()
        assert element.keys() <= {"type", "id", "attributes", "validations"}


def test_issue_forms_name_what_exists() -> None:
    text = "\n".join(p.read_text(encoding="utf-8") for p in FORMS)
    named = re.findall(r"cambrian-eval ([a-z]+)", text)
    assert "doctor" in named and set(named) - {"now"} <= COMMANDS.keys()
    assert all((ROOT / name).is_file() for name in re.findall(r"\b[A-Z]+\.md\b", text))

"""What a recipe is and how its file is read: decoding, thinking, system prompt, images, prompts, and their sources."""

from __future__ import annotations

import datetime
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, get_args

import msgspec

from cambrian_eval.benchmark import PromptStyle
from cambrian_eval.decoding import GREEDY, Decoding, Mode, Order, Thinking, parse
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.models.recipes import templates
from cambrian_eval.models.recipes.templates import Template
from cambrian_eval.registry import benchmark_names

MAX_BYTES = 1 << 20
"""Larger recipe files are refused before they are read."""
SECTIONS = ("prompts", "order", "system", "decoding", "thinking", "processor", "templates")
"""The parts of a recipe that decide about responses, in the order in which they are shown."""


class Source(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A document that values were taken from."""

    document: str
    """Which document, and the place in it."""
    date: datetime.date
    """Of the version that was read; where a document has no versions, the day on which it was read."""
    values: list[str]
    """What it states: sections such as "decoding", or single values such as "decoding.top_p"."""
    url: str = ""
    """Where it is."""
    version: str = ""
    """The commit that was read, for documents in a repository."""


class _Thinking(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    mode: Mode = "auto"
    budget: int | None = None


class _Template(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    options: str | None = None
    open: str | None = None


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A recipe as its file has it."""

    summary: str = ""
    models: str = ""
    note: str = ""
    prompts: PromptStyle | None = None
    order: Order | None = None
    system: str | None = None
    decoding: dict[str, Any] = {}
    thinking: _Thinking = _Thinking()
    processor: dict[str, bool | int | float | str] = {}
    templates: dict[str, _Template] = {}
    sources: list[Source] = []


@dataclass(frozen=True)
class Recipe:
    """The circumstances in which a model's numbers are made. None = the run's own default."""

    name: str
    """Of a recipe that comes with a package, or the path of a file."""
    sha256: str
    """Hash of the file's content."""
    summary: str
    """One line."""
    models: str = ""
    """The models it is for, in words."""
    note: str = ""
    """Where it differs from its sources, and why."""
    prompts: PromptStyle | None = None
    """Whose wording the prompts have."""
    order: Order | None = None
    """Whether the images come before the text or after it."""
    system: str | None = None
    """The system prompt."""
    decoding: Decoding = GREEDY
    """How tokens are chosen."""
    thinking: Thinking = field(default_factory=Thinking)
    """Whether and how long the model thinks."""
    processor: Mapping[str, bool | int | float | str] = field(default_factory=dict)
    """Settings of the image processor, such as `max_pixels`."""
    templates: Mapping[str, Template] = field(default_factory=dict)
    """Prompt templates by benchmark."""
    sources: tuple[Source, ...] = ()
    """Where the values come from."""
    written: Mapping[str, Any] = field(default_factory=dict)
    """The parts of the file that are set, as plain JSON, in the order of `SECTIONS`."""

    def values(self) -> dict[str, Any]:
        """Every value that the file sets, by its dotted name."""
        return {
            f"{section}.{name}" if name else section: value
            for section, part in self.written.items()
            for name, value in (part.items() if isinstance(part, dict) else [("", part)])
        }

    def source_of(self, name: str) -> Source | None:
        """The document that states a value, by its dotted name; the most exact one."""
        section = name.partition(".")[0]
        for wanted in (name, section):
            for source in self.sources:
                if wanted in source.values:
                    return source
        return None

    def record(self) -> dict[str, Any]:
        """For run.json: name, hash and values."""
        return {"name": self.name, "sha256": self.sha256, "values": dict(self.written)}


def read(path: Path, name: str | None = None) -> Recipe:
    """The recipe in a TOML file. Everything that is wrong in it is one line with the file and the field."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES} bytes; name a recipe file")
        content = path.read_bytes()
        text = content.decode("utf-8-sig")
        raw = tomllib.loads(text)
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; name a recipe file") from error
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{path} is nested too deep; fix the file") from None
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{path} is not valid TOML ({error}); fix the file") from None
    try:
        file = msgspec.convert(raw, _File)
    except msgspec.ValidationError as error:
        raise _explained(str(error), path) from None
    return _checked(file, raw, path, name or str(path), sha256(content).hexdigest())


def _checked(file: _File, raw: Mapping[str, Any], path: Path, name: str, digest: str) -> Recipe:
    found = {}
    for benchmark, wording in file.templates.items():
        if benchmark not in benchmark_names():
            raise UserError(f"{path}: templates: {unknown('benchmark', benchmark, benchmark_names())}")
        for kind in ("options", "open"):
            if (text := getattr(wording, kind)) is not None:
                templates.check(text, f"{path}: templates.{benchmark}.{kind}")
        found[benchmark] = Template(wording.options, wording.open)
    try:
        thinking = Thinking(file.thinking.mode, file.thinking.budget)
        decoding = parse(file.decoding, where="decoding")
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if file.system is not None and not file.system.strip():
        raise UserError(f"{path}: system is empty; leave it out for the model's own")
    written = {section: raw[section] for section in SECTIONS if raw.get(section) not in (None, {})}
    recipe = Recipe(
        name=name,
        sha256=digest,
        summary=file.summary,
        models=file.models,
        note=file.note,
        prompts=file.prompts,
        order=file.order,
        system=None if file.system is None else file.system.strip(),
        decoding=decoding,
        thinking=thinking,
        processor=dict(file.processor),
        templates=found,
        sources=tuple(file.sources),
        written=written,
    )
    for source in recipe.sources:
        for value in source.values:
            if value not in recipe.values() and value not in written:
                known = sorted({*written, *recipe.values()})
                raise UserError(f"{path}: sources: {unknown('value', value, known)}")
    return recipe


_MESSAGE = re.compile(r"(.*?)(?: - at `\$\.?(.*)`)?", re.DOTALL)
_UNKNOWN_FIELD = re.compile(r"Object contains unknown field `(.*)`")
_UNKNOWN_NAME = re.compile(r"Invalid enum value '(.*)'")
_TABLES = {"": _File, "thinking": _Thinking, "sources": Source, "templates": _Template}
_NAMES = {"order": Order, "prompts": PromptStyle, "thinking.mode": Mode}


def _explained(text: str, path: Path) -> UserError:
    """A message of msgspec in the words of the file: the field, what is wrong with it, and the nearest names."""
    found = _MESSAGE.fullmatch(text)
    reason, place = (found[1], found[2] or "") if found else (text, "")
    table = re.split(r"[.\[]", place)[0]
    if (field := _UNKNOWN_FIELD.fullmatch(reason)) and table in _TABLES:
        inside = f" in [{table}]" if table else ""
        return UserError(f"{path}: {unknown(f'field{inside}', field[1], _TABLES[table].__struct_fields__)}")
    if (name := _UNKNOWN_NAME.fullmatch(reason)) and place in _NAMES:
        return UserError(f"{path}: {unknown(place, name[1], get_args(_NAMES[place]))}")
    return UserError(f"{path}: {place or 'the file'}: {reason}; fix the file")

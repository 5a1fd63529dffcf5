"""Prompt templates of a recipe: the wording in which a model's authors ask the questions of a benchmark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from string import Formatter

from cambrian_eval.benchmark import Benchmark, PromptStyle
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.sample import Sample

PLACEHOLDERS = ("prompt", "question", "options", "hint")
"""What a template may contain in braces: the benchmark's own prompt; the question alone; one line "A. text" for each
option; the hint and a line break, or nothing where a question has none."""


@dataclass(frozen=True, slots=True)
class Template:
    """The wording for one benchmark; questions without a text of their kind keep the benchmark's own prompt."""

    options: str | None = None
    """The prompt of questions with options."""
    open: str | None = None
    """The prompt of all others."""

    def as_dict(self) -> dict[str, str]:
        """The texts that are set."""
        return {name: text for name in ("options", "open") if (text := getattr(self, name)) is not None}


def check(text: str, where: str) -> None:
    """Refuses a template that cannot be filled in, or that would leave out the question."""
    try:
        parts = [part for part in Formatter().parse(text) if part[1] is not None]
    except ValueError as error:
        raise UserError(f"{where} is not a template ({error}); write {{{{ and }}}} for braces of the text") from None
    for _, name, form, conversion in parts:
        if form or conversion:
            raise UserError(f"{where}: {{{name}}} must stand alone in its braces")
        if name not in PLACEHOLDERS:
            raise UserError(f"{where}: {unknown('placeholder', str(name), PLACEHOLDERS)}")
    if not {"prompt", "question"} & {part[1] for part in parts}:
        raise UserError(f"{where} must contain {{question}} or {{prompt}}")


def prompt(benchmark: Benchmark, sample: Sample, style: PromptStyle, templates: Mapping[str, Template]) -> str:
    """The prompt of a sample: the recipe's where it has one for the benchmark and the kind of question."""
    own = benchmark.prompt(sample, style)
    template = templates.get(benchmark.name)
    text = None if template is None else template.options if sample.choices else template.open
    if text is None:
        return own
    hint = sample.extra.get("hint")
    return text.format(
        prompt=own,
        question=sample.question,
        options="\n".join(f"{letter}. {option}" for letter, option in sample.options.items()),
        hint=f"{hint}\n" if hint else "",
    )

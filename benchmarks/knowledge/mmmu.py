"""MMMU (validation): college-level questions over thirty subjects, 847 with options and 53 open (Yue et al., 2023).

Prompt: question, " Options:", options "A. ..." and the letter sentence; open questions get the short sentence. Every
"<image N>" tag is deleted from the text. All images of a question are sent unless `images=first`. The prompt `authors`
keeps the tags, and the images stand at their places.
Score: accuracy over 900 questions. Open answers: any gold of a list counts; numbers are equal within half a unit of
the gold's last place, other golds must stand as whole words in what the response declares or concludes.
Released scorer: first character for options; open answers must equal the stored text or be within 5 % of the
*prediction*, lists of golds never match. It cuts options out between single quotes (`options=single_quote`), which
breaks options with apostrophes, and sends only the first image.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.benchmark import LETTER_SENTENCE, SHORT_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, letter, open_answer, released
from cambrian_eval.scoring.reply import Reply

DOMAINS = {
    "Art and Design": "Art Art_Theory Design Music",
    "Business": "Accounting Economics Finance Manage Marketing",
    "Science": "Biology Chemistry Geography Math Physics",
    "Health and Medicine": (
        "Basic_Medical_Science Clinical_Medicine Diagnostics_and_Laboratory_Medicine Pharmacy Public_Health"
    ),
    "Humanities and Social Science": "History Literature Sociology Psychology",
    "Tech and Engineering": (
        "Agriculture Architecture_and_Engineering Computer_Science Electronics Energy_and_Power Materials "
        "Mechanical_Engineering"
    ),
}
DOMAIN_OF = {subject: domain for domain, subjects in DOMAINS.items() for subject in subjects.split()}
IMAGES = tuple(f"image_{i}" for i in range(1, 8))
_TAG = re.compile(r"<image \d+>")
SWITCHES = {"images": ("all", "first"), "options": ("literal", "single_quote")}


class MMMU(Benchmark):
    """Options and open answers mixed, with up to seven images a question."""

    name = "mmmu"
    title = "MMMU (validation)"
    category: ClassVar[Category] = "Knowledge"
    paper = "Yue et al. MMMU: A Massive Multi-discipline Multimodal Understanding and Reasoning Benchmark. CVPR 2024"
    metric = "accuracy"
    max_new_tokens = 512
    typical_chance = 24.7
    prompt_styles: ClassVar[tuple[PromptStyle, ...]] = ("official", "paper", "authors")
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "images": ("all", "all (what the model accepts) or first (as the released code)"),
        "options": ("literal", "literal, or single_quote: cut options out as the released code does, faults included"),
    }

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        for name, known in SWITCHES.items():
            if self.settings[name] not in known:
                raise UserError(f"mmmu.{name}={self.settings[name]!r} does not exist; use {' or '.join(known)}")

    @property
    def source(self) -> HubSource:
        """All subjects in one table."""
        columns = ("id", "question", "options", "answer", "question_type", *IMAGES)
        return HubSource("lmms-lab/MMMU", "validation", 900, columns)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the subject is the middle of the id."""
        subject = "_".join(str(row.get("id", "")).split("_")[1:-1])
        lettered = row["question_type"] == "multiple-choice"
        raw = tuple(self._options(row["options"])) if lettered else ()
        choices = tuple(_TAG.sub("", option) for option in raw)
        if lettered and not choices:
            raise UserError(f"mmmu row {index}: a multiple-choice question without options; fill in the options")
        answer = str(row["answer"])
        about = {"subject": subject, "domain": DOMAIN_OF.get(subject, "other")} if subject else {}
        shown = IMAGES[:1] if self.settings["images"] == "first" else IMAGES
        present = sum(row.get(c) is not None for c in IMAGES)
        tagged = len(set(_TAG.findall(f"{row['question']} {row['options']}")))
        return Sample(
            id=str(row.get("id", index)),
            index=index,
            question=row["question"],
            answers=(answer.strip().upper(),) if lettered else columns.golds(answer),
            choices=choices,
            images=tuple(p for c in shown for p in images(row.get(c))),
            guesses=tuple(LETTERS[: len(choices)]),
            tags=about
            | {
                "question_type": str(row["question_type"]),
                "images": "several" if (present or tagged) > 1 else "one",
            },
            extra={"stored": answer} | ({"raw options": list(raw)} if raw != choices else {}),
        )

    def _options(self, stored: Any) -> Sequence[str]:
        if isinstance(stored, str) and self.settings["options"] == "single_quote":
            return stored.split("'")[1::2]
        return columns.options(stored)

    def places_images(self, style: PromptStyle) -> bool:
        """At the tags of question and options, where the authors' prompt keeps them."""
        return style == "authors"

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The letter sentence for options, the short sentence for open questions; `authors` keeps the tags."""
        if style == "authors":
            raw = sample.extra.get("raw options", sample.choices)
            lines = "".join(f"\n{letter}. {text}" for letter, text in zip(sample.options, raw, strict=True))
            return f"{sample.question}{lines}\n\n{LETTER_SENTENCE if sample.choices else SHORT_SENTENCE}"
        listed = "".join(f"\n{letter}. {text}" for letter, text in sample.options.items())
        asked = f"{sample.question} Options:{listed}\n{LETTER_SENTENCE}"
        if not sample.choices:
            asked = f"{sample.question}\n{SHORT_SENTENCE}"
        return _TAG.sub("", asked).strip()

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option read out with care, or the open answer that the response concludes."""
        if sample.choices:
            return letter.grade(sample, reply)
        return open_answer.grade(sample.answers, Reply(reply), sample.question)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Says where official scores were made with more images than the released code sends."""
        if scorer == "official" and self.settings["images"] == "all":
            return ("the released code sends the first image only; set mmmu.images=first for parity",)
        return ()

    def official(self, sample: Sample, reply: str) -> Verdict:
        """First character; for open answers equality or the 5 % rule."""
        if sample.choices:
            return released.letter(sample, reply)
        return released.declared_or_number(sample.extra["stored"], reply)

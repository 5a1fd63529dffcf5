"""MathVista (testmini): mathematical reasoning over images (Lu et al., 2023); 540 questions with choices of 1,000.

Prompt: the data set's own query (hint, question, choices "(A) ...") and a sentence: reasoning first for choices, a
word or phrase otherwise. The paper shows the bare question and the reasoning sentence for everything.
Score: accuracy over 1,000 questions. Choices: the option read out with care. Numbers: what follows the last
"answer is", a box or "=", else the last number of the last sentence; integers exactly, decimals after rounding to
the stored precision, lists element by element.
Released scorer: only the lower-cased whole response counts; it equals the letter (choices) or the stored answer, or
is a number within 5 % of the *prediction*.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import choices, columns, final, numbers, options, phrases, released

REASONING = "First show your reasoning process and then give the final answer."
TAGS = ("category", "task", "context", "grade", "language", "source")


class MathVista(Benchmark):
    """Options and free answers mixed; the free ones are texts, integers, decimals or lists."""

    name = "mathvista"
    title = "MathVista (testmini)"
    category: ClassVar[Category] = "Knowledge"
    paper = "Lu et al. MathVista: Evaluating Mathematical Reasoning of Foundation Models in Visual Contexts. ICLR 2024"
    metric = "accuracy"
    max_new_tokens = 512
    typical_chance = 17.9

    @property
    def source(self) -> HubSource:
        """The thousand questions with public answers."""
        wanted = ("pid", "question", "query", "choices", "answer", "question_type", "answer_type", "precision")
        return HubSource("AI4Math/MathVista", "testmini", 1000, (*wanted, "decoded_image"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; the gold of a choice question is stored as the choice's text."""
        lettered = row["question_type"] == "multi_choice"
        choices = columns.options(row["choices"]) if lettered else ()
        answer = str(row["answer"])
        if lettered and answer not in choices:
            raise ValueError(f"answer {answer!r} is not one of the choices")
        precision = row.get("precision")
        about = row.get("metadata") or {}
        tags: dict[str, str | tuple[str, ...]] = {tag: str(about[tag]) for tag in TAGS if about.get(tag)}
        tags |= {"question_type": str(row["question_type"]), "answer_type": str(row["answer_type"])}
        return Sample(
            id=str(row.get("pid", index)),
            index=index,
            question=row["question"],
            answers=(LETTERS[choices.index(answer)],) if lettered else (answer,),
            choices=choices,
            images=images(row.get("decoded_image")),
            guesses=tuple(LETTERS[: len(choices)]),
            tags=tags | ({"skills": tuple(map(str, about["skills"]))} if about.get("skills") else {}),
            extra={
                "answer_type": str(row["answer_type"]),
                "precision": None if precision is None or precision != precision else int(float(precision)),
            }
            | ({"query": row["query"]} if "query" in row else {}),
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper asks for reasoning everywhere and shows no choices."""
        if style == "paper":
            return f"{sample.question}\n{REASONING}"
        if "query" not in sample.extra:
            raise UserError("mathvista: the rows have no column 'query'; it holds the text to ask")
        return f"{sample.extra['query']}\n{REASONING if sample.choices else SHORT_SENTENCE}"

    def fuzzy(self, sample: Sample, text: str) -> Verdict:
        """Options by letter or text, everything else by the row's answer type."""
        if sample.choices:
            return choices.grade_choice(sample, text)
        kind, gold = sample.extra["answer_type"], sample.answers[0]
        if kind == "list":
            return _grade_list(gold, text)
        wanted = numbers.parse(gold)
        if kind == "text" or wanted is None:
            said = phrases.answer(final.declared(options.clean(text)) or text)
            return Verdict(
                float(bool(said) and said == phrases.answer(gold)),
                said or None,
                "equal text",
                "read" if said else "unparsed",
            )
        found = final.number(text)
        if found is None:
            return Verdict(0.0, None, "no number in the response", outcome="unparsed")
        stored = sample.extra["precision"]
        precision = wanted.places if stored is None else stored
        slack = 0.5 * 10.0**-precision if kind == "float" else 0.0
        right = abs(found.value - wanted.value) <= slack + 1e-9 * max(1.0, abs(wanted.value))
        rule = f"equal after rounding to {precision} decimals" if slack else "the same number"
        return Verdict(float(right), found.text, rule)

    def official(self, sample: Sample, text: str) -> Verdict:
        """The whole response against the letter or the stored answer."""
        said = text.strip().lower()
        right = released.numeric_match(sample.answers[0].lower(), said)
        return Verdict(
            float(right), said or None, "the whole response, numbers within 5 %", outcome="read" if said else "unparsed"
        )


def _grade_list(gold: str, text: str) -> Verdict:
    """Lists element by element; the last bracketed list of the response, else the whole as a list."""
    said = options.clean(text)
    start, end = said.rfind("["), said.rfind("]")
    inner = said[start : end + 1] if 0 <= start < end else (final.declared(said) or said)
    wanted, found = numbers.parse_list(gold), numbers.parse_list(inner)
    if found is None or wanted is None:
        same = phrases.answer(inner) == phrases.answer(gold)
        return Verdict(
            float(same),
            inner or None if same else None,
            "equal text" if same else "no list",
            outcome="read" if same else "unparsed",
        )
    right = len(found) == len(wanted) and all(
        abs(f.value - w.value) <= (0.5 * 10.0**-w.places if w.places else 0.0) + 1e-9
        for f, w in zip(found, wanted, strict=True)
    )
    return Verdict(float(right), inner, "lists compared element by element")

"""MathVista (testmini): mathematical reasoning over images (Lu et al., 2023); 540 questions with choices of 1,000.

Prompt: the dataset's own query (hint, question, choices "(A) ...") and a sentence: reasoning first for choices, a
word or phrase otherwise. The paper shows the bare question and the reasoning sentence for everything.
Score: accuracy over 1,000 questions. Choices: the option read out with care. Numbers: what follows the last
"answer is", a box, the conclusion, or the sentence that repeats the question; integers exactly, decimals after rounding
to the stored precision, lists element by element. Of two choices with the same text both are right.
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
from cambrian_eval.scoring import columns, free_form, letter, released
from cambrian_eval.scoring.reply import Reply

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
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "equal_choices": (
            False,
            "official scorer: of two choices with the same text both letters are right, as MathVista's authors have it",
        ),
    }

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
            answers=self._letters(choices, answer) if lettered else (answer,),
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

    def _letters(self, choices: tuple[str, ...], answer: str) -> tuple[str, ...]:
        """The letter of the answer; of equal choices the last one, as in the released script, or all of them."""
        found = tuple(letter for letter, text in zip(LETTERS, choices, strict=False) if text == answer)
        return found if self.settings["equal_choices"] else found[-1:]

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper asks for reasoning everywhere and shows no choices."""
        if style == "paper":
            return f"{sample.question}\n{REASONING}"
        if "query" not in sample.extra:
            raise UserError("mathvista: the rows have no column 'query'; it holds the text to ask")
        return f"{sample.extra['query']}\n{REASONING if sample.choices else SHORT_SENTENCE}"

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Says where equal choices count as in MathVista's own evaluation."""
        if scorer == "official" and self.settings["equal_choices"]:
            return ("of equal choices both letters are right, unlike in the released Cambrian-1 script",)
        return ()

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Options by letter or text, everything else by the row's answer type."""
        if sample.choices:
            return letter.grade(sample, reply, same_text=True)
        return free_form.grade(
            Reply(reply), sample.answers[0], sample.question, sample.extra["answer_type"], sample.extra["precision"]
        )

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The whole response against the letter or the stored answer."""
        return released.whole_or_number(sample, reply)

"""What an LLM judge is asked where it gives grades: one grade from 0 to 1, or two scores of a pair.

The texts follow the structure that the benchmarks' authors describe, in this project's words; grades of different
judges, and of the authors' texts, are not comparable.
"""

from __future__ import annotations

import math
from typing import ClassVar

from cambrian_eval.judging import Judging
from cambrian_eval.sample import Sample, Verdict

_LINES = (
    ("Which are the roots of x^2 - 3x - 4 = 0?", "-1 <AND> 4", "The roots are 1 and 3.", "0.0"),
    ("Which are the roots of x^2 - 3x - 4 = 0?", "-1 <AND> 4", "x = -1", "0.5"),
    ("Which are the roots of x^2 - 3x - 4 = 0?", "-1 <AND> 4", "x = 4", "0.5"),
    ("Which are the roots of x^2 - 3x - 4 = 0?", "-1 <AND> 4", "x = -1 or x = -4", "0.5"),
    ("Which are the roots of x^2 - 3x - 4 = 0?", "-1 <AND> 4", "They are 4 and -1.", "1.0"),
    (
        "Why is this image funny?",
        "The sign tells readers to ignore all signs, <AND> so following it means ignoring it.",
        "It shows a sign at a road.",
        "0.4",
    ),
    (
        "Why is this image funny?",
        "The sign tells readers to ignore all signs, <AND> so following it means ignoring it.",
        "A sign asks people to ignore signs, which nobody can do without obeying one.",
        "1.0",
    ),
)


class Grade(Judging):
    """A grade from 0 to 1 for one response, as MM-Vet asks for."""

    version = "1"
    max_new_tokens = 8
    reminder = "\nGive the correctness as one number: "

    def message(self, sample: Sample, response: str) -> str:
        """A table whose last cell is to be completed."""
        gold = sample.answers[0].replace("<AND>", " <AND> ").replace("<OR>", " <OR> ")
        head = (
            "Compare the ground truth with the prediction and give a correctness score for the prediction: 0.0 "
            "(wrong), 0.1, 0.2, ... 0.9, or 1.0 (right). <AND> in the ground truth means that the prediction is right "
            "only if it has all of the elements; <OR> means that any one of them is enough. Complete only the last "
            "cell.\n\n"
            "Question | Ground truth | Prediction | Correctness\n--- | --- | --- | ---"
        )
        lines = [" | ".join(_cell(text) for text in line) for line in (*_LINES, (sample.question, gold, response))]
        return "\n".join([head, *lines[:-1], "", f"{lines[-1]} | "])

    def read(self, reply: str) -> Verdict | None:
        """The first word as a number from 0 to 1."""
        words = reply.split()
        grade = _number(words[0]) if words else None
        if grade is None or not 0 <= grade <= 1:
            return None
        return Verdict(grade, f"{grade:g}", f"the judge grades {grade:g}")


class Pair(Judging):
    """Two scores from 1 to 10, of a reference answer and of the response, as LLaVA-Bench asks for."""

    version = "1"
    max_new_tokens = 512
    system = "You are a careful assistant who rates the quality of answers."
    reminder = "\n\nThe first line must hold two numbers separated by a blank, and nothing else."
    RULES: ClassVar[dict[str, str]] = {
        "conv": "Both answer the user's question about the image that the context describes.",
        "detail": "Both describe in detail the image that the context describes.",
        "complex": "Both reason about the image that the context describes.",
    }

    def message(self, sample: Sample, response: str) -> str:
        """Context, question, reference, response and the rule; the reference is always the first."""
        rule = self.RULES.get(str(sample.tags.get("category")), self.RULES["conv"])
        return "\n\n".join(
            (
                f"[Context]\n{sample.extra['caption']}",
                f"[Question]\n{sample.question}",
                f"[Assistant 1]\n{sample.answers[0]}\n[End of Assistant 1]",
                f"[Assistant 2]\n{response}\n[End of Assistant 2]",
                f"[System]\n{rule} Rate helpfulness, relevance, accuracy and level of detail of each on a scale of "
                "1 to 10; a higher score is better. Write only the two scores, of Assistant 1 and of Assistant 2, "
                "separated by a blank, in the first line. Then explain your rating. The order of the two must not "
                "matter.\n\n",
            )
        )

    def read(self, reply: str) -> Verdict | None:
        """Two numbers from 1 to 10 in the first line."""
        pieces = (reply.strip().splitlines() or [""])[0].replace(",", " ").split()
        if len(pieces) != 2:
            return None
        reference, own = _number(pieces[0]), _number(pieces[1])
        if reference is None or own is None or not (1 <= reference <= 10 and 1 <= own <= 10):
            return None
        return Verdict(own / 10, f"{reference:g} {own:g}", "the judge scores reference and response")


def _cell(text: str) -> str:
    """A text that cannot end its cell or its line."""
    return " ".join(text.replace("|", "/").split())


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None

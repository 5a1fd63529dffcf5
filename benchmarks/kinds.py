"""What benchmarks with the same kind of answer have in common: how a response is read with care."""

from __future__ import annotations

from typing import ClassVar

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import letter, number, phrase, vqa, yes_no
from cambrian_eval.scoring.reply import Reply


class Lettered(Benchmark):
    """The answer is the letter of an option."""

    same_text: ClassVar[bool] = False
    """Whether another option with the text of the gold one is right too."""

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """The option the response names, by letter or by text."""
        return letter.grade(sample, reply, self.same_text)


def yes_or_no(stored: object) -> str:
    """The gold answer of a column that holds yes or no, as a word in any letter case, or as 1 or 0.

    >>> yes_or_no("no"), yes_or_no("1")
    ('No', 'Yes')
    """
    said = str(stored).strip().lower()
    found = {"yes": "Yes", "1": "Yes", "no": "No", "0": "No"}.get(said)
    if found is None:
        raise ValueError(f"the answer {said[:40]!r} is neither yes nor no")
    return found


class YesOrNo(Benchmark):
    """The answer is yes or no."""

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Yes or no, also from a statement that repeats the question."""
        found = yes_no.read(Reply(reply), sample.question)
        return found.verdict(found.value in sample.answers)


class TenAnswers(Benchmark):
    """Free answers, worth more the more of ten people gave them."""

    metric = "soft accuracy over ten human answers"
    max_new_tokens = 128
    typical_chance = 0.0
    kind_tag: ClassVar[str] = ""
    """The tag that says whether people answered "yes/no" or a "number": then sentences are read for those."""

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Soft accuracy by the careful normalizer: of the answer, of what it declares, or of what it says by kind."""
        said = Reply(reply)
        found = vqa.grade(said, sample.answers)
        if found.value or found.outcome != "read" or not self.kind_tag:
            return found
        kind = sample.tags.get(self.kind_tag)
        if kind == "yes/no":
            text = (yes_no.read(said, sample.question).value or "").lower()
        elif kind == "number":
            read = number.read(said, sample.question).value
            text = "" if read is None else f"{read.value:g}"
        else:
            text = phrase.words(said.own) if len(said.own) <= phrase.LONGEST else ""  # without a leading "it is"
        value = vqa.soft_accuracy(text, sample.answers, vqa.careful) if text else 0.0
        return Verdict(value, text, "soft accuracy: what the sentence says") if value else found

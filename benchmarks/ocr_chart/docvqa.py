"""DocVQA: questions about scanned document pages, single-page task (Mathew et al., 2021).

Prompt: the question and "Give the short answer directly."
Score: ANLS, the Levenshtein similarity to the nearest gold answer, 0 below one half; mean x100.
The paper's numbers come from the challenge server on the test split, whose answers are withheld; scores here
are on the validation split unless `split` says otherwise, and on test a submission file takes their place.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.benchmark import Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.errors import UserError
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import anls, columns, released
from cambrian_eval.scoring.reply import Reply

INSTRUCTION = "Give the short answer directly."


class DocVQA(Benchmark):
    """Free answers with partial credit; the test split is answered and not scored."""

    name = "docvqa"
    title = "DocVQA"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Mathew, Karatzas, Jawahar. DocVQA: A Dataset for VQA on Document Images. WACV 2021"
    metric = "ANLS (similarity below 0.5 counts 0), mean over questions"
    max_new_tokens = 128
    typical_chance = 0.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "split": ("validation", "validation (scored here) or test (answers withheld, writes a submission)"),
    }
    setting_choices: ClassVar[Mapping[str, Collection[str]]] = {"split": ("validation", "test")}
    config: ClassVar[str] = "DocVQA"
    """The config of the dataset's repository."""
    n_rows: ClassVar[Mapping[str, int]] = {"validation": 5349, "test": 5188}
    task: ClassVar[int] = 1
    """The task of challenge 17."""

    @property
    def source(self) -> HubSource:
        """The split the settings name."""
        split = self.settings["split"]
        wanted = ("questionId", "question", "image") + (("answers",) if split == "validation" else ())
        return HubSource("lmms-lab/DocVQA", split, self.n_rows[split], wanted, config=self.config)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; a page is named by its document and page number."""
        document, page = row.get("ucsf_document_id"), row.get("ucsf_document_page_no")
        withheld = self.settings["split"] == "test"
        golds, kinds = None if withheld else row["answers"], row.get("question_types")
        return Sample(
            id=str(row["questionId"] if withheld else row.get("questionId", index)),
            index=index,
            question=row["question"],
            answers=() if golds is None else columns.golds(golds),
            images=images(row.get("image")),
            image_id=None if document is None or page is None else f"{document}_{page}",
            tags={"question_types": () if kinds is None else columns.golds(kinds)},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """Asks for the short answer, in both styles alike."""
        return f"{sample.question}\n{INSTRUCTION}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """ANLS over normalized texts, of the whole answer: the metric knows no declared answers."""
        return anls.grade(Reply(reply), sample.answers)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The challenge script's ANLS, which divides by the raw lengths."""
        return released.challenge_anls(sample.answers, reply)

    def submission(self, samples: Sequence[Sample], texts: Sequence[str]) -> tuple[str, str] | None:
        """The challenge's JSON list for the test split."""
        if self.settings["split"] != "test":
            return None
        if strange := next((s.id for s in samples if not s.id.isdecimal()), None):
            raise UserError(f"{self.name}: questionId {strange!r} is not a whole number")
        pairs = zip(samples, texts, strict=True)
        answers = [{"questionId": int(sample.id), "answer": text.strip()} for sample, text in pairs]
        return f"{self.name}_test_submission.json", json.dumps(answers, ensure_ascii=False, indent=1) + "\n"

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Which split was scored, and that no released script scores it locally."""
        if self.settings["split"] == "test":
            return (f"test split: answers are withheld; send the submission file to challenge 17, task {self.task}",)
        notes = ("validation split; published figures are on the test split and not interchangeable",)
        if scorer == "official":
            return (*notes, f"the released code has no local {self.title} scorer: this is the challenge script's ANLS")
        return notes

"""InfographicVQA: questions about tall infographics (Mathew et al., 2022), validation split.

Prompt: the question and the short sentence.
Score: ANLS, the Levenshtein similarity to the nearest gold answer, 0 below one half; mean x100. Published figures are
on the test split, whose answers are withheld; there a submission file takes the place of a score.
Released scorer: none that runs locally; it is the challenge script's ANLS.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow
from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, HubSource, PromptStyle, printed
from cambrian_eval.errors import UserError, unknown
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import anls, columns, released
from cambrian_eval.scoring.reply import Reply

ROWS = {"validation": 2801, "test": 3288}


class InfoVQA(Benchmark):
    """Free answers with partial credit; the test split is answered and not scored."""

    name = "infovqa"
    title = "InfographicVQA"
    category: ClassVar[Category] = "OCR & Chart"
    paper = "Mathew et al. InfographicVQA. WACV 2022"
    metric = "ANLS (similarity below 0.5 counts 0), mean over questions"
    max_new_tokens = 128
    typical_chance = 0.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "split": ("validation", "validation (scored here) or test (answers withheld, writes a submission)"),
    }
    published = (
        *printed("LLaVA model zoo, test split", {"LLaVA-1.5-7B": 25.8, "LLaVA-1.5-13B": 29.4}),
        *printed("arXiv 2409.17146 (Molmo), test split", {"Cambrian-1-8B": 41.6, "Cambrian-1-34B": 46.0}),
    )
    schema: ClassVar[Mapping[str, str]] = {
        "questionId": "string",
        "question": "string",
        "answers": "list[string]",
        "answer_type": "list[string]",
        "image": "image",
        "image_url": "string",
        "operation/reasoning": "list[string]",
        "ocr": "string",
        "data_split": "string",
    }

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        if self.settings["split"] not in ROWS:
            raise unknown("value of infovqa.split", self.settings["split"], ROWS)

    @property
    def source(self) -> HubSource:
        """A config of the DocVQA repository."""
        split = self.settings["split"]
        wanted = ("questionId", "question", "image") + (("answers",) if split == "validation" else ())
        return HubSource("lmms-lab/DocVQA", split, ROWS[split], wanted, config="InfographicVQA")

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; a row can have several types of answers and of operations."""
        withheld = self.settings["split"] == "test"
        golds = None if withheld else row["answers"]
        kinds = {"answer_type": row.get("answer_type"), "operation": row.get("operation/reasoning")}
        return Sample(
            id=str(row.get("questionId", index)),
            index=index,
            question=row["question"],
            answers=() if golds is None else columns.golds(golds),
            images=images(row.get("image")),
            image_id=str(row["image_url"]) if row.get("image_url") else None,
            tags={name: columns.golds(value) for name, value in kinds.items() if value is not None},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The same in all harnesses."""
        return f"{sample.question}\n{SHORT_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """ANLS over normalized texts, of the whole answer."""
        return anls.grade(Reply(reply), sample.answers)

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The challenge script's ANLS."""
        return released.challenge_anls(sample.answers, reply)

    def submission(self, samples: Sequence[Sample], texts: Sequence[str]) -> tuple[str, str] | None:
        """The challenge's JSON list (challenge 17, task 3) for the test split."""
        if self.settings["split"] != "test":
            return None
        if strange := next((s.id for s in samples if not s.id.isdecimal()), None):
            raise UserError(f"infovqa: questionId {strange!r} is not a whole number")
        pairs = zip(samples, texts, strict=True)
        answers = [{"questionId": int(sample.id), "answer": text.strip()} for sample, text in pairs]
        return "infovqa_test_submission.json", json.dumps(answers, ensure_ascii=False, indent=1) + "\n"

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Which split was scored."""
        if self.settings["split"] == "test":
            return ("test split: answers are withheld; send the submission file to challenge 17, task 3",)
        return ("validation split; published figures are on the test split and not interchangeable",)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color to name: color names are unlike each other, so that none earns partial credit for another."""
        scene = draw.scene("color")
        value = draw.balanced("value", scene.values)
        cells = {"questionId": str(row), "question": scene.text, "answers": [value], "answer_type": ["single span"]}
        about = {"image_url": f"https://example.org/{row}.jpg", "operation/reasoning": [], "ocr": "{}"}
        return [MiniRow({**cells, **about, "image": scene.image(value), "data_split": "val"}, 1 / len(scene.values))]

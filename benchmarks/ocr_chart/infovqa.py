"""InfographicVQA: questions about tall infographics (Mathew et al., 2022), validation split.

Prompt: the question and the short sentence.
Score: ANLS, the Levenshtein similarity to the nearest gold answer, 0 below one half; mean x100. Published figures are
on the test split, whose answers are withheld; there a submission file takes the place of a score.
Released scorer: none that runs locally; it is the challenge script's ANLS.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import SHORT_SENTENCE, PromptStyle, printed
from cambrian_eval.image import images
from cambrian_eval.sample import Sample
from cambrian_eval.scoring import columns

from .docvqa import DocVQA


class InfoVQA(DocVQA):
    """A config of DocVQA's repository; what differs from the document pages."""

    name = "infovqa"
    title = "InfographicVQA"
    paper = "Mathew et al. InfographicVQA. WACV 2022"
    config = "InfographicVQA"
    n_rows: ClassVar[Mapping[str, int]] = {"validation": 2801, "test": 3288}
    task = 3
    published = (
        *printed("LLaVA model zoo, test split", "LLaVA-1.5-7B 25.8, LLaVA-1.5-13B 29.4"),
        *printed("arXiv 2409.17146 (Molmo), test split", "Cambrian-1-8B 41.6, Cambrian-1-34B 46.0"),
    )
    schema = schema_of(
        {
            "string": "questionId question image_url ocr data_split",
            "list[string]": "answers answer_type operation/reasoning",
            "image": "image",
        }
    )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; a row can have several types of answers and of operations."""
        withheld = self.settings["split"] == "test"
        golds = None if withheld else row["answers"]
        kinds = {"answer_type": row.get("answer_type"), "operation": row.get("operation/reasoning")}
        return Sample(
            id=str(row["questionId"] if withheld else row.get("questionId", index)),
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

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color to name: color names are unlike each other, so that none earns partial credit for another."""
        scene = draw.scene("color")
        value = draw.balanced("value", scene.values)
        cells = {"questionId": str(row), "question": scene.text, "answers": [value], "answer_type": ["single span"]}
        about = {"image_url": f"https://example.org/{row}.jpg", "operation/reasoning": [], "ocr": "{}"}
        return [MiniRow({**cells, **about, "image": scene.image(value), "data_split": "val"}, 1 / len(scene.values))]

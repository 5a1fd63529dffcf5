"""GQA: compositional questions over real scenes with one- or two-word answers (Hudson and Manning, 2019).

Prompt: the question and the short sentence; the paper's wording lacks the article "a".
Score: exact match over 12,578 balanced test-dev questions. The careful reading drops outer punctuation, quotes and
markdown, takes what is declared, and the leading word where the gold answer is yes or no. With
`relaxed` it also forgives articles, number words, hyphens, the plural, and a short sentence around the answer.
Released scorer: the lower-cased response without trailing dots must equal the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, HubSource, Join, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import phrase, released
from cambrian_eval.scoring.reply import Reply


class GQA(Benchmark):
    """Free answers of one or two words, graded by equality."""

    name = "gqa"
    title = "GQA (test-dev balanced)"
    category: ClassVar[Category] = "General"
    paper = "Hudson, Manning. GQA: A New Dataset for Real-World Visual Reasoning. CVPR 2019"
    metric = "exact match"
    max_new_tokens = 128
    typical_chance = 0.0
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "relaxed": (
            False,
            "also accept articles, number words, plurals, hyphens and short sentences around the answer",
        ),
    }

    @property
    def source(self) -> HubSource:
        """Questions and images are two tables, joined on the image's id."""
        return HubSource(
            "lmms-lab/GQA",
            "testdev",
            12578,
            ("id", "imageId", "question", "answer", "image"),
            config="testdev_balanced_instructions",
            join=Join("testdev_balanced_images", "testdev", "imageId", "id", ("image",)),
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; its structural and its semantic type become tags."""
        types = row.get("types") or {}
        return Sample(
            id=str(row.get("id", index)),
            index=index,
            question=row["question"],
            answers=(row["answer"],),
            images=images(row.get("image")),
            image_id=str(row["imageId"]) if "imageId" in row else None,
            tags={kind: str(types[kind]) for kind in ("structural", "semantic") if types.get(kind)},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The paper drops the article from the sentence."""
        sentence = SHORT_SENTENCE.replace("using a single", "using single") if style == "paper" else SHORT_SENTENCE
        return f"{sample.question}\n{sentence}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """Equality of what was answered, but for its wrapping."""
        return phrase.exact(Reply(reply), sample.answers[0], relaxed_too=self.settings["relaxed"])

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The whole response, blanks included, equals the answer, but for case and trailing dots."""
        return released.whole(sample, reply)

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Relaxed scores are not comparable with published ones."""
        if scorer == "fuzzy" and self.settings["relaxed"]:
            return ("relaxed matching: a diagnostic, not comparable with published exact-match scores",)
        return ()

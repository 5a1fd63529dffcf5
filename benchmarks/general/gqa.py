"""GQA: compositional questions over real scenes with one- or two-word answers (Hudson and Manning, 2019).

Prompt: the question and the short sentence; the paper's wording lacks the article "a".
Score: exact match over 12,578 balanced test-dev questions. The careful reading drops outer punctuation, quotes,
markdown and a leading "the answer is", and takes the leading word where the gold answer is yes or no. With
`relaxed` it also forgives articles, number words, hyphens, the plural, and a short sentence around the answer.
Released scorer: the lower-cased response without trailing dots must equal the answer.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, HubSource, Join, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import phrases, yes_no


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

    def fuzzy(self, sample: Sample, text: str) -> Verdict:
        """Equality of what was answered, but for its wrapping."""
        said = phrases.answer(text)
        if not said:
            return Verdict(0.0, None, "empty response", outcome="unparsed")
        gold = phrases.answer(sample.answers[0])
        if said == gold:
            return Verdict(1.0, said, "equal to the answer")
        if gold in ("yes", "no") and (first := yes_no.leading(said)):
            return Verdict(float(first.lower() == gold), first.lower(), "leading yes or no")
        if self.settings["relaxed"] and (rule := phrases.relaxed(said, gold)):
            return Verdict(1.0, said, rule)
        return Verdict(0.0, said, "differs from the answer")

    def official(self, sample: Sample, text: str) -> Verdict:
        """The whole response, blanks included, equals the answer, but for case and trailing dots."""
        said = text.lower().rstrip(".")
        return Verdict(
            float(said == sample.answers[0].lower()),
            said or None,
            "the whole response",
            "read" if said.strip() else "unparsed",
        )

    def scoring_notes(self, scorer: str) -> tuple[str, ...]:
        """Relaxed scores are not comparable with published ones."""
        if scorer == "fuzzy" and self.settings["relaxed"]:
            return ("relaxed matching: a diagnostic, not comparable with published exact-match scores",)
        return ()

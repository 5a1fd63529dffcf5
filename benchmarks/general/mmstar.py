"""MMStar: 1,500 questions that need the image, six capabilities of 250 (Chen et al., 2024).

Prompt: the stored question, which holds its options, and the only-letter sentence; the authors list options as "A. ..".
Score: accuracy over rows, x100; breakdown by capability and second level. `gain` computes the multimodal gain and
leakage from the vision-off run and a run of the language model alone. Options that are the text "nan" are no options;
in two rows the answer is such a one, and stays.
Released scorer: the first word without trailing ".", ":" and ",".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import (
    LETTER_SENTENCE,
    ONLY_LETTER,
    Category,
    HubSource,
    PromptStyle,
    listed,
    printed,
)
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import released_letters
from cambrian_eval.scoring.listed import listed_options

from ..kinds import Lettered


class MMStar(Lettered):
    """Lettered rows whose options stand in the question."""

    name = "mmstar"
    title = "MMStar"
    category: ClassVar[Category] = "General"
    paper = "Chen et al. Are We on the Right Way for Evaluating Large Vision-Language Models? NeurIPS 2024"
    metric = "accuracy"
    max_new_tokens = 128
    typical_chance = 26.93
    """Without filler options; 25.0 with them."""
    prompt_styles: ClassVar[tuple[PromptStyle, ...]] = ("official", "paper", "authors")
    published = printed(
        "arXiv 2403.20330",
        "GPT-4V (high) 57.1, LLaVA-NeXT-34B 52.1, GPT-4V (low) 46.1, Gemini Pro Vision 42.6, LLaVA-1.5-13B 32.8, "
        "LLaVA-1.5-7B 30.3",
    )
    schema = schema_of(
        {
            "int64": "index",
            "string": "question answer category l2_category",
            "image": "image",
            "struct{source: string, split: string, image_path: string}": "meta_info",
        }
    )

    @property
    def source(self) -> HubSource:
        """One table."""
        wanted = ("index", "question", "image", "answer", "category", "l2_category")
        revision = "bc98d668301da7b14f648724866e57302778ab27"
        return HubSource("Lin-Chen/MMStar", "val", 1500, wanted, config="val", revision=revision)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question, its options parsed from the text."""
        stem, options = listed_options(row["question"])
        gold = str(row["answer"]).strip().upper()
        real = {label: text for label, text in options.items() if text.strip().lower() != "nan" or label == gold}
        about = row.get("meta_info") or {}
        tags = {"category": str(row.get("category")), "l2_category": str(row.get("l2_category"))}
        return Sample(
            id=str(row.get("index", index)),
            index=index,
            question=stem,
            answers=(gold,),
            choices=tuple(real.values()),
            labels=tuple(real),
            images=images(row.get("image")),
            guesses=tuple(real) or tuple("ABCD"),
            tags=tags | ({"source": str(about["source"])} if about.get("source") else {}),
            extra={"text": row["question"]},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The stored text; the authors' options stand on lines of their own."""
        if style == "authors" and sample.choices:
            return f"{sample.question}\n{listed(sample.options)}\n{LETTER_SENTENCE}"
        return f"{sample.extra['text']}\n{LETTER_SENTENCE if style == 'authors' else ONLY_LETTER}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first word."""
        return released_letters.first_word(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Both forms of options, some rows with fillers."""
        form = draw.kind(("line", "lines", "line"))
        scene = draw.scene(draw.rng.choice(("color", "corner", "shape", "place")))
        k = draw.rng.choice((2, 3, 4, 4)) if form == "line" else 4
        values, place = draw.options(scene, k)
        texts = [*values, "nan", "nan"][:4] if form == "line" else values
        pairs = list(zip(LETTERS, texts, strict=False))
        if form == "line":
            question = f"{scene.text}\nOptions: {', '.join(f'{label}: {text}' for label, text in pairs)}"
        else:
            question = "\n".join([f"Question: {scene.text}", "Choices:", *(f"({a}) {text}" for a, text in pairs)])
        level = draw.rng.choice((("math", "geometry"), ("coarse perception", "image emotion")))
        cells = {"index": row, "question": question, "image": scene.image(values[place]), "answer": LETTERS[place]}
        about = {"source": "miniature", "split": "val", "image_path": f"images/{row}.png"}
        return [MiniRow({**cells, "category": level[0], "l2_category": level[1], "meta_info": about}, 1 / k)]

"""BLINK: fourteen perception tasks, some over two to four images (Fu et al., 2024), validation split.

Prompt: the stored prompt, which holds question and options, and the only-letter sentence; the authors send it alone.
All images are sent, in order, in front of the text.
Score: the mean of the task accuracies, x100; `rows` is the share of rows and `released_six` that of the six tasks with
one image, which the released script runs. Until September 2025 the answers of Relative_Reflectance were wrong.
Released scorer: the first word of the first sentence, brackets dropped.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import ONLY_LETTER, Category, Graded, HubSource, PromptStyle, Unit, printed
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, released_letters

from ..kinds import Lettered

SIX = ("Counting", "IQ_Test", "Object_Localization", "Relative_Depth", "Relative_Reflectance", "Spatial_Relation")
OTHERS = (
    *("Functional_Correspondence", "Semantic_Correspondence", "Visual_Correspondence", "Multi-view_Reasoning"),
    *("Art_Style", "Jigsaw", "Visual_Similarity", "Forensic_Detection"),
)
IMAGES = ("image_1", "image_2", "image_3", "image_4")
OLD_GOLDS = "4fb892cf7d48028086ee5b7e9a04ce46f0ae71ed35888278e47b9b783841e25c"
"""Hash of the letters of Relative_Reflectance, in the order of the ids, until September 2025."""


class BLINK(Lettered):
    """Lettered rows with one to four images, averaged by task."""

    name = "blink"
    title = "BLINK (val)"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Fu et al. BLINK: Multimodal Large Language Models Can See but Not Perceive. ECCV 2024"
    metric = "mean of fourteen task accuracies"
    max_new_tokens = 32
    typical_chance = 38.1
    prompt_styles: ClassVar[tuple[PromptStyle, ...]] = ("official", "paper", "authors")
    published = printed(
        "README of the authors, val, answers of Relative_Reflectance before their correction",
        "LLaVA-1.5-7B 37.1, LLaVA-1.5-13B 42.7, LLaVA-1.6-34B 46.8, GPT-4V 51.1, GPT-4 Turbo 54.6, GPT-4o 60.0, "
        "human 95.7",
    )
    schema = schema_of(
        {
            "string": "idx question sub_task answer prompt explanation",
            "list[string]": "choices",
            "image": "image_1",
            "image|null": "image_2 image_3 image_4",
        }
    )

    @property
    def source(self) -> HubSource:
        """A config for each task."""
        wanted = ("idx", "sub_task", "choices", "answer", "prompt", *IMAGES)
        return HubSource("BLINK-Benchmark/BLINK", "val", 1901, wanted, configs=(*SIX, *OTHERS))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question with its images in order."""
        options = columns.options(row["choices"])
        task = str(row.get("sub_task") or "_".join(str(row["idx"]).split("_")[1:-1]))
        return Sample(
            id=str(row.get("idx", index)),
            index=index,
            question=str(row.get("question") or row["prompt"]),
            answers=(str(row["answer"]).strip().strip("()").upper(),),
            choices=options,
            images=tuple(p for name in IMAGES for p in images(row.get(name))),
            guesses=tuple(LETTERS[: len(options)]),
            tags={"task": task},
            extra={"prompt": str(row["prompt"])} if "prompt" in row else {},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The stored text."""
        text = sample.extra.get("prompt", sample.question)
        return str(text) if style == "authors" else f"{text}\n{ONLY_LETTER}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first word of the first sentence."""
        return released_letters.first_word_of_sentence(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Rows by task, all rows, and those of the six tasks."""
        found = []
        for i, g in enumerate(graded):
            task = str(g.sample.tags["task"])
            found += [Unit(s, g.verdict.value, (i,)) for s in (task, "rows", *(["six"] if task in SIX else []))]
        return found

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """All tasks weigh the same."""
        tasks = [s for s in strata if s not in ("rows", "six")]
        found = {"score": {task: 100.0 / len(tasks) for task in tasks}, "rows": {"rows": 100.0}}
        return found | ({"released_six": {"six": 100.0}} if "six" in strata else {})

    def data_notes(self, samples: Sequence[Sample]) -> tuple[str, ...]:
        """Recognizes the copies with the old answers."""
        golds = {
            int(s.id.rsplit("_", 1)[-1]): s.answers[0]
            for s in samples
            if s.tags["task"] == "Relative_Reflectance" and s.id.rsplit("_", 1)[-1].isdigit() and s.answers
        }
        letters = "".join(golds[i] for i in sorted(golds))
        if hashlib.sha256(letters.encode()).hexdigest() != OLD_GOLDS:
            return ()
        return (
            "blink: this copy has the answers of Relative_Reflectance from before September 2025, most of which are "
            "wrong; scores compare with figures published until then, not with later ones",
        )

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """Tasks with one image, and one with two."""
        tasks = (("Counting", "count", 4), ("Spatial_Relation", "side", 2), ("Jigsaw", "place", 2))
        task, name, k = draw.kind(tasks)
        scene = draw.scene(name)
        values, place = draw.options(scene, k)
        shown: dict[str, Any] = dict.fromkeys(IMAGES) | {"image_1": scene.image(values[place])}
        question, options = scene.text, values
        if task == "Jigsaw":
            first = draw.balanced("first", (0, 1))
            place, options = first, ["the first image", "the second image"]
            question = f"Which image answers this with {values[0]}: {scene.text}"
            shown |= {f"image_{1 + i}": scene.image(values[0 if i == first else 1]) for i in (0, 1)}
        listed = "".join(f"\n({label}) {text}" for label, text in zip(LETTERS, options, strict=False))
        cells = {"idx": f"val_{task}_{row + 1}", "question": question, "sub_task": task, **shown, "choices": options}
        prompt = f"{question} Select from the following choices.{listed}"
        return [MiniRow({**cells, "answer": f"({LETTERS[place]})", "prompt": prompt, "explanation": ""}, 1 / k)]

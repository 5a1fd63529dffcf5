"""Q-Bench (LLVisionQA, dev): what people see of an image's quality, asked with two to four options (Wu et al., 2024).

Prompt: question, " Options:", options as "A. ..", and the only-letter sentence.
Score: accuracy over rows, x100, by type of question and by concern.
Released scorer: what stands before the first full stop is the letter. It reads the authors' JSON (`candidates`,
`correct_ans`); both layouts are accepted.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import ONLY_LETTER, Category, HubSource, PromptStyle, listed, printed
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import columns, released_letters

from ..kinds import Lettered

TYPES = {"0": "yes or no", "1": "what", "2": "how"}
CONCERNS = {"0": "distortion", "1": "other", "2": "in-context distortion", "3": "in-context other"}


class QBench(Lettered):
    """Two to four options a question."""

    name = "qbench"
    title = "Q-Bench (LLVisionQA dev)"
    category: ClassVar[Category] = "General"
    paper = "Wu et al. Q-Bench: A Benchmark for General-Purpose Foundation Models on Low-level Vision. ICLR 2024"
    metric = "accuracy"
    max_new_tokens = 32
    same_text = True
    typical_chance = 37.8
    gold_columns = ("correct_choice", "correct_ans")
    published = (
        *printed(
            "leaderboard of the authors, dev split, October 2023",
            "LLaVA-1.5 63.14, InstructBLIP-T5 61.47, LLaMA-Adapter-v2 59.46, Qwen-VL 59.40",
        ),
        *printed(
            "README of the authors, test split",
            "GPT-4V Turbo 74.1, Gemini Pro 70.6, human (junior) 74.3, human (senior) 81.7",
        ),
    )
    schema = schema_of(
        {
            "int64": "id question_type question_concern",
            "image": "image",
            "string": "question option0 option1 option2 option3 correct_choice",
        }
    )

    @property
    def source(self) -> HubSource:
        """The tabular copy."""
        wanted = ("id", "image", "question", "option0", "option1", "correct_choice")
        return HubSource("q-future/Q-Bench-HF", "dev", 1495, wanted)

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; absent options are "N/A"."""
        if "candidates" in row:
            options = columns.options(row["candidates"])
            labels = tuple(LETTERS[: len(options)])
            right = [label for label, text in zip(labels, options, strict=True) if text == str(row["correct_ans"])]
            if not right:
                raise ValueError(f"correct_ans {str(row['correct_ans'])[:40]!r} is none of the candidates")
            gold = right[-1]  # of equal texts the last one, as in the released code
        else:
            cells = {LETTERS[i]: row.get(f"option{i}") for i in range(4)}
            real = {k: str(c) for k, c in cells.items() if c is not None and str(c).strip() not in ("", "N/A")}
            labels, options = tuple(real), tuple(real.values())
            gold = str(row["correct_choice"]).strip().strip("().").upper()
        kind = str(row.get("question_type", row.get("type", "")))
        concern = str(row.get("question_concern", row.get("concern", "")))
        return Sample(
            id=str(row.get("id", index)),
            index=index,
            question=row["question"],
            answers=(gold,),
            choices=options,
            labels=labels,
            images=images(row.get("image")),
            image_id=str(row["img_path"]) if row.get("img_path") else None,
            guesses=labels,
            tags={"type": TYPES.get(kind, "unknown"), "concern": CONCERNS.get(concern, "unknown")},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """As the released code asks."""
        return f"{sample.question} Options:\n{listed(sample.options)}\n{ONLY_LETTER}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """What stands before the first full stop."""
        return released_letters.first_sentence(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A color or a size, with two to four options."""
        name, kind, k = draw.kind((("color", 1, 4), ("bigger", 2, 2), ("mood", 1, 3)))
        scene = draw.scene(name)
        values, place = draw.options(scene, k)
        texts = [*values, "N/A", "N/A"][:4]
        cells = {"id": row, "image": scene.image(values[place]), "question": scene.text}
        about = {"question_type": kind, "question_concern": draw.rng.randrange(4), "correct_choice": LETTERS[place]}
        return [MiniRow({**cells, **{f"option{i}": text for i, text in enumerate(texts)}, **about}, 1 / k)]

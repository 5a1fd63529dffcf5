"""MMBench-CN (dev): MMBench in Chinese, 4,329 rows (Liu et al., 2023).

Prompt: hint, question, " Options:", options "A. ..", and a Chinese sentence that asks for the letter.
Score: as MMBench, circular accuracy.
Released scorer: the first word without trailing ".", ":" and ","; rows are one question as in MMBench.
"""

from __future__ import annotations

from typing import Any

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import HubSource, Mirror, PromptStyle, listed, printed
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import released_letters

from .mmbench import OPTIONS, ROTATION, MMBench

SENTENCE = "请直接回答选项字母。"


class MMBenchCN(MMBench):
    """The Chinese rows; what differs from the English ones."""

    name = "mmbench_cn"
    title = "MMBench-CN (dev)"
    max_new_tokens = 128
    published = printed(
        "LLaVA model zoo, dev 20231003, by the server",
        "LLaVA-1.5-7B 58.3, LLaVA-1.5-13B 63.6, LLaVA-1.6-34B 79.0",
    )
    schema = schema_of(
        {
            "int32": "index",
            "string": "question hint A B C D answer category source L2-category comment split",
            "image": "image",
        }
    )

    @property
    def source(self) -> HubSource:
        """The Chinese development split."""
        wanted = ("index", "question", "hint", *OPTIONS, "answer", "category", "image", "source")
        mirrors = (Mirror("lmms-lab-encoder/MMBench", "cn"),)
        return HubSource("lmms-lab/MMBench_CN", "dev", 4329, wanted, config="default", mirrors=mirrors)

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """As the released code asks."""
        hint = f"{sample.extra['hint']}\n" if sample.extra["hint"] else ""
        return f"{hint}{sample.question} Options:\n{listed(sample.options)}\n{SENTENCE}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The first word."""
        return released_letters.first_word(sample, reply)

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """A question with four options, all four rotations."""
        scene = draw.scene(draw.kind(("color", "corner", "shape")))
        values, place = draw.options(scene, 4)
        image = scene.image(values[place])
        rows = []
        for turn in range(4):
            cells: dict[str, Any] = {"index": draw.group + ROTATION * turn, "question": f"请看图回答。{scene.text}"}
            cells |= {"image": image, "hint": "nan"} | dict(zip(OPTIONS, values[turn:] + values[:turn], strict=True))
            cells |= {"answer": LETTERS[(place - turn) % 4], "category": "attribute_recognition", "source": "miniature"}
            rows.append(MiniRow(cells | {"L2-category": "coarse_perception", "comment": "nan", "split": "dev"}, 1 / 4))
        return rows

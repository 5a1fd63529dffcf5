"""MMMU-Pro: MMMU with up to ten options, and as screenshots of the whole question (Yue et al., 2024).

Score: accuracy over 1,730 rows, x100; "MMMU-Pro" without addition is the mean of both settings (the suite `mmmu_pro`).
Released scorer: the only option letter after the last "Answer:", else the rule of MMMU, else a random option (here
unparsed). One row has a list inside its list of options; nine rows repeat an option, in two of them the gold one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import Category
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import released_letters

from ..kinds import Lettered
from .mmmu import DOMAIN_OF

FORMAT = (
    "The last line of your response should be of the following format: 'Answer: $LETTER' (without quotes) where "
    "LETTER is one of options."
)
DIRECT = "Answer with the option letter from the given choices directly."
STEPS = "Think step by step before answering."


class MMMUPro(Lettered):
    """What both settings have in common."""

    category: ClassVar[Category] = "Knowledge"
    paper = "Yue et al. MMMU-Pro: A More Robust Multi-discipline Multimodal Understanding Benchmark. ACL 2025"
    metric = "accuracy"
    max_new_tokens = 4096
    same_text = True
    official_note = "responses without an option are unparsed; the released code draws a random option for them"
    typical_chance = 12.84
    settings_schema: ClassVar[Mapping[str, tuple[Any, str]]] = {
        "cot": (False, "ask for reasoning before the answer, with the authors' sentence"),
    }

    def _sample(self, row: Mapping[str, Any], index: int, question: str, options: tuple[str, ...]) -> Sample:
        """What both settings read from a row."""
        subject = str(row.get("subject") or "_".join(str(row["id"]).split("_")[1:-1]))
        difficulty = {"difficulty": str(row["topic_difficulty"])} if row.get("topic_difficulty") else {}
        return Sample(
            id=str(row["id"]),
            index=index,
            question=question,
            answers=(str(row["answer"]).strip().upper(),),
            choices=options,
            guesses=tuple(LETTERS[: len(options)]),
            tags={"subject": subject, "domain": DOMAIN_OF.get(subject, "other"), **difficulty},
        )

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The letter after "Answer:", or the last candidate."""
        return released_letters.declared_or_mmmu(sample, reply)

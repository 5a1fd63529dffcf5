"""3DSRBench: where things are in three dimensions, with options rotated and images mirrored (Ma et al., 2024).

Prompt: "Question: ..", "Options:", options as "A. ..", and the sentence of VLMEvalKit, which the authors ran.
Score: circular accuracy, x100: the rotations of a question are all right. A mirrored image is a question of its own.
Beside it: rows (`vanilla`), a row with its mirrored one (`flip`), and all rows of a question (`flip_circular`).
Released scorer: VLMEvalKit's exact matching. Rows come from a TSV with base64 images; the Hub's own table has none.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from cambrian_eval.artist import Artist, MiniRow, schema_of
from cambrian_eval.benchmark import (
    Category,
    Graded,
    HubSource,
    Mirror,
    PromptStyle,
    Unit,
    grouped,
    listed,
    printed,
    whole_group,
)
from cambrian_eval.image import images
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released_letters

from ..kinds import Lettered

SENTENCE = "Please select the correct answer from the options above. \n"
_ROTATION = re.compile(r"-.\Z", re.DOTALL)
TYPES = ("height", "location", "orientation", "multi_object")


class ThreeDSRBench(Lettered):
    """Two or four options a question, with rotations and mirrored images."""

    name = "3dsrbench"
    title = "3DSRBench"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "Ma et al. 3DSRBench: A Comprehensive 3D Spatial Reasoning Benchmark. ICCV 2025"
    metric = "circular accuracy: every rotation of a question right"
    max_new_tokens = 4096
    typical_chance = 21.0
    published = (
        *printed("circular accuracy, via EASI", "Qwen2.5-VL-3B 43.9, Qwen2.5-VL-7B 48.4"),
        *printed("plain accuracy, as its authors print it", "Cambrian-S-7B 54.8"),
        *printed("circular accuracy, EASI rerun", "Cambrian-S-7B 51.94"),
        *printed("third party, people", "human 95.7"),
    )
    schema = schema_of(
        {
            "int64": "index",
            "string": "qid question A B answer category image_source image_url",
            "string|null": "C D",
            "image": "image",
        }
    )

    @property
    def source(self) -> HubSource:
        """The circular table, a TSV of 843 MB; how many rows it has is read from it."""
        return HubSource(
            "ccvl/3DSRBench",
            "test",
            None,
            ("question", "A", "B", "answer", "category", "image"),
            files=("3dsrbench_v1_vlmevalkit_circular.tsv",),
            mirrors=(Mirror("oscarqjh/3DSRBench_lmmseval", "3dsr_circular"),),
        )

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One row; the id of its question is `qid`, or `index` in the table without rotations."""
        key = str(row["qid"] if row.get("qid") else row["index"])
        options = {name: str(row[name]) for name in "ABCD" if not _absent(row.get(name))}
        kind = str(row["category"])
        group = next((name for name in TYPES if kind.startswith(name)), "other")
        return Sample(
            id=key,
            index=index,
            question=row["question"],
            answers=(str(row["answer"]).strip().upper(),),
            choices=tuple(options.values()),
            labels=tuple(options),
            images=images(row.get("image")),
            group=key[:8],
            guesses=tuple(options),
            tags={"type": group, "subtype": kind},
            extra={"qid": key},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """With the blank and the line end that the template has."""
        return f"Question: {sample.question}\nOptions:\n{listed(sample.options)}\n{SENTENCE}"

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The only label, or the only option text."""
        return released_letters.only_label(sample, reply)

    def units(self, graded: Sequence[Graded], scorer: str) -> list[Unit]:
        """Rows, rows with their mirrored ones, rotations, and both."""
        found = [Unit("rows", g.verdict.value, (i,)) for i, g in enumerate(graded)]
        for stratum, key in (("flip", _unflipped), ("circular", _unrotated), ("flip circular", _question)):
            found += [whole_group(graded, members, stratum) for members in grouped(graded, key)]
        return found

    def metrics(self, strata: Sequence[str]) -> dict[str, dict[str, float]]:
        """Circular accuracy is the headline."""
        names = {"score": "circular", "vanilla": "rows", "flip": "flip", "flip_circular": "flip circular"}
        return {name: {stratum: 100.0} for name, stratum in names.items()}

    def mini_rows(self, draw: Artist, row: int) -> list[MiniRow]:
        """One question with two options, both rotations."""
        scene = draw.scene("side")
        values, place = draw.options(scene, 2)
        image, qid = scene.image(values[place]), f"MINI{draw.group:04d}"
        about = {"category": "location_next_to", "image_source": "synthetic", "image_url": ""}
        rows = []
        for turn, (a, b) in enumerate((values, values[::-1])):
            cells = {"index": row + turn, "qid": qid if turn == 0 else f"{qid}-{turn}", "image": image}
            gold = "AB"[(place + turn) % 2]
            options = {"question": scene.text, "A": a, "B": b, "C": None, "D": None, "answer": gold}
            rows.append(MiniRow({**cells, **options, **about}, 1 / 2))
        return rows


def _absent(value: Any) -> bool:
    return value is None or value != value or str(value).strip().lower() in ("", "nan")


def _unrotated(sample: Sample) -> str:
    """Without the rotation at the end: the last two characters, where the first of them is a hyphen."""
    return _ROTATION.sub("", str(sample.extra["qid"]))


def _unflipped(sample: Sample) -> str:
    return str(sample.extra["qid"]).replace("-flip", "")


def _question(sample: Sample) -> str:
    return str(sample.extra["qid"])[:8]

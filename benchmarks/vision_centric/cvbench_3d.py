"""CV-Bench 3D: which object is nearer, in Omni3D photos with boxes drawn in (Tong et al., 2024).

Score: accuracy over rows, x100. The released rule takes the first character of what follows "answer is"; its
comparison with the option's text can only succeed for options of one character.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released

from .cvbench import CVBench

_COMPONENT = re.compile(r"omni3d_(.+?)_\d+(?:\.\w+)?$", re.IGNORECASE)


class CVBench3D(CVBench):
    """Depth and distance: two options a question, all rows alike."""

    name = "cvbench_3d"
    title = "CV-Bench 3D"
    metric = "accuracy"
    kind = "3D"
    n_rows = 1200
    typical_chance = 50.0

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample | None:
        """One row; its `filename` names the Omni3D component, such as img/3D/depth/omni3d_hypersim_4.jpg."""
        sample = super().to_sample(row, index)
        found = _COMPONENT.search(str(row.get("filename") or ""))
        if sample is None or found is None:
            return sample
        return replace(sample, tags={**sample.tags, "component": found[1].lower()})

    def official(self, sample: Sample, reply: str) -> Verdict:
        """The released first-character rule; full stops, colons and commas are dropped at the end."""
        return released.letter_or_one_character(sample, reply)

"""CV-Bench 3D: which object is nearer, in Omni3D photos with boxes drawn in (Tong et al., 2024).

Score: accuracy over rows, x100. The released rule takes the first character of what follows "answer is"; its
comparison with the option's text can only succeed for options of one character.
"""

from __future__ import annotations

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import released

from .cvbench import CVBench


class CVBench3D(CVBench):
    """Depth and distance: two options a question, all rows alike."""

    name = "cvbench_3d"
    title = "CV-Bench 3D"
    metric = "accuracy"
    kind = "3D"
    n_rows = 1200
    typical_chance = 50.0

    def official(self, sample: Sample, text: str) -> Verdict:
        """The released first-character rule; full stops, colons and commas are dropped at the end."""
        said = released.first_letter(text, trailing=".:,")
        if not said:
            return Verdict(0.0, None, "released rule: empty", outcome="unparsed")
        letter = sample.answers[0]
        if said.lower() == sample.options[letter]:
            return Verdict(1.0, said, "released rule: equals a one-character option")
        return Verdict(float(said.upper() == letter), said.upper(), "released rule: first character")

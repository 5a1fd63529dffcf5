"""The last step of a balanced build: drop rows until the audit passes, and say what more rows would need."""

from __future__ import annotations

import math

from cvbench_builder import draw
from cvbench_builder.audit import LIMIT, Score, sentence
from cvbench_builder.prune import FEWEST, prune
from cvbench_builder.row_files import SampledTask, rows_without_images
from cvbench_builder.settings import BuildSettings

_ROUNDS = 10


def harden(
    sampled: list[SampledTask],
    facts: dict[str, draw.ImageFacts],
    settings: BuildSettings,
    images: dict[str, int],
    lacking: dict[str, list[str]],
) -> tuple[list[SampledTask], list[str]]:
    """The rows that stay, and for each task a line about its best guesser and about the rows that it lacks.

    `images` are the images that each task could use, `lacking` what kept sampling from more rows.
    """
    done, lines = [], []
    for item in sampled:
        name, wanted = item.task.name, settings.size(item.task.name) or 0
        if not item.picks:
            done.append(item)
            continue
        kept, score, solved = _passing(item, facts, settings)
        done.append(kept)
        got, dropped = len(kept.picks), len(item.picks) - len(kept.picks)
        text = f"{name}: {got} of {wanted} rows"
        if dropped:
            text += f", {dropped} dropped so that the audit passes"
        if score is not None:
            text += f"; best guesser: {sentence(score, LIMIT)}"
        if not solved:
            text += f"; {got} rows are too few to pass the audit with certainty"
        if got < wanted:
            if lacking[name]:
                text += f"; more rows would be needed {', '.join(lacking[name])}"
            if got:
                text += f"; about {math.ceil((wanted - got) * images[name] / got)} more such images would do"
        lines.append(text)
    return done, lines


def _passing(
    item: SampledTask, facts: dict[str, draw.ImageFacts], settings: BuildSettings
) -> tuple[SampledTask, Score | None, bool]:
    """Fewer rows change the options and letters of the others, so the audit is asked again until nothing changes."""
    score = None
    for _ in range(_ROUNDS):
        picks, rows = rows_without_images(item, facts, settings)
        if len(rows) < FEWEST:
            return item, score, False
        result = prune(rows, LIMIT)
        score = result.after
        if not result.solved or len(result.kept) == len(rows):
            return item, score, result.solved
        item = SampledTask(item.task, [picks[i] for i in result.kept])
    return item, score, False

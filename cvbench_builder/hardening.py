"""The last step of a balanced build: drop rows until the audit passes, and say what more rows would need."""

from __future__ import annotations

import math

from cvbench_builder import draw
from cvbench_builder.audit import FEWEST, LIMIT, Score, best, sentence, task_scores
from cvbench_builder.prune import prune
from cvbench_builder.row_files import SampledTask, rows_without_images
from cvbench_builder.settings import BuildSettings

_ROUNDS = 10


def harden(
    sampled: list[SampledTask],
    facts: dict[str, draw.ImageFacts],
    settings: BuildSettings,
    images: dict[str, int],
    lacking: dict[str, str],
) -> tuple[list[SampledTask], list[str]]:
    """The rows that stay, and for each task a line about its best guesser and about the rows that it lacks.

    `images` are the images that each task could use, `lacking` what kept sampling from more rows.
    """
    done, lines = [], []
    for item in sampled:
        name, wanted = item.task.name, settings.size(item.task.name) or 0
        if not item.picks:
            done.append(item)
            if images[name]:
                needed = f"; more rows would be needed {lacking[name]}" if lacking[name] else ""
                lines.append(f"{name}: 0 of {wanted} rows{needed}")
            continue
        kept, score, solved = _passing(item, facts, settings)
        done.append(kept)
        got, dropped = len(kept.picks), len(item.picks) - len(kept.picks)
        text = f"{name}: {got} of {wanted} rows"
        if dropped:
            text += f", {dropped} dropped so that the audit passes"
        text += f"; best guesser: {sentence(score, LIMIT)}"
        if not solved:
            text += f"; {got} rows are too few to pass the audit with certainty"
        if got < wanted:
            if lacking[name]:
                text += f"; more rows would be needed {lacking[name]}"
            if got:
                text += f"; about {math.ceil((wanted - got) * images[name] / got)} more such images would do"
        lines.append(text)
    return done, lines


def _passing(
    item: SampledTask, facts: dict[str, draw.ImageFacts], settings: BuildSettings
) -> tuple[SampledTask, Score, bool]:
    """Fewer rows change the options and letters of the others, so the audit is asked again until nothing changes."""
    first = item
    for _ in range(_ROUNDS):
        picks, rows = rows_without_images(item, facts, settings)
        result = prune(rows, LIMIT) if len(rows) >= FEWEST else None
        if result is None or not result.solved:
            break
        if len(result.kept) == len(rows):
            return item, result.after, True
        item = SampledTask(item.task, [picks[i] for i in result.kept])
    rows = rows_without_images(first, facts, settings)[1]
    return first, best(task_scores(rows), LIMIT), False

"""The guessers of the audit: who answers without the images, and how.

A guesser returns for each row of one task the probability that it is right, NaN where it does not apply. Ties share
the guess, so a guess without any basis is exactly chance. Those that learn are scored on other images than they learn
from (`image_folds`).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from statistics import median

from cvbench_builder import clues
from cvbench_builder.image_folds import FOLDS, fold_of
from cvbench_builder.stats import answer_place, answer_text
from cvbench_builder.task import Row
from cvbench_builder.tasks import task_named

Guesses = list[float]
"""Per row the probability that the guess is right."""
Scores = Callable[[Row], list[float] | None]


@dataclass(frozen=True)
class Guesser:
    """One way of guessing."""

    name: str
    guess: Callable[[list[Row]], Guesses]
    boxes: bool = False
    """Whether it looks at the drawn boxes."""
    learns: bool = False
    slow: bool = False
    """Whether `--no-forest` skips it."""


def by_scores(rows: list[Row], scores: Scores) -> Guesses:
    """The option with the highest score."""
    return [float("nan") if (own := scores(r)) is None else share(own, answer_place(r)) for r in rows]


def _by_clue(rows: list[Row], clue: clues.BoxClue) -> Guesses:
    return by_scores(rows, lambda row: clues.box_scores(row, clue))


def share(scores: list[float], place: int) -> float:
    """1 if the best score is at `place`; ties share."""
    best = max(scores)
    winners = [i for i, s in enumerate(scores) if s >= best - 1e-12]
    return 1 / len(winners) if place in winners else 0.0


def always_a(rows: list[Row]) -> Guesses:
    """Right where the answer is (A)."""
    return [float(answer_place(r) == 0) for r in rows]


def majority_word(rows: list[Row]) -> Guesses:
    """The option that is most often the answer elsewhere."""
    guesses = []
    counts = [Counter(answer_text(r) for r in rows if fold_of(r) != f) for f in range(FOLDS)]
    for row in rows:
        seen = counts[fold_of(row)]
        guesses.append(share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def prior(rows: list[Row]) -> Guesses:
    """The usual answer for this class or pair, learnt from other images (rows of one task)."""
    task = task_named(rows[0]["task"])
    tables: list[dict[tuple[str, ...], Counter[str]]] = [defaultdict(Counter) for _ in range(FOLDS)]
    for row in rows:
        for fold in range(FOLDS):
            if fold_of(row) != fold:
                for key, answer in task.lessons(row, answer_text(row)):
                    tables[fold][key][answer] += 1
    guesses = []
    for row in rows:
        table = tables[fold_of(row)]
        seen = next((table[k] for k in task.prior_keys(row) if k in table), Counter[str]())
        guesses.append(share([float(seen[str(c)]) for c in row["choices"]], answer_place(row)))
    return guesses


def class_frequency(rows: list[Row]) -> Guesses:
    """The option that is right most often where this class is named, learnt from other images.

    Where the options are the named classes, that is the class that wins most often.
    """
    wins: list[dict[tuple[str, str], list[float]]] = [defaultdict(lambda: [0.0, 0.0]) for _ in range(FOLDS)]
    for row in rows:
        for fold in range(FOLDS):
            if fold_of(row) == fold:
                continue
            for choice in row["choices"]:
                seen = wins[fold][(_about(row), choice)]
                seen[0] += choice == answer_text(row)
                seen[1] += 1
    guesses = []
    for row in rows:
        own = []
        for choice in row["choices"]:
            right, asked = wins[fold_of(row)].get((_about(row), choice), (0.0, 0.0))
            base = 1 / len(row["choices"])
            own.append((right + base) / (asked + 1))
        guesses.append(share(own, answer_place(row)))
    return guesses


def _about(row: Row) -> str:
    """The class that a rate belongs to: the first one, unless the options are classes themselves."""
    return "" if set(row["choices"]) <= set(row["classes"]) else row["classes"][0]


TOLERANCE = 0.25
"""A number is right if it differs from the answer by at most this share of the answer."""


def chances(rows: list[Row]) -> list[float]:
    """Per row the probability that a guess without any basis is right.

    Without options that is the number that is right most often: the median answer of the other images.
    """
    if rows and not rows[0]["choices"]:
        return by_median(rows, lambda row: ())
    return [1 / len(row["choices"]) for row in rows]


def by_median(rows: list[Row], key: Callable[[Row], tuple[str, ...]]) -> Guesses:
    """The median answer of the rows with the same key on other images; of all rows where there is none."""
    guesses = []
    seen: list[dict[tuple[str, ...], list[float]]] = [defaultdict(list) for _ in range(FOLDS)]
    for row in rows:
        for fold in range(FOLDS):
            if fold_of(row) != fold:
                for name in {key(row), ()}:
                    seen[fold][name].append(float(row["answer"]))
    for row in rows:
        table, answer = seen[fold_of(row)], float(row["answer"])
        known = table.get(key(row)) or table.get(())
        guesses.append(float(abs(median(known) - answer) <= TOLERANCE * answer) if known else 0.0)
    return guesses


def _number_guessers() -> list[Guesser]:
    return [
        Guesser("usual number", lambda rows: by_median(rows, lambda row: ()), learns=True),
        Guesser("pair prior", lambda rows: by_median(rows, lambda row: tuple(sorted(row["classes"]))), learns=True),
        Guesser("class frequency", lambda rows: by_median(rows, lambda row: (row["classes"][0],)), learns=True),
    ]


def all_guessers(rows: list[Row], *, forest: bool = True) -> list[Guesser]:
    """The guessers for the rows of one task."""
    if not rows[0]["choices"]:
        return _number_guessers()
    task = task_named(rows[0]["task"])
    found = [
        Guesser("always A", always_a),
        Guesser("first named", lambda r: by_scores(r, clues.named_scores)),
        Guesser("middle of the window", lambda r: by_scores(r, clues.middle_scores)),
        Guesser("majority word", majority_word, learns=True),
        Guesser(task.prior_name, prior, learns=True),
        Guesser("class frequency", class_frequency, learns=True),
    ]
    found += [Guesser(clue.name, partial(_by_clue, clue=clue), boxes=True) for clue in clues.BOX_CLUES]
    if forest:
        from cvbench_builder.text_baseline import clue_forest, text_forest

        found.append(Guesser("text forest", text_forest, learns=True, slow=True))
        if any(clues.compared(r) is not None for r in rows):
            found.append(Guesser("forest over all", clue_forest, boxes=True, learns=True, slow=True))
    return found

"""Average Normalized Levenshtein Similarity, the metric of DocVQA: how near a text is to its best gold text.

Owns the two variants of the score of one answer; reading rows and averaging belong to the benchmark. Both
keep a similarity of exactly one half, as the challenge's script does (the printed formula would cut it).
"""

from __future__ import annotations

from collections.abc import Sequence

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import normal

THRESHOLD = 0.5
"""A similarity below this is another answer, not a misspelt one, and scores 0."""


def anls(text: str, golds: Sequence[str]) -> float:
    """Best similarity over the golds; both sides NFC, case and blanks folded before they are measured."""
    said = _fold(normal("NFC", text[:LONGEST]))
    best = 0.0
    for gold in golds:
        wanted = _fold(normal("NFC", gold))
        best = max(best, _similarity(said, wanted, max(len(said), len(wanted))))
    return best


LONGEST = 10_000
"""Characters of an answer that are measured."""


def grade(reply: Reply, golds: Sequence[str]) -> Verdict:
    """ANLS of the whole answer without thoughts, end marks, containers, markdown and quotes, or with the latter two."""
    if reply.silence:
        return unread(reply.silence)
    value = max([anls(text, golds) for text in {reply.said, reply.strip()}])
    return Verdict(
        value,
        reply.said,
        f"ANLS of the whole answer: {'equal to' if value == 1.0 else 'near' if value else 'differs from'} the answer",
    )


def challenge_anls(text: str, golds: Sequence[str]) -> float:
    """The challenge script's value: the distance of the folded texts over the length of the *raw* ones.

    The script measures them in upper case, where some letters become two.
    """
    said, length = _fold(text), len(text.upper())
    return max((_similarity(said, _fold(gold), max(length, len(gold.upper()))) for gold in golds), default=0.0)


def _fold(text: str) -> str:
    return " ".join(text.lower().split())


def _similarity(said: str, wanted: str, length: int) -> float:
    """1 - distance / length, cut to 0 below the threshold."""
    if said == wanted:
        return 1.0
    allowed = int(length * (1 - THRESHOLD))
    # The distance is at least the difference of the lengths; this spares long outputs the search.
    if abs(len(said) - len(wanted)) > allowed:
        return 0.0
    from rapidfuzz.distance import Levenshtein

    similarity = 1 - Levenshtein.distance(said, wanted, score_cutoff=allowed) / length
    return similarity if similarity >= THRESHOLD else 0.0

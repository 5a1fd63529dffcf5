"""Answers that need no judge: the whole response is a gold answer, or plainly another one.

Used by `--judge-only-unclear`. Only what leaves no room for opinion is settled, and only where the benchmark's own
fuzzy verdict says the same; everything else goes to the judge.
"""

from __future__ import annotations

import re
import unicodedata

from cambrian_eval.sample import Sample, Verdict

TOLERANCE = 0.05
"""Relative, as the judge is told."""
_NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


def settled(sample: Sample, text: str, fuzzy: Verdict) -> Verdict | None:
    """The verdict on an answer beyond doubt; None where a judge is needed."""
    right = _certain(sample, text)
    if right is None or not (fuzzy.value >= 0.5 if right[0] else fuzzy.value == 0.0):
        return None
    return Verdict(float(right[0]), fuzzy.extracted, f"settled without the judge: {right[1]}", fuzzy.outcome)


def _certain(sample: Sample, text: str) -> tuple[bool, str] | None:
    """Right or wrong with the reason, or None."""
    said = _plain(text)
    if not text.strip():
        return False, "the response is empty"
    options = sample.options
    if options:
        return _chosen(sample, said)
    golds = {_plain(a) for a in sample.answers}
    if said in golds:
        return True, "the whole response is a gold answer"
    if {_plain(g) for g in sample.guesses} >= {said} | golds and golds:
        return False, "the whole response is another of the possible answers"
    return _numbers(text.strip(), sample.answers)


def _chosen(sample: Sample, said: str) -> tuple[bool, str] | None:
    """For lettered options: a lone letter, or the text of exactly one option."""
    options = sample.options
    by_letter = {_plain(letter): letter for letter in options}
    by_text: dict[str, list[str]] = {}
    for letter, words in options.items():
        by_text.setdefault(_plain(words), []).append(letter)
    letters = {by_letter[said]} if said in by_letter else set()
    letters |= set(by_text.get(said, ()))
    if len(letters) != 1:
        return None
    letter = letters.pop()
    if letter in sample.answers:
        return True, f"the whole response is the right option {letter}"
    return False, f"the whole response is option {letter}"


def _numbers(text: str, golds: tuple[str, ...]) -> tuple[bool, str] | None:
    """For one bare number against one bare number. Years, and factors of ten (percent, thousands), stay open."""
    if len(golds) != 1 or not _NUMBER.fullmatch(text) or not _NUMBER.fullmatch(golds[0].strip()):
        return None
    said, gold = (float(t.replace(",", "")) for t in (text, golds[0].strip()))
    if said == gold:
        return True, "the number is the gold number"
    if any(v == int(v) and 1000 <= abs(v) < 3000 for v in (said, gold)):
        return None
    if gold == 0 or said == 0:
        return None
    if abs(said - gold) <= TOLERANCE * abs(gold):
        return True, "the number is within 5 %"
    ratio = abs(said / gold)
    if any(abs(ratio / factor - 1) <= TOLERANCE for factor in (1e-6, 1e-3, 1e-2, 1e2, 1e3, 1e6)):
        return None
    return False, "the number is more than 5 % off"


def _plain(text: str) -> str:
    """Folded, with one bracket pair and the final stop removed."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    folded = folded.removesuffix(".").strip()
    if len(folded) > 2 and (folded[0], folded[-1]) in {("(", ")"), ("[", "]"), ('"', '"'), ("'", "'")}:
        folded = folded[1:-1].strip()
    return folded

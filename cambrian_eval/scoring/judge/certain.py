"""Responses that need no judge, because exact matching decides them: used by `--judge-only-unclear`.

A response is decided here where it as a whole equals a gold answer, another option, or a number, and where the
benchmark's fuzzy verdict is the same. All other responses are sent to the judge.
"""

from __future__ import annotations

import unicodedata

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.patterns import pattern

TOLERANCE = 0.05
"""Relative tolerance of numbers, as in the judge's prompt."""
_NUMBER = pattern(r"[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?")


def certain_verdict(sample: Sample, text: str, fuzzy: Verdict) -> Verdict | None:
    """The verdict on a response that exact matching decides; None where a judge is needed."""
    found = _exact_match(sample, text)
    if found is None:
        return None
    correct, reason = found
    if not (fuzzy.value >= 0.5 if correct else fuzzy.value == 0.0):
        return None
    return Verdict(float(correct), fuzzy.extracted, f"decided without the judge: {reason}", fuzzy.outcome)


def _exact_match(sample: Sample, text: str) -> tuple[bool, str] | None:
    """Whether the response is correct, with the reason; None where this is not certain."""
    response = _normalized(text)
    if not text.strip():
        return False, "the response is empty"
    options = sample.options
    if options:
        return _match_option(sample, response)
    golds = {_normalized(a) for a in sample.answers}
    if response in golds:
        return True, "the whole response equals a gold answer"
    if {_normalized(g) for g in sample.guesses} >= {response} | golds and golds:
        return False, "the whole response equals another possible answer"
    return _match_number(text.strip(), sample.answers)


def _match_option(sample: Sample, response: str) -> tuple[bool, str] | None:
    """For lettered options: the response is a letter, or the text of exactly one option."""
    options = sample.options
    by_letter = {_normalized(letter): letter for letter in options}
    by_text: dict[str, list[str]] = {}
    for letter, words in options.items():
        by_text.setdefault(_normalized(words), []).append(letter)
    letters = {by_letter[response]} if response in by_letter else set()
    letters |= set(by_text.get(response, ()))
    if len(letters) != 1:
        return None
    letter = letters.pop()
    if letter in sample.answers:
        return True, f"the whole response is option {letter}, the gold answer"
    return False, f"the whole response is option {letter}"


def _match_number(text: str, golds: tuple[str, ...]) -> tuple[bool, str] | None:
    """For a response and a gold answer that are plain numbers.

    Not decided: numbers that may be years, and numbers that differ by a power of ten (percent, thousands).
    """
    if len(golds) != 1 or not _NUMBER.fullmatch(text) or not _NUMBER.fullmatch(golds[0].strip()):
        return None
    number, gold = (float(t.replace(",", "")) for t in (text, golds[0].strip()))
    if number == gold:
        return True, "the number equals the gold number"
    if any(v == int(v) and 1000 <= abs(v) < 3000 for v in (number, gold)):
        return None
    if gold == 0 or number == 0:
        return None
    if abs(number - gold) <= TOLERANCE * abs(gold):
        return True, "the number is within 5 % of the gold number"
    ratio = abs(number / gold)
    if any(abs(ratio / factor - 1) <= TOLERANCE for factor in (1e-6, 1e-3, 1e-2, 1e2, 1e3, 1e6)):
        return None
    return False, "the number differs from the gold number by more than 5 %"


def _normalized(text: str) -> str:
    """The text without case, repeated spaces, a final full stop, and one pair of brackets or quotes."""
    folded = " ".join(unicodedata.normalize("NFKC", text).casefold().split())
    folded = folded.removesuffix(".").strip()
    if len(folded) > 2 and (folded[0], folded[-1]) in {("(", ")"), ("[", "]"), ('"', '"'), ("'", "'")}:
        folded = folded[1:-1].strip()
    return folded

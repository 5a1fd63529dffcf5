"""Pieces of the released Cambrian-1 scoring code that several benchmarks share, quirks included.

Nothing here is recommended: these functions exist so that `official` verdicts equal those behind the published
tables. The careful rules are in `choices` and `numbers`.
"""

from __future__ import annotations

from cambrian_eval.sample import Sample, Verdict

KEYWORDS = ("answer is", "answer is:", "answer:")
"""Looked for in this order. The first swallows the second, so "the answer is: a" leaves a leading colon."""

TOLERANCE = 0.05


def keyword_rule(text: str) -> str:
    """The lower-cased text after the last occurrence of each keyword in turn, outer blanks removed.

    >>> keyword_rule("So the answer is B. ")
    'b.'
    >>> keyword_rule("The answer is: B")
    ': b'
    """
    rest = text.lower().strip()
    for keyword in KEYWORDS:
        if keyword in rest:
            rest = rest.rpartition(keyword)[2]
    return rest.strip()


def trimmed(text: str, trailing: str = ".:,") -> str:
    """The keyword rule, then without `trailing` characters at the end, leading "(" and trailing ")".

    >>> trimmed("(A).")
    'a'
    """
    return keyword_rule(text).rstrip(trailing).lstrip("(").rstrip(")")


def first_letter(text: str, trailing: str = ".:,") -> str:
    """The first character of the trimmed text, lower-cased; empty where nothing is left.

    `trailing` differs by benchmark: ".:," for MMBench, MMMU, AI2D and CV-Bench 3D, "." for SEED and CV-Bench 2D.

    >>> first_letter("The answer is (C).")
    'c'
    >>> first_letter("A boat is visible")
    'a'
    """
    return trimmed(text, trailing)[:1]


def letter_verdict(sample: Sample, text: str, trailing: str = ".:,") -> Verdict:
    """1 where the first character is the gold letter; option texts are never consulted."""
    said = first_letter(text, trailing)
    right = bool(said) and said.upper() in sample.answers
    return Verdict(
        float(right), said or None, "first character of the trimmed response", outcome="read" if said else "unparsed"
    )


def numeric_match(gold: str, prediction: str) -> bool:
    """Equal strings, or floats whose difference is at most 5 % of the *prediction*.

    The released helper is called with its arguments swapped, hence the tolerance relative to the prediction; an
    infinite prediction equals every number.

    >>> numeric_match("1000", "952.4"), numeric_match("1000", "950"), numeric_match("7", "inf")
    (True, False, True)
    """
    if gold == prediction:
        return True
    try:
        wanted, said = float(gold), float(prediction)
    except ValueError:
        return False
    return abs(wanted - said) <= TOLERANCE * abs(said)

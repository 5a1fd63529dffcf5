"""The rules of the released Cambrian-1 scoring code, quirks included: every `official` verdict comes from here.

Nothing here is recommended: these functions exist so that `official` verdicts equal those behind the published
tables. They read the response as it is; what `Reply` takes away is thoughts alone.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import anls, vqa
from cambrian_eval.scoring.reading import unread

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


def verdict(right: bool | float, said: str, rule: str) -> Verdict:
    """The verdict of a released rule; unparsed where nothing is left to compare."""
    if not said.strip():
        return unread("empty", f"released rule: {rule}: nothing left of the response")
    outcome = "equal to" if right == 1.0 else "differs from" if not right else "in part equal to"
    return Verdict(float(right), said, f"released rule: {rule}: {outcome} the answer")


def letter(sample: Sample, text: str, trailing: str = ".:,") -> Verdict:
    """The first character against the gold letter; option texts are never consulted."""
    said = first_letter(text, trailing)
    return verdict(said.upper() in sample.answers, said, "first character of the trimmed response")


def letter_or_one_character(sample: Sample, text: str) -> Verdict:
    """CV-Bench 3D: its comparison with the option's text can only succeed for options of one character."""
    said = first_letter(text)
    gold = sample.answers[0]
    right = said.lower() == sample.options[gold] or said.upper() == gold
    return verdict(bool(said) and right, said.upper(), "first character of the trimmed response")


def index(sample: Sample, text: str) -> Verdict:
    """AI2D: the first character, a to d turned into 0 to 3, against the stored index."""
    if len(sample.choices) > 4:
        return unread("nothing found", "released rule: the released code fails on more than four options")
    said = first_letter(text)
    number = str("abcd".index(said)) if said and said in "abcd" else said
    return verdict(number == str(LETTERS.index(sample.answers[0])), said, "first character against the index")


LONGEST_OPTION = 5_000


def letter_or_text(sample: Sample, text: str) -> Verdict:
    """ScienceQA: the gold option's text without punctuation, or the gold letter before the first dot."""
    said = keyword_rule(text).rstrip(".")
    gold = sample.answers[0]
    wanted = _without_punctuation(sample.options[gold])
    # A long response is compared from its beginning: no option is that long.
    long = len(said) > LONGEST_OPTION and len(_without_punctuation(said[:LONGEST_OPTION])) > len(wanted)
    if not long and _without_punctuation(said) == wanted:
        return verdict(True, said, "the option's text")
    return verdict(said.partition(".")[0] == gold.lower(), said, "what stands before the first dot")


def _without_punctuation(text: str) -> str:
    return text.lower().translate(_DELETE_PUNCTUATION).strip()


_DELETE_PUNCTUATION = str.maketrans("", "", string.punctuation)


def letter_or_piece(sample: Sample, text: str) -> Verdict:
    """MMVP: equality with the letter or with the option's text, which the released code cuts at every "("."""
    said = trimmed(text)
    gold = sample.answers[0]
    if said == gold.lower():
        return verdict(True, said, "the whole trimmed response")
    piece = sample.extra["options"].split("(")[1:]["AB".index(gold)]
    right = said == piece.partition(")")[2].strip().lower()
    return (
        Verdict(1.0, said, "released rule: the option's text")
        if right
        else verdict(False, said, "the whole trimmed response")
    )


def whole(sample: Sample, text: str) -> Verdict:
    """GQA, MME: the whole response, blanks included, equals the answer, but for case and trailing dots."""
    said = text.lower().rstrip(".")
    return verdict(said == sample.answers[0].lower(), said, "the whole response")


def first_word(sample: Sample, text: str) -> Verdict:
    """RealWorldQA: the first word after the keyword rule; an empty response stops the released code."""
    rest = keyword_rule(text).rstrip(".").split()
    if not rest:
        return unread("empty", "released code stops: nothing left of the response")
    return verdict(rest[0] == sample.answers[0].lower(), rest[0], "first word")


def whole_or_number(sample: Sample, text: str) -> Verdict:
    """MathVista: the lower-cased whole response equals the stored answer or is within 5 % of the prediction."""
    said = text.strip().lower()
    return verdict(numeric_match(sample.answers[0].lower(), said), said, "the whole response, numbers within 5 %")


def declared_or_number(stored: str, text: str) -> Verdict:
    """MMMU's open questions: the text after the keyword is the stored answer, or within 5 % of the prediction."""
    said = keyword_rule(text).rstrip(".")
    return verdict(numeric_match(stored.lower(), said), said, "equal text, or within 5 % of the prediction")


def relaxed(sample: Sample, text: str) -> Verdict:
    """ChartQA: Python floats within 5 % of the gold one, else equal lower-cased texts; nothing is trimmed."""
    said, gold = text.lower(), sample.answers[0].lower()
    try:
        difference = abs(float(said) - float(gold))
    except ValueError:
        return Verdict(
            float(said == gold), str(text), f"released rule: {'equal text' if said == gold else 'other text'}"
        )
    right = difference <= TOLERANCE * abs(float(gold))
    return Verdict(float(right), str(text), f"released rule: {'within' if right else 'not within'} 5 %")


def contains(sample: Sample, text: str, formula: bool, whole_text: bool = False) -> Verdict:
    """OCRBench: a gold is a substring of the response (with `whole_text`: all of it); an empty gold always is."""
    said = _ocr_text(text, formula)
    for gold in sample.answers:
        wanted = _ocr_text(gold, formula)
        if (wanted == said) if whole_text else (wanted in said):
            return Verdict(1.0, gold, f"released rule: {'equals' if whole_text else 'contains'} a gold text")
    return Verdict(0.0, text.strip(), f"released rule: {'equals' if whole_text else 'contains'} no gold text")


def _ocr_text(text: str, formula: bool) -> str:
    """Formulas without blanks, the rest in lower case."""
    plain = text.strip().replace("\n", " ")
    return plain.replace(" ", "") if formula else plain.lower()


def soft_accuracy(sample: Sample, text: str) -> Verdict:
    """TextVQA: insists on ten answers and lets an empty response match an article."""
    if len(sample.answers) != 10:
        return Verdict(0.0, str(text), "released code stops: it needs exactly ten answers")
    value = vqa.soft_accuracy(text, sample.answers, vqa.released)
    return Verdict(value, str(text), "released rule: soft accuracy by the released normalizer")


def challenge_anls(golds: Sequence[str], text: str) -> Verdict:
    """DocVQA: the challenge script's ANLS, which divides by the raw lengths (the released code scores nothing here)."""
    value = anls.challenge_anls(text, golds)
    if not text.strip() and not value:
        return unread("empty")
    return Verdict(value, text.strip(), "ANLS as in the challenge's script")

"""Rules of released scoring code for lettered questions outside the paper's sixteen; the others are in `released`.

Each function names whose code it follows. Where that code stops or draws a random option, the response is unparsed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.released import verdict

ENDS = ".:,"


def first_word_of_sentence(sample: Sample, text: str) -> Verdict:
    """BLINK (Cambrian): cut at the first full stop, then at the first blank; brackets around it are dropped."""
    said = text.partition(".")[0].lower().strip().partition(" ")[0].lstrip("(").rstrip(")")
    return verdict(said == sample.answers[0].lower(), said, "first word of the first sentence")


def first_word(sample: Sample, text: str) -> Verdict:
    """MMStar, POPE, MMBench-CN (Cambrian): the first word without trailing ".", ":" and ","."""
    words = text.lower().split()
    if not words:
        return unread("empty", "released code stops: nothing in the response")
    said = words[0].rstrip(ENDS)
    return verdict(said == sample.answers[0].lower(), said, "first word")


def first_sentence(sample: Sample, text: str) -> Verdict:
    """Q-Bench (Cambrian): what stands before the first full stop is the letter.

    The released code looks the letter up by the option's text, where the later of two equal texts wins.
    """
    said = text.partition(".")[0].lower().strip()
    gold = sample.answers[0]
    wanted = [letter for letter, words in sample.options.items() if words == sample.options.get(gold)]
    return verdict(said == (wanted or [gold])[-1].lower(), said, "first sentence")


_START = pattern(r"[(\s]*([A-Z])[).\s]*", re.IGNORECASE)


def first_character(sample: Sample, text: str) -> Verdict:
    """EmbSpatial (lmms-eval): the first letter of whatever is said, after brackets and blanks."""
    found = _START.match(text.strip())
    said = found[1].upper() if found else ""
    return verdict(said in sample.answers, said, "first character")


_PUNCTUATION = str.maketrans(dict.fromkeys(".()[],:;!*#{}", " "))
_ANSWER_IS = pattern(r"answer\s+is\s+\**([ABCD])", re.IGNORECASE)
"""In any case and without an end, so that "answer is a dog" declares A and "answer is definitely" D."""
_NO_RESPONSE = "Failed to obtain answer via API"
_REFUSALS = (
    "Sorry, I can't help with images of people yet.",
    "I can't process this file.",
    "I'm sorry, but without the image provided",
    "Cannot determine the answer",
)


def only_label(sample: Sample, text: str) -> Verdict:
    """3DSRBench (VLMEvalKit): the only label among the words if it is one of the last four; else the only text."""
    said, rule = _only_label(text, sample.options)
    return verdict(said in sample.answers, said, rule)


def _only_label(text: str, options: Mapping[str, str]) -> tuple[str, str]:
    if any(refusal in text for refusal in _REFUSALS):
        return "", "a refusal"
    if _NO_RESPONSE not in text:
        words = text.translate(_PUNCTUATION).split()
        labels = [letter for letter in options if letter in words]
        if len(labels) == 1 and words.index(labels[0]) > len(words) - 5:
            return labels[0], "the only label"
        if not labels and "Z" in words:
            return "", "the label of no option"
        if (found := _ANSWER_IS.search(text)) and found[1].upper() in options:
            return found[1].upper(), "what follows 'answer is'"
    low = text.lower()
    if len(low) <= 2 * sum(map(len, options.values())):
        inside = [letter for letter, option in options.items() if option.lower() in low]
        if len(inside) == 1:
            return inside[0], "the only option text"
    return "", "no option found"


_DOUBLE, _SINGLE = pattern(r"``([^`]*)``"), pattern(r"`([^`]*)`")
_CAPITAL = pattern(r"\b[A-D]\b(?!\s[a-zA-Z])")


def backticks(sample: Sample, text: str) -> Verdict:
    """MMSI-Bench (authors): the first capital A to D inside backticks, not followed by a blank and a letter."""
    for marks in (_DOUBLE, _SINGLE):
        if inside := marks.search(text):
            text = inside[1]
    found = _CAPITAL.search(text)
    said = found[0] if found else ""
    return verdict(said in sample.answers, said, "first capital letter alone")


def declared_or_mmmu(sample: Sample, text: str) -> Verdict:
    """MMMU-Pro (authors): the only letter after the last "Answer:", else the rule of MMMU.

    The released code draws a random option where it finds nothing.
    """
    options = sample.options
    _, mark, rest = text.rpartition("Answer:")
    inside = [letter for letter in options if letter in rest.strip()] if mark else []
    said = inside[0] if len(inside) == 1 else _mmmu(text, options)
    if not said:
        return unread("nothing found", "released rule: no option found; the released code draws a random one")
    return verdict(said in sample.answers, said, "the letter after 'Answer:', or the last candidate")


def _mmmu(text: str, options: Mapping[str, str]) -> str:
    """The candidate that stands last; the forms "(X)", "X ", "X." and option texts are tried in this order."""
    for mark in ",.!?;:'":
        text = text.strip(mark)
    text = f" {text} "
    low = text.lower()
    for form, position in (("({})", "({})"), ("{} ", " {} "), ("{}.", " {} ")):
        found = [letter for letter in options if form.format(letter) in text]
        if found:
            return max(found, key=lambda letter: text.rfind(position.format(letter)))
    found = [k for k, words in options.items() if words.lower() in low] if len(text.split()) > 5 else []
    return max(found, key=lambda k: low.rfind(options[k].lower())) if found else ""

"""Whether a letter or an option's text is denied by the words around it. English only; pure, bounded look-around."""

from __future__ import annotations

import re

from cambrian_eval.scoring.options import Table

_QUICK = re.compile(
    r"\b(?:no[tr]?|never|neither|cannot|except|exclu|elimin|rul(?:e|es|ed|ing)\b|rather|instead|other|unlike|"
    r"all but)|thing but|n't",
    re.I,
)
_NEGATOR = (
    r"(?:\b(?:not|never|neither|nor|cannot|except|excluding|exclude|eliminate|eliminating|rule out|ruled out|"
    r"ruling out|rather than|instead of|other than|unlike|without|(?:any|every)thing but|all but)|n't)"
)
_FILLERS = (
    r"(?:(?:the|an?|it|it's|is|be|that|this|option|answer|choice|letter|correct|think|believe|say|choose|pick|select|seem|look|"
    r"appear|like|to|any|really|either|of|have|see|contain|show|with|necessarily)\s+)*"
)
_X = r"[(\[]?[A-Z][)\]]?"
_BEFORE = re.compile(rf"{_NEGATOR}\s+{_FILLERS}(?:(?:{_X},\s*){{0,7}}{_X},?\s*(?:(?:or|nor)\s+|/\s*))?[(\[\"']*$", re.I)
_OPENS_LIST = re.compile(rf"{_NEGATOR}\s+{_FILLERS}(?:{_X},\s*){{0,7}}[(\[\"']*$", re.I)
_ENDS_IN_OR = re.compile(rf"[(\[]?{_X}(?:,\s*{_X}){{0,7}},?\s*n?or\s+{_X}(?![A-Za-z])")
_ELIMINATED = re.compile(
    rf"(?:\b(?:neither|except|exclud\w+|eliminat\w+|rul\w+ out))\s+{_FILLERS}"
    rf"(?:{_X}\s*(?:,\s*(?:and|or|nor)?|and|or|nor|&|/)\s*){{1,8}}[(\[\"']*$",
    re.I,
)
_BEFORE_NOR = re.compile(rf"(?:{_NEGATOR}|\bno)\s+{_FILLERS}(?:[^\s.,;:!?]+\s+)?[(\[\"']*$", re.IGNORECASE)
_NOT_ONLY = re.compile(r"\bnot\s+only\b", re.IGNORECASE)
_WRONG = (
    r"(?:n't\b|\s+not\b|\s+(?:\w+ly\s+)?(?:wrong|incorrect|false|excluded|eliminated|impossible|unlikely|inaccurate|invalid|ruled\s+out"
    r"|out\b))"
)
_AFTER = re.compile(
    r"[)\]}.:\"']*\s*(?:(?:is|are|was|were|does|do|did|can|could|would|should|has|have)"
    + _WRONG
    + r"|cannot\b|can\s+be\s+(?:ruled\s+out|eliminated|excluded|dismissed)"
    + r"|(?:seems?|looks?|appears?)\s+(?:wrong|incorrect|unlikely))"
)
_LIST_AFTER = re.compile(r"[)\]}]*\s*(?:,\s*(?:and|or)?|\band\b|\bor\b|&|/)\s*[(\[]?[A-Z](?![A-Za-z0-9])")


_LABEL_END = re.compile(r"[)\].:,\s-]{0,8}")


def negated_before(text: str, at: int, one_word_between: bool = False) -> bool:
    """Whether what starts at `at` is denied by the words before it: "not D", "neither A nor D", "isn't the dog"."""
    window = text[max(0, at - 60) : at]
    if not _QUICK.search(window):
        return False
    if _NOT_ONLY.search(window):
        return False
    if one_word_between:
        return _BEFORE_NOR.search(window) is not None
    if _BEFORE.search(window) or _ELIMINATED.search(window):
        return True
    return _OPENS_LIST.search(window) is not None and _ENDS_IN_OR.match(text, at) is not None


def negated_after(text: str, end: int, table: Table, letter: str) -> bool:
    """Whether what follows denies what ends at `end`: "D is wrong", "C and D are incorrect", "A) cat is not ..."."""
    at = end
    own = table.folded.get(letter, "")
    skipped = _LABEL_END.match(text, at)
    if own and skipped and text[skipped.end() : skipped.end() + len(own)].casefold() == own:
        at = skipped.end() + len(own)
    for _ in range(8):
        following = _LIST_AFTER.match(text, at)
        if following is None:
            break
        at = following.end()
    return _AFTER.match(text, at) is not None

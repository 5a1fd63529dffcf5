"""Which number a response gives as its answer.

First that fires: the whole response; what is declared ("the answer is", a box); the conclusion ("therefore ..."); the
sentence that repeats the question; the last sentence that holds a number. Numbers that the question itself contains
are passed over where another one stands beside them; a range or a choice of two numbers is no answer.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cambrian_eval.scoring import numerals, wording
from cambrian_eval.scoring.lazy import lazy
from cambrian_eval.scoring.numerals import Number
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading, nothing
from cambrian_eval.scoring.reply import Reply, sentences
from cambrian_eval.scoring.text import clean, fold

_NO_SUCH = pattern(r"\b(?:there (?:is|are|were) no|none of the)\b", re.IGNORECASE)
_REASON = pattern(r",?\s(?:because|since|as)\s", re.IGNORECASE)
_NONE = pattern(r"\W*(?:none|nil)\W*", re.IGNORECASE)
_COURTESY = pattern(
    r"(?:i hope|let me know|is there anything|do you (?:have|want|need)|feel free|please)\b", re.IGNORECASE
)
_COPULA = pattern(
    r"\b(?:is|are|was|were|be|has|have|had|equals?|costs?|takes?|becomes?|of|least|about|exactly|approximately)\b\s*|[=≈:]\s*",
    re.IGNORECASE,
)
_NOT_BEFORE = pattern(
    r"(?:\bnot|n't|\brather than|\binstead of|\bthan)"
    r"\s+(?:\w+\s+)?[$€£]?$",
    re.IGNORECASE,
)
_PRONOUN = pattern(
    r"(?:one|two|three)(?=\s(?:of|another|end|side|can|could|must|would|should|needs?|who|that|which)\b)|one$",
    re.IGNORECASE,
)
_BEFORE_PRONOUN = pattern(
    r"\b(?:these|the|those|each|every|any|no|at least|this|that|another|between|both)\s+$", re.IGNORECASE
)
_JOINS = pattern(r"\s*(?:%|°|\w{1,3})?\s*(?:-|to|or|and|/)\s*(?:maybe\s|about\s)?[$€£]?", re.IGNORECASE)
_CHOICE = pattern(r"\b(?:between|either|from|maybe|perhaps)\s+[$€£]?$|\bor\b|\bto\b|-")
_RATIO = pattern(r"(?<![\d:.])(\d{1,6}(?:\.\d{1,6})?)\s?:\s?(\d{1,6}(?:\.\d{1,6})?)(?![\d:])")
_YEAR = pattern(r"(?:1[5-9]|20)\d\d")
_DATED = pattern(r"\b(?:in|of|year|since|from|until|by|during|between|and|through|to|early|late)\s+$", re.IGNORECASE)
_PLACED = ("week", "day", "month", "step", "group", "grade", "quarter", "level", "stage", "row", "column", "number")


class _Asked:
    """What the question says about its answer; most responses need little of it."""

    def __init__(self, question: str) -> None:
        self._question = question

    @lazy
    def text(self) -> str:
        """The question in comparable form."""
        return clean(self._question[-2000:])

    @lazy
    def _numbers(self) -> list[Number]:
        return numerals.find(self.text)

    @lazy
    def values(self) -> set[float]:
        """The numbers that the question contains."""
        return {n.value for n in self._numbers}

    @lazy
    def contexts(self) -> set[tuple[str, str]]:
        """The words around them."""
        return {_context(fold(self.text), n) for n in self._numbers}

    @lazy
    def words(self) -> set[str]:
        """The words of what is asked for."""
        return wording.asked_words((sentences(self.text) or ("",))[-1])

    @lazy
    def _noun(self) -> str:
        kind = _KIND.search(self.text)
        return kind[1].casefold().rstrip("s") if kind else ""

    @lazy
    def year(self) -> bool:
        """Whether a year is asked for."""
        return self._noun == "year" or _WHEN.search(self.text) is not None

    @lazy
    def place(self) -> str:
        """What is numbered, where a number that stands behind its name is asked for: "which step"."""
        return self._noun if self._noun in _PLACED else ""

    @lazy
    def ratio(self) -> bool:
        """Whether a ratio is asked for."""
        return "ratio" in self.text.casefold()

    @lazy
    def counted(self) -> set[str]:
        """The words of what is counted."""
        counted = _HOW_MANY.search(self.text)
        return wording.content(counted[1]) if counted else set()


_KIND = pattern(r"\b(?:which|what)\s+(\w+)", re.IGNORECASE)
_WHEN = pattern(r"\bwhen\b", re.IGNORECASE)
_HOW_MANY = pattern(r"\bhow many\s+((?:[\w-]+\s+){0,3}[\w-]+)", re.IGNORECASE)


@lru_cache(maxsize=2048)
def _asked(question: str) -> _Asked:
    return _Asked(question)


class _Several(Exception):
    """Two numbers where one had to be named."""


def read(reply: Reply, question: str = "") -> Reading[Number]:
    """The number that the response gives as its answer.

    >>> read(Reply("There are 3 + 4 = 7 dogs.")).value.value
    7.0
    >>> read(Reply("3 or 4")).reason
    'several answers'
    """
    if reply.silence:
        return nothing(reply.silence)
    said = reply.own
    asked = _asked(question)
    if (ratio := _ratio(said, asked)) is not None and len(said) < numerals.MAX_LENGTH:
        return _found(ratio, "a ratio")
    if (whole := numerals.parse(said)) is not None:
        return _found(whole, "the number in the box" if reply.boxed else "the whole response")
    if (whole := numerals.parse(_REASON.split(said[:200], maxsplit=1)[0])) is not None and len(said) < 200:
        return _found(whole, "the number before the reason")
    if _NONE.fullmatch(said):
        return Reading(Number(0.0, text=said), "none is zero", text=said)
    if (none := _no_such(said)) and asked.counted and wording.content(said[none.start() :][:80]) & asked.counted:
        plain = len(reply.sentences) < 3 and not any(char.isdigit() for char in said)
        if plain and not wording.refusal(said) and not wording.answers(said):
            return Reading(Number(0.0, text=none[0]), "none is zero", text=none[0])
    if not any(map(str.isdigit, said)) and not _SPELT.search(said) and "√" not in said:
        return nothing("refusal") if wording.refusal(said) else nothing("nothing found", NO_NUMBER)
    try:
        return _read(reply, said, asked)
    except _Several:
        return nothing("several answers")


def _no_such(said: str) -> re.Match[str] | None:
    low = said.lower()
    return _NO_SUCH.search(said) if "there" in low or "none" in low or not said.isascii() else None


NO_NUMBER = "no number in the response"
_SPELT = pattern(
    r"\b(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|\w+teen|\w+ty|dozen|hundred|\w*elve|\w*leven)\b",
    re.IGNORECASE,
)


def _read(reply: Reply, said: str, asked: _Asked) -> Reading[Number]:
    refused = wording.last_refusal(said)
    for tail in wording.answers(said):
        sentence = (sentences(tail) or ("",))[0]
        if refused >= 0 and refused > said.rfind(tail):
            break
        if wording.refusal(sentence):
            return nothing("refusal")
        if (found := _of_tail(sentence, asked)) is not None:
            return _found(found, "the declared answer")
    if refused >= 0 and not _recovers(said[refused:]):
        return nothing("refusal")
    pieces = [_ITEM.sub("", s) for s in reply.sentences if not _COURTESY.match(s) and not s.endswith("?")]
    bold = [n.value for b in reply.bold if (n := numerals.parse(b)) is not None]
    shares = [wording.echoes(piece, asked.words) for piece in pieces]
    for i in reversed(range(len(pieces))):
        concludes = wording.CONCLUDES.match(pieces[i]) is not None
        if concludes and _NO_VALUE.search(pieces[i]):
            return nothing("nothing found", "the conclusion is no number")
        if concludes or (shares[i] >= WHOLE_ECHO and i == len(pieces) - 1):
            found = _of_sentence(pieces[i], asked, bold, own=concludes)
            if found is not None:
                return _found(found, "the conclusion")
    for own in (False, True):
        for share in sorted({share for share in shares if share >= ECHO}, reverse=True):
            alike = [piece for piece, its in zip(pieces, shares, strict=True) if its == share]
            for piece in alike if alike[0] == pieces[0] else reversed(alike):
                if (found := _of_sentence(piece, asked, bold, own=own)) is not None:
                    return _found(found, "the sentence that repeats the question")
        for piece in reversed(pieces):
            if (found := _of_sentence(piece, asked, bold, last=True, own=own)) is not None:
                return _found(found, "the last number")
    return nothing("nothing found", NO_NUMBER)


_ITEM = pattern(r"^\(?\d{1,2}[.)]\s+(?=\D)|^[-•]\s+")
_NO_VALUE = pattern(r"\bdoes not exist|\bundefined\b|\bno (?:solution|such)\b", re.IGNORECASE)
WHOLE_ECHO = 0.75
ECHO = 0.5
"""The share of a question's words from which a sentence is taken for its answer."""


def _found(number: Number, rule: str) -> Reading[Number]:
    return Reading(number, rule, text=number.text)


def _recovers(rest: str) -> bool:
    """Whether the response answers after it declined: "but", "probably"."""
    return wording.after_refusal(rest) != ""


def _of_tail(tail: str, asked: _Asked) -> Number | None:
    """The number that a declared answer names: after its last "=", else the first."""
    tail = _after_equals(tail)[1]
    if (ratio := _ratio(tail, asked)) is not None:
        return ratio
    if (whole := numerals.parse(tail)) is not None:
        return whole
    found = _candidates(tail, asked)
    return _single(tail, found[0], found) if found else None


def _of_sentence(
    piece: str, asked: _Asked, bold: list[float], *, last: bool = False, own: bool = True
) -> Number | None:
    """The number that a sentence is about; what follows "so" where it concludes in the middle."""
    inner = _SO.search(piece)
    if inner and (concluded := _of_sentence(piece[inner.end() :], asked, bold, last=last, own=own)) is not None:
        return concluded
    sign, after = _after_equals(piece)
    if sign and (results := _candidates(after, asked, dates=True)):
        return results[0]
    if (ratio := _ratio(piece, asked)) is not None:
        return ratio
    folded = fold(piece)
    found = _candidates(piece, asked, own=own)
    if len(found) == 1:
        return _single(folded, found[0], numerals.find(folded))
    if not found:
        return None
    if (clause := _own_clause(piece, asked)) != piece:
        return _of_sentence(clause, asked, bold, last=last, own=own)
    counted = _counted(folded, found, asked)
    if len({n.value for n in counted}) > 1 and " and " in folded[counted[0].end : counted[-1].start]:
        raise _Several  # "1 car in front and 2 cars on the left"
    for wanted in ([n for n in found if n.value in bold], counted):
        if len({n.value for n in wanted}) == 1:
            return wanted[0]
    if last:
        if len(found) == 2 and " and " in folded[found[0].end : found[1].start][:25] and not inner:
            raise _Several  # "3 cars and 2 trucks"
        said = [n for n in found if _IS.search(folded, max(0, n.start - 24), n.start)]
        return _single(folded, (said or found)[-1], found)
    verb = _COPULA.search(folded)
    behind = [n for n in found if verb and n.start >= verb.end()]
    return _single(folded, (behind or found)[0], found)


def _own_clause(piece: str, asked: _Asked) -> str:
    """The clause about what is asked, where each clause says what something is: "red is 14 and blue is 20"."""
    clauses = [clause for clause in _CLAUSES.split(piece) if clause]
    if len(clauses) < 2 or not all(_IS_A_NUMBER.search(fold(clause)) for clause in clauses):
        return piece
    shares = [wording.echoes(clause, asked.words) for clause in clauses]
    best = max(shares)
    return clauses[shares.index(best)] if shares.count(best) == 1 else piece


_CLAUSES = pattern(r"\s*[,;]?\s+(?:and|but|while|whereas)\s+|[;]\s+", re.IGNORECASE)
_IS_A_NUMBER = pattern(
    r"\b(?:is|was|are|were|has|have|had)\s+(?:(?:about|around|approximately|exactly|at)\s+)?[$€£]?\d"
)
_IS = pattern(r"\b(?:is|was|equals|costs)\s+(?:(?:about|around|approximately|exactly)\s+)?[$€£]?$", re.IGNORECASE)
_SO = pattern(r"[,;]\s+(?:and\s+)?(?:so|therefore|thus|hence)\s", re.IGNORECASE)


def _after_equals(piece: str) -> tuple[bool, str]:
    """What follows the last "=" or "is equal to"."""
    last = None
    if "=" in piece or "≈" in piece or "equal" in piece.lower():
        for last in _EQUALS.finditer(piece):  # noqa: B007
            pass
    if last is None:
        return False, piece
    before, near, after = piece[last.end() :].partition("≈")
    return True, before if near and numerals.parse(before) is not None else after if near else before


_EQUALS = pattern(r"=|^[^=]*?≈(?=[^=]*$)|\b(?:is )?(?:approximately )?equal to\b|\bequals\b", re.IGNORECASE)


def _counted(folded: str, found: list[Number], asked: _Asked) -> list[Number]:
    """The numbers that stand before the things that are counted: "three algorithms"."""
    if not asked.counted:
        return []
    return [n for n in found if wording.content(" ".join(folded[n.end : n.end + 60].split()[:3])) & asked.counted]


def _candidates(text: str, asked: _Asked, *, dates: bool = False, own: bool = True) -> list[Number]:
    """The numbers of a text that may be its answer: not denied, not the question's own, of the kind asked for.

    With `own`, where there is no other, also the question's own in another place; with `dates` years count like others.
    """
    folded = fold(text)
    found = [n for n in numerals.find(folded) if not _NOT_BEFORE.search(folded, max(0, n.start - 40), n.start)]
    found = [n for n in found if not _is_pronoun(folded, n)]
    if asked.place and (
        placed := [n for n in found if re.search(rf"{asked.place}\s+$", folded[: n.start][-20:], re.IGNORECASE)]
    ):
        return placed
    if asked.year:
        years = [n for n in found if _YEAR.fullmatch(n.text)]
        found = years or found
    elif not dates and len(found) > 1:
        dated = [
            n for n in found if not (_YEAR.fullmatch(n.text) and _DATED.search(folded, max(0, n.start - 12), n.start))
        ]
        found = dated or found
    new = [n for n in found if n.value not in asked.values]
    if new or not own:
        return new
    return [n for n in found if _context(folded, n) not in asked.contexts]


def _context(folded: str, number: Number) -> tuple[str, str]:
    """The words on both sides of a number: a question's number in its old place only repeats the question."""
    before, after = (
        folded[max(0, number.start - 30) : number.start].split(),
        folded[number.end : number.end + 30].split(),
    )
    return (before[-1].casefold() if before else "", after[0].casefold().strip(".,?") if after else "")


def _is_pronoun(folded: str, number: Number) -> bool:
    """ "one of the", "these two people": a word that counts nothing."""
    if number.text[:1].isdigit() or number.text.casefold() not in ("one", "two", "three"):
        return False
    if _PRONOUN.match(folded, number.start):
        return True
    return _BEFORE_PRONOUN.search(folded, max(0, number.start - 16), number.start) is not None


def _ratio(text: str, asked: _Asked) -> Number | None:
    """ "3:1" as the number 3, where a ratio may be meant."""
    match = _RATIO.search(text) if ":" in text else None
    if match is None or not (asked.ratio or _RATIO.fullmatch(text.strip(" .()"))) or not float(match[2]):
        return None
    return Number(float(match[1]) / float(match[2]), text=match[0])


def _single(folded: str, chosen: Number, found: list[Number]) -> Number:
    """The number, unless it is one end of a range or one of two."""
    for other in found:
        left, right = (other, chosen) if other.start < chosen.start else (chosen, other)
        if other.value == chosen.value or left.start < 0:
            continue
        between = folded[left.end : right.start]
        if (
            len(between) < 12
            and _JOINS.fullmatch(between)
            and (" and" not in between or re.search(r"\bbetween\s+[$€£]?$", folded[: left.start][-12:], re.IGNORECASE))
        ):
            raise _Several
    return chosen

"""Declared options: the last un-negated "the answer is ..." of a response and the option it names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from cambrian_eval.scoring.labels import (
    SENTENCE_END,
    Undecided,
    another_letter,
    equal,
    label,
    lone_letter,
    negated_after,
    no_conflict,
    pieces,
    texts,
)
from cambrian_eval.scoring.options import OptionTexts
from cambrian_eval.scoring.patterns import Worded, pattern
from cambrian_eval.scoring.reading import Reading
from cambrian_eval.scoring.wording import (
    DENIED_HEAD,
    DETAIL,
    IS,
    LATIN_HEADS,
    MOST_DECLARATIONS,
    OTHER_LANGUAGES,
    conditional,
    negated_before,
)

_END = r"(?=[(\[]?[A-Z][)\]]?[.!\s]*$)"
_HEAD_WORDS = ("ans", "option", "choice", "solution", "conclusion")
_HEADS = Worded(
    _HEAD_WORDS,
    r"\b(?P<head>answer|ans|option|choice|solution|conclusion)\b(?:\s+(?:letter|choice|option))?\.?(?:\((?:letter|s)\))?[\"']?"
    rf"(?:{DETAIL}(?P<linked>{IS})|(?<!solution)(?<!conclusion)(?:\s+|(?=\()))(?:[ \t]*:)?",
)
_CHOSEN = Worded(
    ("i ", "i'd", "i'll", "my "),
    r"\b(?P<linked>i(?:'d| would| will|'ll)?\s+(?:choose|pick|select|go with|say|opt for|lean towards?)"
    r"|my (?:guess|pick|choice) is)(?:[ \t]*:)?",
)
_BEST = Worded(
    ("best", "closest", "correct", "right", "most "),
    r"\b(?P<linked>(?:best|closest|correct|right|most (?:likely|suitable|appropriate|plausible))\s+"
    r"(?:match|fit|description|candidate|one|possibility|explanation|statement|label|letter|term|part)\s+(?:is|:))"
    r"(?:[ \t]*:)?",
)
_CONCLUDED = pattern(
    r"\b(?P<linked>(?:so|thus|therefore|hence|wait|actually|correction|i mean)[,:]?\s+(?:it'?s\s+|it is\s+)?"
    rf"|(?:it|this|that)(?:'s| is)\s+){_END}",
    re.IGNORECASE,
)
_ENDS = "".join(map(chr, range(33))) + "!."
"""What `_END` allows behind the letter: a text that ends in two letters or digits before it concludes no letter."""
_BRACKETED = pattern(r"\b(?P<linked>is)\b\s*(?=[(\[][A-Za-z][)\]])", re.IGNORECASE)
_OTHER = pattern(rf"(?P<linked>{OTHER_LANGUAGES})(?:[ \t]*:)?", re.IGNORECASE)
_IS_RIGHT = (
    r"(?:is|was)\s+(?:(?:the|an?|most|clearly|therefore|thus|indeed|also|definitely|obviously|likely|probably)\s+){0,4}"
    r"(?:correct|right|best|true|accurate|answer)\b"
)
_PRAISING = Worded(("is ", "was "), _IS_RIGHT)
"""What follows the letter in the next expression, found sooner."""
_PRAISED = pattern(
    rf"(?<![A-Za-z0-9])[(\[]?(?P<praised>[A-Z])[)\]]?[.:]?\s+{_IS_RIGHT}",
    re.IGNORECASE,
)
_OTHER_PRAISED = pattern(
    r"(?:选项|選項)?\s?[(\[]?(?P<praised>[A-Z])[)\]]?\s?(?:是)?(?:(?:正确|正確|对的)(?!吗|答案)|(?:입니다|이다|です|である|が正解))",
    re.IGNORECASE,
)


def _declarations(said: str) -> list[re.Match[str]]:
    """All declarations in order; each pattern runs only where a word of it stands in the text."""
    low = said.lower()
    found: list[re.Match[str]] = []
    if any(map(low.__contains__, _HEAD_WORDS)):
        found += _HEADS.finditer(said)
    if any(map(low.__contains__, _CHOOSING)):
        found += [*_CHOSEN.finditer(said), *_BEST.finditer(said)]
    if not said.rstrip(_ENDS)[-2:].isalnum():
        found += _CONCLUDED.finditer(said, max(0, len(said) - 60))
    if "is (" in low or "is [" in low:
        found += _BRACKETED.finditer(said)
    if any(map(low.__contains__, _PRAISES)) and _PRAISING.search(said):
        found += _PRAISED.finditer(said)
    if not said.isascii() or any(map(low.__contains__, LATIN_HEADS)):
        found += _OTHER.finditer(said)
        found += _OTHER_PRAISED.finditer(said)
    if len(found) < 2:
        return found
    found.sort(key=re.Match.start)
    apart = found[:1]
    for match in found[1:]:
        if match.start() >= apart[-1].end():
            apart.append(match)
    return apart


_CHOOSING = (
    "choose",
    "pick",
    "select",
    "go with",
    "say",
    "lean",
    "opt for",
    "guess",
    "best",
    "closest",
    "correct",
    "right",
    "most ",
)
_PRAISES = ("correct", "right", "best", "true", "accurate", "answer")


_FILLER = pattern(
    r"(?:(?:that|the|an?(?=\s+(?:option|choice))|option|choice|letter|answer|clearly|most|more|likely|probably|definitely|indeed|"
    r"therefore|thus|also|obviously|simply|just|only|is|be|it|it's|likely|correct|right|best|final|actually|"
    r"certainly|surely|either|now|la|el|die|der|das|le|opci[oó]n|option|buchstabe|选项|選項)\b[\s:]*){1,12}|(?:选项|選項)\s*",
    re.IGNORECASE,
)
_TAIL = 400
LAST = "the last declared answer"
_PLAIN = pattern(
    r"(?:[Tt]he )?(?:correct |best |right |final )?"
    r"(?P<part>(?i:answer|option|choice)(?:: ?| is:? )\(?(?P<letter>[A-Z])\)?\.?)"
)
"""A response that is a declaration and no more, as most that declare one are: read at once, as below."""


def declared(said: str, table: OptionTexts) -> Reading[str] | None:
    """The last "answer is ..." that names an option; bare "option X" counts where it is the only one."""
    plain = _PLAIN.fullmatch(said)
    if plain and plain["letter"] in table.letters:
        return Reading(plain["letter"], LAST, text=plain["part"])
    found = _declarations(said)
    bare: dict[str, str] = {}
    for match in reversed(found[-MOST_DECLARATIONS:]):
        if conditional(said, match.start()):
            continue
        groups = match.groupdict()
        if praised := groups.get("praised"):
            at = match.start("praised")
            letter = praised.upper()
            if praised not in ("a", "i") and letter in table.letters and not negated_before(said, at):
                return Reading(letter, "declared to be correct", text=match.group().strip())
            continue
        if DENIED_HEAD.search(said[max(0, match.start() - 60) : match.start()]):
            continue
        head = (groups.get("head") or "").lower()
        linked = bool(groups.get("linked"))
        if linked and _opens_list(said, match.end(), table):
            continue
        letter = _option_after(said, match.end(), table, linked, head in ("option", "choice"))
        if letter is None:
            continue
        part = said[match.start() : match.end() + 40].partition("\n")[0]
        if linked:
            return Reading(letter, LAST, text=part)
        bare.setdefault(letter, part)
    if len(bare) == 1:
        [(letter, part)] = bare.items()
        return Reading(letter, "the only option named with 'option' or 'answer'", text=part)
    return None


_LINES = pattern(r"\s*\n\s*[-•\s]{0,6}[(\[]?([A-Z])[)\].:][^\n]*(?:\n[^\S\n]*){1,3}[-•\s]{0,6}[(\[]?([A-Z])[)\].:]")


def _opens_list(said: str, at: int, table: OptionTexts) -> bool:
    """Whether what follows is a list of options on lines of their own: "let's look at each option:"."""
    match = _LINES.match(said, at, at + 2000)
    return match is not None and match[1] != match[2] and {match[1], match[2]} <= table.letters


def _option_after(said: str, at: int, table: OptionTexts, linked: bool, named: bool) -> str | None:
    """The option that what follows a declaration names: a letter, an option's text, or the only text in it."""
    tail = said[at : at + _TAIL].lstrip()
    line = tail.partition("\n")[0]
    filler = _FILLER.match(line)
    bare = line[filler.end() :] if filler else line
    for piece in _distinct(line, bare):
        if piece and (letter := lone_letter(piece, table) if len(piece) < 6 else None):
            stop = line.find(piece) + len(piece)
            ambiguous = another_letter(line, stop, table)
            if ambiguous and ambiguous != letter:
                raise Undecided("more than one letter declared")
            if negated_after(line, stop, table, letter):
                return None
            no_conflict(letter, line[stop:], table)
            return letter
        if piece and (hit := equal(piece, table)):
            if negated_after(line, line.find(piece) + len(piece), table, hit):
                return None
            _no_list(hit, line[line.find(piece) + len(piece) :], table)
            return hit
    letter = label(bare, table, linked or named, named or _NAMED.match(line) is not None)
    if letter is not None:
        return letter
    if not linked:
        return None
    end = SENTENCE_END.search(line)
    sentence = line[: end.start()] if end else line
    hits = set(texts(sentence, table))
    return hits.pop() if len(hits) == 1 else None


def _distinct(line: str, bare: str) -> Iterator[str]:
    """The pieces of both, each once."""
    tried: set[str] = set()
    for piece in chain(pieces(line), pieces(bare) if bare != line else ()):
        if piece not in tried:
            tried.add(piece)
            yield piece


_NAMED = pattern(r"\s*(?:the\s+)?(?:option|choice|letter)\b", re.IGNORECASE)
_LIST_GOES_ON = pattern(r"\s*(?:,|&|/|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?(?:(?:the|an?)\s+)?", re.IGNORECASE)


def _no_list(letter: str, rest: str, table: OptionTexts) -> None:
    """An option's text followed by "and" or a comma and another's is a list, not an answer."""
    joined = _LIST_GOES_ON.match(rest)
    if joined is None:
        return
    following = rest[joined.end() : joined.end() + table.longest + 2]
    if any(start == 0 and other != letter for other, start, _ in table.occurrences(following)):
        raise Undecided("the texts of more than one option declared")

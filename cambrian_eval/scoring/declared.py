"""Declared answers: the last un-negated "the answer is ..." of a response and the option it names."""

from __future__ import annotations

import re

from cambrian_eval.scoring.letters import (
    SENTENCE_END,
    Extraction,
    Undecided,
    another_letter,
    equal,
    label,
    lone_letter,
    no_conflict,
    pieces,
    texts,
)
from cambrian_eval.scoring.negation import negated_after, negated_before
from cambrian_eval.scoring.options import Table

MOST_DECLARATIONS = 20
"""How many "answer is" phrases are tried, from the last backwards."""
WINDOW = 100_000
"""Declarations are looked for in this many characters at the end."""

_LINK = (
    r"(?:\s*(?:(?:is|was|are|were|be|being|becomes|(?:would|should|could|must|might|may|will|can|has\sto|have\sto)\sbe"
    r"|(?:seems|appears|turns\sout)\sto\sbe|equals)\b|=>|:|=|->|→|-))+"
)
_DECLARED = re.compile(
    r"\b(?P<head>answer|ans|option|choice|solution|conclusion|答案)\b\.?(?:\((?:letter|s)\))?"
    rf"(?:(?:\s+(?:to|for|of|in|that)\s[^.:;?\n]{{0,80}}?)?(?P<link>{_LINK})|\s+|(?=\())"
    r"|(?P<chosen>\b(?:i(?:'d| would| will|'ll)?\s+(?:choose|pick|select|go with|say|opt for)"
    r"|my (?:guess|pick|choice) is"
    r"|答案(?:是|为|:)|选择?))\s*:?"
    r"|(?P<concluded>\b(?:so|thus|therefore|hence|wait|actually|correction|i mean)[,:]?\s+"
    r"(?:it'?s\s+|it is\s+)?)(?=[(\[]?[A-Z][)\]]?[.!\s]*$)"
    r"|(?P<pointed>\b(?:it|this|that)(?:'s| is)\s+)(?=[(\[]?[B-Z][)\]]?[.!\s]*$)"
    r"|(?P<best>\b(?:best|closest|correct|right|most (?:likely|suitable|appropriate|plausible))\s+"
    r"(?:match|fit|description|candidate|one|possibility|explanation|statement|label|letter|term|part)\s+(?:is|:))"
    r"|(?P<bracketed>\bis\b)\s*(?=[(\[][A-Za-z][)\]])"
    r"|(?<![A-Za-z0-9])[(\[]?(?P<praised>[A-Z])[)\]]?[.:]?\s+(?:is|was)\s+(?:(?:the|an?|most|clearly|therefore|thus|indeed|also"
    r"|definitely|obviously|likely|probably)\s+)*(?:correct|right|best|true|accurate|answer)\b",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:that|the|an?(?=\s+(?:option|choice))|option|choice|letter|answer|clearly|most|more|likely|probably|definitely|indeed|"
    r"therefore|thus|also|obviously|simply|just|only|is|be|it|it's|likely|correct|right|best|final|actually|"
    r"certainly|surely|either|now)\b[\s:]*)+",
    re.IGNORECASE,
)
_HEAD_NEGATED = re.compile(
    r"(?:\b(?:wrong|incorrect|not|neither|nor|except|false|eliminate|exclude|reject|rule out|unlike|cannot be|can't be)"
    r"|n't)"
    r"(?:[ \t]+(?:an?|the|be|think|correct|right|is|that))*[ \t]*$",
    re.IGNORECASE,
)
_TAIL = 400


def declared(said: str, table: Table) -> Extraction | None:
    """The last "answer is ..." that names an option; bare "option X" counts where it is the only one."""
    found = list(_DECLARED.finditer(said, max(0, len(said) - WINDOW)))
    if not found:
        return None
    bare: dict[str, str] = {}
    for match in reversed(found[-MOST_DECLARATIONS:]):
        if match["praised"]:
            letter = match["praised"].upper()
            if (
                match["praised"] not in ("a", "i")
                and letter in table.letters
                and not negated_before(said, match.start("praised"))
            ):
                return Extraction(letter, "declared to be correct", match.group())
            continue
        if _HEAD_NEGATED.search(said[max(0, match.start() - 40) : match.start()]):
            continue
        linked = any(match[name] for name in ("link", "chosen", "bracketed", "concluded", "pointed", "best"))
        letter_or_none = _tail_option(said, match.end(), table, linked, (match["head"] or "").lower() == "option")
        if letter_or_none is None:
            continue
        part = said[match.start() : match.end() + 40].partition("\n")[0]
        if linked:
            return Extraction(letter_or_none, "the last declared answer", part)
        bare.setdefault(letter_or_none, part)
    if len(bare) == 1:
        [(letter, part)] = bare.items()
        return Extraction(letter, "the only option named with 'option' or 'answer'", part)
    return None


def _tail_option(said: str, at: int, table: Table, linked: bool, after_option: bool) -> str | None:
    """The option that what follows a declaration names: a letter, an option's text, or the only text in it."""
    tail = said[at : at + _TAIL].lstrip()
    line = tail.partition("\n")[0]
    filler = _FILLER.match(line)
    bare = line[filler.end() :] if filler else line
    for piece in dict.fromkeys(p for start in (line, bare) for p in pieces(start)):
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
            _no_list(hit, line[line.find(piece) + len(piece) :], table)
            return hit
    letter = label(bare, table, linked or after_option)
    if letter is not None:
        return letter
    if not linked:
        return None
    end = SENTENCE_END.search(line)
    sentence = line[: end.start()] if end else line
    hits = set(texts(sentence, table))
    return hits.pop() if len(hits) == 1 else None


_LIST_GOES_ON = re.compile(r"\s*(?:,|&|/|\band\b|\bor\b)\s*(?:(?:and|or)\s+)?(?:(?:the|an?)\s+)?", re.IGNORECASE)


def _no_list(letter: str, rest: str, table: Table) -> None:
    """An option's text followed by "and" or a comma and another's is a list, not an answer."""
    joined = _LIST_GOES_ON.match(rest)
    if joined is None:
        return
    following = rest[joined.end() : joined.end() + table.longest + 2]
    if any(start == 0 and other != letter for other, start, _ in table.occurrences(following)):
        raise Undecided("the texts of more than one option declared")

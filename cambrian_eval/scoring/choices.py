"""Which lettered option a response means: the careful reading, shared by every multiple-choice benchmark.

Owns the extraction of an option from free text (`extract`) and the verdict that follows (`grade_choice`).
The rules, first that fires: a lone letter; the text of one option; the last un-negated "answer is ..."; a label at
the start; a lone letter on the first or last line; the only stand-alone letter; a close spelling of one
option; the only option text in the response; the only number where options are numbers. Anything else is unparsed,
never a guess. How options and responses are folded for comparison lives in `options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import numbers
from cambrian_eval.scoring.declared import declared
from cambrian_eval.scoring.letters import (
    LONE,
    MOST_CANDIDATES,
    Extraction,
    Undecided,
    echoes,
    equal,
    is_word,
    label,
    lone_letter,
    texts,
)
from cambrian_eval.scoring.negation import negated_after, negated_before
from cambrian_eval.scoring.options import AMBIGUOUS, Table, clean, table_of

__all__ = ["Extraction", "extract", "grade_choice"]

FUZZY_THRESHOLD = 85.0
"""Least similarity (rapidfuzz ratio, 0 to 100) at which a short response counts as a misspelt option text."""
FUZZY_MARGIN = 10.0
"""How much more similar than the second-best option it must be."""
FUZZY_SHORTEST = 6
"""Shorter texts are other words, not misspellings ("table", "stable")."""


def extract(text: str, options: Mapping[str, str]) -> Extraction:
    """The option that `text` means, among `options` (upper-case letter to option text).

    >>> extract("The answer is (b).", {"A": "cat", "B": "dog"}).letter
    'B'
    >>> extract("A dog, I think.", {"A": "cat", "B": "dog"}).letter
    'B'
    >>> extract("A or B", {"A": "cat", "B": "dog"}).letter is None
    True
    """
    table = table_of(tuple(options.items()))
    said = clean(text)
    if not said:
        return Extraction(None, "empty response")
    try:
        return _read(said, table) or Extraction(None, "no option named")
    except Undecided as reason:
        return Extraction(None, str(reason))


def grade_choice(sample: Sample, text: str) -> Verdict:
    """1 where the option read out of `text` is a gold letter of the sample, else 0; unparsed where none was read."""
    found = extract(text, sample.options)
    if found.letter is None and (subject := _without_standard(text, sample.question)):
        found = extract(subject, sample.options)
    right = found.letter is not None and found.letter in sample.answers
    return Verdict(float(right), found.letter, found.rule, outcome="read" if found.letter is not None else "unparsed")


_THAN = re.compile(
    r"\b(?P<quality>[a-z]+er|(?:more|less) [a-z]+)\b(?P<between>[^.;,\n]{0,60}?)\s+than\b[^.;,\n]{0,120}", re.IGNORECASE
)
LONGEST_COMPARISON = 300


def _without_standard(text: str, question: str) -> str | None:
    """ "The lamp is closer than the chair" without "than the chair", where the question asks which is closer."""
    match = _THAN.search(text) if len(text) <= LONGEST_COMPARISON and "than" in text else None
    if match is None or not re.search(rf"\b{re.escape(match['quality'])}\b", question, re.IGNORECASE):
        return None
    return text[: match.end("between")] + text[match.end() :]


_NOT_APPLICABLE = re.compile(r"\W*n/a\W*", re.IGNORECASE)


def _read(said: str, table: Table) -> Extraction | None:
    whole = lone_letter(said, table)
    if whole:
        return Extraction(whole, "the response is one letter", said)
    if own := _own_line(said, table):
        return Extraction(own, "a letter and its own option's text", said)
    if hit := equal(said, table):
        return Extraction(hit, "the response equals an option's text", said)
    if _NOT_APPLICABLE.fullmatch(said):
        return None
    return (
        declared(said, table)
        or _label_at_start(said, table)
        or _lone_line(said, table)
        or _only_letter(said, table)
        or _close_spelling(said, table)
        or _only_text(said, table)
        or _only_number(said, table)
    )


_LINE = re.compile(r"[(\[]?([A-Za-z])[)\].:]+\s+(.+)")


def _own_line(said: str, table: Table) -> str | None:
    """The letter where the response is one line of the list of options, as it stands there."""
    match = _LINE.fullmatch(said) if len(said) <= table.longest + 8 else None
    letter = match[1].upper() if match else ""
    own = table.folded.get(letter)
    return letter if match and own and match[2].casefold() == own else None


# --- labels at the start, lone lines ---------------------------------------------------------------------------

_START = re.compile(r"[(\[{<\"']*([A-Za-z])(?:[)\]}>.:]+(?:\s|$|(?=\w))|\s*\n|\s+-+\s)")


def _label_at_start(said: str, table: Table) -> Extraction | None:
    """A response that begins with a label: "B. because", "(b) dog", a letter alone on the first line."""
    match = _START.match(said)
    line = said.partition("\n")[0]
    if match is None:
        return _letter_and_text(line, table)
    letter = match[1].upper()
    if letter not in table.letters or echoes(said, table):
        return None
    if said[match.end() :].lstrip()[:3].strip(" .:)") in table.letters - {letter}:
        return None
    lone_end = lone_letter(said.rstrip().rpartition("\n")[2], table) if "\n" in said else None
    if lone_end and lone_end != letter:
        raise Undecided("different letters on the first and the last line")
    found = label(line, table, any_case=False)
    return Extraction(found, "a label at the start", line[:60]) if found else None


def _letter_and_text(line: str, table: Table) -> Extraction | None:
    """ "B dog": a bare letter, a blank and that very option's text; another option's text is a contradiction."""
    match = re.match(r"([A-Za-z])[\s,;-]+", line)
    if match is None or match[1].upper() not in table.letters:
        return None
    letter = match[1].upper()
    rest = line[match.end() :]
    hit = table.equal(rest)
    if hit == letter:
        return Extraction(letter, "a letter with its own option's text", line[:60])
    article = letter in ("A", "I") and not match.group()[1:].strip()
    if match[1].isupper() and not article and hit and hit != AMBIGUOUS and not LONE.fullmatch(rest):
        raise Undecided(f"letter {letter} stands beside the text of option {hit}")
    return None


def _lone_line(said: str, table: Table) -> Extraction | None:
    """The last line alone is a letter, an option's text, or a label with its text."""
    head, _, last = said.rstrip().rpartition("\n")
    if not head.strip():
        return None
    letter = lone_letter(last, table) if len(last) < 12 else None
    if letter is None and echoes(said, table):
        return None
    hit = letter or table.equal(last)
    if hit and hit != AMBIGUOUS:
        return Extraction(hit, "the last line names one option", last[:60])
    if _START.match(last.strip()) and (letter := label(last.strip(), table, any_case=False)):
        return Extraction(letter, "a label on the last line", last[:60])
    return None


# --- letters anywhere ------------------------------------------------------------------------------------------

_STANDALONE = re.compile(
    r"(?<![A-Za-z0-9_À-ɏ])(?<![A-Za-z]-)(?<![A-Z]\.)(?<![A-Z]\+)"
    r"(?:[(\[{<]\s?([A-Za-z])\s?[)\]}>]|([A-Z])(?![A-Za-z0-9_À-ɏ+#°]|'[A-Za-z]|-[A-Za-z]|\.[A-Z]\b))"
)
_STRONG_BEFORE = frozenset(
    [
        "is",
        "was",
        "are",
        "be",
        "it's",
        "its",
        "that's",
        "answer",
        "option",
        "choice",
        "letter",
        "choose",
        "chose",
        "chosen",
        "pick",
        "picked",
        "select",
        "selected",
        "selecting",
        "with",
        "and",
        "or",
        "either",
        "both",
        "neither",
        "nor",
        "not",
        "so",
        "thus",
        "therefore",
        "hence",
        "that",
        "think",
        "believe",
        "say",
        "guess",
        "guessed",
        "probably",
        "likely",
        "definitely",
        "clearly",
        "maybe",
        "perhaps",
        "certainly",
        "surely",
        "correct",
        "right",
        "final",
        "as",
        "then",
        "but",
        "only",
        "just",
        "would",
        "also",
        "obviously",
        "yes",
        "no",
        "to",
        "mark",
        "answered",
        "i'd",
        "prefer",
        "favor",
        "favour",
        "suggests",
        "indicates",
        "means",
    ]
)
_JOINED = re.compile(r"[)\]\s]*(?:,|\bor\b|\band\b|\bnor\b|\bvs\b\.?|\bversus\b|/|&)\s*[(\[]?$")


def _only_letter(said: str, table: Table) -> Extraction | None:
    """The only stand-alone option letter that is neither negated, an article, nor the name of something."""
    if echoes(said, table):
        raise Undecided("the options are repeated without a choice")
    masked = table.mask(said)
    strong: dict[str, int] = {}
    weak: dict[str, int] = {}
    last_end, last_weak = -1, False
    for match in islice(_STANDALONE.finditer(masked), MOST_CANDIDATES):
        char = match[1] or match[2]
        letter = char.upper()
        if letter not in table.letters or letter in strong:
            continue
        if match[2] and is_word(char, said, match.end()):
            continue
        joined = (
            last_end >= 0
            and match.start() - last_end < 8
            and _JOINED.fullmatch(masked[last_end : match.start()] or "-")
        )
        named = last_weak if joined else not match[1] and _names_something(masked, match.start())
        last_end, last_weak = match.end(), named
        if masked[match.end() : match.end() + 1] == "?" or negated_before(masked, match.start()):
            continue
        if negated_after(masked, match.end(), table, letter):
            continue
        (weak if named else strong).setdefault(letter, match.start())
        if len(strong) > 1:
            raise Undecided("more than one letter")
    if len(strong) == 1:
        [(letter, at)] = strong.items()
        _no_conflict_around(said, letter, table)
        return Extraction(letter, "the only letter that stands alone", said[at : at + 20])
    if len(weak) == 1 and not set(texts(said, table)):
        [(letter, at)] = weak.items()
        return Extraction(letter, "the only letter that stands alone", said[at : at + 20])
    return None


def _no_conflict_around(said: str, letter: str, table: Table) -> None:
    """ "dog (A)" where A is the cat."""
    if len(said) > table.longest + 12:
        return
    rest = re.sub(rf"[(\[,-]?\s*\b{letter}\b\s*[)\]]?\s*$", "", said, flags=re.IGNORECASE).strip()
    hit = table.equal(rest) if rest and rest != said else None
    if hit and hit not in (AMBIGUOUS, letter):
        raise Undecided(f"letter {letter} stands beside the text of option {hit}")


def _names_something(text: str, at: int) -> bool:
    """Whether the word before a bare letter makes it a name ("angle A", "20 C", "vitamin C"), not a list "A B"."""
    before = text[max(0, at - 24) : at]
    if not before or before[-1] != " ":
        return False
    words = before.split()
    if not words:
        return False
    word = words[-1].strip("\"'([").casefold()
    return len(word) > 1 and word[-1].isalnum() and word not in _STRONG_BEFORE


# --- option texts anywhere -------------------------------------------------------------------------------------

_REFUSAL = re.compile(
    r"\b(?:sorry|unable to|i (?:do not|don't) know|no idea|not (?:sure|certain|possible|clear|enough)|impossible to|"
    r"unclear|insufficient|none of (?:the|these|them)|hard to (?:tell|say)|"
    r"can(?:not|'t| not) (?:be )?(?:tell|determined?|answer|say|identify|help|assist|provide|view)|"
    r"(?:both|all|neither|none) (?:of|are|look|seem|options))\b",
    re.IGNORECASE,
)
_RECOVERY = re.compile(
    r"\b(?:but|however|probably|likely|guess|though|maybe|perhaps|nevertheless|still|if i had to)\b",
    re.IGNORECASE,
)


def _after_refusal(said: str, table: Table) -> str:
    """What is left to read once the response has refused: what follows "but", "probably", or nothing."""
    refused = _REFUSAL.search(table.mask(said))
    if refused is None:
        return said
    recovered = _RECOVERY.search(said, refused.end())
    return said[recovered.end() :] if recovered else ""


def _only_text(said: str, table: Table) -> Extraction | None:
    rest = _after_refusal(said, table)
    hits = _first_two(texts(rest, table))
    if len(hits) > 1 and table.values and "=" in rest:
        result = _first_two(texts(rest.rpartition("=")[2], table))
        hits = result if len(result) == 1 else hits
    if len(hits) > 1:
        raise Undecided("the texts of more than one option")
    return Extraction(hits.pop(), "the only option whose text occurs", said[:60]) if hits else None


def _first_two(letters: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for letter in letters:
        found.add(letter)
        if len(found) > 1:
            break
    return found


def _only_number(said: str, table: Table) -> Extraction | None:
    """Where all options are numbers: the only number in the response, if it is the value of one option."""
    if not table.values or len(said) > 2000:
        return None
    rest = _after_refusal(said, table)
    found = {n.value for n in numbers.find(rest)}
    if len(found) != 1:
        return None
    letters = table.values.get(found.pop(), ())
    return Extraction(letters[0], "the only number, an option's value", said[:60]) if len(letters) == 1 else None


def _close_spelling(said: str, table: Table) -> Extraction | None:
    """A short response that is one option's text but for its spelling."""
    piece = table.plain(said)
    longest = max((len(t) for t in table.plain_texts.values()), default=0)
    if not FUZZY_SHORTEST <= len(piece) <= 1.3 * longest + 2 or _after_refusal(said, table) != said:
        return None
    from rapidfuzz import fuzz

    scored = sorted(((fuzz.ratio(piece, t), letter) for letter, t in table.plain_texts.items() if t), reverse=True)
    best, letter = scored[0]
    second = scored[1][0] if len(scored) > 1 else 0.0
    target = table.plain_texts[letter]
    if best < FUZZY_THRESHOLD or best - second < FUZZY_MARGIN or len(target) < FUZZY_SHORTEST:
        return None
    if table.differs_in_meaning(piece, target):
        return None
    return Extraction(letter, f"spelt like one option (similarity {best:.0f} of 100)", said[:60])

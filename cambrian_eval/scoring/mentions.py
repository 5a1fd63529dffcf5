"""Options that a stretch of text mentions: the only letter that stands alone, the only text, the only number.

Rules of `letter`, for a whole response or one sentence of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice

from cambrian_eval.scoring import number, numerals, wording
from cambrian_eval.scoring.labels import MOST_CANDIDATES, Undecided, echoes, is_word, negated_after, texts
from cambrian_eval.scoring.options import AMBIGUOUS, OptionTexts
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading
from cambrian_eval.scoring.reply import Reply, sentences
from cambrian_eval.scoring.wording import CLAUSE, negated_before

FUZZY_THRESHOLD = 85.0
"""Least similarity (rapidfuzz ratio, 0 to 100) at which a short response counts as a misspelt option text."""
FUZZY_MARGIN = 10.0
"""How much more similar than the second-best option it must be."""
LONG_WORKING = 400
"""Characters of a calculation beyond which a number in the middle of it is not its result."""
FUZZY_SHORTEST = 6
"""Shorter texts are other words, not misspellings ("table", "stable")."""


_STANDALONE = pattern(
    r"(?<![A-Za-z0-9_À-ɏ])(?<![A-Za-z]-)(?<![A-Z]\.)(?<![A-Z]\+)"
    r"(?:[(\[{<]\s?([A-Za-z])\s?[)\]}>]|([A-Z])(?![A-Za-z0-9_À-ɏ+#°]|'[A-Za-z]|-[A-Za-z]|\.[A-Z]\b))"
)
_STRONG_BEFORE = frozenset(
    (
        "also",
        "and",
        "answer",
        "answered",
        "are",
        "as",
        "be",
        "believe",
        "both",
        "but",
        "certainly",
        "choice",
        "choose",
        "chose",
        "chosen",
        "clearly",
        "correct",
        "definitely",
        "doubt",
        "either",
        "favor",
        "favour",
        "final",
        "for",
        "guess",
        "guessed",
        "hence",
        "i'd",
        "indicates",
        "is",
        "it's",
        "its",
        "just",
        "leaves",
        "leaving",
        "letter",
        "like",
        "likely",
        "mark",
        "maybe",
        "means",
        "neither",
        "no",
        "nor",
        "not",
        "obviously",
        "only",
        "option",
        "or",
        "perhaps",
        "pick",
        "picked",
        "prefer",
        "probably",
        "remaining",
        "right",
        "say",
        "select",
        "selected",
        "selecting",
        "so",
        "suggests",
        "surely",
        "that",
        "that's",
        "then",
        "therefore",
        "think",
        "thus",
        "was",
        "with",
        "would",
        "yes",
    )
)
"""Words before a bare letter that introduce it; after any other word it is a name ("point B")."""
_NAMED = pattern(r"\b(?:option|choice|letter)\s+$", re.IGNORECASE)
_FORMULA_BEFORE = pattern(r"[∠△^=+*/×·<>≤≥√∥⊥⊙]\s?$")
_FORMULA_AFTER = pattern(r"\s?[\^=+*/×·<>≤≥∥⊥]")
_JOINED = pattern(r"[)\]\s]*(?:,|\bor\b|\band\b|\bnor\b|\bvs\b\.?|\bversus\b|/|&)\s*[(\[]?$")


def only_letter(said: str, table: OptionTexts, question: str) -> Reading[str] | None:
    """The only stand-alone option letter that is neither negated, an article, nor the name of something."""
    if echoes(said, table):
        raise Undecided("the options are repeated without a choice")
    masked = table.mask(said)
    found: dict[str, int] = {}
    names = _names(question) - table.letter_texts
    last_end, last_named = -1, False
    for match in islice(_STANDALONE.finditer(masked), MOST_CANDIDATES):
        char = match[1] or match[2]
        letter = char.upper()
        if letter not in table.letters or letter in found:
            continue
        if (
            match[2]
            and is_word(char, said, match.end())
            and not _NAMED.search(said, max(0, match.start() - 10), match.start())
        ):
            continue
        joined = (
            last_end >= 0
            and match.start() - last_end < 8
            and _JOINED.fullmatch(masked[last_end : match.start()] or "-")
        )
        bare = not match[1] and letter not in table.letter_texts
        named = last_named if joined else bare and (letter in names or _names_something(masked, match.start()))
        last_end, last_named = match.end(), named
        formula = match[2] and (
            _FORMULA_BEFORE.search(masked, max(0, match.start() - 2), match.start())
            or _FORMULA_AFTER.match(masked, match.end())
        )
        if named or formula or masked[match.end() : match.end() + 1] == "?" or negated_before(masked, match.start()):
            continue
        if negated_after(masked, match.end(), table, letter) or wording.conditional(masked, match.start()):
            continue
        found.setdefault(letter, match.start())
        if len(found) > 1:
            raise Undecided("more than one letter")
    if len(found) != 1:
        return None
    [(letter, at)] = found.items()
    _no_conflict_around(said, letter, table)
    return Reading(letter, "the only letter that stands alone", text=said[at : at + 20])


_NAME = pattern(r"(?<![A-Za-z'])[A-Z](?![A-Za-z'])")


def _names(question: str) -> set[str]:
    """Letters that a question uses as names: "circle O", "Group C"."""
    return set(_NAME.findall(question[-2000:])) - {"A", "I"} if question else set()


def _no_conflict_around(said: str, letter: str, table: OptionTexts) -> None:
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


_STRONG = ("the declared answer", "the conclusion", "the sentence that repeats the question")


def only_text(rest: str, table: OptionTexts, question: str) -> Reading[str] | None:
    """The only option whose text occurs; where a question asks what is not, the only one that is denied."""
    if table.values and len(rest) > LONG_WORKING:
        rest = (sentences(rest) or ("",))[-1]
    hits = first_two(texts(rest, table))
    if wording.ASKS_NOT.search(question) and wording.ASKS_NOT.search(sentences(question)[-1]):
        denied = first_two(texts(rest, table, denied=True))
        if len(denied) == 1 and wording.echoes(rest, wording.content(sentences(question)[-1])) >= 0.5:
            return Reading(denied.pop(), "the only option that is denied what the question denies")
    if len(hits) > 1 and table.values and "=" in rest:
        result = first_two(texts(rest.rpartition("=")[2], table))
        hits = result if len(result) == 1 else hits
    if len(hits) > 1 and table.values and question:
        counted = number.read(Reply(rest), question)
        letters = table.values.get(counted.value.value, ()) if counted.value and counted.rule in _STRONG else ()
        if len(letters) == 1:
            return Reading(letters[0], "the number that answers the question, an option's value")
    if len(hits) > 1 and len(rest) < LONG_WORKING:
        main = first_two(texts(CLAUSE.sub(" ", rest), table))  # without "if ...", "since ..."
        hits = main if len(main) == 1 else hits
    if len(hits) > 1:
        raise Undecided("the texts of more than one option")
    return Reading(hits.pop(), "the only option whose text occurs") if hits else None


def first_two(letters: Iterable[str]) -> set[str]:
    """The first two different letters: enough to know that there are several."""
    found: set[str] = set()
    for letter in letters:
        found.add(letter)
        if len(found) > 1:
            break
    return found


def only_number(rest: str, table: OptionTexts) -> Reading[str] | None:
    """Where all options are numbers: the only number in the response, if it is the value of one option."""
    if not table.values or len(rest) > 2000:
        return None
    found = {n.value for n in numerals.find(rest)}
    if len(found) != 1:
        return None
    letters = table.values.get(found.pop(), ())
    return Reading(letters[0], "the only number, an option's value") if len(letters) == 1 else None


def close_spelling(said: str, table: OptionTexts) -> Reading[str] | None:
    """A short response that is one option's text but for its spelling."""
    piece = table.plain(said)
    longest = max((len(t) for t in table.plain_texts.values()), default=0)
    if not FUZZY_SHORTEST <= len(piece) <= 1.3 * longest + 2:
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
    return Reading(letter, f"spelt like one option (similarity {best:.0f} of 100)")

"""Option texts in comparable form: a table per set of options, cached.

Owns what `letter` compares a response with; the order of the rules is decided there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from cambrian_eval.scoring import numerals, option_forms
from cambrian_eval.scoring.lazy import lazy
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.text import clean, squeezed

AMBIGUOUS = ""
"""What a lookup returns where two options have the text."""

_PRONOUN = pattern(r"^(?:it|they|he|she)\s+(?=\S+\s+\S)")


def _variants(key: str) -> list[str]:
    """The singular of a plural, and a sentence without its pronoun: "it would decrease" as "would decrease"."""
    found = [_PRONOUN.sub("", key)] if " " in key and _PRONOUN.match(key) else []
    if len(key) > 4 and key[-1] == "s" and key[-2].isalpha() and key[-2] not in "sui":
        found.append(key[:-1])
    return found


_LABELLED = pattern(r"[(\[]?[A-Za-z][)\].:]")
_MAYBE_NUMBER = pattern(r"\d|^(?:zero|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.IGNORECASE)
MOST_OCCURRENCES = 1000
"""How many times one option text is looked for in a response."""


class OptionTexts:
    """One set of options, prepared for comparison; what a response does not need is never computed."""

    def __init__(self, options: tuple[tuple[str, str], ...]) -> None:
        self._options = options
        self.letters = frozenset([letter for letter, _ in options])

    @lazy
    def cleaned(self) -> dict[str, str]:
        """Letter to text in comparable form."""
        return {letter: clean(text) for letter, text in self._options}

    @lazy
    def longest(self) -> int:
        """Characters of the longest text."""
        return max(map(len, self.cleaned.values()), default=0)

    @lazy
    def folded(self) -> dict[str, str]:
        """Letter to casefolded text."""
        return {letter: squeezed(text) for letter, text in self.cleaned.items()}

    @lazy
    def plain_texts(self) -> dict[str, str]:
        """Letter to text without outer punctuation and article."""
        return {letter: option_forms.bare(text) for letter, text in self.folded.items()}

    @lazy
    def one_letter_texts(self) -> dict[str, str]:
        """Option texts that are one Latin letter, as written and in lower case, to the option's letter."""
        one = {t: letter for letter, t in self.cleaned.items() if len(t) == 1 and t.isascii() and t.isalpha()}
        return {t.lower(): letter for t, letter in one.items()} | one

    @lazy
    def exact(self) -> dict[str, str]:
        """Option texts of several characters as they stand, such as "(b)", which a letter must not shadow."""
        return {text: letter for letter, text in reversed(self.cleaned.items()) if len(text) > 1}

    @lazy
    def letter_texts(self) -> frozenset[str]:
        """The letters whose option is the letter itself."""
        return frozenset(text.upper() for text in self.cleaned.values() if len(text) == 1 and text.isalpha())

    @lazy
    def compares(self) -> bool:
        """Whether an option is a comparison itself: "larger than"."""
        return any("than" in text for text in self.folded.values())

    @lazy
    def polar(self) -> dict[str, str] | None:
        """ "Yes" and "No" to their options, where the options are just these."""
        found = {text.capitalize(): letter for letter, text in self.folded.items()}
        return found if set(found) == {"Yes", "No"} else None

    @lazy
    def longer_symbols(self) -> frozenset[str]:
        """Option texts such as "A+" that a letter with punctuation must not shadow."""
        pairs = (t.casefold() for t in self.cleaned.values() if len(t) == 2)
        return frozenset(t for t in pairs if t[0].isalpha() and t[1] in "+#-")

    @lazy
    def parsed(self) -> dict[str, numerals.Number]:
        """Letter to number where every option is one; else empty."""
        if not all(_MAYBE_NUMBER.search(t) for t in self.cleaned.values()):
            return {}
        found = {letter: n for letter, text in self.cleaned.items() if (n := numerals.parse(text)) is not None}
        return found if len(found) == len(self.cleaned) else {}

    @lazy
    def values(self) -> dict[float, tuple[str, ...]]:
        """Value to letters where every option is a number; else empty."""
        found: dict[float, tuple[str, ...]] = {}
        for letter, number in self.parsed.items():
            found[number.value] = (*found.get(number.value, ()), letter)
        return found

    def plain(self, text: str) -> str:
        """The text as `plain_texts` are written."""
        return option_forms.bare(squeezed(text))

    def equal(self, piece: str) -> str | None:
        """The letter of the option whose text the piece is; AMBIGUOUS for several, None for none."""
        if not self.cleaned or len(piece) > self.longest + 40:
            return None
        folded = squeezed(piece)
        plain = option_forms.bare(folded)
        if option_forms.may_equal(piece, plain, self._solid):
            if (hit := self._by_folded.get(folded)) is not None:
                return hit
            for known, form in zip(self._by_coarser(), option_forms.coarser(piece, folded), strict=True):
                if (hit := known.get(form)) is not None:
                    return hit
        if plain in ("yes", "no") and (hit := self._polar.get(plain)):
            return hit
        return self._equal_number(piece) if self.parsed else None

    @lazy
    def _solid(self) -> str:
        return option_forms.solid(" ".join(self.cleaned.values()))

    @lazy
    def _by_folded(self) -> dict[str, str]:
        return self._owners(self.folded.values())

    def _by_coarser(self) -> Iterator[dict[str, str]]:
        """For each of the coarser forms, a text in that form to the letter of its option; most need the first alone."""
        yield self._by_trimmed
        yield self._by_bare
        yield self._by_tight
        yield self._by_singular
        yield self._by_text_without_remark

    @lazy
    def _by_trimmed(self) -> dict[str, str]:
        return self._owners(map(option_forms.trimmed, self.folded.values()))

    @lazy
    def _by_bare(self) -> dict[str, str]:
        return self._owners(self.plain_texts.values())

    @lazy
    def _by_tight(self) -> dict[str, str]:
        return self._owners(map(option_forms.tight, self.plain_texts.values()))

    @lazy
    def _by_singular(self) -> dict[str, str]:
        return self._owners(map(option_forms.singular, self.plain_texts.values()))

    @lazy
    def _by_text_without_remark(self) -> dict[str, str]:
        return self._owners(map(option_forms.without_remark, self.cleaned.values(), self.plain_texts.values()))

    @lazy
    def _polar(self) -> dict[str, str]:
        """ "yes" and "no" to the one option that begins with the word: "Yes, it is"."""
        found: dict[str, str] = {}
        for word in ("yes", "no"):
            own = [letter for letter, text in self.folded.items() if text.startswith(f"{word},")]
            found |= {word: own[0]} if len(own) == 1 else {}
        return found

    def _owners(self, texts: Iterable[str]) -> dict[str, str]:
        """A text of each option, in order, to the option's letter."""
        known: dict[str, str] = {}
        for letter, key in zip(self.cleaned, texts, strict=True):
            if key:
                known[key] = self._one(known[key], letter) if key in known else letter
        return known

    def _one(self, first: str, second: str) -> str:
        """The letter of two options that share a text: the first where they are the same option twice."""
        same = first == second or (first != AMBIGUOUS and self.folded[first] == self.folded[second])
        return first if same else AMBIGUOUS

    def same(self, first: str, second: str) -> bool:
        """Whether two letters name the same text."""
        return first == second or self.folded[first] == self.folded[second]

    def _equal_number(self, piece: str) -> str | None:
        said = None if _LABELLED.match(piece) else numerals.parse(piece)
        if said is None:
            return None
        hits = [letter for letter, own in self.parsed.items() if _same_quantity(said, own)]
        return hits[0] if len(hits) == 1 else None

    @lazy
    def sought(self) -> list[tuple[str, str]]:
        """Texts to look for inside a response, longest first, and whose each is (AMBIGUOUS where shared)."""
        owner: dict[str, str] = {}
        for letter, text in self.folded.items():
            for key in {text.strip(" .,;:!?\"'"), self.plain_texts[letter]}:
                if key and not (len(key) == 1 and key.isascii() and key.isalpha()):
                    owner[key] = self._one(owner.get(key, letter), letter)
        variants: dict[str, str] = {}
        for key, letter in owner.items():
            for variant in _variants(key):
                variants[variant] = self._one(variants.get(variant, letter), letter)
        return sorted((variants | owner).items(), key=lambda item: -len(item[0]))

    def occurrences(self, text: str) -> tuple[tuple[str, int, int], ...]:
        """Option texts standing in `text` as whole words, longest first where they overlap: letter, start, end.

        A text that two options share names neither, and is left out.
        """
        return _occurrences(self, text)

    def mask(self, text: str) -> str:
        """The text with option texts of several words blanked, so that the C of "Vitamin C" is no letter."""
        if not any(" " in t or "-" in t for t in self.cleaned.values()) or not (found := self.occurrences(text)):
            return text
        pieces, at = [], 0
        for _, start, end in sorted(found, key=lambda one: one[1]):
            pieces += [text[at:start], "·" * (end - start)]
            at = end
        return "".join(pieces) + text[at:]

    def differs_in_meaning(self, said: str, option: str) -> bool:
        """Whether two similar texts differ in a number, a negation or a negating prefix."""
        if re.findall(r"\d+", said) != re.findall(r"\d+", option):
            return True
        if _NEGATION_WORD.findall(said) != _NEGATION_WORD.findall(option):
            return True
        words, own = set(said.split()), set(option.split())
        extra, missing = words - own, own - words
        if any(_opposed(a, b) for a in extra for b in missing):
            return True
        return _has_stranger(extra, missing) or _has_stranger(missing, extra)


@lru_cache(maxsize=8)  # several rules ask this of one response
def _occurrences(table: OptionTexts, text: str) -> tuple[tuple[str, int, int], ...]:
    lowered = _lowered(text)
    taken: list[tuple[int, int]] = []
    found = []
    for key, letter in table.sought:
        at = lowered.find(key)
        if at < 0:
            continue
        for _ in range(MOST_OCCURRENCES):
            if at < 0:
                break
            end = at + len(key)
            if _whole(lowered, at, end) and not any(a < end and at < b for a, b in taken[:MOST_OCCURRENCES]):
                found.append((letter, at, end))
                at = lowered.find(key, end)
            else:
                at = lowered.find(key, at + 1)
        taken = [(a, b) for _, a, b in found]
    return tuple(one for one in found if one[0] != AMBIGUOUS)


@lru_cache(maxsize=8192)
def table_of(options: tuple[tuple[str, str], ...]) -> OptionTexts:
    """The table of one set of options."""
    return OptionTexts(options)


_NEGATION_WORD = pattern(r"\b(?:not|no|never|without|neither|non)\b|n't\b")
_PREFIXES = ("un", "in", "im", "il", "ir", "a", "non", "dis", "anti", "de", "mis", "fe", "wo", "s")
_SMALL_WORDS = frozenset(
    ("a", "an", "the", "is", "are", "was", "were", "be", "of", "in", "on", "at", "to", "by", "for", "with", "and", "it")
)
_SAME_WORD = 70.0
"""Least similarity of two spellings of one word; shorter words must be nearly equal."""
_SAME_SHORT_WORD = 85.0


def _has_stranger(words: set[str], others: set[str]) -> bool:
    """Whether a word has no misspelling of itself on the other side: "dog" in the place of "man"."""
    from rapidfuzz import fuzz

    joined = "".join(others)
    return any(
        word not in _SMALL_WORDS
        and word not in joined
        and all(fuzz.ratio(word, o) < (_SAME_SHORT_WORD if len(word) < 5 else _SAME_WORD) for o in others)
        for word in words
    )


def _opposed(a: str, b: str) -> bool:
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return any(long == prefix + short for prefix in _PREFIXES)


def _same_quantity(a: numerals.Number, b: numerals.Number) -> bool:
    if a.value != b.value:
        return False
    left, right = a.unit.rstrip("s"), b.unit.rstrip("s")
    return not left or not right or left == right


def _lowered(text: str) -> str:
    """Casefolded for searching, character by character so that positions stay; line ends are blanks."""
    lowered = text.casefold()
    if len(lowered) != len(text):
        lowered = "".join(c if len(low := c.casefold()) != 1 else low for c in text)
    return lowered.replace("\n", " ")


def _wordy(char: str) -> bool:
    """Whether a character continues a word; scripts without blanks between words have no word limits."""
    return (char.isalnum() and char < "\u2e80") or char == "_"


def _whole(text: str, start: int, end: int) -> bool:
    """Whether a match has word limits; numbers are whole tokens ("1" is not in "10", "1.5", "1/2" or "-1")."""
    first, last = text[start], text[end - 1]
    before, after = text[max(0, start - 2) : start], text[end : end + 2]
    if before:
        if first.isdigit():
            if before[-1] == "-" or _wordy(before[-1]) or (before[-1] in ".,/:" and before[:-1].isdigit()):
                return False
        elif first.isalnum():
            if _wordy(before[-1]) or (before[-1] == "-" and before[:-1] and _wordy(before[0])):
                return False
        elif first in "-+." and (_wordy(before[-1]) or before[-1] == "."):
            return False
    if not after:
        return True
    if last.isdigit():
        percent = text[end : end + 2].lstrip()[:1] == "%"
        return not (_wordy(after[0]) or after[0] == "°" or percent or (after[0] in ".,/:" and after[1:].isdigit()))
    if last.isalnum():
        return not (_wordy(after[0]) or (after[0] == "-" and after[1:] and _wordy(after[1])))
    return True

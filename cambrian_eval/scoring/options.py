"""Responses and option texts in comparable form: cleaning, folding, tables per set of options, negation.

Owns what `choices` compares with; the order of its rules is not decided here. Tables are cached per option set.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from cambrian_eval.scoring import numbers

AMBIGUOUS = ""
"""What a lookup returns where two options have the text."""

_MARKERS = re.compile(r"<\|[A-Za-z_0-9]{1,30}\|>|</?s>|<(?:end_of_turn|eos|pad|unk)>")
_MARKUP = str.maketrans(
    {"*": " ", "`": " ", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "′": "'", "«": '"', "»": '"'}
    | {
        "−": "-",
        "–": "-",
        "—": "-",
        "‐": "-",
        "‑": "-",
        "。": ".",
        "、": ",",
        "「": '"',
        "」": '"',
        "\r": "\n",
    }
    | dict.fromkeys(
        "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\x00", ""
    )
)
_LATEX_TEXT = re.compile(r"\\(?:text|textbf|textit|mathrm|mathbf|mbox)\s?\{([^{}]{0,400})\}")
_TRIM = " \t\n.,;:!?\"'()[]{}<>$\\#|~-…"
_ARTICLE = re.compile(r"^(?:an?|the)\s+")
_LEAD = re.compile(
    r"^(?:it|this|that|there|they|these|those|he|she)(?:'s|\s+(?:is|are|was|looks like|seems to be|appears to be))\s+(?=\S)"
)
_DEGREES = re.compile(r"\s*\bdegrees?\b")
_BLANKS = re.compile(r"\s+")


def clean(text: str) -> str:
    """The response without end marks, reasoning, answer tags, boxes, markdown and odd quotes."""
    if not text.isascii():
        text = numbers.fold(text)
    if "<" in text:
        text = _unwrap(_MARKERS.sub("", text))
    if "\\" in text:
        text = _unbox(text)
    text = text.translate(_MARKUP)
    if "__" in text or text[:1] == "_":
        text = text.replace("_", " ")
    text = text.strip()
    while len(text) > 1 and text[0] == text[-1] and text[0] in "\"'":
        text = text[1:-1].strip()
    return text


def _unwrap(text: str) -> str:
    """What follows the reasoning, and of that the last <answer>."""
    if "</think>" in text:
        text = text.rpartition("</think>")[2]
    start = text.rfind("<answer>")
    if start >= 0:
        inner = text[start + len("<answer>") :].partition("</answer>")[0]
        if inner.strip():
            return inner
    return text


def _unbox(text: str) -> str:
    """The content of the last box with something in it, and text commands resolved."""
    start = text.rfind("\\boxed{")
    if start >= 0:
        depth, begin = 1, start + len("\\boxed{")
        for at in range(begin, min(len(text), begin + 2000)):
            depth += {"{": 1, "}": -1}.get(text[at], 0)
            if depth == 0:
                if text[begin:at].strip():
                    text = text[begin:at]
                break
    return _LATEX_TEXT.sub(r"\1", text)


def _fold(text: str) -> str:
    return _BLANKS.sub(" ", text.casefold()).strip()


def _trim(text: str) -> str:
    return _fold(text).strip(_TRIM)


def _bare(text: str) -> str:
    trimmed = _trim(text)
    trimmed = _LEAD.sub("", trimmed, count=1)
    return _ARTICLE.sub("", trimmed, count=1)


def _tight(text: str) -> str:
    return _DEGREES.sub("°", _bare(text)).replace(" ", "").replace("$", "").replace("-", "")


_LEVELS = (_fold, _trim, _bare, _tight)


@dataclass(frozen=True)
class Table:
    """One set of options, prepared for comparison."""

    letters: frozenset[str]
    folded: dict[str, str]
    """Letter to casefolded text."""
    plain_texts: dict[str, str]
    """Letter to text without outer punctuation and article."""
    longest: int
    one_letter_texts: dict[str, str]
    """Option texts that are one Latin letter, as written and in lower case, to the option's letter."""
    longer_symbols: frozenset[str]
    """Option texts such as "A+" that a letter with punctuation must not shadow."""
    values: dict[float, tuple[str, ...]]
    """Value to letters where every option is a number; else empty."""
    by_level: tuple[dict[str, str], ...]
    parsed: dict[str, numbers.Number] = field(default_factory=dict)
    pattern: re.Pattern[str] | None = None
    owner: dict[str, str] = field(default_factory=dict)

    def plain(self, text: str) -> str:
        """The text as `plain_texts` are written."""
        return _bare(text)

    def equal(self, piece: str) -> str | None:
        """The letter of the option whose text the piece is; AMBIGUOUS for several, None for none."""
        if len(piece) > self.longest + 40:
            return None
        for level, known in zip(_LEVELS, self.by_level, strict=True):
            hit = known.get(level(piece))
            if hit is not None:
                return hit
        return self._equal_number(piece) if self.parsed else None

    def _equal_number(self, piece: str) -> str | None:
        said = numbers.parse(piece)
        if said is None:
            return None
        hits = [letter for letter, own in self.parsed.items() if _same_quantity(said, own)]
        return hits[0] if len(hits) == 1 else None

    def occurrences(self, text: str) -> Iterator[tuple[str, int, int]]:
        """Option texts standing in `text` as whole words, longest first where they overlap: letter, start, end.

        A text that two options share names neither, and is skipped.
        """
        if self.pattern is None:
            return
        for match in self.pattern.finditer(text):
            letter = self.owner.get(_BLANKS.sub(" ", match.group().casefold()), AMBIGUOUS)
            if letter != AMBIGUOUS:
                yield letter, match.start(), match.end()

    def mask(self, text: str) -> str:
        """The text with option texts that hold a capital of their own blanked, so that "Vitamin C" is no letter."""
        if self.pattern is None or not self._hides_letters:
            return text
        return self.pattern.sub(lambda m: "·" * len(m.group()), text)

    @property
    def _hides_letters(self) -> bool:
        return any(" " in t or "-" in t for t in self.folded.values())

    def differs_in_meaning(self, said: str, option: str) -> bool:
        """Whether two similar texts differ in a number, a negation or a negating prefix."""
        if re.findall(r"\d+", said) != re.findall(r"\d+", option):
            return True
        if _NEGATION_WORD.findall(said) != _NEGATION_WORD.findall(option):
            return True
        words, own = set(said.split()), set(option.split())
        return any(_opposed(a, b) for a in words - own for b in own - words)


_NEGATION_WORD = re.compile(r"\b(?:not|no|never|without|neither|non)\b|n't\b")
_PREFIXES = ("un", "in", "im", "il", "ir", "a", "non", "dis", "anti", "de", "mis", "fe", "s")


def _opposed(a: str, b: str) -> bool:
    long, short = (a, b) if len(a) > len(b) else (b, a)
    return any(long == prefix + short for prefix in _PREFIXES)


def _same_quantity(a: numbers.Number, b: numbers.Number) -> bool:
    if a.value != b.value:
        return False
    left, right = a.unit.rstrip("s"), b.unit.rstrip("s")
    return not left or not right or left == right


@lru_cache(maxsize=8192)
def table_of(options: tuple[tuple[str, str], ...]) -> Table:
    """The prepared table of one set of options."""
    cleaned = {letter: clean(text) for letter, text in options}
    levels: tuple[dict[str, str], ...] = tuple({} for _ in _LEVELS)
    for level, known in zip(_LEVELS, levels, strict=True):
        for letter, text in cleaned.items():
            key = level(text)
            if key:
                known[key] = letter if known.get(key, letter) == letter else AMBIGUOUS
    parsed = {letter: n for letter, text in cleaned.items() if (n := numbers.parse(text)) is not None}
    values: dict[float, tuple[str, ...]] = {}
    if parsed and len(parsed) == len(cleaned):
        for letter, number in parsed.items():
            values[number.value] = (*values.get(number.value, ()), letter)
    else:
        parsed = {}
    one = {t: letter for letter, t in cleaned.items() if len(t) == 1 and t.isascii() and t.isalpha()}
    pattern, owner = _containment(cleaned)
    return Table(
        letters=frozenset(cleaned),
        folded={letter: _fold(text) for letter, text in cleaned.items()},
        plain_texts={letter: _bare(text) for letter, text in cleaned.items()},
        longest=max((len(t) for t in cleaned.values()), default=0),
        one_letter_texts={t.lower(): letter for t, letter in one.items()} | one,
        longer_symbols=frozenset(
            t.casefold() for t in cleaned.values() if re.fullmatch(r"[A-Za-z][+#-]+|[+-][A-Za-z]", t)
        ),
        values=values,
        by_level=levels,
        parsed=parsed,
        pattern=pattern,
        owner=owner,
    )


def _containment(cleaned: dict[str, str]) -> tuple[re.Pattern[str] | None, dict[str, str]]:
    """A pattern that finds option texts as whole words, longest first, and whose text each is."""
    owner: dict[str, str] = {}
    for letter, text in cleaned.items():
        for key in {_fold(text).strip(" .,;:!?\"'"), _bare(text)}:
            if key and not (len(key) == 1 and key.isascii() and key.isalpha()):
                owner[key] = letter if owner.get(key, letter) == letter else AMBIGUOUS
    if not owner:
        return None, owner
    parts = (_whole(key) for key in sorted(owner, key=len, reverse=True))
    return re.compile("|".join(parts), re.IGNORECASE), owner


def _whole(key: str) -> str:
    """One option text as a pattern with word limits; numbers are whole tokens ("1" is not in "10", "1.5" or "-1")."""
    before = after = ""
    if key[0].isdigit():
        before = r"(?<![\w])(?<!\d[.,/:])(?<![\w)]-)(?<!\s-)(?<!^-)"
    elif key[0].isalnum():
        before = r"(?<!\w)(?<!\w-)"
    elif key[0] in "-+.":
        before = r"(?<![\w.])"
    if key[-1].isdigit():
        after = r"(?![\w°])(?![.,/:]\d)(?!\s?%)" if "%" not in key else r"(?!\w)"
    elif key[-1].isalnum():
        after = r"(?!\w)(?!-\w)"
    return before + re.escape(key).replace(r"\ ", r"\s+") + after


# --- negation --------------------------------------------------------------------------------------------------

_QUICK = re.compile(
    r"\b(?:no[tr]?|never|neither|cannot|except|exclu|elimin|rul(?:e|es|ed|ing)\b|rather|instead|other|unlike)|n't",
    re.I,
)
_NEGATOR = (
    r"(?:\b(?:not|never|neither|nor|cannot|except|excluding|exclude|eliminate|eliminating|rule out|ruled out|ruling out|"
    r"rather than|instead of|other than|unlike|without)|n't)"
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
    + r"|cannot\b|can\s+be\s+(?:ruled\s+out|eliminated|excluded|dismissed)|(?:seems?|looks?|appears?)\s+(?:wrong|incorrect|unlikely))"
)
_LIST_AFTER = re.compile(r"[)\]}]*\s*(?:,\s*(?:and|or)?|\band\b|\bor\b|&|/)\s*[(\[]?[A-Z](?![A-Za-z0-9])")


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
    """Whether what ends at `end` is denied by what follows: "D is wrong", "C and D are incorrect", "A) cat is not ..."."""
    at = end
    own = table.folded.get(letter, "")
    skipped = re.compile(r"[)\].:,\s-]*").match(text, at)
    if own and skipped and text[skipped.end() : skipped.end() + len(own)].casefold() == own:
        at = skipped.end() + len(own)
    for _ in range(8):
        following = _LIST_AFTER.match(text, at)
        if following is None:
            break
        at = following.end()
    return _AFTER.match(text, at) is not None

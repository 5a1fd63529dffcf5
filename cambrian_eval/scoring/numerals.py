"""Numbers as people and models write them: separators, currency, percent, units, fractions, roots, number words.

`parse` reads a text that is one number; `find` lists the numbers inside a longer text; `parse_list` reads a
list. Which number is the answer is decided in `number`. Pure, linear time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.text import fold


@dataclass(frozen=True, slots=True)
class Number:
    """A number and how it was written."""

    value: float
    """Finite. "50%" has the value 50 and the percent flag."""
    percent: bool = False
    unit: str = ""
    """The words or symbols after the number, lower-cased, without the percent sign."""
    currency: str = ""
    places: int = 0
    """Digits after the decimal point as written."""
    text: str = ""
    """The part of the text that was read."""
    start: int = -1
    """Where it begins in the folded text; -1 where the text is the number."""
    scale: float = 1.0
    """What a scale word such as "million" multiplied the figure by."""

    @property
    def end(self) -> int:
        """Where it ends in the folded text."""
        return self.start + len(self.text)


MOST = 500
"""How many numbers of one text are listed."""
MAX_LENGTH = 120
"""A text longer than this is not *one* number, whatever it holds."""

_ONES = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_VALUES = {word: i for i, word in enumerate(_ONES)} | {word: 20 + 10 * i for i, word in enumerate(_TENS)}
_SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_SCALES = {"k": 10**3, "m": 10**6, "mn": 10**6, "b": 10**9, "bn": 10**9, "t": 10**12, "tn": 10**12}

_PLAIN_SUFFIXES = {"k", "K", "M", "B", "bn", "Bn", "mn"}
"""Thousands, millions and billions also where no currency stands before the number."""

_DIGITS = r"(?:\d{1,3}(?:[,']\d{3})+(?!\d)|\d{1,2}(?:,\d{2})+,\d{3}(?!\d)|\d+)"
_DECIMAL = (
    rf"(?:{_DIGITS}(?:\.\d+)?|\.\d+)(?:\s?[x×*·]\s?10\s?\^?\s?\{{?[+-]?\d{{1,3}}\}}?|[eE][+-]?\d{{1,3}}(?![\w.]))?"
)
_FRACTION = (
    r"(?:(?:\d{1,6}\s+)?\d{1,9}\s?/\s?\d{1,9}(?![\d/]|\.\d)|\\[dt]?frac\s?\{\s?\d{1,9}\s?\}\s?\{\s?\d{1,9}\s?\})"
)
_SURD = r"(?:\d{0,9}\s?√\s?\(?\d{1,9}\)?(?:\s?/\s?\d{1,9})?)"
_CURRENCY = r"(?:(?:US|CA|AU|HK|NZ)?\$|[€£¥₹₩₽]|(?:USD|EUR|GBP|Rs\.?|INR)(?![a-z]))"
_FIGURE = rf"(?:{_SURD}|{_FRACTION}|{_DECIMAL})"
_WORD = "(?:" + "|".join(sorted([*_VALUES, *_SCALES], key=len, reverse=True)) + ")"
_WORDS = rf"(?:(?:a|an)\s+(?:{'|'.join(_SCALES)}|dozen)|{_WORD}(?:(?:\s+and\s+|[\s-]+){_WORD}){{0,9}}|dozen)(?![\w-])"
_SCALE_WORD = rf"(?:\s?(?P<scale>{'|'.join(_SCALES)})s?(?![\w-]))?"

_ONE = pattern(
    rf"(?P<minus>(?:-|minus\s|negative\s)\s?)?(?P<currency>{_CURRENCY}\s?)?(?P<minus2>-\s?)?\+?"
    rf"(?:(?P<figure>{_FIGURE})|(?P<words>{_WORDS})){_SCALE_WORD}(?P<short>[KkMBbTt]n?(?![\w]))?"
    rf"(?:\s?(?P<percent>%|\\%|percent\b|per\s?cent\b|pct\b\.?))?",
    re.IGNORECASE,
)
_HEAD = pattern(
    r"^(?:(?:it|that|this|there|they|the (?:answer|result|value|total|number))(?:\s(?:is|are|was|were|equals)|'s)\s)?"
    r"(?:[A-Za-z∠](?:[\w ()∠]{0,20})?\s?(?:=|≈|(?<!\d):)\s?)?"
    r"(?:(?:about|around|approximately|approx\.?|roughly|nearly|almost|exactly|only|just|circa|ca\.)\s|[~≈=]\s?)*",
    re.IGNORECASE,
)
_UNIT = pattern(r"^[-\s]?(?:[^\W\d_]|[°′″\"'$€£¥µΩ/²³℃℉])[^\n,;:!?=]{0,40}$")
_NOT_A_UNIT = pattern(
    r"π|(?:^|\s)(?:or|to|not|than|and|minus|plus|times|but|per\s?cent|no|x|st|nd|rd|th)(?:\s|$)|\d\s|\s\d|/\d|"
    r"^(?:st|nd|rd|th)$",
    re.IGNORECASE,
)
_SPACED_GROUPS = pattern(r"(?<![\d.,])(\d{1,3}(?: \d{3})+)(?![\d,])")
_INSIDE = pattern(
    rf"(?<![A-Za-z0-9_.À-ɏ])(?<!\d[,/])(?:(?P<before>(?<![\d)\]] )(?<![\w)\]])-)\s?)?"
    rf"(?P<one>(?:{_CURRENCY}\s?)?(?:{_FIGURE}|{_WORDS})"
    rf"(?:\s?(?:{'|'.join(_SCALES)})s?(?![\w-]))?(?:\s?(?:%|\\%|percent\b|per\s?cent\b))?)",
    re.IGNORECASE,
)
_AFTER_INSIDE = pattern(r"\s?[π√]|(?:st|nd|rd|th)\b|s\b(?<=\d\ds)|/\d|_")


@lru_cache(maxsize=4096)
def _parse_short(text: str) -> Number | None:
    folded = fold(text).strip().strip("*_`\"'“”").strip()
    folded = folded.strip("$") if folded.count("$") == 2 else folded
    folded = folded.strip().rstrip(".!;,").strip()
    if folded[:1] in "([{" and folded[-1:] in ")]}" and folded:
        folded = folded[1:-1].strip()
    folded = _SPACED_GROUPS.sub(lambda m: m.group().replace(" ", ""), folded)
    start = _HEAD.match(folded)
    body = folded[start.end() :] if start else folded
    match = _ONE.match(body)
    if match is None:
        return None
    rest = body[match.end() :]
    tail = rest.strip().rstrip(".")
    glued = rest[:1] in {"-", "_"} or (rest[:1].isalpha() and match["words"] is not None)
    glued = glued or (tail == "s" and match["figure"] is not None and len(match["figure"]) > 1)  # "1990s"
    if tail and (glued or not _UNIT.match(rest) or _NOT_A_UNIT.search(tail) or len(tail.split()) > 4):
        return None
    return _number(match, body[: match.end()], tail.lower())


def parse(text: str) -> Number | None:
    """The text as one number, or None where it is not one.

    Reads "1,000", "$5", "50 %", "−3", "1/2", "1 ½", "two", "twenty-one", "3.5 million", "5 kg", "x = 5", "about 7".
    Refuses infinity, "nan", underscores, two numbers and ranges.

    >>> parse("1,500 dollars").value
    1500.0
    >>> parse("12 %").percent
    True
    >>> parse("3 or 4") is None
    True
    """
    return None if len(text) > MAX_LENGTH else _parse_short(text)


def find(text: str) -> list[Number]:
    """The numbers inside a text, in order; digits within words ("H2O", "3rd") are no numbers."""
    folded = fold(text)
    found = []
    for match in islice(_INSIDE.finditer(folded), MOST):
        if _AFTER_INSIDE.match(folded, match.end()):
            continue
        one = _ONE.fullmatch(match["one"])
        if one is not None and (number := _number(one, match["one"], "")) is not None:
            sign = "-" if match["before"] is not None else ""
            start = match.start("before") if sign else match.start("one")
            value = -number.value if sign else number.value
            found.append(replace(number, value=value, text=folded[start : match.end()].rstrip(), start=start))
    return found


def parse_list(text: str) -> list[Number] | None:
    """A list of numbers such as "[1, 2.5]", "1, 2" or "(3; 4)"; None where an element is not a number."""
    inner = text.strip().rstrip(".").strip()
    if inner[:1] in {"[", "(", "{"} and inner[-1:] in {"]", ")", "}"}:
        inner = inner[1:-1]
    if len(inner) > 2000:
        return None
    parts = [p for p in re.split(r"[,;]|\band\b", inner) if p.strip()]
    numbers = [parse(p) for p in parts]
    return [n for n in numbers if n is not None] if numbers and None not in numbers else None


def _number(match: re.Match[str], text: str, unit: str) -> Number | None:
    figure, words = match["figure"], match["words"]
    value = _figure(figure) if figure else _spoken(words.lower())
    if value is None:
        return None
    scale = float(_SCALES[match["scale"].lower()]) if match["scale"] else 1.0
    short = match["short"] or ""
    if short in _PLAIN_SUFFIXES or (short and match["currency"]):
        scale *= _SHORT_SCALES[short.lower()]
    elif short:
        unit = f"{short.lower()} {unit}".strip()  # "5m" is a length unless a currency says otherwise
    value *= scale
    if match["minus"] or match["minus2"]:
        value = -value
    if value != value or value in (float("inf"), float("-inf")):
        return None
    places = 0
    if figure and not figure.isdigit() and not any(sign in figure for sign in ("/", "frac", "√")):
        places = len(re.split(r"[eE]|\s?[x×*·]\s?10", figure)[0].partition(".")[2])
    currency = (match["currency"] or "").strip()
    return Number(value, match["percent"] is not None, unit, currency, places, text.strip(), scale=scale)


def _figure(figure: str) -> float | None:
    """Digits, decimals, powers of ten, fractions and roots."""
    if figure.isdigit():
        return float(figure)
    if "√" in figure:
        before, _, after = figure.partition("√")
        root, _, bottom = after.replace("(", "").replace(")", "").partition("/")
        below = float(bottom) if bottom.strip() else 1.0
        return (float(before) if before.strip() else 1.0) * float(root) ** 0.5 / below if below else None
    if "frac" in figure:
        top, bottom = re.findall(r"\d+", figure)[:2]
        return float(top) / float(bottom) if float(bottom) else None
    if "/" in figure:
        left, _, bottom = figure.partition("/")
        whole, _, top = left.strip().rpartition(" ")
        if not float(bottom):
            return None
        return (float(whole) if whole.strip() else 0.0) + float(top) / float(bottom)
    power = re.search(r"[x×*·]\s?10\s?\^?\s?\{?([+-]?\d{1,3})\}?$", figure)
    mantissa = figure[: power.start()] if power else figure
    value = float(mantissa.replace(",", "").replace("'", ""))
    return value * 10.0 ** int(power[1]) if power else value


def _spoken(words: str) -> float | None:
    """Number words in English, or None where they do not form one number ("two three")."""
    total, current, last = 0.0, 0.0, 10**15
    for word in re.split(r"[\s-]+", words):
        if word in ("and", "a", "an"):
            continue
        if word == "dozen":
            current = (current or 1) * 12
        elif word == "hundred":
            current, last = (current or 1) * 100, 100
        elif word in _SCALES:
            total, current, last = total + (current or 1) * _SCALES[word], 0.0, 10**15
        else:
            value = _VALUES[word]
            if last < 20 or (20 <= last < 100 and not 0 < value < 10):
                return None
            current, last = current + value, value
    return total + current

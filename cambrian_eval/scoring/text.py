"""Text in comparable form: Unicode, end marks, containers, markdown and LaTeX. Pure, linear time."""

from __future__ import annotations

import re
import unicodedata
from typing import Literal

from cambrian_eval.scoring.patterns import pattern

PIECE = 256
"""Longest piece that is normalized at once: Python's normalizer is slow on long runs of combining marks."""

_END_MARKS = pattern(
    r"<\|[A-Za-z_0-9]{1,30}\|>|</?s>|<(?:end_of_turn|eos|pad|unk|/?bos)>|\[/?INST\]|<｜[^｜<>]{1,30}｜>", re.IGNORECASE
)
_CONTAINERS = ("answer", "final_answer", "final answer", "conclusion", "output", "response")
_OPEN = pattern(rf"<({'|'.join(_CONTAINERS)})>|\[(answer)\]", re.IGNORECASE)
_ASCII = {chr(code): chr(code) for code in range(128)}
"""For `translate`, which is slow on characters that its table lacks."""
_MARKUP = str.maketrans(
    _ASCII
    | {"*": " ", "`": " ", "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "′": "'", "«": '"', "»": '"'}
    | {"。": ".", "、": ",", "「": '"', "」": '"', "『": '"', "』": '"', "【": "[", "】": "]", "\r": "\n"}
    | dict.fromkeys("−–—‐‑‒﹣－", "-")
    | dict.fromkeys(
        "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\x00", ""
    )
)
_VULGAR = {
    "¼": "1/4",
    "½": "1/2",
    "¾": "3/4",
    "⅓": "1/3",
    "⅔": "2/3",
    "⅕": "1/5",
    "⅖": "2/5",
    "⅗": "3/5",
    "⅘": "4/5",
    "⅙": "1/6",
    "⅚": "5/6",
    "⅛": "1/8",
    "⅜": "3/8",
    "⅝": "5/8",
    "⅞": "7/8",
    "⅐": "1/7",
    "⅑": "1/9",
}
_SIGNS = str.maketrans(
    _ASCII
    | {sign: " " + plain for sign, plain in _VULGAR.items()}
    | dict.fromkeys("−‒–﹣－", "-")
    | {"²": "^2", "³": "^3", "⁄": "/", "∕": "/", "’": "'", "٫": ".", "٬": ",", "٪": "%"}
    | {chr(zero + i): str(i) for zero in (0x660, 0x6F0, 0x966) for i in range(10)}
)
_RUNS = pattern(r"[ \t\f\v]+")
_MARKS = pattern(r"[^A-Za-z0-9 \n.,:;!?()/%$#@&+='-]")
"""A character that `clean` may have to do more about than to remove blanks and outer quotes."""
SHORT = 100
"""Characters up to which looking for such a character first is faster."""


def normal(form: Literal["NFC", "NFKC"], text: str) -> str:
    """The text in that Unicode normal form."""
    if text.isascii():
        return text
    if len(text) <= PIECE:
        return unicodedata.normalize(form, text)
    # A blank never composes with what follows it, so words can be normalized one by one.
    return " ".join(word if word.isascii() else _by_pieces(form, word) for word in text.split(" "))


def _by_pieces(form: Literal["NFC", "NFKC"], word: str) -> str:
    return "".join(unicodedata.normalize(form, word[i : i + PIECE]) for i in range(0, len(word), PIECE))


def fold(text: str) -> str:
    """The text with its signs folded: width, digits, minus signs, vulgar fractions, powers."""
    folded = normal("NFKC", text.translate(_SIGNS)) if not text.isascii() else text
    return folded.translate(_SIGNS) if not folded.isascii() else folded


def squeezed(text: str) -> str:
    """Lower case and single blanks."""
    return " ".join(text.casefold().split())


def clean(text: str) -> str:
    """The text without end marks, containers, markdown, LaTeX commands and odd quotes.

    >>> clean("**The answer** is <answer>\\\\boxed{\\\\text{B}}</answer></s>")
    'B'
    """
    if text.isascii() and (text.isalnum() or text.replace(" ", "").isalnum()):
        return " ".join(text.split())
    if len(text) > SHORT or _MARKS.search(text):
        text = _without_marks(text)
    text = _RUNS.sub(" ", text).strip() if "  " in text or "\t" in text else text.strip()
    for _ in range(4):  # nested quotes, but not a megabyte of them
        if len(text) < 2 or text[0] not in "\"'" or text[0] != text[-1]:
            break
        text = text[1:-1].strip()
    return text


def _without_marks(text: str) -> str:
    if not text.isascii():
        text = fold(text)
    if "<" in text or "[" in text:
        text = _unwrapped(_END_MARKS.sub("", text))
    if "\\" in text:
        text = _plain_math(_unboxed(text))
    text = text.translate(_MARKUP)
    return text.replace("_", " ") if "__" in text or text[:1] == "_" else text


def contained(text: str) -> bool:
    """Whether the text holds a box or an answer tag, of which `clean` returns the content."""
    return "\\boxed" in text or _OPEN.search(text) is not None


def _unwrapped(text: str) -> str:
    """The content of the last answer tag that has content."""
    last = None
    for last in _OPEN.finditer(text):  # noqa: B007
        pass
    if last is None:
        return text
    rest = text[last.end() :]
    close = rest.lower().find(f"[/{last[2]}]".lower() if last[2] else f"</{last[1]}>".lower())
    inner = rest[:close] if close >= 0 else rest
    return inner if inner.strip() else text


def _unboxed(text: str) -> str:
    """The content of the last box that has content."""
    start = text.rfind("\\boxed")
    if start < 0:
        return text
    begin = text.find("{", start, start + 9) + 1
    depth = 1
    for at in range(begin, min(len(text), begin + 2000) if begin else 0):
        depth += {"{": 1, "}": -1}.get(text[at], 0)
        if depth == 0:
            return text[begin:at] if text[begin:at].strip() else text
    return text


_LATEX_TEXT = pattern(r"\\(?:text(?:bf|it|rm|tt)?|math(?:rm|bf|it|sf)|mbox|operatorname)\s?\{([^{}]{0,400})\}")
_ROOT = pattern(r"(?:\\sqrt|√)\s?\{\s?([^{}\\]{1,40}?)\s?\}|\\sqrt\s?(\w)")
_FRACTION = pattern(r"(\d\s?)?\\[dtc]?frac\s?\{\s?([^{}\\]{1,40}?)\s?\}\s?\{\s?([^{}\\]{1,40}?)\s?\}")
_SPACES = pattern(r"\\[,;:!> ]|\\(?:quad|qquad|left|right|displaystyle|limits)\b")
_DEGREE = pattern(r"\s?\^\s?\{?\s?\\(?:circ|degree)\s?\}?|\\degree\b")
_ESCAPED = pattern(r"\\([%$#&_{}])")
_COMMAND = pattern(r"\\([A-Za-z]{2,15})")
_COMMANDS = {
    "times": "×",
    "cdot": "·",
    "div": "÷",
    "pm": "±",
    "angle": "∠",
    "triangle": "△",
    "odot": "⊙",
    "pi": "π",
    "theta": "θ",
    "alpha": "α",
    "beta": "β",
    "approx": "≈",
    "simeq": "≈",
    "le": "≤",
    "leq": "≤",
    "ge": "≥",
    "geq": "≥",
    "ne": "≠",
    "neq": "≠",
    "infty": "∞",
    "rightarrow": "→",
    "to": "→",
    "therefore": "∴",
    "because": "∵",
    "sqrt": "√",
    "Rightarrow": "=>",
    "implies": "=>",
    "mu": "μ",
    "Omega": "Ω",
    "ldots": "...",
    "dots": "...",
}


def _plain_math(text: str) -> str:
    """LaTeX as people type it: `\\frac{3\\sqrt{5}}{2}` is 3√5/2."""
    text = _LATEX_TEXT.sub(r"\1", text)
    text = _DEGREE.sub("°", text)
    text = _ROOT.sub(lambda m: f"√{_grouped(m[1] or m[2])}", text)
    text = _FRACTION.sub(_quotient, text)
    text = _ESCAPED.sub(r"\1", _SPACES.sub(" ", text))
    text = _COMMAND.sub(lambda m: _COMMANDS.get(m[1], m[0]), text)
    return text.replace("\\(", " ").replace("\\)", " ").replace("\\[", " ").replace("\\]", " ").replace("\\\\", "\n")


def _grouped(term: str) -> str:
    return term if re.fullmatch(r"[\w.√π]+|\(.*\)", term) else f"({term})"


def _quotient(match: re.Match[str]) -> str:
    before = f"{match[1].strip()} " if match[1] else ""
    return f"{before}{_grouped(match[2])}/{_grouped(match[3])}"

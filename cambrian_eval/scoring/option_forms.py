"""A text in the forms in which a response is compared with the texts of options, from fine to coarse.

`folded` is always lower case with single blanks. `options` owns which option has a form.
"""

from __future__ import annotations

from collections.abc import Iterator

from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.text import squeezed

_TRIM = " \t\n.,;:!?\"'()[]{}<>$\\#|~-…"
_TRIM_BUT_MINUS = _TRIM.replace("-", "")
_HYPHEN = pattern(r"-(?!\d)")
_LEAD = pattern(
    r"(?:(?:it|this|that|there|they|these|those|he|she)"
    r"(?:'s|\s+(?:is|are|was|looks like|seems to be|appears to be))\s+(?=\S))?(?:(?:an?|the)\s+)?"
)
"""What an option may begin with and is not compared: "it is", an article."""
_DEGREES = pattern(r"\s*\bdegrees?\b")
_REMARK = pattern(r"(?<=\w)\s+\([^()]{2,80}\)")


def trimmed(folded: str) -> str:
    """Without outer punctuation."""
    inner = folded.strip(_TRIM_BUT_MINUS)
    return inner if inner[1:2].isdigit() else inner.strip(_TRIM)  # "-3" is not "3"


def _without_lead(trim: str) -> str:
    lead = _LEAD.match(trim) if " " in trim else None
    return trim[lead.end() :] if lead else trim


def bare(folded: str) -> str:
    """Without outer punctuation, "it is" and article."""
    return _without_lead(trimmed(folded))


def tight(plain: str) -> str:
    """A bare text without blanks, hyphens and dollar signs."""
    if "degree" in plain:
        plain = _DEGREES.sub("°", plain)
    joined = plain.replace(" ", "").replace("$", "")
    return _HYPHEN.sub("", joined) if "-" in joined else joined


def singular(plain: str) -> str:
    """A bare text without the "s" of a plural."""
    return plain[:-1] if len(plain) > 3 and plain[-1] == "s" and plain[-2].isalpha() and plain[-2] != "s" else plain


def without_remark(text: str, plain: str) -> str:
    """The bare text `plain` of `text`, "left (from the viewer)" as "left"."""
    return bare(squeezed(_REMARK.sub("", text))) if "(" in text else plain


def coarser(text: str, folded: str) -> Iterator[str]:
    """All of these forms, in the order in which a response is compared with the options."""
    trim = trimmed(folded)
    yield trim
    plain = _without_lead(trim)
    yield plain
    yield tight(plain)
    yield singular(plain)
    yield without_remark(text, plain)


def solid(text: str) -> str:
    """A text in lower case without anything that `tight` removes, but for degrees."""
    return "".join(text.casefold().split()).replace("-", "").replace("$", "")


def may_equal(piece: str, plain: str, options: str) -> bool:
    """Whether a piece may equal an option in one of these forms: a quick look that most responses do not pass.

    `plain` is the bare text of the piece, `options` all options' texts, solid. But for remarks and degrees, a form only
    loses characters, so that the letters of the piece's shortest form stand in the text of an option that equals it.
    """
    if "(" in options or "degree" in options or "degree" in plain or ("(" in piece and _REMARK.search(piece)):
        return True
    return solid(singular(plain)) in options

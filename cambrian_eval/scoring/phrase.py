"""Answers of a few words: the forms of a response that may be compared with a gold text, and how.

`forms` offers the whole response, the response without its wrapping, and what it declares. `same_words` compares
without case, punctuation and articles; `relaxed` forgives more. Pure, linear time.
"""

from __future__ import annotations

import re
from functools import lru_cache

from cambrian_eval.sample import Verdict
from cambrian_eval.scoring import numerals, wording, yes_no
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading, unread
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.text import clean, normal

LONGEST_FORM = 2_000
"""A response that is longer is compared in its shortened form alone."""
LONGEST = 200
"""A longer text is no short answer."""
_EDGES = " \t\r\n*_`\"'“”‘’«»"
_SENTENCE_END = pattern(r"[.!。](?=\s|$)")
_REASON = pattern(r",?\s(?:because|since)\s|,\s?as\s", re.IGNORECASE)
_REASONS = ("because", "since", "as")
_OUTER = " \t\n.,;:!?\"'()[]{}<>~-…#|"
_BLANKS = pattern(r"\s+")
_JOINERS = pattern(r"\b(?:and|or|not|nor|neither|no|versus|vs)\b|n't\b|[,;/&]")
_MOST_WORDS = 12
_LEAD = pattern(r"^(?:(?:it|this|that|there|they|these|the (?:answer|color|colour|sign|object))(?: is| are|'s|'re) )+")
_PUNCTUATION = pattern(r"(?<!\d)[.,]|[.,](?!\d)|[^\w\s.,%$€£]")
_ARTICLES = frozenset(("a", "an", "the"))
_SIGNS = str.maketrans({"’": "'", "‘": "'", "–": " ", "—": " ", "-": " ", "/": " ", "_": " "})


def plain(text: str) -> str:
    """The text without outer blanks, quotes and markdown emphasis, and without a full stop at its end."""
    text = text.strip(_EDGES)
    return text[:-1].rstrip(_EDGES) if text.endswith((".", "!", "。")) and not text.endswith("..") else text


def forms(reply: Reply) -> tuple[str, ...]:
    """What may be compared with a gold text: the answer, the answer bare, what it declares (its line, its sentence)."""
    whole, own = reply.strip() if len(reply) < LONGEST_FORM else "", reply.own
    bare = whole == own and whole.replace(" ", "").isalnum()  # most responses: there is nothing to take off
    found = [whole] if bare else [whole, plain(whole), own, plain(own)]
    if len(reply) > 6:
        if (main := _before_reason(own)) != own:
            found.append(plain(main))
        for tail in wording.answers(own)[:1]:
            sentence = _SENTENCE_END.split(tail, maxsplit=1)[0]
            found += [plain(tail), plain(sentence), plain(_before_reason(sentence))]
    return tuple(dict.fromkeys(text for text in found if text))


def _before_reason(text: str) -> str:
    low = text.lower()
    if text.isascii() and not any(map(low.__contains__, _REASONS)):
        return text
    return _REASON.split(text, maxsplit=1)[0]


def concluded(reply: Reply, question: str = "") -> tuple[str, ...]:
    """The parts of a response that hold its answer: what it declares, else its conclusion; () where it declines.

    A single sentence is its own conclusion. Of several, those that begin with "therefore" count, else those that repeat
    the question, else the first and the last.
    """
    tails = wording.answers(reply.own)
    if tails:
        return (_SENTENCE_END.split(tails[0], maxsplit=1)[0],)
    pieces = [piece for piece in reply.sentences if not wording.refusal(piece)]
    if len(pieces) < 2:
        return tuple(pieces)
    asked = wording.content(question[-500:])
    final = [piece for piece in pieces if wording.CONCLUDES.match(piece)]
    return tuple(final[-1:] or [p for p in pieces if wording.echoes(p, asked) >= 0.5] or [pieces[0], pieces[-1]])


def short(text: str) -> str:
    """A text without outer punctuation, in lower case, with single blanks.

    >>> short('"Yes!"')
    'yes'
    """
    return _BLANKS.sub(" ", clean(text).strip(_OUTER)).lower()


@lru_cache(maxsize=8192)
def words(text: str) -> str:
    """The text without case, punctuation, articles and a leading "it is"."""
    folded = _LEAD.sub("", normal("NFC", text).casefold().translate(_SIGNS).strip())
    bare = _PUNCTUATION.sub("", folded).split()
    return " ".join([word for word in bare if word not in _ARTICLES] or bare)


def exact(reply: Reply, gold: str, relaxed_too: bool = False) -> Verdict:
    """The exact match of GQA: a form of the response equals the gold but for its wrapping."""
    if reply.silence:
        return unread(reply.silence)
    wanted = short(gold)
    said = [form for text in forms(reply) if len(text) <= LONGEST_FORM and (form := short(text))]
    if wanted in said:
        return Verdict(1.0, wanted, "the short answer: equal to the answer")
    if not said:
        return unread("nothing found", "nothing but punctuation")
    if wanted in ("yes", "no"):
        for form in said:
            if first := yes_no.leading(form):
                polar: Reading[str] = Reading(first.lower(), "the leading yes or no")
                return polar.verdict(first.lower() == wanted)
    for form in said if relaxed_too else ():
        if rule := relaxed(form, wanted):
            return Verdict(1.0, form, rule)
    return Verdict(0.0, said[-1][:LONGEST], "the short answer: differs from the answer")


def same_words(reply: Reply, gold: str) -> str | None:
    """The form of the response whose words are those of the gold text."""
    wanted = words(gold)
    return next((form for form in forms(reply) if len(form) <= LONGEST and words(form) == wanted), None)


def relaxed(said: str, gold: str) -> str | None:
    """The rule under which two short texts mean the same, or None.

    >>> relaxed("a table", "table") is not None, relaxed("chair and table", "table")
    (True, None)
    """
    wanted = _canonical(gold)
    if _canonical(said) == wanted:
        return "the same but for articles, number words, hyphens or the plural"
    parts = said.split()
    if len(parts) > _MOST_WORDS or _JOINERS.search(said):
        return None
    k = len(gold.split())
    hits = sum(_canonical(" ".join(parts[i : i + k]).strip(_OUTER)) == wanted for i in range(len(parts) - k + 1))
    return "the answer stands once in a short sentence" if wanted and hits == 1 else None


@lru_cache(maxsize=4096)
def _canonical(text: str) -> str:
    first, _, rest = text.partition(" ")
    bare = rest if first in _ARTICLES and rest else text
    number = numerals.parse(bare)
    if number is not None and not number.unit and not number.percent:
        return repr(number.value)
    return "".join(_singular(word) for word in bare.replace("-", " ").split())


def _singular(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    if len(word) > 4 and word.endswith(("shes", "ches", "xes", "sses")):
        return word[:-2]
    if word.endswith("buses"):
        return word[:-2]
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word

"""What a response says of the options in its sentences: conclusions, comparisons, discussions, yes and no.

Rules of `letter` for responses that neither declare nor label their answer.
"""

from __future__ import annotations

import re
from itertools import islice

from cambrian_eval.scoring import wording, yes_no
from cambrian_eval.scoring.labels import Undecided, lone_end, negated_after, texts
from cambrian_eval.scoring.mentions import first_two, only_letter, only_text
from cambrian_eval.scoring.options import OptionTexts
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading
from cambrian_eval.scoring.reply import sentences
from cambrian_eval.scoring.wording import CLAUSE, negated_before

_THAN = pattern(
    r"\b(?P<quality>[a-z]+er|(?:more|less) [a-z]+)\b(?P<between>[^.;,\n]{0,60}?)\s+than\b[^.;,\n]{0,120}", re.IGNORECASE
)
LONGEST_COMPARISON = 300


def without_standard(text: str, table: OptionTexts, question: str) -> str:
    """ "The lamp is closer than the chair" without "than the chair", where the question asks which is closer."""
    if "than" not in text or len(text) > LONGEST_COMPARISON or table.compares or table.polar is not None:
        return text
    match = _THAN.search(text)
    if match is None or not re.search(rf"\b{re.escape(match['quality'])}\b", question, re.IGNORECASE):
        return text
    return text[: match.end("between")] + text[match.end() :]


def polar_start(said: str, table: OptionTexts) -> Reading[str] | None:
    """ "No, it is not", also behind "A:" for "answer", where the options are yes and no."""
    if table.polar is None:
        return None
    start = re.match(r"A\s?:\s*(?=(?:yes|no)\b)", said, re.IGNORECASE)
    word = yes_no.leading(said[start.end() :] if start else said)
    return Reading(table.polar[word], "the leading yes or no") if word else None


def polar_echo(said: str, table: OptionTexts, question: str) -> Reading[str] | None:
    """The question's statement, affirmed or denied, where the options are yes and no."""
    word = yes_no.stance(said, question) if table.polar is not None and question else None
    return Reading(table.polar[word], "the question's statement, affirmed or denied") if word and table.polar else None


def conclusion(said: str, table: OptionTexts) -> Reading[str] | None:
    """What the last sentence that begins with "therefore" names, in a response of several sentences."""
    pieces = sentences(said)
    if len(pieces) < 2:
        return None
    for piece in reversed(pieces[1:]):
        if wording.CONCLUDES.match(piece) and not wording.refusal(piece):
            try:
                found = only_letter(piece, table, "") or only_text(piece, table, "")
            except Undecided:
                return None
            return Reading(found.value, "the conclusion", text=piece[:60]) if found else None
    return None


_QUALITY = pattern(r"\b(?:(?:more|most|less|least)\s+\w+|\w{2,}(?:er|est)|best|worst|further|farther)\b", re.IGNORECASE)
_NO_QUALITY = pattern(
    r"number|other|whether|under|over|after|answer|letter|water|river|order|\w*meter|cent(?:er|re)|flower|power|tower|corner"
    r"|layer|paper|character|consumer|container|\w+ember|october|summer|winter|weather|matter|quarter|computer|rest|west|east"
    r"|forest|interest|test|request|nest|guest"
)
"""Words that look like comparatives or superlatives and are none."""
_STANDARD = pattern(r"(?:\bthan|\bcompared (?:to|with)|\bunlike|\brelative to)\s+(?:the |an? )?$", re.IGNORECASE)


_PRAISED = pattern(
    r"\s*(?:\([^()]{1,40}\)\s*)?(?:is|was) (?:the |most |likely |probably ){0,3}(?:correct|right|best|answer)\b",
    re.IGNORECASE,
)
_IS_THEN = pattern(r"\b(?:is|are)\s+(?:the |an? )?$", re.IGNORECASE)
SHORT_SENTENCE = 5
"""Words of a first sentence that is an answer by itself: "They will attract."."""
_SAME_QUALITY = (
    {"closer", "nearer"},
    {"closest", "nearest"},
    {"farther", "further"},
    {"farthest", "furthest"},
    {"larger", "bigger"},
    {"largest", "biggest"},
    {"taller", "higher"},
    {"tallest", "highest"},
)
_PLACES = pattern(
    r"\bwhere (?:is|are) (?:the )?([^?,]{1,60}?) (?:located |placed |positioned )?"
    r"(?:with respect to|relative to|in relation to|compared to) (?:the )?([^?,]{1,60}?)\s*[?(,.]",
    re.IGNORECASE,
)


def _relation(said: str, table: OptionTexts, question: str) -> str | None:
    """The only place that is said of the first of two things: "the dog is below the cat, so the cat is above"."""
    asked = _PLACES.search(question)
    if asked is None:
        return None
    low, own, other = said.casefold(), asked[1].casefold(), asked[2].casefold()
    found = {
        letter for letter, start, _ in table.occurrences(said) if low.rfind(own, 0, start) > low.rfind(other, 0, start)
    }
    return found.pop() if len(found) == 1 else None


_RELATIVE = pattern(r",\s(?:which|where|who|whose|while|whereas)\b[^.;]{0,200}")


def subject(said: str, table: OptionTexts, question: str) -> Reading[str] | None:
    """Where several options are named: the one of which a sentence says what the question asks."""
    if len({letter for letter, _, _ in table.occurrences(said)}) < 2 or len(first_two(texts(said, table))) < 2:
        return None
    first = sentences(said)[0]
    if len(first.split()) <= SHORT_SENTENCE and not first.endswith("?") and not _DISCUSSED.match(first):
        named = {letter for letter, _, _ in table.occurrences(first)}
        if len(named) == 1 and named == first_two(texts(first, table)):
            return Reading(named.pop(), "the option in the short first sentence")
    praised = {
        letter
        for letter, _, end in table.occurrences(said)
        if _PRAISED.match(said, end) and letter in texts(said, table)
    }
    if len(praised) == 1:
        return Reading(praised.pop(), "declared to be correct")
    if table.values:
        return None
    if placed := _relation(said, table, question):
        return Reading(placed, "the place that is said of what the question asks for")
    asked = {q for m in _QUALITY.finditer(question) if not _NO_QUALITY.fullmatch(q := m.group().casefold())}
    asked |= {same for q in asked for group in _SAME_QUALITY if q in group for same in group}
    words = wording.asked_words(sentences(question)[-1]) if question.strip() else set()
    own = wording.content(" ".join(table.cleaned.values()))
    chosen: set[str] = set()
    for whole in sentences(said):
        piece = CLAUSE.sub(" ", _RELATIVE.sub("", whole))
        if not table.occurrences(piece):
            piece = whole
        if wording.refusal(piece) or (asked and not any(q in piece.casefold() for q in asked)):
            continue
        spots = sorted(
            (start, end, letter)
            for letter, start, end in table.occurrences(piece)
            if not negated_before(piece, start, one_word_between=True)
            and not _STANDARD.search(piece, max(0, start - 24), start)
            and not negated_after(piece, end, table, letter)
        )
        if asked:
            at = min(piece.casefold().find(q) for q in asked if q in piece.casefold())
            before = [s for s in spots if s[1] <= at]
            behind = [s for s in spots if s[0] > at]
            told = len(spots) == 1 or (behind and _IS_THEN.search(piece, at, behind[0][0]))
            chosen |= {before[-1][2]} if before else {s[2] for s in behind[:1] if told}
        elif len({s[2] for s in spots}) == 1 and wording.echoes(whole, words - own) >= 0.5:
            chosen.add(spots[0][2])
    if len(chosen) == 1:
        return Reading(chosen.pop(), "the option of which the response says what is asked")
    return None


_STATES = pattern(r"([a-z]) (?:is|are) ([^.]+)")
_VERB = r"(?:is|are|was|has|appears?|seems?|looks?)"
_SAYS_OF = r"\b([A-Z])\b[\"')\]]{0,2}\s+(?:[\w,]+\s+){0,6}?" + _VERB + r"\s+(?:[\w,]+\s+){0,5}?(?:%s)\b"
_OF_BOTH = pattern(r"\b(?:not|neither|nor|both|same|whether|if)\b|n't\b|\?", re.IGNORECASE)


def said_of_letter(said: str, table: OptionTexts) -> Reading[str] | None:
    """Where options say the same of their own letters ("A is closer"): the only letter of which it is said."""
    stated = {letter: m[2] for letter, text in table.folded.items() if (m := _STATES.fullmatch(text))}
    if len(stated) < 2 or len(set(stated.values())) > 1 or any(table.folded[x][0] != x.lower() for x in stated):
        return None
    asked = {m.group() for m in _QUALITY.finditer(next(iter(stated.values())))}
    asked |= {same for q in asked for group in _SAME_QUALITY if q in group for same in group}
    says = re.compile(_SAYS_OF % "|".join(map(re.escape, sorted(asked)))) if asked else None
    pieces = [piece for piece in sentences(said[:LONGEST_STATEMENT]) if not _OF_BOTH.search(piece)]
    found = {m[1] for piece in pieces if says for m in says.finditer(piece)}
    if len(found) != 1 or not found <= set(stated):
        return None
    return Reading(found.pop(), "the letter of which the response says it")


LONGEST_STATEMENT = 5_000
_DISCUSSED = pattern(r"^[-•\s]{0,6}(?:option\s)?[(\[]?([A-Z])[)\].:]+\s*(.*)", re.MULTILINE | re.IGNORECASE)
_AFFIRMED = pattern(r"\b(?:yes|correct|true|right answer|matches|the answer)\b|正确|✓|✅", re.IGNORECASE)
_DENIED = pattern(r"\b(?:no|not|incorrect|wrong|false|never|neither|cannot)\b|n't\b|不|✗|❌", re.IGNORECASE)


def discussed(said: str, table: OptionTexts) -> Reading[str] | None:
    """Where every option has a line of its own that discusses it: the only one that is affirmed."""
    lines = [(m[1].upper(), m[2]) for m in islice(_DISCUSSED.finditer(said), 50)] if "\n" in said else []
    if len(lines) < 2 or [letter for letter, _ in lines] != list(table.cleaned)[: len(lines)]:
        return None
    if all(len(text) <= len(table.cleaned[letter]) + 3 for letter, text in lines) or lone_end(said, table):
        return None
    yes = [letter for letter, text in lines if _AFFIRMED.search(text) and not _DENIED.search(text)]
    if len(yes) == 1:
        return Reading(yes[0], "the only option that is affirmed")
    if found := conclusion(said, table):
        return found
    raise Undecided("the options are discussed without a choice")


_NOT_LISTED = pattern(
    r"\b(?:not|n't)\s(?:\w+\s){0,3}(?:provided|listed|given|included|among|available|in|one of)\b", re.IGNORECASE
)
_ASIDE = pattern(r"\([^()]{0,300}\)|,? which (?:is|are) not\b[^.;]{0,200}")
_IS_CORRECT = pattern(r"\bis the (?:correct|right|best) (?:answer|option|choice)\b", re.IGNORECASE)


def stated(said: str, table: OptionTexts, question: str) -> Reading[str] | None:
    """The option that the response states as the fact asked for although it says that no option fits."""
    if not question.strip() or table.values or table.polar or not _NOT_LISTED.search(said):
        return None
    words = wording.content(sentences(question)[-1]) - wording.content(" ".join(table.cleaned.values()))
    found: set[str] = set()
    for piece in sentences(_ASIDE.sub(" ", said)) if words else ():
        if wording.echoes(piece, words) >= 0.5 or _IS_CORRECT.search(piece):
            named = {letter for letter, _, _ in table.occurrences(piece)}
            found |= named & first_two(texts(piece, table)) if len(named) == 1 else set()
    return Reading(found.pop(), "the option that the response states") if len(found) == 1 else None


LONGEST_PARAPHRASE = 600
"""Characters beyond which a response discusses more than its answer."""
_VAGUE = frozenset(("also", "likel", "proba"))


def paraphrase(said: str, table: OptionTexts) -> Reading[str] | None:
    """The only option all of whose own words stand in the main clause of a sentence."""
    if table.values or table.polar or not table.cleaned or len(said) > LONGEST_PARAPHRASE:
        return None
    words = {letter: wording.content(text) - _VAGUE for letter, text in table.cleaned.items()}
    shared = set.intersection(*words.values())
    own = {letter: group - shared for letter, group in words.items()}
    if any(len(word) == 1 or any(map(str.isdigit, word)) for group in own.values() for word in group):
        return None  # numbers and letters are names, not words
    found: dict[str, None] = {}
    for piece in sentences(said):
        if wording.refusal(piece) or wording.denies(piece) or piece.endswith("?"):
            continue
        clause = wording.content(CLAUSE.sub(" ", piece))
        hits = [letter for letter, group in own.items() if group and group <= clause]
        if len(hits) == 1:
            found[hits[0]] = None
    [letter, *others] = found or [""]
    several = letter and len(table.plain_texts[letter].split()) > 1
    return Reading(letter, "the words of one option") if several and not others else None

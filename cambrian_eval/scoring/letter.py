"""Which option a response means: the reader of every question with options.

First that fires: a lone letter; one option's text; what is declared ("the answer is ..."); yes or no at the start,
where those are the options; a label at the start; a lone letter on the last line; the conclusion; the sentence that
answers the question as asked; the only letter that stands alone; a close spelling; the only option text; the only
number where options are numbers; an assertion of the question where the options are yes and no. Two answers, a
refusal or nothing of this is no answer, never a guess. How options are folded for comparison lives in `options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import islice

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import numerals, wording, yes_no
from cambrian_eval.scoring.declared import declared
from cambrian_eval.scoring.labels import (
    LONE,
    MOST_CANDIDATES,
    Undecided,
    echoes,
    equal,
    is_word,
    label,
    lone_letter,
    negated_after,
    texts,
)
from cambrian_eval.scoring.options import AMBIGUOUS, Table, table_of
from cambrian_eval.scoring.reading import Reading, nothing
from cambrian_eval.scoring.reply import Reply, sentences
from cambrian_eval.scoring.wording import after_refusal, negated_before

FUZZY_THRESHOLD = 85.0
"""Least similarity (rapidfuzz ratio, 0 to 100) at which a short response counts as a misspelt option text."""
FUZZY_MARGIN = 10.0
"""How much more similar than the second-best option it must be."""
FUZZY_SHORTEST = 6
"""Shorter texts are other words, not misspellings ("table", "stable")."""


def read(reply: Reply, options: Mapping[str, str], question: str = "") -> Reading[str]:
    """The letter of the option that the response means, among `options` (upper-case letter to option text).

    >>> read(Reply("The answer is (b)."), {"A": "cat", "B": "dog"}).value
    'B'
    >>> read(Reply("A dog, I think."), {"A": "cat", "B": "dog"}).value
    'B'
    >>> read(Reply("A or B"), {"A": "cat", "B": "dog"}).reason
    'several answers'
    """
    if reply.silence:
        return nothing(reply.silence)
    table = table_of(tuple(options.items()))
    said = reply.own
    try:
        found = _read(said, table, question)
    except Undecided as why:
        found = nothing("several answers", str(why))
    if found.value is None and (subject := _without_standard(said, question)):
        try:
            found = _read(subject, table, question)
        except Undecided:
            pass
    return found


def grade(sample: Sample, reply: str) -> Verdict:
    """1 where the option read out of the response is a gold letter of the sample, else 0."""
    found = read(Reply(reply), sample.options, sample.question)
    texts_of = sample.options
    right = found.value is not None and any(
        found.value == gold or (texts_of[found.value] and texts_of[found.value] == texts_of.get(gold))
        for gold in sample.answers
    )
    return found.verdict(right)


def _read(said: str, table: Table, question: str) -> Reading[str]:
    if whole := lone_letter(said, table):
        return Reading(whole, "the response is one letter")
    if own := _own_line(said, table):
        return Reading(own, "a letter and its own option's text")
    if hit := equal(said, table):
        return Reading(hit, "the response equals an option's text")
    if _NOT_APPLICABLE.fullmatch(said):
        return nothing("refusal")
    if found := declared(said, table) or _polar_start(said, table) or _discussed(said, table):
        return found
    if found := _label_at_start(said, table) or _lone_line(said, table):
        return found
    rest = after_refusal(said, table.mask(said))
    if not rest.strip():
        return _polar_echo(said, table, question) or nothing("refusal")
    return (
        _conclusion(said, table)
        or _subject(said, table, question)
        or _only_letter(rest, table, question)
        or _close_spelling(said, table)
        or _only_text(rest, table, question)
        or _only_number(rest, table)
        or _polar_echo(said, table, question)
        or nothing("refusal" if rest != said else "nothing found", "no option named")
    )


_NOT_APPLICABLE = re.compile(r"\W*n/a\W*", re.IGNORECASE)
_LINE = re.compile(r"[(\[]?([A-Za-z])[)\].:]+\s+(.+)")


def _own_line(said: str, table: Table) -> str | None:
    """The letter where the response is one line of the list of options, as it stands there."""
    match = _LINE.fullmatch(said) if len(said) <= table.longest + 8 else None
    letter = match[1].upper() if match else ""
    own = table.folded.get(letter)
    return letter if match and own and match[2].casefold() == own else None


# --- comparisons, yes and no, conclusions ----------------------------------------------------------------------

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


def _polar_start(said: str, table: Table) -> Reading[str] | None:
    """ "No, it is not", also behind "A:" for "answer", where the options are yes and no."""
    if table.polar is None:
        return None
    start = re.match(r"A\s?:\s*(?=(?:yes|no)\b)", said, re.IGNORECASE)
    word = yes_no.leading(said[start.end() :] if start else said)
    return Reading(table.polar[word], "the leading yes or no") if word else None


def _polar_echo(said: str, table: Table, question: str) -> Reading[str] | None:
    """The question's statement, affirmed or denied, where the options are yes and no."""
    word = yes_no.stance(said, question) if table.polar is not None and question else None
    return Reading(table.polar[word], "the question's statement, affirmed or denied") if word and table.polar else None


def _conclusion(said: str, table: Table) -> Reading[str] | None:
    """What the last sentence that begins with "therefore" names, in a response of several sentences."""
    pieces = sentences(said)
    if len(pieces) < 2:
        return None
    for piece in reversed(pieces[1:]):
        if wording.CONCLUDES.match(piece) and not wording.refusal(piece):
            try:
                found = _only_letter(piece, table, "") or _only_text(piece, table, "")
            except Undecided:
                return None
            return Reading(found.value, "the conclusion", text=piece[:60]) if found else None
    return None


_QUALITY = re.compile(
    r"\b(?:(?:more|most|less|least)\s+\w+|\w{2,}(?:er|est)|best|worst|further|farther)\b", re.IGNORECASE
)
_NO_QUALITY = frozenset(
    ("number", "other", "whether", "under", "over", "after", "answer", "letter", "water", "river", "order")
)
_STANDARD = re.compile(r"(?:\bthan|\bcompared (?:to|with)|\bunlike|\brelative to)\s+(?:the |an? )?$", re.IGNORECASE)


def _subject(said: str, table: Table, question: str) -> Reading[str] | None:
    """Where several options are named: the one of which a sentence says what the question asks."""
    if not question or len(_first_two(texts(said, table))) < 2:
        return None
    asked = {q for m in _QUALITY.finditer(question) if (q := m.group().casefold()) not in _NO_QUALITY}
    words = wording.content(sentences(question)[-1]) if question.strip() else set()
    named = wording.content(" ".join(table.cleaned.values()))
    chosen: set[str] = set()
    for piece in sentences(said):
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
            chosen |= {before[-1][2]} if before else {s[2] for s in spots[:1] if len(spots) == 1}
        elif len({s[2] for s in spots}) == 1 and wording.echoes(piece, words - named) >= 0.5:
            chosen.add(spots[0][2])
    if len(chosen) == 1:
        return Reading(chosen.pop(), "the option of which the response says what is asked")
    return None


# --- labels at the start, lone lines ---------------------------------------------------------------------------

_START = re.compile(r"[(\[{<\"']*([A-Za-z])(?:[)\]}>.:]+(?:\s|$|(?=\w))|\s*\n|\s+-+\s)")


def _label_at_start(said: str, table: Table) -> Reading[str] | None:
    """A response that begins with a label: "B. because", "(b) dog", a letter alone on the first line."""
    match = _START.match(said)
    line = said.partition("\n")[0]
    if match is None:
        return _letter_and_text(line, table)
    letter = match[1].upper()
    if letter not in table.letters or echoes(said, table):
        return None
    if letter == "A" and match.group().rstrip().endswith(":") and _first_two(texts(line, table)) - {"A"}:
        raise Undecided("letter A, or 'A:' for 'answer', stands beside the text of another option")
    if said[match.end() :].lstrip()[:3].strip(" .:)") in table.letters - {letter}:
        return None
    lone_end = lone_letter(said.rstrip().rpartition("\n")[2], table) if "\n" in said else None
    if lone_end and lone_end != letter:
        raise Undecided("different letters on the first and the last line")
    found = label(line, table, any_case=False)
    return Reading(found, "a label at the start") if found else None


def _letter_and_text(line: str, table: Table) -> Reading[str] | None:
    """ "B dog": a bare letter, a blank and that very option's text; another option's text is a contradiction."""
    match = re.match(r"([A-Za-z])[\s,;-]+", line)
    if match is None or match[1].upper() not in table.letters:
        return None
    letter = match[1].upper()
    rest = line[match.end() :]
    hit = table.equal(rest)
    if hit and hit != AMBIGUOUS and table.same(hit, letter):
        return Reading(letter, "a letter with its own option's text")
    article = letter in ("A", "I") and not match.group()[1:].strip()
    if match[1].isupper() and not article and hit and hit != AMBIGUOUS and not LONE.fullmatch(rest):
        raise Undecided(f"letter {letter} stands beside the text of option {hit}")
    return None


def _lone_line(said: str, table: Table) -> Reading[str] | None:
    """The last line alone is a letter, an option's text, or a label with its text."""
    head, _, last = said.rstrip().rpartition("\n")
    if not head.strip():
        return None
    letter = lone_letter(last, table) if len(last) < 12 else None
    if letter is None and echoes(said, table):
        return None
    hit = letter or table.equal(last)
    if hit and hit != AMBIGUOUS:
        return Reading(hit, "the last line names one option")
    if _START.match(last.strip()) and (letter := label(last.strip(), table, any_case=False)):
        return Reading(letter, "a label on the last line")
    return None


_DISCUSSED = re.compile(r"^[-•\s]{0,6}(?:option\s)?[(\[]?([A-Z])[)\].:]+\s*(.*)", re.MULTILINE | re.IGNORECASE)
_AFFIRMED = re.compile(r"\b(?:yes|correct|true|right answer|matches|the answer)\b|正确|✓|✅", re.IGNORECASE)
_DENIED = re.compile(r"\b(?:no|not|incorrect|wrong|false|never|neither|cannot)\b|n't\b|不|✗|❌", re.IGNORECASE)


def _discussed(said: str, table: Table) -> Reading[str] | None:
    """Where every option has a line of its own that discusses it: the only one that is affirmed."""
    lines = [(m[1].upper(), m[2]) for m in islice(_DISCUSSED.finditer(said), 50)] if "\n" in said else []
    if [letter for letter, _ in lines] != list(table.cleaned) or len(lines) < 2:
        return None
    if all(len(text) <= len(table.cleaned[letter]) + 3 for letter, text in lines) or _lone_end(said, table):
        return None
    yes = [letter for letter, text in lines if _AFFIRMED.search(text) and not _DENIED.search(text)]
    if len(yes) == 1:
        return Reading(yes[0], "the only option that is affirmed")
    if found := _conclusion(said, table):
        return found
    raise Undecided("the options are discussed without a choice")


def _lone_end(said: str, table: Table) -> str | None:
    """The letter that stands alone on the last line."""
    last = said.rstrip().rpartition("\n")[2]
    return lone_letter(last, table) if len(last) < 12 else None


# --- letters anywhere ------------------------------------------------------------------------------------------

_STANDALONE = re.compile(
    r"(?<![A-Za-z0-9_À-ɏ])(?<![A-Za-z]-)(?<![A-Z]\.)(?<![A-Z]\+)"
    r"(?:[(\[{<]\s?([A-Za-z])\s?[)\]}>]|([A-Z])(?![A-Za-z0-9_À-ɏ+#°]|'[A-Za-z]|-[A-Za-z]|\.[A-Z]\b))"
)
_STRONG_BEFORE = frozenset(
    (
        "is was are be it's its that's answer option choice letter choose chose chosen pick picked select selected "
        "selecting with and or either both neither nor not so thus therefore hence that think believe say guess guessed "
        "probably likely definitely clearly maybe perhaps certainly surely correct right final as then but only just "
        "would also obviously yes no mark answered i'd prefer favor favour suggests indicates means leaving leaves "
        "remaining like doubt for"
    ).split()
)
"""Words before a bare letter that introduce it; after any other word it is a name ("point B")."""
_FORMULA_BEFORE = re.compile(r"[∠△^=+*/×·<>≤≥√∥⊥⊙]\s?$")
_FORMULA_AFTER = re.compile(r"\s?[\^=+*/×·<>≤≥∥⊥]")
_JOINED = re.compile(r"[)\]\s]*(?:,|\bor\b|\band\b|\bnor\b|\bvs\b\.?|\bversus\b|/|&)\s*[(\[]?$")


def _only_letter(said: str, table: Table, question: str) -> Reading[str] | None:
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
        if match[2] and is_word(char, said, match.end()):
            continue
        joined = (
            last_end >= 0
            and match.start() - last_end < 8
            and _JOINED.fullmatch(masked[last_end : match.start()] or "-")
        )
        named = last_named if joined else not match[1] and (letter in names or _names_something(masked, match.start()))
        last_end, last_named = match.end(), named
        formula = match[2] and (
            _FORMULA_BEFORE.search(masked, max(0, match.start() - 2), match.start())
            or _FORMULA_AFTER.match(masked, match.end())
        )
        if named or formula or masked[match.end() : match.end() + 1] == "?" or negated_before(masked, match.start()):
            continue
        if negated_after(masked, match.end(), table, letter):
            continue
        found.setdefault(letter, match.start())
        if len(found) > 1:
            raise Undecided("more than one letter")
    if len(found) != 1:
        return None
    [(letter, at)] = found.items()
    _no_conflict_around(said, letter, table)
    return Reading(letter, "the only letter that stands alone", text=said[at : at + 20])


_NAME = re.compile(r"(?<![A-Za-z'])[A-Z](?![A-Za-z'])")


def _names(question: str) -> set[str]:
    """Letters that a question uses as names: "circle O", "Group C"."""
    return set(_NAME.findall(question[-2000:])) - {"A", "I"} if question else set()


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


def _only_text(rest: str, table: Table, question: str) -> Reading[str] | None:
    hits = _first_two(texts(rest, table))
    if question and wording.ASKS_NOT.search(sentences(question)[-1] if question.strip() else ""):
        denied = _first_two(texts(rest, table, denied=True))
        if len(denied) == 1 and wording.echoes(rest, wording.content(sentences(question)[-1])) >= 0.5:
            return Reading(denied.pop(), "the only option that is denied what the question denies")
    if len(hits) > 1 and table.values and "=" in rest:
        result = _first_two(texts(rest.rpartition("=")[2], table))
        hits = result if len(result) == 1 else hits
    if len(hits) > 1:
        raise Undecided("the texts of more than one option")
    return Reading(hits.pop(), "the only option whose text occurs") if hits else None


def _first_two(letters: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for letter in letters:
        found.add(letter)
        if len(found) > 1:
            break
    return found


def _only_number(rest: str, table: Table) -> Reading[str] | None:
    """Where all options are numbers: the only number in the response, if it is the value of one option."""
    if not table.values or len(rest) > 2000:
        return None
    found = {n.value for n in numerals.find(rest)}
    if len(found) != 1:
        return None
    letters = table.values.get(found.pop(), ())
    return Reading(letters[0], "the only number, an option's value") if len(letters) == 1 else None


def _close_spelling(said: str, table: Table) -> Reading[str] | None:
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

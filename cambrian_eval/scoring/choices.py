"""Which lettered option a response means: the careful reading, shared by every multiple-choice benchmark.

Owns the extraction of an option from free text (`extract`) and the verdict that follows (`grade_choice`).
The rules, first that fires: a lone letter; the text of one option; the last un-negated "answer is ..."; a label at
the start; a lone letter on the first or last line; the only stand-alone letter; the only option text in the
response; the only number where options are numbers; a close spelling of one option. Anything else is unparsed,
never a guess. How options and responses are folded for comparison lives in `options`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring import numbers
from cambrian_eval.scoring.options import AMBIGUOUS, Table, clean, negated_after, negated_before, table_of

FUZZY_THRESHOLD = 85.0
"""Least similarity (rapidfuzz ratio, 0 to 100) at which a short response counts as a misspelt option text."""
FUZZY_MARGIN = 10.0
"""How much more similar than the second-best option it must be."""
FUZZY_SHORTEST = 6
"""Shorter texts are other words, not misspellings ("table", "stable")."""

MOST_DECLARATIONS = 20
"""How many "answer is" phrases are tried, from the last backwards."""


@dataclass(frozen=True, slots=True)
class Extraction:
    """The option a response means. `letter` is None where it names none, or several."""

    letter: str | None
    rule: str
    """The rule that decided, in words; where `letter` is None, why there is no answer."""
    text: str | None = None
    """The part of the response that decided."""


class _Undecided(Exception):
    """The response names two options where it had to name one."""


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
    except _Undecided as reason:
        return Extraction(None, str(reason))


def grade_choice(sample: Sample, text: str) -> Verdict:
    """1 where the option read out of `text` is a gold letter of the sample, else 0; unparsed where none was read."""
    found = extract(text, sample.options)
    right = found.letter is not None and found.letter in sample.answers
    return Verdict(float(right), found.letter, found.rule, parsed=found.letter is not None)


def _read(said: str, table: Table) -> Extraction | None:
    whole = _lone_letter(said, table)
    if whole:
        return Extraction(whole, "the response is one letter", said)
    if hit := _equal(said, table):
        return Extraction(hit, "the response equals an option's text", said)
    return (
        _declared(said, table)
        or _label_at_start(said, table)
        or _lone_line(said, table)
        or _only_letter(said, table)
        or _only_text(said, table)
        or _only_number(said, table)
        or _close_spelling(said, table)
    )


_LONE = re.compile(r"[^\w]*([A-Za-z])[^\w]*")


def _lone_letter(piece: str, table: Table) -> str | None:
    """The letter where the piece is one valid letter but for punctuation."""
    match = _LONE.fullmatch(piece)
    if match is None or piece.strip().casefold() in table.longer_symbols:
        return None
    char = match[1]
    letter = char.upper()
    if letter not in table.letters:
        return None
    meant = table.one_letter_texts.get(char)
    if char.islower() and meant is not None and meant != letter:
        raise _Undecided(f"{char!r} is a letter and another option's text")
    return letter


def _equal(piece: str, table: Table) -> str | None:
    """The letter of the one option whose text the piece is."""
    hit = table.equal(piece)
    if hit == AMBIGUOUS:
        raise _Undecided("the text of more than one option")
    return hit


# --- declared answers ------------------------------------------------------------------------------------------

_LINK = (
    r"(?:\s*(?:(?:is|was|are|were|be|being|becomes|(?:would|should|could|must|might|may|will|can|has\sto|have\sto)\sbe"
    r"|(?:seems|appears|turns\sout)\sto\sbe|equals)\b|=>|:|=|->|→|-))+"
)
_DECLARED = re.compile(
    r"\b(?P<head>answer|ans|option|choice|solution|conclusion|答案)\b\.?(?:\((?:letter|s)\))?"
    rf"(?:(?:\s+(?:to|for|of|in|that)\s[^.:;?\n]{{0,80}}?)?(?P<link>{_LINK})|\s+|(?=\())"
    r"|(?P<chosen>\b(?:i(?:'d| would| will|'ll)?\s+(?:choose|pick|select|go with|say|opt for)|my (?:guess|pick|choice) is"
    r"|答案(?:是|为|:)|选择?))\s*:?"
    r"|(?P<bracketed>\bis\b)\s*(?=[(\[][A-Za-z][)\]])"
    r"|(?<![A-Za-z0-9])[(\[]?(?P<praised>[A-Z])[)\]]?[.:]?\s+(?:is|was)\s+(?:(?:the|an?|most|clearly|therefore|thus|indeed|also"
    r"|definitely|obviously|likely|probably)\s+)*(?:correct|right|best|true|accurate|answer)\b",
    re.IGNORECASE,
)
_FILLER = re.compile(
    r"(?:(?:that|the|an?(?=\s+(?:option|choice))|option|choice|letter|answer|clearly|most|more|likely|probably|definitely|indeed|"
    r"therefore|thus|also|obviously|simply|just|only|is|be|it|it's|likely|correct|right|best|final|actually|"
    r"certainly|surely|either|now)\b[\s:]*)+",
    re.IGNORECASE,
)
_HEAD_NEGATED = re.compile(
    r"(?:\b(?:wrong|incorrect|not|neither|nor|except|false|eliminate|exclude|reject|rule out|unlike|cannot be|can't be)|n't)"
    r"(?:\s+(?:an?|the|be|think|correct|right|is|that))*\s*$",
    re.IGNORECASE,
)
_SENTENCE_END = re.compile(r"[.!?;](?=\s|$)|\n")
_CLAUSE_END = re.compile(
    r",\s|[.!?;](?=\s|$)|\n|\s[-(]|\s(?:because|since|as|due|which|for|and|rather|instead|not)\b",
    re.IGNORECASE,
)
_TAIL = 400


def _declared(said: str, table: Table) -> Extraction | None:
    """The last "answer is ..." that names an option; bare "option X" counts where it is the only one."""
    found = list(_DECLARED.finditer(said))
    if not found:
        return None
    bare: dict[str, str] = {}
    for match in reversed(found[-MOST_DECLARATIONS:]):
        if match["praised"]:
            letter = match["praised"]
            if letter in table.letters and not negated_before(said, match.start("praised")):
                return Extraction(letter, "declared to be correct", match.group())
            continue
        if _HEAD_NEGATED.search(said[max(0, match.start() - 40) : match.start()]):
            continue
        linked = bool(match["link"] or match["chosen"] or match["bracketed"])
        letter_or_none = _tail_option(said, match.end(), table, linked, (match["head"] or "").lower() == "option")
        if letter_or_none is None:
            continue
        part = said[match.start() : match.end() + 40].partition("\n")[0]
        if linked:
            return Extraction(letter_or_none, "the last declared answer", part)
        bare.setdefault(letter_or_none, part)
    if len(bare) == 1:
        [(letter, part)] = bare.items()
        return Extraction(letter, "the only option named with 'option' or 'answer'", part)
    return None


def _tail_option(said: str, at: int, table: Table, linked: bool, after_option: bool) -> str | None:
    """The option that what follows a declaration names: a letter, an option's text, or the only text in it."""
    tail = said[at : at + _TAIL].lstrip()
    line = tail.partition("\n")[0]
    filler = _FILLER.match(line)
    bare = line[filler.end() :] if filler else line
    for piece in dict.fromkeys(p for start in (line, bare) for p in _pieces(start)):
        if piece and (letter := _lone_letter(piece, table) if len(piece) < 6 else None):
            ambiguous = _another_letter(line, line.find(piece) + len(piece), table)
            if ambiguous and ambiguous != letter:
                raise _Undecided("more than one letter declared")
            if negated_after(line, line.find(piece) + len(piece), table, letter):
                return None
            return letter
        if piece and (hit := _equal(piece, table)):
            return hit
    letter = _label(bare, table, linked or after_option)
    if letter is not None:
        return letter
    if not linked:
        return None
    end = _SENTENCE_END.search(line)
    sentence = line[: end.start()] if end else line
    hits = set(_texts(sentence, table))
    return hits.pop() if len(hits) == 1 else None


def _pieces(line: str) -> Iterator[str]:
    """A line, its first sentence and its first clause: what may be the whole of an answer."""
    yield line.strip()
    for pattern in (_SENTENCE_END, _CLAUSE_END):
        if end := pattern.search(line):
            yield line[: end.start()].strip()


_LABEL = re.compile(r"[\s(\[{<\"'$\\]*([A-Za-z])(?![A-Za-z0-9_À-ɏ+#°]|'[A-Za-z]|-[A-Za-z])([)\]}>\"'.:,$-]*)")
_FUNCTION_WORD = re.compile(
    r"\s+(?:is|and|or|was|are|because|since|as|for|but|not|due|so|which|that|the|this|there|given|based|if|when|while|"
    r"where|has|have|can|cannot|could|should|would|seems|appears|looks|matches|shows|with|in|on|of|from|by|at|than|to|"
    r"rather|only|here|will|must|might|may|does|with)\b"
)
_NAME = re.compile(r" +(?!The|Th[ei]|Because|Since|So\b|Reason|But\b|Not\b|Yes\b|No\b)[B-DF-HJ-NP-TV-Z][a-z]+\b")
_NEXT_LETTER = re.compile(
    r"[)\]\s.]*(?:,?\s*\b(?:or|and)\b|[,&/])\s*(?:[(\[]([A-Za-z])[)\]]|([A-Z])(?![A-Za-z0-9'+#-]))"
)


def _another_letter(line: str, at: int, table: Table) -> str | None:
    """The letter joined to the one before `at` by "or", "and", a comma."""
    match = _NEXT_LETTER.match(line, at)
    if match is None:
        return None
    char = match[1] or match[2]
    if _is_word(char, line, match.end()):
        return None
    return char.upper() if char.upper() in table.letters else None


def _is_word(char: str, text: str, end: int) -> bool:
    """Whether a bare capital is the article "A" or the pronoun "I"."""
    following = text[end : end + 24]
    if char == "A" and following[:1] == " ":
        name = _NAME.match(following) is not None  # "A Gothic church"; before a vowel the article is "An"
        return name or (following.lstrip()[:1].islower() and not _FUNCTION_WORD.match(following))
    return char == "I" and following[:1] == " " and following.lstrip()[:1].islower()


def _label(piece: str, table: Table, any_case: bool) -> str | None:
    """The letter at the start of a piece, where it is clearly a label and nothing contradicts it."""
    match = _LABEL.match(piece)
    if match is None:
        return None
    char, after = match[1], match[2]
    letter = char.upper()
    closed = after[:1] in {")", "]", "}", ".", ":"} and bool(after)
    rest = piece[match.end() :]
    if letter not in table.letters or (not closed and _is_word(char, piece, match.end())):
        return None
    if char.islower() and not closed:
        ended = not rest.strip() or after[:1] == ","
        if not ended and not (any_case and char not in "ai"):
            return None
    if piece[match.end() : match.end() + 1] == "?" or negated_after(piece, match.end(), table, letter):
        return None
    if (other := _another_letter(piece, match.end(1), table)) and other != letter:
        raise _Undecided("more than one letter declared")
    _no_conflict(letter, rest, table)
    return letter


def _no_conflict(letter: str, rest: str, table: Table) -> None:
    """A letter followed by exactly another option's text contradicts itself."""
    rest = rest.lstrip(" )]}.:,;-\t")
    for piece in _pieces(rest.partition("\n")[0]):
        hit = table.equal(piece) if piece and _LONE.fullmatch(piece) is None else None
        if hit == letter:
            return
        if hit and hit != AMBIGUOUS:
            raise _Undecided(f"letter {letter} stands beside the text of option {hit}")


# --- labels at the start, lone lines ---------------------------------------------------------------------------

_START = re.compile(r"[(\[{<\"']*([A-Za-z])(?:[)\]}>.:]+(?:\s|$|(?=\w))|\s*\n|\s+-+\s)")
_ECHO_GOES_ON = re.compile(r"\s*(?:$|[\n,;.|/]|[(\[]?[A-Za-z][)\].:]|(?:and|or)\s)")
_ECHO = re.compile(r"(?:^|\s)[(\[]?([A-Za-z])[)\].:]+\s*")


def _label_at_start(said: str, table: Table) -> Extraction | None:
    """A response that begins with a label: "B. because", "(b) dog", a letter alone on the first line."""
    match = _START.match(said)
    line = said.partition("\n")[0]
    if match is None:
        return _letter_and_text(line, table)
    letter = match[1].upper()
    if letter not in table.letters or _echoes(said, table):
        return None
    if said[match.end() :].lstrip()[:3].strip(" .:)") in table.letters - {letter}:
        return None
    lone_end = _lone_letter(said.rstrip().rpartition("\n")[2], table) if "\n" in said else None
    if lone_end and lone_end != letter:
        raise _Undecided("different letters on the first and the last line")
    found = _label(line, table, any_case=False)
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
    if match[1].isupper() and letter not in ("A", "I") and hit and hit != AMBIGUOUS and not _LONE.fullmatch(rest):
        raise _Undecided(f"letter {letter} stands beside the text of option {hit}")
    return None


def _echoes(said: str, table: Table) -> bool:
    """Whether the response repeats the list of options instead of choosing."""
    echoed = set()
    for match in _ECHO.finditer(said):
        letter = match[1].upper()
        own = table.folded.get(letter)
        if own and letter not in echoed and said[match.end() : match.end() + len(own)].casefold() == own:
            if not _ECHO_GOES_ON.match(said, match.end() + len(own)):
                continue  # "A) stem is wrong" says something about A
            echoed.add(letter)
            if len(echoed) > 1:
                return True
    return False


def _lone_line(said: str, table: Table) -> Extraction | None:
    """The last line alone is a letter, an option's text, or a label with its text."""
    head, _, last = said.rstrip().rpartition("\n")
    if not head.strip():
        return None
    letter = _lone_letter(last, table) if len(last) < 12 else None
    if letter is None and _echoes(said, table):
        return None
    hit = letter or table.equal(last)
    if hit and hit != AMBIGUOUS:
        return Extraction(hit, "the last line names one option", last[:60])
    if _START.match(last.strip()) and (letter := _label(last.strip(), table, any_case=False)):
        return Extraction(letter, "a label on the last line", last[:60])
    return None


# --- letters anywhere ------------------------------------------------------------------------------------------

_STANDALONE = re.compile(
    r"(?<![A-Za-z0-9_À-ɏ])(?<![A-Za-z]-)(?<![A-Z]\.)"
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
_JOINED = re.compile(r"[)\]\s]*(?:,|\bor\b|\band\b|\bnor\b|/|&)\s*[(\[]?$")


def _only_letter(said: str, table: Table) -> Extraction | None:
    """The only stand-alone option letter that is neither negated, an article, nor the name of something."""
    if _echoes(said, table):
        raise _Undecided("the options are repeated without a choice")
    masked = table.mask(said)
    strong: dict[str, int] = {}
    weak: dict[str, int] = {}
    last_end, last_weak = -1, False
    for match in _STANDALONE.finditer(masked):
        char = match[1] or match[2]
        letter = char.upper()
        if letter not in table.letters or letter in strong:
            continue
        if match[2] and _is_word(char, masked, match.end()):
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
            raise _Undecided("more than one letter")
    if len(strong) == 1:
        [(letter, at)] = strong.items()
        _no_conflict_around(said, letter, table)
        return Extraction(letter, "the only letter that stands alone", said[at : at + 20])
    if len(weak) == 1 and not set(_texts(said, table)):
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
        raise _Undecided(f"letter {letter} stands beside the text of option {hit}")


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
    r"\b(?:sorry|unable to|i (?:do not|don't) know|no idea|not (?:sure|certain|possible|clear|enough)|impossible to|unclear|"
    r"insufficient|none of (?:the|these|them)|can(?:not|'t| not) (?:be )?(?:tell|determined?|answer|say|see|identify|help|assist|"
    r"provide|view)|don't see|do not see|hard to (?:tell|say)|(?:both|all|neither|none) (?:of|are|look|seem|options))\b",
    re.IGNORECASE,
)
_RECOVERY = re.compile(
    r"\b(?:but|however|probably|likely|guess|though|maybe|perhaps|nevertheless|still|if i had to)\b",
    re.IGNORECASE,
)


def _texts(said: str, table: Table) -> Iterator[str]:
    """Letters of options whose text stands in the response, negated ones left out."""
    for letter, start, end in table.occurrences(said):
        if not negated_before(said, start, one_word_between=True) and not negated_after(said, end, table, letter):
            yield letter


def _after_refusal(said: str, table: Table) -> str:
    """What is left to read once the response has refused: what follows "but", "probably", or nothing."""
    refused = _REFUSAL.search(table.mask(said))
    if refused is None:
        return said
    recovered = _RECOVERY.search(said, refused.end())
    return said[recovered.end() :] if recovered else ""


def _only_text(said: str, table: Table) -> Extraction | None:
    rest = _after_refusal(said, table)
    hits = _first_two(_texts(rest, table))
    if len(hits) > 1:
        raise _Undecided("the texts of more than one option")
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

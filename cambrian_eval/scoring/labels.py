"""Letters and pieces of a response: what is a label, what an article, what contradicts itself.

The recognizers that `letter` and `declared` share; which of them is asked first is decided there.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from cambrian_eval.scoring.options import AMBIGUOUS, OptionTexts
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.wording import denied_after, negated_before

MOST_CANDIDATES = 1000
"""How many letters or option texts are weighed; a response that repeats more is no answer with more to say."""


class Undecided(Exception):
    """The response names two options where it had to name one."""


LONE = pattern(r"[^\w]*([A-Za-z])[^\w]*")


def lone_letter(piece: str, table: OptionTexts) -> str | None:
    """The letter where the piece is one valid letter but for punctuation."""
    match = LONE.fullmatch(piece)
    if match is None or (len(piece) > 1 and piece.strip().casefold() in table.longer_symbols):
        return None
    char = match[1]
    letter = char.upper()
    if letter not in table.letters:
        return None
    if char.islower() and table.one_letter_texts.get(char, letter) != letter:
        raise Undecided(f"{char!r} is a letter and another option's text")
    return letter


def equal(piece: str, table: OptionTexts) -> str | None:
    """The letter of the one option whose text the piece is."""
    hit = table.equal(piece)
    if hit == AMBIGUOUS:
        raise Undecided("the text of more than one option")
    return hit


SENTENCE_END = pattern(r"[.!?;][\"')]?(?=\s|$)|\n")
_CLAUSE_END = pattern(
    r",\s|[.!?;](?=\s|$)|\n|\s[-(]|\s(?:because|since|as|due|which|for|and|rather|instead|not)\b",
    re.IGNORECASE,
)


def pieces(line: str) -> Iterator[str]:
    """A line, its first sentence and its first clause: what may be the whole of an answer."""
    yield line.strip()
    for end_of in (SENTENCE_END, _CLAUSE_END):
        if end := end_of.search(line):
            yield line[: end.start()].strip()


_LABEL = pattern(r"[\s(\[{<\"'$\\]*([A-Za-z])(?![A-Za-z0-9_À-ɏ+#°]|'[A-Za-z]|-[A-Za-z])([)\]}>\"'.:,$-]*)")
_FUNCTION_WORD = pattern(
    r"\s+(?:is|and|or|was|are|because|since|as|for|but|not|due|so|which|that|the|this|there|given|based|if|when|while|"
    r"where|has|have|can|cannot|could|should|would|seems|appears|looks|matches|shows|with|in|on|of|from|by|at|than|to|"
    r"rather|only|here|will|must|might|may|does|with)\b"
)
_NAME = pattern(r" +(?!The|Th[ei]|Because|Since|So\b|Reason|But\b|Not\b|Yes\b|No\b)[B-DF-HJ-NP-TV-Z][a-z]+\b")
_NEXT_LETTER = pattern(
    r"[)\]\s.]*(?:\([^()]{1,40}\)\s*)?(?:,?\s*\b(?:or|and|y|o|et|ou|e|und|oder)\b|[,&/]|和|或|及|与|と|또는)\s*(?:[(\[]([A-Za-z])[)\]]|([A-Z])(?![A-Za-z0-9'+#-]))"
)


def another_letter(line: str, at: int, table: OptionTexts) -> str | None:
    """The letter joined to the one before `at` by "or", "and", a comma."""
    match = _NEXT_LETTER.match(line, at)
    if match is None:
        return None
    char = match[1] or match[2]
    if is_word(char, line, match.end()):
        return None
    return char.upper() if char.upper() in table.letters else None


def is_word(char: str, text: str, end: int) -> bool:
    """Whether a bare capital is the article "A" or the pronoun "I"."""
    following = text[end : end + 24]
    if char == "A" and following[:1] == " ":
        name = _NAME.match(following) is not None  # "A Gothic church"; before a vowel the article is "An"
        return name or (following.lstrip()[:1].islower() and not _FUNCTION_WORD.match(following))
    return char == "I" and following[:1] == " " and following.lstrip()[:1].islower()


def negated_after(text: str, end: int, table: OptionTexts, letter: str) -> bool:
    """Whether what follows denies what ends at `end`: "D is wrong", "C and D are incorrect", "A) cat is not ..."."""
    own = table.folded.get(letter, "")
    skipped = _LABEL_END.match(text, end)
    if own and skipped and text[skipped.end() : skipped.end() + len(own)].casefold() == own:
        end = skipped.end() + len(own)
    return denied_after(text, end)


_LABEL_END = pattern(r"[)\].:,\s-]{0,8}")


def label(piece: str, table: OptionTexts, any_case: bool, named: bool = False) -> str | None:
    """The letter at the start of a piece, where it is clearly a label and nothing contradicts it.

    `named` says that "option" or the like stands before it, so that "A" is no article.
    """
    match = _LABEL.match(piece)
    if match is None:
        return None
    char, after = match[1], match[2]
    letter = char.upper()
    closed = after[:1] in {")", "]", "}", ".", ":"} and bool(after)
    rest = piece[match.end() :]
    if letter not in table.letters or (not closed and not named and is_word(char, piece, match.end())):
        return None
    if char.islower() and not closed:
        ended = not rest.strip() or after[:1] == ","
        if not ended and not (any_case and char not in "ai"):
            return None
    if piece[match.end() : match.end() + 1] == "?" or negated_after(piece, match.end(), table, letter):
        return None
    ends = [match.end(1)]
    own = table.folded[letter]
    if own and piece[match.end() :].lstrip().casefold().startswith(own):
        ends.append(piece.casefold().find(own, match.end()) + len(own))
    if any((other := another_letter(piece, end, table)) and other != letter for end in ends):
        raise Undecided("more than one letter declared")
    no_conflict(letter, rest, table)
    return letter


def no_conflict(letter: str, rest: str, table: OptionTexts) -> None:
    """A letter followed by exactly another option's text contradicts itself."""
    rest = rest.lstrip(" ()]}.:,;-\t")
    for piece in pieces(rest.partition("\n")[0]):
        hit = table.equal(piece) if piece and LONE.fullmatch(piece) is None else None
        if not hit or hit == AMBIGUOUS:
            continue
        if table.same(hit, letter):
            return
        raise Undecided(f"letter {letter} stands beside the text of option {hit}")


_ECHO_GOES_ON = pattern(r"\s*(?:$|[\n,;.|/]|[(\[]?[A-Za-z][)\].:]|(?:and|or)\s)")
_ECHO = pattern(r"(?:^|\s)[(\[]?([A-Za-z])[)\].:]+\s*")


def echoes(said: str, table: OptionTexts) -> bool:
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


_OR_ALSO = pattern(r",?\s+n?or\s+(?:(?:the|an?)\s+)?[\"']?", re.IGNORECASE)
"""Between two texts of which the denial of the first covers the second: "not red or green"."""


def texts(said: str, table: OptionTexts, denied: bool = False) -> Iterator[str]:
    """Letters of options whose text stands in the response, negated ones left out (with `denied`, only those)."""
    seen: set[str] = set()
    denied_until = -1
    for letter, start, end in sorted(islice(table.occurrences(said), MOST_CANDIDATES), key=lambda one: one[1]):
        goes_on = 0 <= denied_until < start and start - denied_until < 12
        negated = negated_before(said, start, one_word_between=True) or (
            goes_on and _OR_ALSO.fullmatch(said, denied_until, start) is not None
        )
        if negated:
            denied_until = end
        elif letter not in seen:
            negated = negated_after(said, end, table, letter)
        if letter not in seen and negated == denied:
            seen.add(letter)
            yield letter


def lone_end(said: str, table: OptionTexts) -> str | None:
    """The letter that stands alone on the last line."""
    last = said.rstrip().rpartition("\n")[2]
    return lone_letter(last, table) if len(last) < 12 else None

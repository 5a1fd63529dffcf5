"""Which option a response means: the reader of every question with options.

First that fires: a lone letter; one option's text; what is declared ("the answer is ..."); yes or no at the start,
where those are the options; a label at the start; a lone letter on the last line; the conclusion; the sentence that
answers the question as asked; the only letter that stands alone; a close spelling; the only option text; the only
number where options are numbers; an assertion of the question where the options are yes and no. Two answers, a
refusal or nothing of this is no answer, never a guess. How options are folded for comparison lives in `options`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scoring.asserted import (
    conclusion,
    discussed,
    paraphrase,
    polar_echo,
    polar_start,
    said_of_letter,
    stated,
    subject,
    without_standard,
)
from cambrian_eval.scoring.declared import declared
from cambrian_eval.scoring.labels import (
    LONE,
    Undecided,
    echoes,
    equal,
    label,
    lone_letter,
    texts,
)
from cambrian_eval.scoring.mentions import close_spelling, first_two, only_letter, only_number, only_text
from cambrian_eval.scoring.options import AMBIGUOUS, OptionTexts, table_of
from cambrian_eval.scoring.patterns import pattern
from cambrian_eval.scoring.reading import Reading, nothing
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.wording import after_refusal


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
    said = reply.own
    if len(said) == 1 and "A" <= said <= "Z" and said in options:  # most responses: spares them the table
        return Reading(said, "the response is one letter")
    table = table_of(tuple(options.items()))
    try:
        return _read(without_standard(said, table, question), table, question)
    except Undecided as why:
        return nothing("several answers", str(why))


def grade(sample: Sample, reply: str, same_text: bool = False) -> Verdict:
    """1 where the option read out of the response is a gold letter of the sample, else 0.

    With `same_text` the letter of an option with the same text as the gold one is right too.
    """
    options = sample.options
    if not options.keys() >= set(sample.answers):  # a table that lost the text of the gold option
        options |= {gold: "" for gold in sample.answers if gold not in options}
    found = read(Reply(reply), options, sample.question)
    right = found.value in sample.answers
    if same_text and found.value is not None and not right:
        right = any(options[found.value] == options[gold] for gold in sample.answers)
    return found.verdict(right)


def _read(said: str, table: OptionTexts, question: str) -> Reading[str]:
    if hit := table.exact.get(said):
        return Reading(hit, "the response equals an option's text")
    if whole := lone_letter(said, table):
        return Reading(whole, "the response is one letter")
    if own := _own_line(said, table):
        return Reading(own, "a letter and its own option's text")
    if hit := equal(said, table):
        return Reading(hit, "the response equals an option's text")
    if _NOT_APPLICABLE.fullmatch(said):
        return nothing("refusal")
    if found := declared(said, table) or polar_start(said, table) or discussed(said, table):
        return found
    if found := said_of_letter(said, table) or _label_at_start(said, table) or _lone_line(said, table):
        return found
    rest = after_refusal(said, table.mask(said))
    if not rest.strip():
        return polar_echo(said, table, question) or stated(said, table, question) or nothing("refusal")
    return (
        conclusion(rest, table)
        or subject(said, table, question)
        or only_letter(rest, table, question)
        or close_spelling(said, table)
        or only_text(rest, table, question)
        or only_number(rest, table)
        or polar_echo(said, table, question)
        or (stated(said, table, question) if rest != said else None)
        or paraphrase(rest, table)
        or nothing("refusal" if rest != said else "nothing found", "no option named")
    )


_NOT_APPLICABLE = pattern(r"\W*n/a\W*", re.IGNORECASE)
_LINE = pattern(r"[(\[]?([A-Za-z])[)\].:]+\s+(.+)")


def _own_line(said: str, table: OptionTexts) -> str | None:
    """The letter where the response is one line of the list of options, as it stands there."""
    match = _LINE.fullmatch(said) if len(said) <= table.longest + 8 else None
    letter = match[1].upper() if match else ""
    own = table.folded.get(letter)
    return letter if match and own and match[2].casefold() == own else None


def _announced(said: str, table: OptionTexts) -> str | None:
    """The only line that begins with a label, where it is an option's own line and follows one that ends in a colon."""
    if len(said) > LONGEST_ANNOUNCEMENT:
        return None
    lines = [line.strip(" *_") for line in said.splitlines() if line.strip(" *_")]
    labelled = [i for i, line in enumerate(lines) if (m := _LINE.match(line)) and m[1].upper() in table.letters]
    if len(labelled) != 1 or not labelled[0] or not lines[labelled[0] - 1].endswith(":"):
        return None
    return _own_line(lines[labelled[0]].rstrip("."), table)


LONGEST_ANNOUNCEMENT = 5_000


# --- labels at the start, lone lines ---------------------------------------------------------------------------

_START = pattern(r"[(\[{<\"']*([A-Za-z])(?:[)\]}>.:]+(?:\s|$|(?=\w))|\s*\n|\s+-+\s)")


def _label_at_start(said: str, table: OptionTexts) -> Reading[str] | None:
    """A response that begins with a label: "B. because", "(b) dog", a letter alone on the first line."""
    match = _START.match(said)
    line = said.partition("\n")[0]
    if match is None:
        return _letter_and_text(line, table)
    letter = match[1].upper()
    if letter not in table.letters or echoes(said, table):
        return None
    if letter == "A" and match.group().rstrip().endswith(":") and first_two(texts(line, table)) - {"A"}:
        raise Undecided("letter A, or 'A:' for 'answer', stands beside the text of another option")
    if said[match.end() :].lstrip()[:3].strip(" .:)") in table.letters - {letter}:
        return None
    lone_end = lone_letter(said.rstrip().rpartition("\n")[2], table) if "\n" in said else None
    if lone_end and lone_end != letter:
        raise Undecided("different letters on the first and the last line")
    found = label(line, table, any_case=False)
    says = _SAYS.fullmatch(line, match.end())
    if found and says and (other := table.equal(says[1])) and not table.same(other, found):
        raise Undecided(f"letter {found} stands beside the text of option {other}")
    return Reading(found, "a label at the start") if found else None


_SAYS = pattern(
    r"\s*(?:the|it|this|that)\b[^.!?\n]{0,80}?\b(?:is|are|was|were)\s+([^.!?\n]{1,80})[.!]?\s*", re.IGNORECASE
)


def _letter_and_text(line: str, table: OptionTexts) -> Reading[str] | None:
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


def _lone_line(said: str, table: OptionTexts) -> Reading[str] | None:
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
    if announced := _announced(said, table):
        return Reading(announced, "an option's own line after a colon")
    before = _START.match(head.rstrip().rpartition("\n")[2].strip())
    if before and before[1].upper() in table.letters:  # a list of options, not an answer
        return None
    if _START.match(last.strip()) and (letter := label(last.strip(), table, any_case=False)):
        return Reading(letter, "a label on the last line")
    return None

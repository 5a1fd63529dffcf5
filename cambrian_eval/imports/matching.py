"""Finds the sample that each row of a log belongs to, and what the log says otherwise about it.

By id where the content agrees; else by the question, then by options, image, category and gold answer, each of which
only narrows the choice. Rows that the log does not tell apart are assigned in the order of their ids; where their gold
answers differ and the log does not have all of them, they are left out. A response is scored on the options that its
log shows: with other options than the dataset's, the sample takes the log's options and the letter of the same answer.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Literal

from cambrian_eval.errors import UserError
from cambrian_eval.imports.log import Entry, texts_of
from cambrian_eval.sample import LETTERS, Sample

Kind = Literal["unmatched", "duplicate", "changed", "no image", "other split", "ambiguous"]
"""Why a row of a log is not, or not simply, the response to a sample."""
By = Literal["id", "row", "content", "order"]
"""How the sample of a row was found; `order` where the log does not tell several apart."""
WORDS = 3
"""Words of a question by which prompts are searched for it."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row of a log that a reader must know about."""

    kind: Kind
    place: str
    """File and row."""
    id: str
    """The sample's id, or what the log calls the question."""
    text: str
    """What is the matter, and what was done."""


@dataclass(frozen=True, slots=True)
class Match:
    """A row of a log and its sample."""

    sample: Sample
    """With the log's options where they are others than the dataset's."""
    entry: Entry
    by: By
    """How it was found."""


@dataclass(slots=True)
class Matching:
    """All rows of a log against all samples of a benchmark."""

    matches: list[Match] = field(default_factory=list)
    """At most one for each sample and repeat."""
    findings: list[Finding] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    """The samples without a row."""

    def count(self, kind: Kind) -> int:
        """How many findings of a kind there are."""
        return sum(one.kind == kind for one in self.findings)


def plain(text: str) -> str:
    """A text for comparison: without image marks, case and repeated blanks."""
    return " ".join(_MARK.sub(" ", text).casefold().split())


_MARK = re.compile(r"<image(?: ?\d+)?>|<im_(?:start|end)>|</?img>")
_CLOSING = re.compile(
    r"\s*(?:please )?answer (?:yes or no|directly[^.]*|the question[^.]*|with [^.]*)\.?\s*$|\s+options:\s*$"
)
"""Instructions that some rows have at their end and prompts of other harnesses leave out or replace."""


def stated(text: str) -> str:
    """An option or answer for comparison: tables write the number 2.50 as 2.5, and 3 as 3.0.

    >>> stated("2.50"), stated("3.0"), stated(" Two  cats"), stated("007")
    ('2.5', '3', 'two cats', '007')
    """
    found = plain(text)
    if _DECIMAL.fullmatch(found):
        return found.rstrip("0").rstrip(".")
    return found


_DECIMAL = re.compile(r"-?(?:0|[1-9]\d*)\.\d+")


def core(text: str) -> str:
    """A question for comparison, without a closing instruction."""
    found = plain(text)
    return _CLOSING.sub("", found).strip() or found


class _Index:
    """The samples of a benchmark by id, row and question."""

    def __init__(self, samples: Sequence[Sample]) -> None:
        self.samples = samples
        self.by_id = {s.id: i for i, s in enumerate(samples)}
        self.by_row = {s.index: i for i, s in enumerate(samples)}
        self.cores = [core(s.question) for s in samples]
        self.by_core: dict[str, list[int]] = defaultdict(list)
        self.by_start: dict[tuple[str, ...], dict[int, dict[tuple[str, ...], str]]] = {}
        """First words to number of words to all words to the question: many questions begin alike."""
        self.options = [{letter: stated(text) for letter, text in s.options.items()} for s in samples]
        self.images = [_names(s.image_id, s.group, s.id) for s in samples]
        for i, text in enumerate(self.cores):
            self.by_core[text].append(i)
        for text in self.by_core:
            parts = tuple(text.split())
            self.by_start.setdefault(parts[:WORDS], {}).setdefault(len(parts), {})[parts] = text

    def asked(self, text: str) -> list[int]:
        """The samples whose question a prompt contains: the longest one, at the start of a line before elsewhere."""
        lines = [line for line in text.split("\n") if line.strip()]
        words: list[str] = []
        starts = []
        for line in lines:
            starts.append(len(words))
            words += plain(line).split()
        for places in (starts, range(len(words))):
            found = {text for place in places for text in self._at(words, place)}
            if found:
                return self.by_core[max(found, key=len)]
        return []

    def _at(self, words: Sequence[str], place: int) -> Iterator[str]:
        for size in range(1, WORDS + 1):
            for length, texts in self.by_start.get(tuple(words[place : place + size]), {}).items():
                text = texts.get(tuple(words[place : place + length]))
                if text is not None and (size == WORDS or length == size):
                    yield text

    def agrees(self, i: int, entry: Entry) -> bool | None:
        """Whether the question of a row is that of a sample; None where the row does not say."""
        mine = self.cores[i]
        if entry.question is not None:
            theirs = core(entry.question)
            return mine in theirs or (len(theirs) > 8 and theirs in plain(self.samples[i].question))
        return None if entry.prompt is None else mine in plain(entry.prompt)


def _names(*texts: str | None) -> frozenset[str]:
    """The names by which an image may be called: the last part of a path, without its suffix."""
    return frozenset(PurePosixPath(text).stem.casefold() for text in texts if text)


def match(samples: Sequence[Sample], entries: Sequence[Entry], split: str = "") -> Matching:
    """Assigns each row to a sample. Where a log has rows of `split` and of others, the others are left out."""
    index, found = _Index(samples), Matching()
    if any(entry.split == split for entry in entries):
        others = [entry for entry in entries if entry.split not in (None, split)]
        texts = [f"a question of the split {entry.split!r}" for entry in others]
        found.findings += [Finding("other split", e.place, e.id or "", t) for e, t in zip(others, texts, strict=True)]
        entries = [entry for entry in entries if entry.split in (None, split)]
    named = [index.agrees(i, e) for e in entries if e.id is not None and (i := index.by_id.get(e.id)) is not None]
    if named.count(False) > named.count(True):
        index.by_id = {}  # the ids of the log are not those of the dataset; some are equal by accident
    single: list[tuple[Entry, int, By]] = []
    several: dict[tuple[int, ...], list[Entry]] = defaultdict(list)
    for entry in entries:
        places, by = _places(index, entry)
        if len(places) == 1:
            single.append((entry, places[0], by))
        elif places:
            several[tuple(places)].append(entry)
        elif entry.pictured:
            found.findings.append(Finding("unmatched", entry.place, entry.id or "", _reason(index, entry)))
        else:
            found.findings.append(Finding("no image", entry.place, entry.id or "", "a question without an image"))
    taken: dict[tuple[int, int], Match] = {}
    for entry, i, by in sorted(single, key=lambda one: not _same(index, one[1], one[0])):  # those that agree first
        _take(found, taken, index, entry, i, by)
    for among, group in several.items():
        _assign(found, taken, index, among, group)
    found.matches = [taken[key] for key in sorted(taken)]
    answered = {m.sample.id for m in found.matches}
    found.missing = [s.id for s in samples if s.id not in answered]
    return found


def _places(index: _Index, entry: Entry) -> tuple[list[int], By]:
    """The samples that a row may belong to, and how they were found."""
    if not entry.pictured:
        return [], "content"
    named = None if entry.id is None else index.by_id.get(entry.id)
    if named is not None and index.agrees(named, entry) is False:
        named = None
    if named is not None and _same(index, named, entry):
        return [named], "id"
    found = _by_content(index, entry)
    if named is not None and (not found or named in found):
        return [named], "id"
    row = None if entry.row is None else index.by_row.get(entry.row)
    if row is not None and row in found:
        return [row], "row"
    if row is not None and entry.question is None and entry.prompt is None and _gold_agrees(index.samples[row], entry):
        return [row], "row"
    return found, "content"


def _same(index: _Index, i: int, entry: Entry) -> bool:
    """Whether options and gold answers of a row are those of a sample, as far as the row has them."""
    mine = {stated(text) for text in entry.options.values()}
    return (not mine or mine == set(index.options[i].values())) and _gold_agrees(index.samples[i], entry)


def _by_content(index: _Index, entry: Entry) -> list[int]:
    found: list[int] = []
    if entry.question is not None:
        found = index.by_core.get(core(entry.question), []) or index.asked(entry.question)
    if not found and entry.prompt is not None:
        found = index.asked(entry.prompt)
    if len(found) < 2:
        return found
    mine = {letter: stated(text) for letter, text in entry.options.items()}
    prompt = plain(entry.prompt) if entry.prompt else ""
    name = _names(entry.image)
    labels = {entry.category or "", *(PurePosixPath(entry.image).parts[:-1] if entry.image else ())}
    hints = {i: h for i in found if (h := plain(str(index.samples[i].extra.get("hint") or ""))) and h in prompt}
    longest = max(hints.values(), key=len, default="")
    narrowed: list[list[int]] = [
        [i for i in found if mine and index.options[i] == mine],
        [i for i in found if mine and sorted(index.options[i].values()) == sorted(mine.values())],
        [i for i in found if prompt and index.options[i] and _listed(index.samples[i].options, prompt)],
        [i for i, hint in hints.items() if hint == longest],
        [i for i in found if entry.image and f"/{index.samples[i].image_id}".endswith(f"/{entry.image}")],
        [i for i in found if name & index.images[i]],
        [i for i in found if labels & set(map(str, index.samples[i].tags.values()))],
        [i for i in found if entry.gold and _gold_agrees(index.samples[i], entry)],
    ]
    for kept in narrowed:
        if both := [i for i in found if i in set(kept)]:
            found = both
    return found


def _listed(options: Mapping[str, str], prompt: str) -> bool:
    """Whether a prompt lists these options with their letters, in any of the usual notations."""
    return all(
        any(f"{mark} {text}" in prompt for mark in (f"{letter}.", f"({letter})", f"{letter})", f"{letter}:"))
        for letter, text in ((letter.casefold(), plain(text)) for letter, text in options.items())
    )


def _gold_agrees(sample: Sample, entry: Entry) -> bool:
    """Whether the log's gold answers and ours have one in common, as letter or as text."""
    if not entry.gold or not sample.answers:
        return True
    listed = {*entry.options.values(), *sample.options.values()}  # "(b)" may be the text of an option
    golds = [
        letter[1].upper() if text not in listed and (letter := _IN_BRACKETS.fullmatch(text)) else text
        for text in entry.gold
    ]
    theirs = {stated(text) for text in golds}
    theirs |= {stated(entry.options[text]) for text in golds if text in entry.options}
    ours = {stated(text) for answer in sample.answers for text in (answer, *texts_of(answer))}  # "[9, 1]" is a list too
    texts = {stated(sample.options[text]) for text in sample.answers if text in sample.options}
    if entry.options and sample.choices and texts:
        named = {stated(entry.options.get(text, text)) for text in golds}
        return bool(named & texts)
    return bool(theirs & (ours | texts))


_IN_BRACKETS = re.compile(r"\(([a-zA-Z])\)")
"""A letter as CV-Bench and MMVP have it."""


def _assign(
    found: Matching,
    taken: dict[tuple[int, int], Match],
    index: _Index,
    places: tuple[int, ...],
    group: Sequence[Entry],
) -> None:
    """Rows that the log does not tell apart: in the order of their ids, or of the file."""
    repeats: dict[int, list[Entry]] = defaultdict(list)
    for entry in group:
        repeats[entry.repeat].append(entry)
    for repeat, rows in repeats.items():
        if all(entry.id is not None and entry.id.isdigit() for entry in rows):
            rows = sorted(rows, key=lambda entry: int(entry.id or 0))
        free = [i for i in places if (i, repeat) not in taken]
        alike = len({(index.samples[i].answers, index.samples[i].choices) for i in places}) == 1
        if len(rows) < len(free) and not alike:
            for entry in rows:
                text = f"{len(free)} samples with other answers have this question, the log has {len(rows)}; left out"
                found.findings.append(Finding("ambiguous", entry.place, entry.id or "", text))
            continue
        for entry, i in zip(rows, free, strict=False):
            _take(found, taken, index, entry, i, "order")
        for entry in rows[len(free) :]:
            _take(found, taken, index, entry, places[-1], "order")


def _take(
    found: Matching,
    taken: dict[tuple[int, int], Match],
    index: _Index,
    entry: Entry,
    i: int,
    by: By,
) -> None:
    """Records the row as the response to a sample, unless the sample has one."""
    sample, key = index.samples[i], (i, entry.repeat)
    if (first := taken.get(key)) is not None:
        if first.entry.response == entry.response:
            more = entry.verdict.keys() - first.entry.verdict.keys()
            taken[key] = replace(first, entry=replace(first.entry, verdict={**entry.verdict, **first.entry.verdict}))
            if more:  # the same responses again, in a file with verdicts
                return
            text = f"the same response as at {first.entry.place}"
        else:
            text = f"another response than at {first.entry.place}, which counts"
        found.findings.append(Finding("duplicate", entry.place, sample.id, text))
        return
    shown, change = _shown(sample, entry)
    if change:
        left = "" if shown else "; left out"
        found.findings.append(Finding("changed", entry.place, sample.id, change + left))
    if shown is not None:
        taken[key] = Match(shown, entry, by)


def _shown(sample: Sample, entry: Entry) -> tuple[Sample | None, str]:
    """The sample with the options that the log shows, and what is changed; None where it cannot be scored on them."""
    ours = {letter: stated(text) for letter, text in sample.options.items()}
    theirs = {letter: stated(text) for letter, text in entry.options.items()}
    if not theirs or theirs == ours or (not ours and _listed(entry.options, plain(sample.question))):
        return sample, "" if _gold_agrees(sample, entry) else _gold(sample, entry)
    answers = {stated(sample.options.get(text, text)) for text in sample.answers}
    letters = tuple(letter for letter, text in theirs.items() if text in answers)
    shown = ", ".join(f"{letter} {text!r}" for letter, text in entry.options.items())[:160]
    if not letters:
        return None, f"the log has other options ({shown}), and the answer is not among them"
    labels = tuple(entry.options)
    made = replace(
        sample,
        choices=tuple(entry.options.values()),
        labels=() if labels == tuple(LETTERS[: len(labels)]) else labels,
        answers=letters,
        guesses=labels if sample.guesses or not ours else (),
    )
    return made, f"scored on the log's options ({shown}); the answer is {', '.join(letters)}"


def _gold(sample: Sample, entry: Entry) -> str:
    return f"the log's answer is {', '.join(entry.gold)[:80]!r}, the dataset's is {', '.join(sample.answers)[:80]!r}"


def _reason(index: _Index, entry: Entry) -> str:
    """Why a row has no sample."""
    if entry.id is not None and entry.id in index.by_id:
        return "the sample with this id has another question"
    if entry.question is None and entry.prompt is None:
        return "no sample has this id" if entry.row is None else "no sample in this row has this answer"
    return "no sample has this question"


def check_strict(matching: Matching, samples: Sequence[Sample], path: object, last: str) -> None:
    """Raises the first finding, or the first missing sample, as an error with its remedy."""
    for finding in matching.findings:
        if finding.kind == "duplicate":
            first = next(m.entry.place for m in matching.matches if m.sample.id == finding.id)
            where = first.removeprefix(f"{path} ")
            raise UserError(f"{finding.place}: id {finding.id!r} is also on {where}; keep one")
        near = min(s.id for s in samples)
        raise UserError(f"{finding.place}: id {finding.id!r} is not in the dataset (ids look like {near!r})")
    if matching.missing:
        raise UserError(
            f"{path} ends at line {last} without id {matching.missing[0]!r} "
            f"({len(matching.missing)} of {len(samples)} missing); "
            'add a line for each (an empty "response" counts as wrong), or use --limit'
        )

"""RealWorldQA: spatial questions about photos, many taken from cars (xAI, 2024).

Prompt: the question as it stands, options and answer format included. The paper drops the format sentence and
asks for a single word or phrase.
Score: accuracy, x100. Four kinds of rows: lettered choices (options are parsed from the question), yes or no,
numbers (equal, units ignored) and words. The released rule compares the first word after "answer is" with the
gold text and stops at an empty reply.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar

from cambrian_eval.benchmark import SHORT_SENTENCE, Benchmark, Category, HubSource, PromptStyle
from cambrian_eval.image import images
from cambrian_eval.sample import LETTERS, Sample, Verdict
from cambrian_eval.scoring import free_form, letter, numerals, released
from cambrian_eval.scoring.reply import Reply

_MARK = re.compile(r"(?:^|(?<=[\s?]))\(?([A-Z])[.:)]\s*(?=\S)", re.MULTILINE)
_FORMAT = re.compile(r"\s*\bPlease answer\b[^\n]*\s*$", re.IGNORECASE)
_OPTION_END = re.compile(r"\n|\s+Please answer\b", re.IGNORECASE)


class RealWorldQA(Benchmark):
    """Options, yes or no, numbers and words mixed; the gold answer tells which."""

    name = "realworldqa"
    title = "RealWorldQA"
    category: ClassVar[Category] = "Vision-Centric"
    paper = "xAI. RealWorldQA. 2024"
    metric = "accuracy"
    max_new_tokens = 512
    typical_chance = 30.0

    @property
    def source(self) -> HubSource:
        """One table without ids; options and answer format stand in the question's text."""
        return HubSource("lmms-lab/RealWorldQA", "test", 765, ("image", "question", "answer"))

    def to_sample(self, row: Mapping[str, Any], index: int) -> Sample:
        """One question; its kind follows from the gold answer."""
        text, gold = str(row["question"]), str(row["answer"]).strip()
        stem, options = parse_options(text)
        if not options:
            options = _in_columns(row)
        letter = gold.strip("().").upper()
        letters = tuple(LETTERS[: len(options)])
        chosen = letter in letters
        kind = "multiple choice" if chosen else _kind(gold)
        guesses = letters if chosen else ("Yes", "No") if kind == "yes/no" else ()
        path = row.get("image_path")
        return Sample(
            id=str(index),
            index=index,
            question=stem if chosen else _FORMAT.sub("", text).strip(),
            answers=(letter if chosen else gold,),
            choices=options if chosen else (),
            images=images(row.get("image")),
            image_id=path if isinstance(path, str) and path else None,
            guesses=guesses,
            tags={"kind": kind},
            extra={"text": text},
        )

    def prompt(self, sample: Sample, style: PromptStyle = "official") -> str:
        """The question's own text; the paper's drops the format sentence and asks for a word or phrase."""
        text = str(sample.extra["text"])
        return text if style == "official" else f"{_FORMAT.sub('', text)}\n{SHORT_SENTENCE}"

    def fuzzy(self, sample: Sample, reply: str) -> Verdict:
        """By kind: letters and option texts, yes or no, equal numbers, equal words."""
        if sample.choices:
            return letter.grade(sample, reply)
        return free_form.grade(Reply(reply), sample.answers[0], sample.question, str(sample.tags["kind"]))

    def official(self, sample: Sample, reply: str) -> Verdict:
        """First blank-separated word after the keyword rule; an empty response stops the released code."""
        return released.first_word(sample, reply)


def _in_columns(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The options of a copy of the dataset that has them in columns A, B, C, ...; empty cells are absent."""
    found = []
    for label in LETTERS:
        text = str(row[label]).strip() if row.get(label) is not None else ""
        if text.lower() in ("", "nan"):
            break
        found.append(text)
    return tuple(found) if len(found) > 1 else ()


def parse_options(text: str) -> tuple[str, tuple[str, ...]]:
    """The question before its options, and the option texts; () where no run "A. .. B. .." exists.

    Marks are a capital with ".", ":" or ")", at the start of a line or run into it. The last "A" that a "B"
    follows begins the list.
    """
    marks = list(_MARK.finditer(text))
    best: list[re.Match[str]] = []
    for i, mark in enumerate(marks):
        if mark[1] != "A":
            continue
        run = [mark]
        for later in marks[i + 1 :]:
            if later[1] == LETTERS[len(run)]:
                run.append(later)
        if len(run) > 1:
            best = run
    if not best:
        return _FORMAT.sub("", text).strip(), ()
    ends = [m.start() for m in best[1:]] + [len(text)]
    pieces = [text[m.end() : end] for m, end in zip(best, ends, strict=True)]
    return text[: best[0].start()].strip(), tuple(_OPTION_END.split(p.strip(), maxsplit=1)[0].strip() for p in pieces)


def _kind(gold: str) -> str:
    if gold.lower() in ("yes", "no"):
        return "yes/no"
    number = numerals.parse(gold)
    counted = number is not None and (not number.unit or gold[0].isdigit())
    return "number" if counted else "other"

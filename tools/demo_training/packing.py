"""From exercises to batches: every image once, followed by its questions in parallel.

A row is the conversation's frame, the image, and then several *segments*, each one question with its answer. Segments
do not attend to each other: the attention mask lets a segment attend to the frame, the image and itself, and its
positions continue from the image's end, so each is computed exactly as if it were alone. A blind segment does not
attend to the image either and continues from the frame: it is the text-only prompt. So an image is encoded once,
however many segments are trained.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cambrian_eval.demo.miniature.canvas import COLORS, SHAPES
from cambrian_eval.demo.miniature.diagrams import ANIMALS
from cambrian_eval.demo.miniature.space import OBJECTS

from .corpus import Exercise, read_part
from .vocabulary import END, FRAME, OPENS_ANSWER

NAMED = frozenset((*COLORS, *SHAPES, *OBJECTS, *ANIMALS))
"""Words of questions that name what the image shows."""
KINDS = ("asked", "spelt", "blind")
"""As the benchmark expects; an option by its text instead of its letter; without the image."""
QUESTION_WEIGHT, END_WEIGHT, BLIND_WEIGHT = 0.05, 0.2, 0.4


@dataclass(frozen=True)
class Segment:
    """Ids of one question and its answer; `answer` is the position where the answer starts."""

    ids: tuple[int, ...]
    answer: int
    kind: str


@dataclass(frozen=True)
class Unit:
    """One image with all its segments."""

    benchmark: str
    part: int
    image: int
    segments: tuple[Segment, ...]
    words: tuple[int, ...]
    """Ids of words that are true of the image: answers, and what questions name as present."""


@dataclass(frozen=True)
class Batch:
    """Text of a batch after frame and image; [B, S] unless stated otherwise."""

    pixels: Tensor
    ids: Tensor
    segment: Tensor
    """Number of the segment in its row, from 1; 0 is padding."""
    blind: Tensor
    offset: Tensor
    """Position within the segment."""
    weight: Tensor
    """Weight of predicting the token at this place."""
    kind: Tensor
    """Index into KINDS where the token belongs to an answer, else -1."""
    benchmark: tuple[str, ...]
    words: Tensor
    """[B, vocabulary]: shares, adding up to one, of the words that are true of each image; or all zero."""


def read_units(folder: Path, parts: Sequence[tuple[str, int]], tokenizer: Any) -> tuple[list[Unit], list[Any]]:
    """All images of some parts of the corpus, with their questions as ids, and the pixel arrays."""
    units: list[Unit] = []
    arrays: list[NDArray[np.uint8]] = []
    vocabulary = tokenizer.get_vocab()
    for number, (name, seed) in enumerate(parts):
        exercises, pixels = read_part(folder, name, seed)
        arrays.append(pixels)
        found: dict[int, list[Exercise]] = defaultdict(list)
        for exercise in exercises:
            found[exercise.image].append(exercise)
        ids = _encoder(tokenizer, exercises)
        units += [
            Unit(name, number, image, tuple(_segments(group, ids)), _words(group, vocabulary))
            for image, group in sorted(found.items())
        ]
    return units, arrays


_UNCERTAIN = re.compile(r"\b(Is|Does|Will) (the|there|this|a|\w+ the|\w+ bar)\b.*\?")
_HINT = re.compile(r"^Hint: [^\n]*\nQuestion: ")
_WORD = re.compile(r"[A-Za-z0-9.%°]+")


def _words(group: Sequence[Exercise], vocabulary: Mapping[str, int]) -> tuple[int, ...]:
    """Words of an answer, or of a question that asserts what it names, where they are single tokens."""
    found: set[str] = set()
    for exercise in group:
        if exercise.answer.lower() not in ("yes", "no"):
            found |= set(_WORD.findall(exercise.answer))
        question = _HINT.sub("", exercise.prompt).split("\n")[0]
        if not _UNCERTAIN.search(question):
            found |= set(_WORD.findall(question)) & NAMED
    ids = {vocabulary.get("\u0120" + word) for word in found}
    return tuple(sorted(one for one in ids if one is not None))


def _encoder(tokenizer: Any, exercises: Sequence[Exercise]) -> Mapping[str, list[int]]:
    texts = set()
    for exercise in exercises:
        texts.add(exercise.prompt + OPENS_ANSWER)
        texts |= {f" {reply}{END}" for reply in (exercise.reply, exercise.answer, exercise.blind)}
    texts.add("\n")
    ordered = sorted(texts)
    return dict(zip(ordered, tokenizer(ordered)["input_ids"], strict=True))


def _segments(group: Sequence[Exercise], ids: Mapping[str, list[int]]) -> Iterator[Segment]:
    for exercise in group:
        question = ids[exercise.prompt + OPENS_ANSWER]
        shown = [*ids["\n"], *question]
        yield Segment((*shown, *ids[f" {exercise.reply}{END}"]), len(shown), "asked")
        yield Segment((*shown, *ids[f" {exercise.answer}{END}"]), len(shown), "spelt")
        yield Segment((*question, *ids[f" {exercise.blind}{END}"]), len(question), "blind")


@dataclass(frozen=True)
class Shares:
    """How often a question's answer is an option's text, and how often an image also carries a blind question."""

    spelt: float
    blind: float


def choose(unit: Unit, rng: Random, room: int, shares: Shares) -> list[Segment]:
    """The segments of an image that are trained together: as many questions as fit, at most three, and sometimes a
    blind one.
    """
    by_kind = {kind: [s for s in unit.segments if s.kind == kind] for kind in KINDS}
    pairs = list(zip(by_kind["asked"], by_kind["spelt"], strict=True))
    rng.shuffle(pairs)
    candidates = [spelt if rng.random() < shares.spelt else asked for asked, spelt in pairs[:3]]
    if rng.random() < shares.blind:
        candidates.append(rng.choice(by_kind["blind"]))
    chosen, left = [], room
    for segment in candidates:
        if len(segment.ids) <= left:
            chosen.append(segment)
            left -= len(segment.ids)
    return chosen


def batch_of(
    units: Sequence[Unit], arrays: Sequence[Any], rng: Random, room: int, shares: Shares, vocabulary: int
) -> Batch:
    """Builds a batch."""
    rows = [choose(unit, rng, room, shares) for unit in units]
    length = max(sum(len(segment.ids) for segment in row) for row in rows)
    shape = (len(rows), length)
    ids, segment, offset = (np.zeros(shape, dtype=np.int64) for _ in range(3))
    blind, weight = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.float32)
    kind = np.full(shape, -1, dtype=np.int64)
    for row, segments in enumerate(rows):
        at = 0
        for number, one in enumerate(segments, start=1):
            size = len(one.ids)
            place = slice(at, at + size)
            ids[row, place], segment[row, place], offset[row, place] = one.ids, number, np.arange(size)
            blind[row, place] = one.kind == "blind"
            if one.kind != "blind":
                weight[row, place] = QUESTION_WEIGHT
            answer = slice(at + one.answer, at + size)
            scale = BLIND_WEIGHT if one.kind == "blind" else 1.0
            weight[row, answer] = scale
            weight[row, at + size - 1] = scale * END_WEIGHT
            kind[row, answer] = KINDS.index(one.kind)
            # The first token of a segment follows the image, not the segment before it.
            weight[row, at] = 0.0
            at += size
    words = np.zeros((len(rows), vocabulary), dtype=np.float32)
    for row, unit in enumerate(units):
        if unit.words:
            words[row, list(unit.words)] = 1 / len(unit.words)
    pixels = np.stack([arrays[unit.part][unit.image] for unit in units])
    return Batch(
        torch.from_numpy(pixels),
        torch.from_numpy(ids),
        torch.from_numpy(segment),
        torch.from_numpy(blind),
        torch.from_numpy(offset),
        torch.from_numpy(weight),
        torch.from_numpy(kind),
        tuple(unit.benchmark for unit in units),
        torch.from_numpy(words),
    )


def frame_ids(tokenizer: Any) -> list[int]:
    """Ids of the text before the image."""
    return list(tokenizer(FRAME)["input_ids"])


def attention(batch: Batch, frame: int, visual: int) -> tuple[Tensor, Tensor]:
    """The mask [B, 1, T, T] (added to the scores) and the positions [B, T] of rows with `visual` image tokens."""
    rows, length = batch.ids.shape
    before = frame + visual
    total = before + length
    segment = torch.cat([torch.full((rows, before), -1), batch.segment], dim=1)
    causal = torch.ones(total, total, dtype=torch.bool).tril()
    same = segment[:, :, None] == segment[:, None, :]
    shared = torch.zeros(rows, total, total, dtype=torch.bool)
    shared[:, :, :frame] = True
    shared[:, :, frame:before] = True
    shared[:, before:, frame:before] = ~batch.blind[:, :, None]
    mask = causal & (same | shared)
    start = torch.where(batch.blind, frame, before)
    positions = torch.cat([torch.arange(before).expand(rows, -1), start + batch.offset], dim=1)
    return torch.where(mask, 0.0, -1e9)[:, None], positions

"""Duplicates among the sampled candidates: images that several sources share, and questions asked twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from cvbench_builder.candidates import Pick
from cvbench_builder.draw import ImageFacts

_NEAR_BITS = 2
"""Difference hashes that differ in up to this many of 64 bits are equal."""


def same_images(facts: dict[str, ImageFacts], files: dict[str, str]) -> dict[str, str]:
    """For each image that is a copy of one in another annotation file, by its bytes or its look, the key of that one.

    `files` has the hash of each image's annotation file. Within one file the image id is the identity. Images without
    texture have no look to compare.
    """
    names = sorted(facts)
    source = {n: f"{n.rsplit('/', 1)[0]}/{files[n]}" for n in names}
    same: dict[str, str] = {}
    by_bytes: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_bytes[facts[name].sha256].append(name)
    for group in by_bytes.values():
        first = group[0]
        for name in group[1:]:
            if source[name] != source[first]:
                same[name] = first
    textured = [n for n in names if 8 <= facts[n].look.bit_count() <= 56]
    looks = np.array([facts[n].look for n in textured], np.uint64)
    sources = np.array([source[n] for n in textured])
    for i, name in enumerate(textured[:-1]):
        near = _bit_counts(looks[i + 1 :] ^ looks[i]) <= _NEAR_BITS
        for j in np.flatnonzero(near & (sources[i + 1 :] != sources[i])).tolist():
            other = textured[i + 1 + j]
            if _shape(facts[name]) == _shape(facts[other]):
                same.setdefault(other, same.get(name, name))
    return same


def _bit_counts(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.asarray(np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1, dtype=np.int64))


def _shape(facts: ImageFacts) -> float:
    return round(facts.width / facts.height, 1)


def repeated_questions(picks: Iterable[tuple[str, Pick, ImageFacts]]) -> set[tuple[str, str]]:
    """(task, hash) of questions that an earlier source already asks about the same image bytes."""
    seen: dict[tuple[str, ...], str] = {}
    repeated = set()
    for task, pick, facts in picks:
        about = (task, *pick.classes, pick.answer, facts.sha256)
        source = f"{pick.catalog.name}/{pick.catalog.split}"
        if seen.setdefault(about, source) != source:
            repeated.add((task, pick.hash))
    return repeated

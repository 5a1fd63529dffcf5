"""Which absent classes zero questions ask about: a random one, a popular one, and one that often occurs together
with what the image shows (the three kinds of negatives of POPE).

Never a class that is present in any form (whole, part, crowd, the annotator's own word), nor a synonym, hypernym or
hyponym of one. Inside a pool the choice is by hash, so another image in the source changes a choice only if it
changes the pool.
"""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

from cvbench_builder.candidates import pairs_within, spans
from cvbench_builder.catalog import Bools, Catalog, Ints
from cvbench_builder.class_names import singular
from cvbench_builder.tasks.image_objects import Presence

Int32s = NDArray[np.int32]

POPULAR_POOL, ADVERSARIAL_POOL = 10, 5
_CHUNK = 512


def choose(catalog: Catalog, groups: Presence, names: Bools, seed: int) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(image, class, strategy) of the zero questions, at most one per strategy and image.

    Strategies are numbered: 0 adversarial, 1 popular, 2 random.
    """
    shown = names & (np.bincount(groups.class_index, weights=groups.whole, minlength=len(names)) > 0)
    if not shown.any():
        return
    popularity = np.bincount(groups.class_index, minlength=len(names))
    together = _cooccurrence(groups, len(names))
    alias = _aliases(catalog)
    class_hash = np.array([_hash(seed, c.name) for c in catalog.classes], np.uint64)
    image_hash = _hashes(_hash(seed, f"{catalog.name}|{catalog.split}"), catalog.image_id)
    usable = np.flatnonzero(catalog.usable_image)
    popular = np.argsort(-popularity, kind="stable")
    popular = popular[shown[popular]]
    for start in range(0, len(usable), _CHUNK):
        images = usable[start : start + _CHUNK]
        present, company = _present(groups, images, together)
        open_ = shown & ~_forbidden(present, groups.clash_matrix)
        if alias:
            open_ &= ~_alias_hits(alias, images, len(names))
        order = _mix(image_hash[images, None] ^ class_hash)
        for strategy in range(3):
            if strategy == 0:
                rows, chosen = _from_best(np.where(open_, company, 0), order, ADVERSARIAL_POOL)
            elif strategy == 1:
                rows, chosen = _from_first(open_, popular, order, POPULAR_POOL)
            else:
                rows, chosen = _first_by_hash(open_, order)
            open_[rows, chosen] = False  # asked once per image
            yield images[rows], chosen, np.full(len(rows), strategy)


def _first_by_hash(pool: Bools, order: NDArray[np.uint64]) -> tuple[Ints, Ints]:
    """The rows whose pool is not empty, and the class of each that its hash puts first."""
    rows = np.flatnonzero(pool.any(axis=1))
    return rows, np.where(pool, order, np.iinfo(np.uint64).max).argmin(axis=1)[rows]


def _from_best(score: Int32s, order: NDArray[np.uint64], size: int) -> tuple[Ints, Ints]:
    """Rows and classes as in `_first_by_hash`; the pool has the `size` highest of the scores above 0.

    Equal scores go to the lower class number. `score` is overwritten.
    """
    every = np.arange(len(score))
    best = np.zeros((len(score), min(size, score.shape[1])), np.int64)
    pool = np.zeros(best.shape, bool)
    for k in range(best.shape[1]):  # a few maxima take less time than a partition
        best[:, k] = score.argmax(axis=1)
        pool[:, k] = score[every, best[:, k]] > 0
        score[every, best[:, k]] = 0
    rows, place = _first_by_hash(pool, order[every[:, None], best])
    return rows, best[rows, place]


def _from_first(open_: Bools, classes: Ints, order: NDArray[np.uint64], size: int) -> tuple[Ints, Ints]:
    """Rows and classes as in `_first_by_hash`; the pool has the first `size` of these classes that are open."""
    # every row has its pool among so many classes
    classes = classes[: size + len(classes) - int(np.count_nonzero(open_, axis=1).min())]
    pool = open_[:, classes]
    pool &= np.cumsum(pool, axis=1, dtype=np.int32) <= size
    rows, place = _first_by_hash(pool, order[:, classes])
    return rows, classes[place]


def _hash(seed: int, name: str) -> int:
    return int.from_bytes(blake2b(f"{seed}|{name}".encode(), digest_size=8).digest(), "little")


def _hashes(start: int, names: NDArray[np.str_]) -> NDArray[np.uint64]:
    """A hash of each name (FNV-1a over its characters, all names at once), whatever the width of the column."""
    letters = np.ascontiguousarray(names).view(np.uint32).reshape(len(names), -1).astype(np.uint64)
    value = np.full(len(names), start, np.uint64)
    with np.errstate(over="ignore"):
        for column in letters.T:
            value = np.where(column, (value ^ column) * np.uint64(0x100000001B3), value)
    return _mix(value)


def _mix(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """splitmix64: spreads the exclusive or of two hashes evenly."""
    with np.errstate(over="ignore"):
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(value ^ (value >> np.uint64(31)))


def _cooccurrence(groups: Presence, n: int) -> Int32s:
    """[n, n]: in how many images two classes occur together."""
    counts = np.zeros(n * n, np.int64)
    step = 200_000
    for start in range(0, len(groups.image), step):
        rows = slice(start, start + step)
        a, b = pairs_within(groups.image[rows], groups.image)
        counts += np.bincount(groups.class_index[rows][a] * n + groups.class_index[b], minlength=n * n)
    return counts.reshape(n, n).astype(np.int32)


def _present(groups: Presence, images: Ints, together: Int32s) -> tuple[Bools, Int32s]:
    """Per image and class: whether it is present, and how often it occurs together with those that are."""
    low, high = np.searchsorted(groups.image, [images[0], images[-1] + 1])
    place, class_index = groups.image[low:high] - images[0], groups.class_index[low:high]
    shape = (int(images[-1] - images[0]) + 1, len(together))
    present, company = np.zeros(shape, bool), np.zeros(shape, np.int32)
    present[place, class_index] = True
    # images show few classes: adding the first, second, ... class of all images is faster than a product of matrices
    starts, lengths = spans(place)
    most_first = np.argsort(-lengths)
    starts, total = starts[most_first], np.zeros((len(starts), len(together)), np.int32)
    for k in range(int(lengths.max(initial=0))):
        more = np.count_nonzero(lengths > k)
        total[:more] += np.take(together, class_index[starts[:more] + k], axis=0)
    company[place[starts]] = total
    rows = images - images[0]
    return np.take(present, rows, axis=0), np.take(company, rows, axis=0)


def _forbidden(present: Bools, clash: Bools) -> Bools:
    forbidden = present.copy()
    for index in np.flatnonzero(clash.any(axis=1)).tolist():
        forbidden[:, index] |= present[:, clash[index]].any(axis=1)
    return forbidden


def _aliases(catalog: Catalog) -> list[tuple[int, int]]:
    """(image, class) where an annotator's own word is a name of another class."""
    by_name: dict[str, list[int]] = {}
    for i, item in enumerate(catalog.classes):
        for name in {singular(s) for s in item.synonyms}:
            by_name.setdefault(name, []).append(i)
    rows = np.flatnonzero(catalog.object_alias != "")
    return sorted(
        {
            (int(catalog.object_image[r]), k)
            for r in rows.tolist()
            for k in by_name.get(singular(str(catalog.object_alias[r])), ())
        }
    )


def _alias_hits(alias: list[tuple[int, int]], images: Ints, n: int) -> Bools:
    hits = np.zeros((len(images), n), bool)
    place = {int(image): i for i, image in enumerate(images.tolist())}
    for image, index in alias:
        if image in place:
            hits[place[image], index] = True
    return hits

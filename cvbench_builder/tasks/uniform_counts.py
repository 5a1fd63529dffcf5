"""Sampling Count rows whose answer is uniform given the options: complete windows of one class.

A window of four (or three) consecutive values takes one row of each value, all about one class, from different
images. So each of its values is the answer equally often, and neither the options nor the class say which.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable

from cvbench_builder.candidates import Pick
from cvbench_builder.count_options import SIZES
from cvbench_builder.task import SampledRows

Waiting = dict[int, list[Pick]]
"""The rows of one class that are left, by their answer."""


def choose(
    wanted: dict[str, int],
    picks: list[Pick],
    zero_share: float,
    permits: Callable[[Pick], bool],
    take: Callable[[Pick], None],
) -> SampledRows:
    """Complete windows for each source, from picks in hash order; classes and windows take turns."""
    chosen: list[Pick] = []
    short: dict[str, tuple[int, int]] = {}
    missing: Counter[int] = Counter()
    for source, total in sorted(wanted.items()):
        words: dict[str, Waiting] = defaultdict(lambda: defaultdict(list))
        for pick in picks:
            if pick.catalog.source == source:
                words[pick.classes[0]][int(pick.answer)].append(pick)
        taken: Counter[str] = Counter()
        used: Counter[int] = Counter()
        got: list[Pick] = []
        open_words = set(words)
        while open_words and len(got) + SIZES[-1] <= total:
            word = min(open_words, key=lambda w: (taken[w], w))
            zeros = sum(p.answer == "0" for p in got)
            sizes = [n for n in SIZES if len(got) + n <= total]
            low = 0 if zeros + 1 <= zero_share * (len(got) + sizes[-1]) + 1e-9 else 1
            bundle = _bundle(words[word], low, sizes, used, permits)
            if bundle is None:
                open_words.discard(word)
                if low == 0:
                    missing.update(_missing(words[word]))
                continue
            for pick in bundle:
                words[word][int(pick.answer)].remove(pick)
                take(pick)
            got += bundle
            taken[word] += len(bundle)
            used[min(int(p.answer) for p in bundle)] += 1
        chosen += got
        if len(got) < total:
            short[source] = (total, len(got))
    values = ", ".join(str(value) for value, _ in missing.most_common(3))
    lacking = f"with the answer {values}" if short and values else ""
    return SampledRows(sorted(chosen, key=lambda p: p.hash), short, lacking)


def _bundle(
    waiting: Waiting, low: int, sizes: list[int], used: Counter[int], permits: Callable[[Pick], bool]
) -> list[Pick] | None:
    """One row of each value of a window, the least used window first; rows without a place are removed."""
    firsts = sorted((v for v in waiting if v >= low), key=lambda v: (used[v], v))
    for size, first in ((size, first) for size in sizes for first in firsts):
        found: list[Pick] = []
        for value in range(first, first + size):
            own = waiting.get(value)
            images = {p.image for p in found}
            if own:
                own[:] = [p for p in own if permits(p)]
            pick = next((p for p in own or () if p.image not in images), None)
            if pick is None:
                break
            found.append(pick)
        else:
            return found
    return None


def _missing(waiting: Waiting) -> list[int]:
    """The smallest value that the rows left would need for another window."""
    have = {v for v, own in waiting.items() if own}
    if not have - {0}:
        return []
    first = min(have)
    return [next(v for v in range(first, first + SIZES[-1] + 1) if v not in have)]

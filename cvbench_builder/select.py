"""Drawing the rows: quota cells, caps, priors, all in hash order.

The draw is a deterministic round robin over the cells of a task. It never fills a cell from
another one: what is lacking is returned as a shortfall and printed.
"""

from __future__ import annotations

import math
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cvbench_builder import candidates as cands
from cvbench_builder.candidates import ABOVE, OPPOSITE, Soft, Table
from cvbench_builder.catalog import Catalog
from cvbench_builder.settings import VALUE_QUOTAS, ZERO_STRATEGIES, Settings

_SMALL = 4
"""Up to this many rows a pair or class may be one-sided; above, its answers are balanced."""
_REFILLS = 20
_TRIM_FROM = 20
"""The shortcut cap is a share; below this many rows it would be noise."""
_ZERO_MARKS = {Soft.ZERO_RANDOM: "random", Soft.ZERO_POPULAR: "popular", Soft.ZERO_ADVERSARIAL: "adversarial"}


@dataclass(frozen=True, slots=True)
class Pick:
    """One candidate with everything the draw looks at."""

    hash: str
    catalog: Catalog
    table: Table
    row: int
    cell: str
    image: str
    """Identity of the image across catalogs; duplicates of an image share it."""
    scene: str
    frame: int
    classes: tuple[str, ...]
    answer: str
    """Of Count the value, of Relation the word, else the class that is nearer."""
    shortcuts: tuple[bool, ...] = ()
    """Whether the larger box, and the box with the lower edge, is the answer (Depth)."""


@dataclass
class Outcome:
    """What the draw of one task came to."""

    picks: list[Pick]
    shortfalls: dict[str, tuple[int, int]]
    """Cell -> (wanted, got), where got is less."""


def picks_of(catalog: Catalog, t: Table, settings: Settings) -> list[Pick]:
    """A pick for each candidate of the table, its hash from the seed, in the order of the table."""
    hashes = cands.order(catalog, t, settings.seed)
    return [_pick(catalog, t, row, mark) for row, mark in enumerate(hashes)]


def _pick(catalog: Catalog, t: Table, row: int, mark: str) -> Pick:
    image = int(t.image[row])
    objects = [int(o) for o in t.objects[row] if o >= 0]
    answer = int(t.answer[row])
    shortcuts: tuple[bool, ...] = ()
    if t.task == "Count":
        classes: tuple[str, ...] = (catalog.classes[int(t.kind[row])].name,)
        cell = f"{catalog.source} {band(answer)}{_zero_strategy(int(t.soft[row]))}"
        word = str(answer)
    else:
        classes = tuple(catalog.classes[int(catalog.object_class[o])].name for o in objects)
        if t.task == "Relation":
            word = cands.WORDS[answer]
            cell = f"{catalog.source} {word}"
        else:
            pair = objects[-2:]
            word = classes[-2:][answer]
            cell = catalog.component
            shortcuts = box_shortcuts([catalog.object_box[o].tolist() for o in pair], answer)
    # there can be a million picks: strings they have in common are kept once
    key, cell, word = (sys.intern(s) for s in (image_key(catalog, image), cell, word))
    scene = f"{catalog.name}/{catalog.image_scene[image]}" if int(catalog.image_frame[image]) >= 0 else ""
    return Pick(mark, catalog, t, row, cell, key, sys.intern(scene), int(catalog.image_frame[image]),
                classes, word, shortcuts)  # fmt: skip


def image_key(catalog: Catalog, image: int) -> str:
    """Source or component, split and id: different for every image of every catalog."""
    return f"{catalog.name}/{catalog.split}/{catalog.image_id[image]}"


def band(value: int) -> str:
    """The quota band of a count: alone below 5, then 5-10, then the rest."""
    return str(value) if value < 5 else "5-10" if value <= 10 else ">10"


def _zero_strategy(soft: int) -> str:
    return "".join(f" {name}" for mark, name in _ZERO_MARKS.items() if soft & int(mark))


def box_shortcuts(boxes: list[list[float]], answer: int) -> tuple[bool, bool]:
    """Does "the larger box", and "the box that reaches lower", name the answer."""
    size = [(b[2] - b[0]) * (b[3] - b[1]) for b in boxes]
    return size[answer] > size[1 - answer], boxes[answer][3] > boxes[1 - answer][3]


def quotas(task: str, settings: Settings, sources: Iterable[str]) -> dict[str, int]:
    """Rows wanted per cell."""
    total = settings.size(task) or 0
    sources = sorted(set(sources))
    if task in ("Depth", "Distance"):
        return _parts(total, {s: 1.0 for s in sources})
    share = {s: 1.0 for s in sources}
    if set(sources) == {"ADE20K", "COCO"}:
        share = {"ADE20K": settings.ade20k_share, "COCO": 1 - settings.ade20k_share}
    cells: dict[str, int] = {}
    for source, wanted in _parts(total, share).items():
        if task == "Relation":
            within = {f"{source} {w}": 1.0 for w in cands.WORDS}
        else:
            scale = (1 - settings.zero_share) / sum(q for v, q in VALUE_QUOTAS if v != "0")
            within = {f"{source} {v}": q * scale for v, q in VALUE_QUOTAS if v != "0"}
            within |= {f"{source} 0 {z}": settings.zero_share / len(ZERO_STRATEGIES) for z in ZERO_STRATEGIES}
        cells |= _parts(wanted, within)
    return cells


def _parts(total: int, shares: dict[str, float]) -> dict[str, int]:
    """Whole numbers in proportion to the shares that add up to the total (largest remainders)."""
    weight = sum(shares.values())
    if not weight:
        return {k: 0 for k in shares}
    exact = {k: total * v / weight for k, v in shares.items()}
    parts = {k: int(v + 1e-9) for k, v in exact.items()}
    by_remainder = sorted(shares, key=lambda k: (-(exact[k] - parts[k]), k))
    for k in by_remainder[: total - sum(parts.values())]:
        parts[k] += 1
    return parts


def everything(task: str, picks: list[Pick], settings: Settings) -> Outcome:
    """All valid candidates in hash order; zero questions stay within their share."""
    chosen = sorted(picks, key=lambda p: p.hash)
    if task == "Count":
        zero = [p for p in chosen if p.answer == "0"]
        rest = [p for p in chosen if p.answer != "0"]
        kept = _even(zero, zero_room(len(rest), len(zero), settings))
        chosen = sorted([*rest, *kept], key=lambda p: p.hash)
    return Outcome(chosen, {})


def _even(picks: list[Pick], room: int) -> list[Pick]:
    """So many of the picks, cells in turn."""
    queues: dict[str, list[Pick]] = defaultdict(list)
    for pick in picks:
        queues[pick.cell].append(pick)
    kept: list[Pick] = []
    place = 0
    while len(kept) < room and any(place < len(q) for q in queues.values()):
        for name in sorted(queues):
            if place < len(queues[name]) and len(kept) < room:
                kept.append(queues[name][place])
        place += 1
    return kept


@dataclass
class _State:
    """Counts the caps look at; a row that is taken back is subtracted again."""

    settings: Settings
    task: str
    total: int
    images: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, ...]] = field(default_factory=Counter)
    image_pairs: Counter[tuple[str, ...]] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    scenes: Counter[str] = field(default_factory=Counter)
    frames: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[tuple[str, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    shortcuts: Counter[tuple[str, int, bool]] = field(default_factory=Counter)

    def add(self, pick: Pick, sign: int) -> None:
        self.images[pick.image] += sign
        self.scenes[pick.scene] += sign
        if sign > 0:
            self.frames[pick.scene].append(pick.frame)
        else:
            self.frames[pick.scene].remove(pick.frame)
        self.classes[pick.classes[0]] += sign
        self.pairs[_pair(pick)] += sign
        self.image_pairs[(pick.image, *_pair(pick))] += sign
        for group, answer in prior_groups(self.task, pick):
            self.answers[group][answer] += sign
        for i, solved in enumerate(pick.shortcuts):
            self.shortcuts[(pick.cell, i, solved)] += sign

    def admits(self, pick: Pick, quota: int, refill: bool) -> bool:
        s = self.settings
        if self.images[pick.image] >= dict(s.per_image)[self.task]:
            return False
        if pick.scene and not self._scene_admits(pick):
            return False
        if self.task in ("Count", "Relation") and self.classes[pick.classes[0]] >= _cap(s.class_share, self.total):
            return False
        if self.task != "Count":
            if self.pairs[_pair(pick)] >= _cap(s.pair_share, self.total):
                return False
            if self.image_pairs[(pick.image, *_pair(pick))]:
                return False
        if self.task == "Depth":
            limit = _cap(s.shortcut_cap, quota)
            if any(self.shortcuts[(pick.cell, i, v)] >= limit for i, v in enumerate(pick.shortcuts)):
                return False
        return all(self._balanced(g, a, refill) for g, a in prior_groups(self.task, pick))

    def _scene_admits(self, pick: Pick) -> bool:
        near = self.settings.min_frame_distance
        if self.scenes[pick.scene] >= self.settings.per_scene:
            return False
        return all(abs(pick.frame - f) >= near or f == pick.frame for f in self.frames[pick.scene])

    def _balanced(self, group: tuple[str, ...], answer: str, refill: bool) -> bool:
        counts = self.answers[group]
        mine, total = counts[answer] + 1, counts.total() + 1
        if total <= _SMALL:
            return True
        if refill:
            return False
        if self.task == "Count":
            return mine <= max(self.settings.value_share * (total + 1), 2)
        return mine <= (total - mine) + 1


def _cap(share: float, total: int) -> int:
    return max(1, int(share * total))


def _pair(pick: Pick) -> tuple[str, ...]:
    return tuple(sorted(pick.classes[-2:]))


def prior_groups(task: str, pick: Pick) -> list[tuple[tuple[str, ...], str]]:
    """What a guesser could learn a habit for: (group, answer within it)."""
    if task == "Count":
        return [(("class", pick.classes[0]), pick.answer)]
    if task == "Relation":
        a, b = pick.classes
        axis = "x" if cands.WORDS.index(pick.answer) < ABOVE else "y"
        forward = pick.answer in ("left", "above")
        # the same fact told from either side is one prior
        fact = forward if a <= b else not forward
        return [(("pair", *_pair(pick), axis), str(fact)), (("ordered", a, b, axis), pick.answer)]
    groups = [(("pair", *_pair(pick)), pick.answer)]
    if task == "Distance":
        groups.append((("triple", pick.classes[0], *_pair(pick)), pick.answer))
    return groups


def draw(task: str, picks: list[Pick], settings: Settings, sources: Iterable[str]) -> Outcome:
    """Fill the quota cells of a task."""
    cells = quotas(task, settings, sources)
    state = _State(settings, task, settings.size(task) or 0)
    queues: dict[str, list[Pick]] = {cell: [] for cell in cells}
    for pick in sorted(picks, key=lambda p: p.hash):
        if pick.cell in queues:
            queues[pick.cell].append(pick)
    taken: dict[str, list[Pick]] = {cell: [] for cell in cells}
    dropped: set[str] = set()
    _fill(cells, queues, taken, dropped, lambda p, q: state.admits(p, q, False), state)
    rounds = 0
    while cut := _to_cut(task, taken, settings):
        for pick in cut:
            taken[pick.cell].remove(pick)
            state.add(pick, -1)
            dropped.add(pick.hash)
        rounds += 1
        if rounds < _REFILLS:  # then only cutting goes on, which ends
            _fill(cells, queues, taken, dropped, lambda p, q: state.admits(p, q, True), state)
    chosen = sorted((p for rows in taken.values() for p in rows), key=lambda p: p.hash)
    short = {c: (n, len(taken[c])) for c, n in cells.items() if len(taken[c]) < n}
    return Outcome(chosen, short)


def _to_cut(task: str, taken: dict[str, list[Pick]], settings: Settings) -> list[Pick]:
    cut = [*_unbalanced(task, taken, settings), *_over_shortcut(task, taken, settings), *_over_word(task, taken)]
    cut += _over_zero(task, taken, settings)
    return list({p.hash: p for p in cut}.values())


def _fill(
    cells: dict[str, int],
    queues: dict[str, list[Pick]],
    taken: dict[str, list[Pick]],
    dropped: set[str],
    admits: Callable[[Pick, int], bool],
    state: _State,
) -> None:
    """Round robin: each cell in turn takes its next admissible candidate until none can."""
    have = {p.hash for rows in taken.values() for p in rows}
    waiting = {c: iter([p for p in queues[c] if p.hash not in have and p.hash not in dropped]) for c in sorted(cells)}
    while waiting:
        for cell in list(waiting):
            if len(taken[cell]) >= cells[cell]:
                del waiting[cell]
                continue
            for pick in waiting[cell]:
                if admits(pick, cells[cell]):
                    taken[cell].append(pick)
                    state.add(pick, 1)
                    break
            else:
                del waiting[cell]


def _unbalanced(task: str, taken: dict[str, list[Pick]], settings: Settings) -> list[Pick]:
    """The latest rows of groups whose answers are one-sided."""
    groups: dict[tuple[str, ...], dict[str, list[Pick]]] = defaultdict(lambda: defaultdict(list))
    for pick in sorted((p for rows in taken.values() for p in rows), key=lambda p: p.hash):
        for group, answer in prior_groups(task, pick):
            groups[group][answer].append(pick)
    cut: list[Pick] = []
    for answers in groups.values():
        total = sum(len(rows) for rows in answers.values())
        if total <= _SMALL:
            continue
        largest = max(answers.values(), key=len)
        other_side = max(total - len(largest), _SMALL // 2)
        allowed = int(settings.value_share * total) if task == "Count" else other_side
        cut.extend(largest[allowed:])
    return cut


def _over_word(task: str, taken: dict[str, list[Pick]]) -> list[Pick]:
    """Relation: the words of an axis differ by at most one row in each source, since word is letter."""
    cut: list[Pick] = []
    for cell, rows in taken.items() if task == "Relation" else ():
        source, _, word = cell.rpartition(" ")
        other = taken[f"{source} {OPPOSITE[word]}"]
        cut.extend(sorted(rows, key=lambda p: p.hash)[len(other) + 1 :])
    return cut


def _over_zero(task: str, taken: dict[str, list[Pick]], settings: Settings) -> list[Pick]:
    """Count: zero questions above their share of the rows that are there, not of those wanted."""
    if task != "Count":
        return []
    zero = [p for rows in taken.values() for p in rows if p.answer == "0"]
    room = zero_room(sum(len(rows) for rows in taken.values()) - len(zero), len(zero), settings)
    kept = {p.hash for p in _even(sorted(zero, key=lambda p: p.hash), room)}
    return [p for p in zero if p.hash not in kept]


def zero_room(others: int, zeros: int, settings: Settings) -> int:
    """How many zero questions go with so many others; a set of nothing else may keep a few."""
    share = settings.zero_share
    if share >= 1:
        return zeros
    # rounded up: quotas are rounded too
    return max(math.ceil(others * share / (1 - share) - 1e-9), min(zeros, 3) if share and not others else 0)


def _over_shortcut(task: str, taken: dict[str, list[Pick]], settings: Settings) -> list[Pick]:
    """Rows above the share that one look at the drawn boxes may solve."""
    if task != "Depth":
        return []
    for rows in (*taken.values(), [p for members in taken.values() for p in members]):
        if len(rows) < _TRIM_FROM:
            continue
        for i in range(2):
            for solved in (True, False):
                members = [p for p in rows if p.shortcuts[i] is solved]
                rest = len(rows) - len(members)
                allowed = int(settings.shortcut_cap * rest / max(1 - settings.shortcut_cap, 1e-9))
                allowed = max(allowed, int(settings.shortcut_cap * _TRIM_FROM))
                if len(members) > allowed:
                    return sorted(members, key=lambda p: p.hash)[allowed:]
    return []

"""Sampling the rows of a task: quota cells, limits, balanced answers, all in hash order.

Sampling is a deterministic round robin over the cells of a task. It never fills a cell from another one: what is
missing is returned as a shortfall and printed.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from cvbench_builder import balance
from cvbench_builder.candidates import CandidateTable, Pick, image_key
from cvbench_builder.catalog import Catalog
from cvbench_builder.settings import BuildSettings, SamplingRules
from cvbench_builder.task import SampledRows, Task

_SMALL = 4
"""Up to this many rows a pair or class may be one-sided; above, its answers are balanced."""
_REFILLS = 20
_TRIM_FROM = 20
"""The limit on shortcuts is a share; below this many rows it would be noise."""


def picks_of(task: Task, catalog: Catalog, table: CandidateTable, seed: int) -> list[Pick]:
    """A pick for each candidate of the table, its hash from the seed, in the order of the table."""
    hashes = task.hashes(catalog, table, seed)
    return [_pick(task, catalog, table, row, own) for row, own in enumerate(hashes)]


def _pick(task: Task, catalog: Catalog, table: CandidateTable, row: int, own_hash: str) -> Pick:
    image = int(table.image[row])
    frame = int(catalog.image_frame[image])
    profile = task.profile(catalog, table, row)
    return Pick(
        hash=own_hash,
        catalog=catalog,
        table=table,
        row=row,
        # there can be a million picks: strings they have in common are kept once
        cell=sys.intern(profile.cell),
        image=sys.intern(image_key(catalog, image)),
        scene=sys.intern(f"{catalog.name}/{catalog.image_scene[image]}") if frame >= 0 else "",
        frame=frame,
        classes=profile.classes,
        answer=sys.intern(profile.answer),
        shortcuts=profile.shortcuts,
    )


def take_all(task: Task, picks: list[Pick], settings: BuildSettings) -> SampledRows:
    """All valid candidates in hash order, except those above a share that always holds."""
    over = {p.hash for p in task.excess(picks, settings)}
    return SampledRows(sorted((p for p in picks if p.hash not in over), key=lambda p: p.hash), {})


def sample(task: Task, picks: list[Pick], settings: BuildSettings, sources: Iterable[str]) -> SampledRows:
    """Fill the quota cells of a task."""
    if settings[SamplingRules].balance and (found := _balanced(task, picks, settings, sorted(set(sources)))):
        return found
    cells = task.quotas(settings.size(task.name) or 0, sorted(set(sources)), settings)
    limits = _Limits(task, settings)
    queues: dict[str, list[Pick]] = {cell: [] for cell in cells}
    for pick in sorted(picks, key=lambda p: p.hash):
        if pick.cell in queues:
            queues[pick.cell].append(pick)
    taken: dict[str, list[Pick]] = {cell: [] for cell in cells}
    dropped: set[str] = set()
    _fill(cells, queues, taken, dropped, lambda p, q: limits.admits(p, q, refill=False), limits)
    rounds = 0
    while cut := _to_cut(task, taken, settings):
        for pick in cut:
            taken[pick.cell].remove(pick)
            limits.add(pick, -1)
            dropped.add(pick.hash)
        rounds += 1
        if rounds < _REFILLS:  # afterwards rows are only removed, so that this ends
            _fill(cells, queues, taken, dropped, lambda p, q: limits.admits(p, q, refill=True), limits)
    chosen = sorted((p for rows in taken.values() for p in rows), key=lambda p: p.hash)
    short = {c: (n, len(taken[c])) for c, n in cells.items() if len(taken[c]) < n}
    return SampledRows(chosen, short)


def _balanced(task: Task, picks: list[Pick], settings: BuildSettings, sources: list[str]) -> SampledRows | None:
    """The rows that no clue solves, as many as there are up to the quotas; None for a task that names no clues."""
    ordered = sorted(picks, key=lambda p: p.hash)
    limits = _Limits(task, settings)
    own = task.choose(ordered, sources, settings, limits.permits, limits.add)
    if own is not None or not any(task.sides(p) for p in ordered[:1]):
        return own
    cells = task.quotas(settings.size(task.name) or 0, sources, settings)
    found = balance.choose(cells, ordered, task.sides, limits.permits, limits.add)
    got = Counter(p.cell for p in found.picks)
    short = {c: (n, got[c]) for c, n in cells.items() if got[c] < n}
    return SampledRows(sorted(found.picks, key=lambda p: p.hash), short, found.lacking if short else "")


@dataclass
class _Limits:
    """Counts of the rows taken so far, and what they permit."""

    task: Task
    settings: BuildSettings
    images: Counter[str] = field(default_factory=Counter)
    pairs: Counter[tuple[str, ...]] = field(default_factory=Counter)
    image_pairs: Counter[tuple[str, ...]] = field(default_factory=Counter)
    classes: Counter[str] = field(default_factory=Counter)
    scenes: Counter[str] = field(default_factory=Counter)
    frames: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    answers: dict[tuple[str, ...], Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    shortcuts: Counter[tuple[str, int, bool]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        rules = self.settings[SamplingRules]
        total = self.settings.size(self.task.name) or 0
        self.rules = rules
        self.per_image = 1 if rules.one_row_per_image else self.task.rows_per_image
        self.per_class = _limit(rules.class_share, total) if self.task.limits_classes else None
        self.per_pair = _limit(rules.pair_share, total) if self.task.limits_pairs else None
        self.shortcut_share = self.task.shortcut_share(self.settings)
        self.answer_share = self.task.answer_share(self.settings)

    def add(self, pick: Pick, sign: int = 1) -> None:
        self.images[pick.image] += sign
        self.scenes[pick.scene] += sign
        if sign > 0:
            self.frames[pick.scene].append(pick.frame)
        else:
            self.frames[pick.scene].remove(pick.frame)
        self.classes[pick.classes[0]] += sign
        self.pairs[_pair(pick)] += sign
        self.image_pairs[(pick.image, *_pair(pick))] += sign
        for group, answer in self.task.priors(pick.classes, pick.answer):
            self.answers[group][answer] += sign
        for i, solved in enumerate(pick.shortcuts):
            self.shortcuts[(pick.cell, i, solved)] += sign

    def permits(self, pick: Pick) -> bool:
        """Whether the limits on images, scenes, classes and pairs permit the row; they never relax."""
        if self.images[pick.image] >= self.per_image:
            return False
        if pick.scene and not self._scene_admits(pick):
            return False
        if self.per_class is not None and self.classes[pick.classes[0]] >= self.per_class:
            return False
        if self.per_pair is not None:
            if self.pairs[_pair(pick)] >= self.per_pair:
                return False
            if self.image_pairs[(pick.image, *_pair(pick))]:
                return False
        return True

    def admits(self, pick: Pick, quota: int, *, refill: bool) -> bool:
        if not self.permits(pick):
            return False
        if self.shortcut_share is not None:
            limit = _limit(self.shortcut_share, quota)
            if any(self.shortcuts[(pick.cell, i, v)] >= limit for i, v in enumerate(pick.shortcuts)):
                return False
        return all(self._balanced(g, a, refill) for g, a in self.task.priors(pick.classes, pick.answer))

    def _scene_admits(self, pick: Pick) -> bool:
        near = self.rules.min_frame_distance
        if self.scenes[pick.scene] >= self.rules.per_scene:
            return False
        return all(abs(pick.frame - f) >= near or f == pick.frame for f in self.frames[pick.scene])

    def _balanced(self, group: tuple[str, ...], answer: str, refill: bool) -> bool:
        counts = self.answers[group]
        own, total = counts[answer] + 1, counts.total() + 1
        if total <= _SMALL:
            return True
        if refill:
            return False
        if self.answer_share is not None:
            return own <= max(self.answer_share * (total + 1), 2)
        return own <= (total - own) + 1


def _limit(share: float, total: int) -> int:
    return max(1, int(share * total))


def _pair(pick: Pick) -> tuple[str, ...]:
    return tuple(sorted(pick.classes[-2:]))


def _to_cut(task: Task, taken: dict[str, list[Pick]], settings: BuildSettings) -> list[Pick]:
    cut = _one_sided(task, taken, settings) + _over_shortcut(taken, task.shortcut_share(settings))
    cut += task.unbalanced(taken, settings) + task.excess([p for rows in taken.values() for p in rows], settings)
    return list({p.hash: p for p in cut}.values())


def _fill(
    cells: dict[str, int],
    queues: dict[str, list[Pick]],
    taken: dict[str, list[Pick]],
    dropped: set[str],
    admits: Callable[[Pick, int], bool],
    limits: _Limits,
) -> None:
    """Round robin: each cell in turn takes its next permitted candidate until none can."""
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
                    limits.add(pick, 1)
                    break
            else:
                del waiting[cell]


def _one_sided(task: Task, taken: dict[str, list[Pick]], settings: BuildSettings) -> list[Pick]:
    """The last rows of groups in which one answer is too frequent."""
    share = task.answer_share(settings)
    groups: dict[tuple[str, ...], dict[str, list[Pick]]] = defaultdict(lambda: defaultdict(list))
    for pick in sorted((p for rows in taken.values() for p in rows), key=lambda p: p.hash):
        for group, answer in task.priors(pick.classes, pick.answer):
            groups[group][answer].append(pick)
    cut: list[Pick] = []
    for answers in groups.values():
        total = sum(len(rows) for rows in answers.values())
        if total <= _SMALL:
            continue
        largest = max(answers.values(), key=len)
        other_side = max(total - len(largest), _SMALL // 2)
        allowed = int(share * total) if share is not None else other_side
        cut.extend(largest[allowed:])
    return cut


def _over_shortcut(taken: dict[str, list[Pick]], share: float | None) -> list[Pick]:
    """Rows above the share that a look at the drawn boxes may solve."""
    if share is None:
        return []
    for rows in (*taken.values(), [p for members in taken.values() for p in members]):
        if len(rows) < _TRIM_FROM:
            continue
        for i in range(len(rows[0].shortcuts)):
            for solved in (True, False):
                members = [p for p in rows if p.shortcuts[i] is solved]
                rest = len(rows) - len(members)
                allowed = int(share * rest / max(1 - share, 1e-9))
                allowed = max(allowed, int(share * _TRIM_FROM))
                if len(members) > allowed:
                    return sorted(members, key=lambda p: p.hash)[allowed:]
    return []

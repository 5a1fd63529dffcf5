"""Dividing rows among cells: whole numbers in proportion, and turns between queues."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from cvbench_builder.candidates import Pick


def split(total: int, shares: Mapping[str, float]) -> dict[str, int]:
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


def take_evenly(picks: list[Pick], room: int) -> list[Pick]:
    """The first `room` picks when the cells take turns."""
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

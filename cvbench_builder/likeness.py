"""Whether two sets of CV-Bench rows are alike: distributions of each task side by side, with a verdict.

Two sets that were drawn by the same rules still differ by chance. A property `differs` if its distance (the total
variation of shares, or the largest difference of cumulative shares for sizes) exceeds what random halves of both sets
together show: in 99 % of the permutations it is smaller, and it is larger than their mean by more than `TOLERANCE`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from cvbench_builder.catalog import Floats
from cvbench_builder.stats import answer_place, answer_text, box_area
from cvbench_builder.tasks import task_named

Row = dict[str, Any]
TOLERANCE = 0.1
FEW = 15
"""With fewer values on one side there is no verdict."""
_PERMUTATIONS = 400
_SHOWN = 4


@dataclass(frozen=True)
class Comparison:
    """One property of one task in both sets."""

    task: str
    name: str
    ours: str
    theirs: str
    distance: float
    by_chance: float
    """Mean distance of random halves."""
    verdict: str
    """`alike`, `differs`, or `too few rows`."""


def compare(ours: list[Row], theirs: list[Row]) -> list[Comparison]:
    """Every property of every task that both sets have."""
    found = []
    for task in dict.fromkeys(r["task"] for r in theirs):
        a, b = ([r for r in rows if r["task"] == task] for rows in (ours, theirs))
        if not a:
            continue
        found += [_categories(task, name, a, b, of) for name, of in _CATEGORIES.items()]
        found += [_sizes(task, "box side, px", [s for r in a for s in _sides(r)], [s for r in b for s in _sides(r)])]
    return [c for c in found if c is not None]


def lines(ours: list[Row], theirs: list[Row], comparisons: list[Comparison]) -> list[str]:
    """The comparisons as a table, and a verdict for each task."""
    out: list[str] = []
    for task in dict.fromkeys(r["task"] for r in theirs):
        a, b = (sum(r["task"] == task for r in rows) for rows in (ours, theirs))
        out.append(f"{task}: {a} rows against {b}")
        own = [c for c in comparisons if c.task == task]
        for c in own:
            out.append(f"  {c.name:<13} {c.verdict:<13} distance {c.distance:.2f} (by chance {c.by_chance:.2f})")
            out += [f"      {'ours':<7} {c.ours}", f"      {'theirs':<7} {c.theirs}"]
        out.append(f"  verdict: {_verdict(task, own)}")
    return out


def _verdict(task: str, own: list[Comparison]) -> str:
    if not own:
        return f"the first set has no rows of {task}"
    differ = [c.name for c in own if c.verdict == "differs"]
    unknown = [c.name for c in own if c.verdict == "too few rows"]
    if len(unknown) == len(own):
        return "too few rows"
    text = f"differs in {', '.join(differ)}" if differ else "alike"
    return text + (f"; too few rows for {', '.join(unknown)}" if unknown else "")


# ---- properties


def _classes(row: Row) -> list[str]:
    """As the question says them: published rows carry them nowhere else."""
    return task_named(row["task"]).classes_in(row)


def _answer(row: Row) -> list[str]:
    text = answer_text(row)
    return [text] if text.isdigit() or text in ("left", "right", "above", "below") else [f"option {row['answer']}"]


def _options(row: Row) -> list[str]:
    if not all(c.isdigit() for c in row["choices"]):
        return ["in the order of the question" if row["choices"] == _classes(row)[-2:] else "/".join(row["choices"])]
    n, values = int(answer_text(row)), {int(c) for c in row["choices"]}
    window = {0, *range(max(n - 2, 0), n + 3)} | ({3} if n < 2 else set())
    return ["n-2 to n+2 and 0" if values == window else "other values"]


def _place(row: Row) -> list[str]:
    """The rank of the answer among the options, which a guesser of the middle uses."""
    if not all(c.isdigit() for c in row["choices"]):
        return []
    ranked = sorted(int(c) for c in row["choices"])
    return [f"rank {ranked.index(int(row['choices'][answer_place(row)])) + 1} of {len(ranked)}"]


def _markers(row: Row) -> list[str]:
    """How often a marked object names its box."""
    mentions = len(re.findall(r"\(annotated by [^)]* box\)", row["question"]))
    return [f"box named {mentions} times" if mentions > 1 else "box named once"] if mentions else []


def _marked(row: Row) -> list[str]:
    marked = "(annotated by" in row["question"]
    return ["with a box" if marked else "without a box"] if row["task"] == "Relation" else []


def _wording(row: Row) -> list[str]:
    text = row["question"]
    for i, name in enumerate(_classes(row)):
        text = re.sub(rf"(the|many) {re.escape(name)}(?!\w)", rf"\1 <{i + 1}>", text)
    return [re.sub(r" \(annotated by [^)]*\)", "", text)]


def _plural(row: Row) -> list[str]:
    if row["task"] != "Count":
        return []
    name = _classes(row)[0]
    return [re.sub(r".*?(ss|ys|chs|shs|xs|s)$", r"-\1", name) if name.endswith("s") else "without s"]


def _component(row: Row) -> list[str]:
    found = re.search(r"/(?:omni3d_)?([A-Za-z0-9-]+)_\d+\.\w+$", str(row.get("filename")))
    return [found.group(1)] if found else [str(row["source"])]


_CATEGORIES: dict[str, Callable[[Row], list[str]]] = {
    "source": _component,
    "classes": _classes,
    "answers": _answer,
    "options": _options,
    "answer's rank": _place,
    "marked": _marked,
    "markers": _markers,
    "wording": _wording,
    "plural": _plural,
}


def _sides(row: Row) -> list[float]:
    """The side of a square as large as each box, or as the object."""
    if row.get("bbox"):
        return [box_area(b) ** 0.5 for b in row["bbox"]]
    return [float(row["target_size"]) ** 0.5] if row.get("target_size") else []


# ---- distances


def _categories(task: str, name: str, a: list[Row], b: list[Row], of: Callable[[Row], list[str]]) -> Comparison | None:
    one, two = [of(r) for r in a], [of(r) for r in b]
    if not any(one) and not any(two):
        return None
    place = {v: i for i, v in enumerate(sorted({v for values in (*one, *two) for v in values}))}
    table = np.zeros((len(a) + len(b), len(place)))
    for i, values in enumerate((*one, *two)):
        for value in values:
            table[i, place[value]] += 1

    def distance(left: Floats, right: Floats) -> float:
        p, q = left.sum(axis=0), right.sum(axis=0)
        return float(np.abs(p / max(p.sum(), 1) - q / max(q.sum(), 1)).sum() / 2)

    return _compared(task, name, _shares(one), _shares(two), table[: len(a)], table[len(a) :], distance)


def _shares(values: list[list[str]]) -> str:
    counts = Counter(v for one in values for v in one)
    total = max(counts.total(), 1)
    ranked = sorted(counts.items(), key=lambda c: (-c[1], c[0]))
    parts = [f"{name} {n / total:.0%}" for name, n in ranked[:_SHOWN]]
    return ", ".join(parts) + (f", and {len(ranked) - _SHOWN} more" if len(ranked) > _SHOWN else "")


def _sizes(task: str, name: str, a: list[float], b: list[float]) -> Comparison | None:
    if not a or not b:
        return None

    def distance(left: Floats, right: Floats) -> float:
        at = np.concatenate([left, right])
        one, two = (np.searchsorted(np.sort(v), at, "right") / len(v) for v in (left, right))
        return float(np.abs(one - two).max())

    return _compared(task, name, _quantiles(a), _quantiles(b), np.array(a), np.array(b), distance)


def _quantiles(values: list[float]) -> str:
    low, median, high = np.quantile(values, [0.1, 0.5, 0.9])
    return f"10 % below {low:.0f}, half below {median:.0f}, 90 % below {high:.0f} (smallest {min(values):.0f})"


def _compared(
    task: str, name: str, ours: str, theirs: str, a: Floats, b: Floats, distance: Callable[[Floats, Floats], float]
) -> Comparison:
    rng = np.random.default_rng(0)
    measured, both = distance(a, b), np.concatenate([a, b])
    chance = []
    for _ in range(_PERMUTATIONS):
        order = rng.permutation(len(both))
        chance.append(distance(both[order[: len(a)]], both[order[len(a) :]]))
    mean = float(np.mean(chance))
    above = measured > np.quantile(chance, 0.99) and measured - mean > TOLERANCE
    verdict = "too few rows" if min(len(a), len(b)) < FEW else "differs" if above else "alike"
    return Comparison(task, name, ours, theirs, measured, mean, verdict)

"""Numbers about a build, from its rows alone."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any

TOP = 20


def statistics(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Rows by cell, and the numbers of each task."""
    tasks = list(dict.fromkeys(r["task"] for r in rows))
    return {
        "rows": len(rows),
        "cells": _cells(rows),
        "tasks": {t: _task([r for r in rows if r["task"] == t]) for t in tasks},
    }


def answer_text(row: dict[str, Any]) -> str:
    """The correct option in words; the number of a row without options."""
    if not row["choices"]:
        return str(row["answer"])
    return str(row["choices"][answer_place(row)])


def answer_place(row: dict[str, Any]) -> int:
    """The letter of the answer as a number: `(A)` is 0."""
    return ord(row["answer"][1]) - ord("A")


def row_key(row: dict[str, Any]) -> str:
    """The key of a row; a hash of its question and image for rows without one, such as published rows."""
    about = f"{row['question']}|{row.get('source_filename')}|{row.get('filename')}"
    return str(row.get("key") or hashlib.blake2b(about.encode(), digest_size=12).hexdigest())


def margin(row: dict[str, Any], name: str) -> float | None:
    """A row's margin of that name; None where it has none, such as a published row."""
    return next((m["value"] for m in row.get("margins") or [] if m["name"] == name), None)


def _cells(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    counts = Counter(
        (r["type"], r["task"], r["source"], (r.get("provenance") or {}).get("component", r["source_dataset"]))
        for r in rows
    )
    return [{"type": k, "task": t, "source": s, "component": c, "rows": n} for (k, t, s, c), n in counts.items()]


def _task(rows: list[dict[str, Any]]) -> dict[str, Any]:
    options = Counter(len(r["choices"]) for r in rows)
    names = Counter(n for r in rows for n in r["classes"])
    pairs = Counter(" / ".join(sorted(r["classes"][-2:])) for r in rows if len(r["classes"]) > 1)
    shares = [box_area(b["xyxy"]) for r in rows for b in r.get("boxes") or []]
    tight = [v for r in rows if (v := margin(r, "tightness")) is not None]
    margins = sorted({m["name"] for r in rows for m in r.get("margins") or []})
    return {
        "rows": len(rows),
        "images": len({(r["source"], r["source_filename"]) for r in rows}),
        "distinct_questions": len({r["question"] for r in rows}),
        "chance": sum(100 / len(r["choices"]) for r in rows if r["choices"]) / len(rows),
        "letters": _sorted(Counter(r["answer"] for r in rows if r["choices"])),
        "answers": dict(Counter(answer_text(r) for r in rows).most_common(TOP)),
        "options_per_row": {str(k): options[k] for k in sorted(options)},
        "options": sum(len(r["choices"]) for r in rows),
        "classes": dict(names.most_common(TOP)),
        "class_count": len(names),
        "class_entropy_bits": entropy(names.values()),
        "pairs": dict(pairs.most_common(TOP)),
        "pair_entropy_bits": entropy(pairs.values()),
        "flags": _sorted(Counter(f for r in rows for f in r.get("flags") or [])),
        "review": _sorted(Counter((r.get("review") or {}).get("status", "unknown") for r in rows)),
        "box_area_px": quantiles(shares),
        "tightness": quantiles(tight),
        "margins": {
            n: quantiles([v for r in rows if (v := margin(r, n)) is not None]) for n in margins if n != "tightness"
        },
        "question_length": quantiles([float(len(r["question"])) for r in rows]),
    }


def _sorted(counts: Counter[str]) -> dict[str, int]:
    return {k: counts[k] for k in sorted(counts)}


def box_area(box: list[float]) -> float:
    """In square pixels."""
    return (box[2] - box[0]) * (box[3] - box[1])


def entropy(counts: Iterable[int]) -> float:
    """Entropy of a distribution given by counts, in bits."""
    values = [c for c in counts if c]
    total = sum(values)
    return -sum(c / total * math.log2(c / total) for c in values) if total else 0.0


def quantiles(values: list[float]) -> dict[str, float]:
    """Minimum, maximum and five quantiles by nearest rank; empty for no values."""
    if not values:
        return {}
    ordered = sorted(values)
    pick = {"min": 0.0, "p10": 0.1, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "max": 1.0}
    return {name: ordered[round(q * (len(ordered) - 1))] for name, q in pick.items()}


def lines(stats: dict[str, Any]) -> list[str]:
    """The statistics as lines of text."""
    out = [f"{stats['rows']} rows", "", f"{'task':<10}{'source':<9}{'component':<12}{'rows':>6}"]
    out += [f"{c['task']:<10}{c['source']:<9}{c['component']:<12}{c['rows']:>6}" for c in stats["cells"]]
    for task, t in stats["tasks"].items():
        out += [
            "",
            f"{task}: {t['rows']} rows, {t['images']} images, chance {t['chance']:.1f}",
            "  letters  " + _pairs(t["letters"]),
            "  answers  " + _pairs(t["answers"]),
            "  options  " + _pairs(t["options_per_row"]),
            f"  classes  {t['class_count']} ({t['class_entropy_bits']:.2f} bits): " + _pairs(t["classes"], 8),
        ]
        if t["pairs"]:
            out.append(f"  pairs    {t['pair_entropy_bits']:.2f} bits: " + _pairs(t["pairs"], 8))
        if t["flags"]:
            out.append("  flags    " + _pairs(t["flags"]))
        out.append("  review   " + _pairs(t["review"]))
        for name, q in (("tightness", t["tightness"]), *t["margins"].items()):
            if q:
                out.append(f"  {name:<14}" + "  ".join(f"{k} {v:.3g}" for k, v in q.items()))
    return out


def _pairs(counts: dict[str, int], limit: int = 12) -> str:
    return "  ".join(f"{k} {v}" for k, v in list(counts.items())[:limit])

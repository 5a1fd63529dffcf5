"""The review: a page for judging rows, the file it exports, agreement of two reviewers and their files as one.

The page is one HTML file beside `img/`; it needs no server and no network. `finalize` applies the exported file to
the rows.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from importlib import resources
from pathlib import Path
from typing import Any

from cvbench_builder import clean_images
from cvbench_builder.dataset import read_jsonl
from cvbench_builder.errors import BuilderError
from cvbench_builder.stats import answer_place, margin
from cvbench_builder.tasks import task_named

PAGE = "review.html"
STATUSES = ("accepted", "modified", "rejected")
REASONS = (
    "unclear",
    "too small",
    "occluded",
    "wrong label",
    "incomplete annotation",
    "ambiguous reference",
    "duplicate instance",
    "bad box",
    "depiction",
    "other",
)


@dataclass(frozen=True)
class Decision:
    """What one reviewer decided about one row, in the state given by `content_hash`."""

    key: str
    content_hash: str
    status: str
    answer: str | None
    reason: str | None
    reviewer: str
    note: str | None


def write_page(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write the page, with the rows of the smallest margins first."""
    clean = clean_images.found_in(folder, [r["filename"] for r in rows])
    ordered = sorted(rows, key=lambda r: (_risk(r), r["key"]))
    shown = [
        {
            "key": r["key"],
            "hash": r["content_hash"],
            "idx": r["idx"],
            "task": r["task"],
            "source": r["provenance"]["component"],
            "image": r["filename"],
            "clean": clean.get(r["filename"]),
            "question": r["question"],
            "choices": r["choices"],
            "answer": answer_place(r) if r["choices"] else None,
            "number": None if r["choices"] else r["answer"],
            "margins": r["margins"],
            "flags": r["flags"],
            "boxes": r["boxes"],
            "file": r["source_filename"],
            "free": task_named(r["task"]).free_answer,
            "status": r["review"]["status"],
        }
        for r in ordered
    ]
    # the same rows give the same id, so progress survives writing the page again
    build = hashlib.sha256("".join(sorted(r["content_hash"] for r in rows)).encode()).hexdigest()[:16]
    data = json.dumps({"build": build, "reasons": REASONS, "rows": shown}, ensure_ascii=False)
    # "</script>" or "<!--" inside a string would end the script element
    script = (_part("review_page.js") + _part("review_zoom.js")).replace("/*DATA*/null", data.replace("<", "\\u003c"))
    page = _part("review_page.html").replace("/*STYLE*/", _part("review_page.css")).replace("/*SCRIPT*/", script)
    path = folder / PAGE
    path.write_text(page, encoding="utf-8")
    return path


def _part(name: str) -> str:
    return resources.files("cvbench_builder").joinpath(name).read_text(encoding="utf-8")


def _risk(row: dict[str, Any]) -> float:
    value = margin(row, "tightness")
    return math.inf if value is None else value


def read_decisions(path: Path) -> dict[str, Decision]:
    """The decisions of an exported review by the key of their row; anything incomplete refuses the file."""
    decisions: dict[str, Decision] = {}
    for number, line in enumerate(read_jsonl(path), 1):
        where = f"{path}: line {number}"
        for name in ("key", "content_hash", "status"):
            if not isinstance(line.get(name), str) or not line[name]:
                raise BuilderError(f"{where}: `{name}` is missing; export the review again")
        if line["status"] not in STATUSES:
            raise BuilderError(f"{where}: status {line['status']!r}; one of {', '.join(STATUSES)}")
        if line["key"] in decisions:
            raise BuilderError(f"{where}: a second decision on row {line['key']}; keep one per reviewer and row")
        if line["status"] == "modified" and not str(line.get("answer") or "").strip():
            raise BuilderError(f"{where}: status modified without a new `answer`")
        reason = line.get("reason") or None
        if reason is not None and reason not in REASONS:
            raise BuilderError(f"{where}: reason {reason!r}; one of {', '.join(REASONS)}")
        if line["status"] == "rejected" and reason is None:
            raise BuilderError(f"{where}: status rejected without a `reason`; one of {', '.join(REASONS)}")
        decisions[line["key"]] = Decision(
            line["key"],
            line["content_hash"],
            line["status"],
            str(line["answer"]).strip() if line["status"] == "modified" else None,
            reason,
            str(line.get("reviewer") or "").strip() or "anonymous",
            str(line.get("note") or "").strip() or None,
        )
    return decisions


@dataclass(frozen=True)
class ReviewerAgreement:
    """Two reviewers on the rows that both have reviewed."""

    first: str
    second: str
    rows: int
    agreement: float
    kappa: float


def agreement(a: dict[str, Decision], b: dict[str, Decision]) -> ReviewerAgreement:
    """Share of equal decisions, and Cohen's kappa (NaN if chance alone gives full agreement)."""
    common = sorted(a.keys() & b.keys())
    names = [next(iter(v.values())).reviewer if v else "nobody" for v in (a, b)]
    if not common:
        return ReviewerAgreement(names[0], names[1], 0, math.nan, math.nan)
    n = len(common)
    same = sum(a[k].status == b[k].status for k in common) / n
    chance = sum(
        sum(a[k].status == s for k in common) / n * sum(b[k].status == s for k in common) / n for s in STATUSES
    )
    kappa = (same - chance) / (1 - chance) if chance < 1 else math.nan
    return ReviewerAgreement(names[0], names[1], n, same, kappa)


@dataclass(frozen=True)
class Merged:
    """The reviews of several reviewers as one."""

    decisions: list[Decision]
    """Rows that one reviewer has judged, or on which all agree."""
    disagreements: list[str]
    """Keys of the other rows."""
    agreements: list[ReviewerAgreement]


def merge(files: list[dict[str, Decision]]) -> Merged:
    """One decision per row: equal status and answer are kept, everything else is a disagreement."""
    decided: list[Decision] = []
    open_keys: list[str] = []
    for key in dict.fromkeys(k for decisions in files for k in decisions):
        given = [decisions[key] for decisions in files if key in decisions]
        if len({(d.content_hash, d.status, d.answer) for d in given}) > 1:
            open_keys.append(key)
            continue
        notes = "; ".join(d.note for d in given if d.note) or None
        reviewers = ", ".join(dict.fromkeys(d.reviewer for d in given))
        reason = next((d.reason for d in given if d.reason), None)
        decided.append(replace(given[0], reviewer=reviewers, note=notes, reason=reason))
    pairs = [agreement(a, b) for i, a in enumerate(files) for b in files[i + 1 :]]
    return Merged(decided, open_keys, pairs)


def write_decisions(decisions: list[Decision], path: Path) -> None:
    """A review file, as the page exports it."""
    lines = [json.dumps(asdict(d), ensure_ascii=False) for d in decisions]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")

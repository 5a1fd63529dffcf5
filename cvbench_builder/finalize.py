"""Apply reviews to a build: drop rejected rows, correct modified ones, record who said what.

Nothing is guessed: an unknown row, or one that has changed since it was judged, refuses the whole
review. With several reviewers a row stays only if nobody rejects it and all agree on its answer.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvbench_builder import dataset, papers, wording
from cvbench_builder.errors import BuilderError
from cvbench_builder.review import Agreement, Verdict, agreement, read_verdicts
from cvbench_builder.rows import content_hash
from cvbench_builder.stats import answer_place

_OPPOSITE_LETTER = {"(A)": "(B)", "(B)": "(A)"}


@dataclass(frozen=True)
class Report:
    """What a review did to a build."""

    counts: dict[str, int]
    accepted_share: float
    """Of the judged rows, those that stay."""
    agreements: list[Agreement]


def finalize(folder: Path, reviews: list[Path], out: Path | None) -> Report:
    """Write the reviewed build to ``out``, or in place of ``folder`` where ``out`` is None."""
    rows = dataset.read_rows(folder)
    files = [read_verdicts(path) for path in reviews]
    for path, verdicts in zip(reviews, files, strict=True):
        _refuse_strangers(path, verdicts, rows)
    build = dataset.read_json(folder / dataset.BUILD)
    kept: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        said = [v[row["key"]] for v in files if row["key"] in v]
        judged = _judge(row, said, build["settings"]["count_options"])
        if judged is None:
            counts["rejected" if any(v.status == "rejected" for v in said) else "dropped: reviewers disagree"] += 1
            continue
        counts[judged["review"]["status"]] += 1
        kept[row["key"]] = judged
    if not kept:
        raise BuilderError(f"{folder}: the review leaves no row")
    total = sum(n for status, n in counts.items() if status != "unreviewed")
    stay = counts["accepted"] + counts["modified"]
    pairs = [agreement(a, b) for i, a in enumerate(files) for b in files[i + 1 :]]
    report = Report(dict(counts), stay / total if total else 0.0, pairs)
    _write(folder, out or folder, list(kept.values()), build, report)
    return report


def _refuse_strangers(path: Path, verdicts: dict[str, Verdict], rows: list[dict[str, Any]]) -> None:
    known = {r["key"]: r["content_hash"] for r in rows}
    unknown = [k for k in verdicts if k not in known]
    if unknown:
        raise BuilderError(
            f"{path}: {len(unknown)} unknown rows (first: {unknown[0]}); this review is of another build"
        )
    stale = [k for k, v in verdicts.items() if known[k] != v.content_hash]
    if stale:
        raise BuilderError(
            f"{path}: {len(stale)} rows have changed since they were reviewed (first: {stale[0]}); review them again"
        )


def _judge(row: dict[str, Any], said: list[Verdict], count_options: str) -> dict[str, Any] | None:
    """The row with its verdict; None when it goes."""
    if not said:
        return row
    if any(v.status == "rejected" for v in said):
        return None
    answers = {_option(row, v.answer) if v.answer is not None else row["choices"][answer_place(row)] for v in said}
    if len(answers) > 1:
        return None
    changed = _with_answer(row, answers.pop(), count_options)
    status = "modified" if any(v.status == "modified" for v in said) else "accepted"
    notes = "; ".join(v.note for v in said if v.note) or None
    reason = next((v.reason for v in said if v.reason), None)
    reviewers = ", ".join(dict.fromkeys(v.reviewer for v in said))
    changed["review"] = {"status": status, "reviewer": reviewers, "reason": reason, "note": notes}
    return changed


def _option(row: dict[str, Any], answer: str) -> str:
    """The option a reviewer named, by its text or its letter; for Count any number."""
    if answer in row["choices"]:
        return answer
    letter = answer.strip("()").upper()
    if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(row["choices"]):
        return str(row["choices"][ord(letter) - ord("A")])
    if row["task"] == "Count" and answer.isdigit():
        return str(int(answer))
    raise BuilderError(f"row {row['key']}: new answer {answer!r} is none of {', '.join(row['choices'])}")


def _with_answer(row: dict[str, Any], text: str, count_options: str) -> dict[str, Any]:
    choices = row["choices"]
    if text not in choices:  # a count outside the options: make them anew around it
        values = wording.count_values(int(text), count_options, row["key"])
        choices = wording.shuffled(values, int(text), int(row["key"][:8], 16) % len(values), row["key"])
    changed = {**row, "choices": choices, "answer": f"({wording.letter(choices.index(text))})"}
    changed["prompt"] = wording.prompt(changed["question"], choices)
    return changed


def _write(source: Path, out: Path, rows: list[dict[str, Any]], build: dict[str, Any], report: Report) -> None:
    if out != source:
        dataset.refuse_foreign(out, overwrite=False)
    with dataset.replacing(out) as part:
        _copy_rows(source, part, [{**r, "idx": i} for i, r in enumerate(rows)])
        twins = source / "twins"
        if twins.is_dir():
            (part / "twins").mkdir()
            by_key = {r["key"]: r for r in rows}
            old = dataset.read_jsonl(twins / dataset.ROWS)
            _copy_rows(twins, part / "twins", [_twin(t, by_key[t["key"][:-1]]) for t in old if t["key"][:-1] in by_key])
        build["state"] = "finalized"
        build["agreement"] = [
            {
                "reviewers": [a.first, a.second],
                "rows": a.rows,
                "agreement": _number(a.agreement),
                "kappa": _number(a.kappa),
            }
            for a in report.agreements
        ]
        dataset.write_json(build, part / dataset.BUILD)
        funnel = dataset.read_json(source / "funnel.json")
        funnel["review"] = {**report.counts, "accepted_share": round(report.accepted_share, 4)}
        dataset.write_json(funnel, part / "funnel.json")
        papers.write(part, dataset.read_jsonl(part / dataset.ROWS))


def _number(value: float) -> float | None:
    return round(value, 4) if value == value else None


def _twin(twin: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The mirrored twin of a row that may have been corrected."""
    answer = _OPPOSITE_LETTER[row["answer"]] if row["choices"] == ["left", "right"] else row["answer"]
    return {
        **twin,
        "idx": row["idx"],
        "choices": row["choices"],
        "answer": answer,
        "prompt": row["prompt"],
        "review": row["review"],
    }


def _copy_rows(source: Path, part: Path, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        target = part / row["filename"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / row["filename"], target)
        row["content_hash"] = content_hash(row, row["image_sha256"])
    dataset.write_rows(rows, part / dataset.ROWS)
    for kind in sorted({r["type"] for r in rows}):
        dataset.write_parquet(
            [r for r in rows if r["type"] == kind], part, part / dataset.PARQUET[kind] / "test.parquet"
        )

"""Apply reviews to a build: remove rejected rows, correct modified ones, record the reviewers' decisions.

A review of an unknown row, or of a row that has changed since, is refused as a whole. With several reviewers a row
is kept only if nobody rejects it and all agree on its answer.
"""

from __future__ import annotations

import shutil
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvbench_builder import clean_images, dataset, derived_files, wording
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import inside
from cvbench_builder.questions import content_hash
from cvbench_builder.review import Decision, ReviewerAgreement, agreement, read_decisions
from cvbench_builder.stats import answer_text
from cvbench_builder.tasks import task_named


@dataclass(frozen=True)
class ReviewSummary:
    """What a review did to a build."""

    counts: dict[str, int]
    accepted_share: float
    """Share of the reviewed rows that are kept."""
    agreements: list[ReviewerAgreement]


def finalize(folder: Path, reviews: list[Path], out: Path | None) -> ReviewSummary:
    """Write the reviewed build to `out`, or replace `folder` if `out` is None."""
    rows = dataset.read_rows(folder)
    dataset.verify(folder, rows)
    files = [read_decisions(path) for path in reviews]
    for path, decisions in zip(reviews, files, strict=True):
        _refuse_unknown_rows(path, decisions, rows)
    build = dataset.read_record(folder / dataset.BUILD)
    if not isinstance(build.get("settings"), dict):
        raise BuilderError(f"{folder / dataset.BUILD}: `settings` is missing; the file was changed")
    kept: dict[str, dict[str, Any]] = {}
    counts: Counter[str] = Counter()
    for row in rows:
        given = [v[row["key"]] for v in files if row["key"] in v]
        reviewed = _review(row, given, build["settings"])
        if reviewed is None:
            counts["rejected" if any(v.status == "rejected" for v in given) else "dropped: reviewers disagree"] += 1
            continue
        counts[reviewed["review"]["status"]] += 1
        kept[row["key"]] = reviewed
    if not kept:
        raise BuilderError(f"{folder}: the reviews leave no row; check the review files")
    total = sum(n for status, n in counts.items() if status != "unreviewed")
    stay = counts["accepted"] + counts["modified"]
    pairs = [agreement(a, b) for i, a in enumerate(files) for b in files[i + 1 :]]
    report = ReviewSummary(dict(counts), stay / total if total else 0.0, pairs)
    _write(folder, out or folder, list(kept.values()), build, report)
    return report


def _refuse_unknown_rows(path: Path, decisions: dict[str, Decision], rows: list[dict[str, Any]]) -> None:
    known = {r["key"]: r["content_hash"] for r in rows}
    unknown = [k for k in decisions if k not in known]
    if unknown:
        raise BuilderError(
            f"{path}: {len(unknown)} unknown rows (first: {unknown[0]}); the review belongs to another build"
        )
    stale = [k for k, v in decisions.items() if known[k] != v.content_hash]
    if stale:
        raise BuilderError(
            f"{path}: {len(stale)} rows have changed since they were reviewed (first: {stale[0]}); review them again"
        )


def _review(row: dict[str, Any], given: list[Decision], settings: dict[str, Any]) -> dict[str, Any] | None:
    """The row with the reviewers' decision; None if it is removed."""
    if not given:
        return row
    if any(v.status == "rejected" for v in given):
        return None
    answers = {_option(row, v.answer) if v.answer is not None else answer_text(row) for v in given}
    if len(answers) > 1:
        return None
    changed = _with_answer(row, answers.pop(), settings)
    status = "modified" if any(v.status == "modified" for v in given) else "accepted"
    notes = "; ".join(v.note for v in given if v.note) or None
    reason = next((v.reason for v in given if v.reason), None)
    reviewers = ", ".join(dict.fromkeys(v.reviewer for v in given))
    changed["review"] = {"status": status, "reviewer": reviewers, "reason": reason, "note": notes}
    return changed


def _option(row: dict[str, Any], answer: str) -> str:
    """The option that a reviewer named by its text or its letter, or entered freely where the task permits it."""
    if answer in row["choices"]:
        return answer
    letter = answer.strip("()").upper()
    if len(letter) == 1 and 0 <= ord(letter) - ord("A") < len(row["choices"]):
        return str(row["choices"][ord(letter) - ord("A")])
    free = task_named(row["task"]).free_option(answer)
    if free is not None:
        return free
    wanted = f"one of {', '.join(row['choices'])}" if row["choices"] else "a positive number"
    raise BuilderError(f"row {row['key']}: the new answer {answer!r} is not {wanted}")


def _with_answer(row: dict[str, Any], text: str, settings: dict[str, Any]) -> dict[str, Any]:
    choices = row["choices"]
    if not choices:
        return {**row, "answer": text}
    if text not in choices:
        try:
            choices = task_named(row["task"]).new_choices(row, text, settings)
        except (KeyError, TypeError, ValueError) as error:
            raise BuilderError(f"row {row['key']}: no options can be made for {text!r} ({error})") from None
    changed = {**row, "choices": choices, "answer": f"({wording.letter(choices.index(text))})"}
    changed["prompt"] = wording.prompt(changed["question"], choices)
    return changed


def _write(source: Path, out: Path, rows: list[dict[str, Any]], build: dict[str, Any], report: ReviewSummary) -> None:
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
    funnel = dataset.read_record(source / dataset.FUNNEL)
    funnel["review"] = {**report.counts, "accepted_share": round(report.accepted_share, 4)}
    rewrite(source, out, rows, build, funnel)


def rewrite(source: Path, out: Path, rows: list[dict[str, Any]], build: dict[str, Any], funnel: dict[str, Any]) -> None:
    """Write a build with some rows of another one, perhaps changed, and their twins; `out` may be `source`."""
    if out != source:
        dataset.refuse_foreign(out, overwrite=False)
    with dataset.replacing(out) as part:
        _copy_rows(source, part, [{**r, "idx": i} for i, r in enumerate(rows)])
        clean_images.copy(source, part, [r["filename"] for r in rows])
        twins = source / "twins"
        if twins.is_dir():
            (part / "twins").mkdir()
            by_key = {r["key"]: r for r in rows}
            old = dataset.read_rows_file(twins / dataset.ROWS)
            _copy_rows(twins, part / "twins", [_twin(t, by_key[t["key"][:-1]]) for t in old if t["key"][:-1] in by_key])
        dataset.write_json(build, part / dataset.BUILD)
        dataset.write_json(funnel, part / dataset.FUNNEL)
        derived_files.write(part, dataset.read_rows_file(part / dataset.ROWS))


def _number(value: float) -> float | None:
    return round(value, 4) if value == value else None


def _twin(twin: dict[str, Any], row: dict[str, Any]) -> dict[str, Any]:
    """The mirrored twin of a row that may have been corrected."""
    return {
        **twin,
        "idx": row["idx"],
        "choices": row["choices"],
        "answer": task_named(row["task"]).mirrored_answer(row),
        "prompt": row["prompt"],
        "review": row["review"],
    }


def _copy_rows(source: Path, part: Path, rows: list[dict[str, Any]]) -> None:
    for row in rows:
        target = part / row["filename"]
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(inside(source, row["filename"]), target)
        row["content_hash"] = content_hash(row, row["image_sha256"])
    dataset.write_rows(rows, part / dataset.ROWS)
    dataset.write_all_parquet(rows, part)

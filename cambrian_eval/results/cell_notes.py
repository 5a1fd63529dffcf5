"""What a reader of any scorer's result of a cell must know: failures, images left out, limits, missing parts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from cambrian_eval.condition import graded_samples
from cambrian_eval.registry import load_benchmark, load_condition
from cambrian_eval.results import circumstances
from cambrian_eval.running.changes import foreign_note
from cambrian_eval.running.mixtures import mixture, other_names, ways_of
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.stopping import stop_of
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Sample

IMPORTED = "imported predictions"
"""The kind of a model in run.json whose responses were made elsewhere: which images it was shown is not known."""
LOOKS_FROM = 20
"""With more samples than this, equal responses with and without images are reported."""


def cell_notes(run: Run, cell: Cell, samples: Sequence[Sample], repeated: Sequence[Sequence[Record]]) -> list[str]:
    """What a reader of any scorer's result of a cell must know, from the responses of each repeat."""
    info = run.info
    about = info["benchmarks"][cell.benchmark]
    records = [record for row in repeated for record in row]
    kind = "samples" if len(repeated) == 1 else "responses"
    notes = [*circumstances.notes(info), *(str(w) for w in about["warnings"])]
    if broken := [r for r in records if r.finish == "failed"]:
        notes.append(f"{len(broken)} {kind} failed and score 0; the first, {broken[0].id}: {_short(broken[0].error)}")
    if lost := sum(r.outage for r in records):
        notes.append(f"{lost} {kind} failed in an outage of the endpoint; run again to request them")
    notes += foreign_note(run, cell, records)
    if (mixed := mixture(ways_of(r.notes for r in records))) is not None:
        notes.append(f"mixed: the responses were made in different ways: {mixed}")
    details = info["model"].get("details") or {}
    if names := other_names((r.notes for r in records), details.get("model")):
        notes.append(f"the server was asked for {details['model']} and answered as {', '.join(names)}")
    if (dropped := sum(bool(r.notes.get("images_dropped")) for r in records)) > 0:
        takes = info["model"]["max_images"]
        fewer = "no images" if takes == 0 else f"at most {takes}"
        notes.append(f"{dropped} {kind} had images left out: the model takes {fewer}")
    if (joined := sum(bool(r.notes.get("images_joined")) for r in records)) > 0:
        notes.append(f"{joined} {kind} had their images joined side by side in one")
    if (cut := sum(r.finish == "length" for r in records)) > 0:
        notes.append(f"{cut} responses reached the limit of {about['max_new_tokens']} new tokens")
    left_out, condition = 0, load_condition(cell.condition)
    if condition.changes_answers:
        benchmark = load_benchmark(cell.benchmark, **about["settings"])
        left_out = about["samples"] - len(graded_samples(condition, run.samples(cell.benchmark), benchmark))
    if left_out:
        notes.append(f"{left_out} samples are left out: their answers under condition {cell.condition!r} are not known")
    if len(repeated) < (most := info.get("repeats", 1)):
        notes.append(f"{len(repeated)} of the run's {most} repeats; the others are not complete here")
    if (stop := stop_of(info, cell)) is not None:
        notes.append(
            f"stopped by rule ({stop.rule}) after {stop.samples:,} of {stop.of:,} samples in random order; "
            f"the interval is for the score of all {stop.of:,}, and holds whenever it stops"
        )
        notes += [stop.found] if stop.found else []
    asked = about["samples"] - left_out if stop is None else stop.samples
    if len(samples) < asked:
        of = about["samples"] if stop is None else stop.samples
        notes.append(f"partial: {len(samples)} of {of} samples have a response")
    carried = images_carried(repeated[0])
    if cell.condition == "on" and carried["0"] and details.get("kind") != IMPORTED:
        notes.append(f"vision on, but {carried['0']} samples carried no image")
    if (equal := _equal_without_images(run, cell, samples, repeated[0])) > LOOKS_FROM:
        notes.append(
            f"all {equal} responses are equal with vision on and off: the model may not look at its images; "
            "compare `cambrian-eval show` with what the model receives"
        )
    return notes


def images_carried(records: Sequence[Record]) -> dict[str, int]:
    """How many requests carried no image, one, or more; failed ones carried none."""
    counts = Counter(min(len(r.images), 2) for r in records)
    return {"0": counts[0], "1": counts[1], "more": counts[2]}


def _equal_without_images(run: Run, cell: Cell, samples: Sequence[Sample], records: Sequence[Record]) -> int:
    """How many responses of `on` and `off` are equal, if all are where images were shown; else 0.

    For the second of the two in the run, so that a resumed run has the same notes as one that was not interrupted.
    """
    if [c for c in run.info["conditions"] if c in ("on", "off")][1:] != [cell.condition]:
        return 0
    others = run.responses(Cell(cell.benchmark, "off" if cell.condition == "on" else "on"))
    pairs = [(r, others[s.id]) for s, r in zip(samples, records, strict=True) if s.id in others]
    shown = [(a, b) for a, b in pairs if (a.images or b.images) and "failed" not in (a.finish, b.finish)]
    return len(shown) if shown and all(a.text == b.text for a, b in shown) else 0


def _short(reason: str | None, most: int = 160) -> str:
    text = " ".join((reason or "no reason given").split())
    return text if len(text) <= most else f"{text[:most]} ..."

"""Verdicts on stored responses, by deterministic scorers.

A response becomes a `Reply` here, once for all scorers: thoughts are no answer for any of them, and one that never ends
is unparsed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.registry import load_scorer
from cambrian_eval.running.records import Record
from cambrian_eval.sample import Sample, Verdict
from cambrian_eval.scorer import Scorer
from cambrian_eval.scoring.reading import unread
from cambrian_eval.scoring.reply import Reply


def verdicts_by(
    names: Sequence[str],
    benchmark: Benchmark,
    samples: Sequence[Sample],
    records: Sequence[Sequence[Record]],
    official_raw: bool,
) -> tuple[dict[str, list[list[Verdict]]], int]:
    """The verdicts of each scorer on each repeat, and how many responses have thoughts.

    Response by response: what all scorers read of one is computed once, and dropped before the next.
    """
    found: dict[str, list[list[Verdict]]] = {name: [[] for _ in records] for name in names}
    thoughts = 0
    for number, row in enumerate(records):
        into = [(load_scorer(name, benchmark), rows[number].append) for name, rows in found.items()]
        for sample, record in zip(samples, row, strict=True):
            reply = record.reply
            thoughts += bool(reply.thoughts)
            for scorer, add in into:
                add(_verdict(scorer, benchmark, sample, record, reply, official_raw))
    return found, thoughts


def verdicts_of(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    records: Sequence[Record],
    name: str,
    *,
    official_raw: bool = False,
) -> list[Verdict]:
    """Verdicts by a deterministic scorer."""
    scorer, pairs = load_scorer(name, benchmark), zip(samples, records, strict=True)
    return [_verdict(scorer, benchmark, sample, record, record.reply, official_raw) for sample, record in pairs]


def _verdict(
    scorer: Scorer, benchmark: Benchmark, sample: Sample, record: Record, reply: Reply, official_raw: bool
) -> Verdict:
    """The verdict on a stored response; a failed request scores 0 whatever the scorer."""
    if record.finish == "failed":
        return failed_verdict(record.error)
    verdict = decide(scorer, benchmark, sample, reply, official_raw)
    cut = record.finish == "length" and verdict.reason == "nothing found"
    return replace(verdict, reason="cut off") if cut else verdict


def decide(scorer: Scorer, benchmark: Benchmark, sample: Sample, reply: Reply, official_raw: bool = False) -> Verdict:
    """The verdict of a scorer on a reply; a thought that never ends is unparsed under every scorer."""
    if official_raw and scorer.reads_raw:
        return scorer.score(benchmark, sample, Reply(reply, keep_thoughts=True))
    return unread("unfinished thought") if reply.unfinished else scorer.score(benchmark, sample, reply)


def thought_notes(scorer: Scorer, thoughts: int, official_raw: bool) -> tuple[str, ...]:
    """What a reader of the score must know about thoughts, which so many responses have."""
    if scorer.reads_raw and thoughts:
        done = "kept in" if official_raw else "removed from"
        flag = "" if official_raw else " (--official-raw keeps them)"
        return (f"thoughts were {done} {thoughts} responses before the released rules were applied{flag}",)
    return ()


def failed_verdict(reason: str | None) -> Verdict:
    """The verdict on a sample without a response: it scores 0 under every scorer and is counted."""
    return Verdict(0.0, None, f"failed: {reason or 'no reason given'}", outcome="failed")

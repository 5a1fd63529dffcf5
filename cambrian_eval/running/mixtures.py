"""Whether all responses of a run were made in the same way: one model answered, with the same decoding parameters.

An endpoint can change the model behind a name in the middle of a run, or reject a parameter that it accepted before.
Responses record what was sent and which model answered (`sent` and `served_by` in their notes); an average over two
kinds is not the score of either.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

NAMED = 4
"""Kinds named in a message."""


def way_of(notes: Mapping[str, Any]) -> str | None:
    """How a response was made, in words; None where its notes do not say."""
    sent, served_by = notes.get("sent"), notes.get("served_by")
    if not isinstance(sent, dict) and not isinstance(served_by, str):
        return None
    values = sent if isinstance(sent, dict) else {}
    parameters = ", ".join(f"{name} {value}" for name, value in sorted(values.items()))
    temperature = "" if "temperature" in values or not values else ", no temperature"
    return f"{served_by or 'a model without a name'} ({parameters or 'parameters not recorded'}{temperature})"


def other_names(all_notes: Iterable[Mapping[str, Any]], asked: object) -> list[str]:
    """Names under which a server answered that are neither the model it was asked for nor a version of it."""
    if not isinstance(asked, str) or not asked:
        return []
    served = {name for notes in all_notes if isinstance(name := notes.get("served_by"), str)}
    return sorted(name for name in served if not name.startswith(asked))


def ways_of(all_notes: Iterable[Mapping[str, Any]]) -> Counter[str]:
    """How many responses were made in each way."""
    return Counter(way for notes in all_notes if (way := way_of(notes)) is not None)


def mixture(ways: Counter[str]) -> str | None:
    """The ways in which responses were made, where there is more than one."""
    if len(ways) < 2:
        return None
    named = [f"{n} by {way}" for way, n in ways.most_common(NAMED)]
    return "; ".join(named) + (f"; and {len(ways) - NAMED} more" if len(ways) > NAMED else "")


def general(notes: Mapping[str, Any]) -> dict[str, Any]:
    """The notes without the token limit, which benchmarks choose: for comparisons over a whole run."""
    sent = notes.get("sent")
    if not isinstance(sent, dict):
        return dict(notes)
    return {**notes, "sent": {name: "set" if "tokens" in name else value for name, value in sent.items()}}

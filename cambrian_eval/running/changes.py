"""The request key decides: which stored responses belong to the requests of this command, and which do not.

A stored response is used only for the request it was made for. On resume, the requests of all stored responses are
made again (prompt, image hashes, decoding) and their keys are compared with the stored ones, and the stored samples are
compared with the rows as they are now. What differs is refused, requested again, or kept, by `--on-change`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

from cambrian_eval.decoding import key_parts
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.shapes import SCHEMA
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Request, Sample, request_keys

OnChange = Literal["refuse", "ask", "reuse"]
"""What happens to stored responses whose request differs: an error, a new request, or nothing."""
WORKERS = 8
NAMED = 3
"""Samples named in a message."""


@dataclass(frozen=True, slots=True)
class Change:
    """One stored response that was made for another request."""

    cell: Cell
    """Where it is stored."""
    id: str
    """The sample's id."""
    what: str
    """`prompt`, `images` or `decoding`: the first part of the request that differs."""
    repeat: int = 0
    """Which response to the sample."""


def changed_requests(
    cell: Cell,
    samples: Sequence[Sample],
    records: Mapping[tuple[str, int], Record],
    request: Callable[[Sample, int], Request],
) -> list[Change]:
    """The stored responses of a cell whose request key differs from the one of the request made now.

    A response without a key (its request could not be made) belongs to no request and is not compared.
    """

    def compare(stored: tuple[Sample, Record]) -> Change | None:
        sample, record = stored
        try:
            made = request(sample, record.repeat)
        except Exception:  # an image that cannot be read any more, for whatever reason
            return Change(cell, sample.id, "images", record.repeat)
        if made.key == record.key:
            return None
        if made.prompt != record.prompt:
            return Change(cell, sample.id, "prompt", record.repeat)
        same = tuple(image.sha256 for image in made.images) == record.images
        return Change(cell, sample.id, "decoding" if same else "images", record.repeat)

    repeats = sorted({number for _, number in records})
    found = ((s, records.get((s.id, number))) for s in samples for number in repeats)
    stored = [(sample, record) for sample, record in found if record is not None and record.key]
    with ThreadPoolExecutor(WORKERS) as pool:
        return [change for change in pool.map(compare, stored) if change is not None]


def foreign(run: Run, cell: Cell, records: Iterable[Record] | None = None) -> list[str]:
    """Ids of the samples whose stored response was made for another request than run.json, prompt and images give.

    `records` are its responses where they were read already. Responses without a key belong to no request; those of
    the first layout had keys of another form.
    """
    info = run.info
    if info["schema"] < SCHEMA:
        return []
    about = info["responses_depend_on"]
    asked_of, seed = info["benchmarks"][cell.benchmark], about.get("seed")
    limit, placed = asked_of.get("max_new_tokens"), asked_of.get("places_images", False)
    fingerprint = info["model"]["fingerprint"]

    @cache
    def key_of(repeat: int) -> Callable[[str, tuple[str, ...]], str]:
        return request_keys(fingerprint, key_parts(limit, seed, about, repeat, placed))

    found = []
    for record in run.all_responses(cell).values() if records is None else records:
        if record.key and record.key != key_of(record.repeat)(record.prompt, record.images):
            found.append(record.id)
    return list(dict.fromkeys(found))


def foreign_note(run: Run, cell: Cell, records: Iterable[Record]) -> list[str]:
    """The note of a result about responses that were made for other requests; empty where there are none."""
    others = foreign(run, cell, records)
    if not others:
        return []
    reason = "kept with --on-change reuse, or changed by another program"
    return [
        f"{len(others)} responses were made for other requests than those of this run, the first of sample "
        f"{others[0]!r} ({reason})"
    ]


def changed_samples(store: Run, benchmark: str, samples: Sequence[Sample]) -> list[str]:
    """Ids of samples that were added, removed or edited since they were stored; tags and images are not compared."""
    if not store.has_samples(benchmark):
        return []
    then = {s.id: _bare(s) for s in store.samples(benchmark)}
    now = {s.id: _bare(s) for s in samples}
    return [i for i in dict.fromkeys([*now, *then]) if then.get(i) != now.get(i)]


def _bare(sample: Sample) -> Sample:
    return replace(sample, images=(), tags={})


def described(changes: Sequence[Change], samples: Mapping[str, Sequence[str]]) -> list[str]:
    """The changes as text, one line for each cell and benchmark."""
    lines = []
    for cell in dict.fromkeys(c.cell for c in changes):
        mine = [c for c in changes if c.cell == cell]
        kinds = ", ".join(f"{n} other {what}" for what, n in Counter(c.what for c in mine).items())
        lines.append(f"{cell.stem}: {len(mine)} responses ({kinds}): {_some([c.id for c in mine])}")
    for benchmark, ids in samples.items():
        if ids:
            lines.append(f"{benchmark}: {len(ids)} samples differ from the stored ones: {_some(ids)}")
    return lines


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:NAMED])) + (", ..." if len(ids) > NAMED else "")

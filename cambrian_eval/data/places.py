"""Where the rows of benchmarks would come from: this machine's cache, or the first address that answers."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from cambrian_eval.benchmark import Benchmark, HubSource
from cambrian_eval.data.seen import recorded
from cambrian_eval.errors import describe

State = Literal["cached", "available", "not reachable", "not cached", "your own rows"]
"""In the cache; at an address that answers; at none of them; without network, in no cache; or never published."""
TIMEOUT = 10.0
"""Seconds to wait for an address."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where the rows of one benchmark would come from."""

    benchmark: str
    """Its name."""
    state: State
    """What is known of the address."""
    address: str
    """The address that would be used; the first one where none is known to have the rows."""
    revision: str
    """The revision that would be asked for."""
    rows: int | None
    """Rows that the published dataset has; None where the number is not known, 0 where none is published."""
    columns: tuple[str, ...]
    """Columns that are expected."""
    seen: str | None
    """When its content was first seen on this machine; None where it was not."""
    reason: str | None = None
    """Why no address has the rows."""


def places(benchmarks: Sequence[Benchmark], offline: bool = False) -> list[Place]:
    """The place of each benchmark. Addresses are asked in parallel, each benchmark's in their order."""
    offline = offline or os.environ.get("HF_HUB_OFFLINE", "") in ("1", "true", "True")
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda benchmark: _place(benchmark, offline), benchmarks))


def _place(benchmark: Benchmark, offline: bool) -> Place:
    source = benchmark.source
    entry = recorded().get(f"{benchmark.name} {source.text}")
    seen = str(entry.get("first_seen")) if isinstance(entry, dict) else None

    def place(state: State, address: HubSource, reason: str | None = None) -> Place:
        columns = tuple(benchmark.schema) or source.columns
        return Place(benchmark.name, state, address.text, address.revision, source.n_rows, columns, seen, reason)

    if not source.is_published:
        return place("your own rows", source, "no dataset is published; give a folder with --data-root")
    addresses = source.addresses()
    for address in addresses:
        if _cached(address):
            return place("cached", address)
    if offline:
        return place("not cached", source, "no address is in the cache; run `cambrian-eval fetch` with network")
    reasons = []
    for address in addresses:
        if (reason := _unavailable(address)) is None:
            return place("available", address)
        reasons.append(f"{address.repo}: {reason}")
    return place("not reachable", source, "; ".join(reasons))


def _cached(address: HubSource) -> bool:
    """Whether a cache of this machine has a snapshot of the address, or a table that was made from it."""
    from datasets.config import HF_DATASETS_CACHE
    from huggingface_hub.constants import HF_HUB_CACHE

    snapshots = Path(HF_HUB_CACHE) / f"datasets--{address.repo.replace('/', '--')}" / "snapshots"
    made = Path(HF_DATASETS_CACHE) / address.repo.replace("/", "___")
    if not address.files and any(made.glob("**/*.arrow")):
        return True
    folders = [folder for folder in snapshots.glob("*") if address.revision in ("main", folder.name)]
    if address.files:
        return any(all(any(folder.glob(pattern)) for pattern in address.files) for folder in folders)
    return any(any(folder.rglob(f"*.{kind}")) for folder in folders for kind in ("parquet", "arrow", "jsonl"))


def _unavailable(address: HubSource) -> str | None:
    """Why an address does not answer; None where it does."""
    from huggingface_hub import HfApi

    try:
        HfApi().dataset_info(address.repo, revision=address.revision, timeout=TIMEOUT)
    except Exception as error:
        return describe(error, 120)
    return None

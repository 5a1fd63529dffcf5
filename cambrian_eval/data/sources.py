"""Rows from the Hub: the addresses of a source in order, and whether their content is what was seen before."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.benchmark import Benchmark, HubSource
from cambrian_eval.data.fingerprints import content_fingerprint
from cambrian_eval.data.joins import joined
from cambrian_eval.data.seen import compared
from cambrian_eval.data.table import Row, Table
from cambrian_eval.errors import UserError

ReadFolder = Callable[[Path], Sequence[Row]]
"""Reads whatever table a folder holds."""


def from_hub(
    benchmark: Benchmark, revision: str | None, offline: bool, read_folder: ReadFolder
) -> tuple[Sequence[Row], dict[str, Any]]:
    """Rows from the first address that has them, at the revision given or pinned; the errors of all where none has."""
    if not benchmark.source.is_published:
        raise UserError(f"{benchmark.name} has no published dataset; give the folder of your own rows with --data-root")
    if offline:
        os.environ["HF_HUB_OFFLINE"] = os.environ["HF_DATASETS_OFFLINE"] = "1"
    failed: list[str] = []
    for address in benchmark.source.addresses():
        try:
            rows, commit = _load(benchmark, address, revision or address.revision, offline, read_folder)
        except UserError as error:
            failed.append(str(error))
            continue
        content = content_fingerprint(rows)
        warnings = compared(benchmark.name, benchmark.source.text, address.text, commit, content, len(rows))
        if failed:
            warnings = (
                f"{benchmark.name}: rows of {address.text}, because {benchmark.source.repo} has none",
                *warnings,
            )
        return rows, {
            "from": address.text,
            "kind": "hub",
            "revision": commit,
            "fingerprint": f"{address.repo}@{commit}",
            "content": content,
            "warnings": warnings,
        }
    more = f"; also tried: {', '.join(a.repo for a in benchmark.source.addresses()[1:])}"
    raise UserError(failed[0] + (more if len(failed) > 1 else ""))


def _load(
    benchmark: Benchmark, source: HubSource, wanted: str, offline: bool, read_folder: ReadFolder
) -> tuple[Sequence[Row], str]:
    """The rows of one address, and the commit they are of."""
    from cambrian_eval.data.hub import load_files, load_table, resolved_revision

    commit = resolved_revision(source.repo, wanted, offline)
    if source.files:
        folder = load_files(source.repo, source.files, commit, offline)
        found = benchmark.rows_from_folder(folder)
        return (read_folder(folder) if found is None else found), commit
    if source.configs:
        parts = [load_table(source.repo, config, source.split, commit, offline) for config in source.configs]
        return stacked(parts), commit
    rows = load_table(source.repo, source.config, source.split, commit, offline)
    if source.join is not None:
        rows = joined(
            rows, load_table(source.repo, source.join.config, source.join.split, commit, offline), source.join
        )
    return rows, commit


def stacked(tables: Sequence[Table]) -> Table:
    """The rows of tables with the same columns, one table after the other."""
    names = list(tables[0].columns)
    for table in tables[1:]:
        if set(table.columns) != set(names):
            raise UserError(f"the configs of a dataset have different columns: {', '.join(sorted(names))} and others")
    return Table({name: [cell for table in tables for cell in table.columns[name]] for name in names})

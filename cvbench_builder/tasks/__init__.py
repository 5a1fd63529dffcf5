"""The four tasks: each enumerates every candidate of a catalog and says why the others are out."""

from __future__ import annotations

from collections.abc import Iterator

from cvbench_builder.candidates import Table
from cvbench_builder.catalog import Catalog
from cvbench_builder.settings import Settings


def enumerate_task(task: str, catalog: Catalog, settings: Settings) -> Iterator[Table]:
    """Tables of candidates, in image order. A task a source cannot answer yields nothing."""
    from cvbench_builder.tasks import count, depth, distance, relation

    if (catalog.source == "Omni3D") != (task in ("Depth", "Distance")):
        return
    by_name = {"Count": count.candidates, "Relation": relation.candidates,
               "Depth": depth.candidates, "Distance": distance.candidates}  # fmt: skip
    yield from by_name[task](catalog, settings)

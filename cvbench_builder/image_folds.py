"""Folds for baselines that learn: all questions about one image are in the same fold."""

from __future__ import annotations

from hashlib import blake2b

from cvbench_builder.task import Row

FOLDS = 5


def image_of(row: Row) -> str:
    """What distinguishes images: the hash of their bytes, or source and file name in published rows.

    Without a name, every question counts as an image of its own.
    """
    provenance = row.get("provenance") or {}
    name = row.get("source_filename") or row.get("filename") or row["question"]
    return str(provenance.get("sha256") or f"{row.get('source')}|{name}")


def fold_of(row: Row) -> int:
    """The fold of the row's image."""
    return int.from_bytes(blake2b(image_of(row).encode(), digest_size=4).digest(), "big") % FOLDS

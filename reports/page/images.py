"""Thumbnails of the images that models were shown, found in the data of a run.

A run stores hashes, not images: the dataset is opened as the run names it (never over the network) and its
images are matched by hash. Few images go into the page itself, many into files beside it.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import LazyImage
from cambrian_eval.results.grading import benchmark_of

from ..catalogue import entry
from ..runs import NamedRun
from ..style import write

EDGE = 384
"""Longest edge of a thumbnail in pixels."""
EMBEDDED = 400
"""Up to this many images are embedded in the page; more go into files beside it, which the page loads one by one."""
BLOCK = 25
"""Embedded images in one lazily parsed block."""
FOLDER = "images"


def gathered(
    runs: Sequence[NamedRun], wanted: frozenset[str], out: Path
) -> tuple[dict[str, Any], list[dict[str, str]], list[str]]:
    """The index entry that says where images are, blocks of embedded ones, and notes on what could not be found.

    Files beside the page are written one by one, so that memory does not grow with their number.
    """
    found: dict[str, bytes] = {}
    if len(wanted) <= EMBEDDED:
        notes = find(runs, wanted, found.__setitem__)
        hashes = sorted(found)
        blocks = [
            {h[:24]: base64.b64encode(found[h]).decode("ascii") for h in hashes[i : i + BLOCK]}
            for i in range(0, len(hashes), BLOCK)
        ]
        return {"embedded": {h[:24]: i // BLOCK for i, h in enumerate(hashes)}}, blocks, notes
    names: set[str] = set()

    def keep(digest: str, data: bytes) -> None:
        write(out / FOLDER / f"{digest[:24]}.jpg", data)
        names.add(digest[:24])

    notes = find(runs, wanted, keep)
    return {"files": FOLDER, "known": sorted(names)}, [], notes


def find(runs: Sequence[NamedRun], wanted: frozenset[str], keep: Callable[[str, bytes], None]) -> list[str]:
    """Hands a JPEG thumbnail of each wanted image to `keep`, once; returns notes on what could not be found."""
    notes: list[str] = []
    kept: set[str] = set()
    done: set[tuple[str, str]] = set()
    for named in runs:
        info = named.run.info
        for name in named.run.benchmarks():
            key = name, str(info["benchmarks"][name]["data"].get("fingerprint"))
            if key in done:
                continue
            try:
                limit = info["responses_depend_on"].get("limit")
                loaded = load_samples(benchmark_of(named.run, name), _spec(info), limit)
            except (UserError, OSError, ImportError) as error:
                reason = one_line(error)
                notes.append(f"no images of {entry(name).short} from {named.run.path.name}: {reason}")
                continue
            done.add(key)
            unreadable = _thumbnails(
                [image for sample in loaded.samples for image in sample.images], wanted, kept, keep
            )
            if unreadable:
                notes.append(f"{entry(name).short}: {unreadable} images could not be decoded")
    return notes


def _thumbnails(
    images: Sequence[LazyImage], wanted: frozenset[str], kept: set[str], keep: Callable[[str, bytes], None]
) -> int:
    """Decodes in threads, keeps in this one; returns how many images could not be decoded."""

    def made(image: LazyImage) -> tuple[str, bytes | None] | None:
        try:
            digest = image.sha256
            return digest, thumbnail(image) if digest in wanted and digest not in kept else None
        except (OSError, ValueError):
            return None

    unreadable = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for start in range(0, len(images), 256):
            for one in threads.map(made, images[start : start + 256]):
                if one is None:
                    unreadable += 1
                elif one[1] is not None and one[0] not in kept:
                    kept.add(one[0])
                    keep(one[0], one[1])
    return unreadable


def _spec(info: Mapping[str, Any]) -> DataSpec:
    """Where the run's rows came from, without the network."""
    kind, _, number = str(info["data"]["kind"]).partition(":")
    if kind == "mini":
        return DataSpec(mini=int(number), offline=True)
    root = info["data"].get("root")
    return DataSpec(root=None if root is None else Path(root), offline=True)


def thumbnail(image: LazyImage) -> bytes:
    """A small JPEG of an image."""
    from PIL import Image

    small = image.load()
    small.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, format="JPEG", quality=80)
    return out.getvalue()

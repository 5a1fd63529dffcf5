"""Thumbnails of the images that models were shown, found in the data of a run.

A run stores hashes, not images: the dataset is opened again (never over the network) and its images are matched by
hash. A run may come from somebody else, so no folder that run.json names is opened: the caller names the data root.
Few images go into the page itself, many into files beside it.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import LazyImage
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.running.store import Run

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
MOST_DRAWN = 10_000
"""Rows of the miniature suite that are drawn again for one benchmark."""


def gathered(
    runs: Sequence[NamedRun], wanted: frozenset[str], out: Path, root: Path | None = None
) -> tuple[dict[str, Any], list[dict[str, str]], list[str]]:
    """The index entry that says where images are, blocks of embedded ones, and notes on what could not be found.

    Files beside the page are written one by one, so that memory does not grow with their number.
    """
    found: dict[str, bytes] = {}
    if len(wanted) <= EMBEDDED:
        notes = find(runs, wanted, found.__setitem__, root)
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

    notes = find(runs, wanted, keep, root)
    return {"files": FOLDER, "known": sorted(names)}, [], notes


def find(
    runs: Sequence[NamedRun], wanted: frozenset[str], keep: Callable[[str, bytes], None], root: Path | None = None
) -> list[str]:
    """Hands a JPEG thumbnail of each wanted image to `keep`, once; returns notes on what could not be found.

    `root` is the data root of runs whose rows came from a folder.
    """
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
                loaded = load_samples(benchmark_of(named.run, name), _spec(named.run, name, root))
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


def _spec(run: Run, benchmark: str, root: Path | None) -> DataSpec:
    """Where the run's rows are, without the network and never more of them than the run has samples."""
    data = run.info.get("data")
    kind = str(data.get("kind")) if isinstance(data, dict) else "unknown"
    if kind == "folder":
        if root is None:
            raise UserError("the rows came from a folder; name it with --data-root to show its images")
        return DataSpec(root=root, offline=True)
    spec = DataSpec.parse(kind, None, offline=True)
    if spec.mini is None:
        return spec
    return replace(spec, mini=min(spec.mini, len(run.samples(benchmark)) + 1, MOST_DRAWN))


def thumbnail(image: LazyImage) -> bytes:
    """A small JPEG of an image."""
    from PIL import Image

    small = image.load()
    small.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, format="JPEG", quality=80)
    return out.getvalue()

"""Thumbnails of the pictures that models were shown, found again in the data a run was made from.

A run stores hashes, not pictures: the data set is opened as the run names it (never over the network) and its
pictures are matched by hash. Few pictures go into the page itself; many into files beside it.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.picture import Picture
from cambrian_eval.reports.catalogue import entry
from cambrian_eval.reports.runs import NamedRun
from cambrian_eval.reports.style import write
from cambrian_eval.rows import DataSpec, load_samples
from cambrian_eval.scored import benchmark_of

EDGE = 384
"""Longest edge of a thumbnail in pixels."""
EMBEDDED = 400
"""Up to this many pictures lie in the page; more go into side files, which the page loads one by one."""
BLOCK = 25
"""Embedded pictures in one lazily read block."""
FOLDER = "pictures"


def find(runs: Sequence[NamedRun], wanted: frozenset[str]) -> tuple[dict[str, bytes], list[str]]:
    """JPEG thumbnails by hash, and notes on what could not be found."""
    found: dict[str, bytes] = {}
    notes: list[str] = []
    done: set[tuple[str, str]] = set()
    for named in runs:
        info = named.run.info
        for name in named.run.benchmarks():
            about = info["benchmarks"][name]
            key = name, str(about["data"].get("fingerprint"))
            if key in done:
                continue
            try:
                loaded = load_samples(
                    benchmark_of(named.run, name), _spec(info), info["answers_depend_on"].get("limit")
                )
            except (UserError, OSError, ImportError) as error:
                notes.append(
                    f"no pictures of {entry(name).short} from {named.run.path.name}: {' '.join(str(error).split())}"
                )
                continue
            done.add(key)
            unreadable = 0
            for sample in loaded.samples:
                for picture in sample.images:
                    try:
                        digest = picture.sha256
                        if digest in wanted and digest not in found:
                            found[digest] = thumbnail(picture)
                    except (OSError, ValueError):
                        unreadable += 1
            if unreadable:
                notes.append(f"{entry(name).short}: {unreadable} pictures cannot be decoded")
    return found, notes


def _spec(info: Mapping[str, Any]) -> DataSpec:
    """Where the run's rows came from, without the network."""
    kind, _, number = str(info["data"]["kind"]).partition(":")
    if kind == "mini":
        return DataSpec(mini=int(number), offline=True)
    root = info["data"].get("root")
    return DataSpec(root=None if root is None else Path(root), offline=True)


def thumbnail(picture: Picture) -> bytes:
    """A small JPEG of a picture."""
    from PIL import Image

    image = picture.load()
    image.thumbnail((EDGE, EDGE), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    image.save(out, format="JPEG", quality=80)
    return out.getvalue()


def placed(found: Mapping[str, bytes], out: Path) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """Where the page finds each picture: the index entry, and blocks of embedded pictures."""
    hashes = sorted(found)
    if len(hashes) > EMBEDDED:
        for digest in hashes:
            write(out / FOLDER / f"{digest[:24]}.jpg", found[digest])
        return {"files": FOLDER, "known": [h[:24] for h in hashes]}, []
    blocks = [
        {h[:24]: base64.b64encode(found[h]).decode("ascii") for h in hashes[i : i + BLOCK]}
        for i in range(0, len(hashes), BLOCK)
    ]
    return {"embedded": {h[:24]: i // BLOCK for i, h in enumerate(hashes)}}, blocks

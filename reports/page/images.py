"""Thumbnails of the images that models were shown, found in the data of a run.

A run stores hashes, not images: the dataset is opened again (never over the network) and its images are matched by
hash. A run may come from somebody else, so no folder that run.json names is opened: the caller names the data root.
Few images go into the page itself, many into files beside it; of very many, only those of some samples are made.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from cambrian_eval.data.rows import DataSpec, load_samples
from cambrian_eval.errors import UserError, one_line
from cambrian_eval.image import MAX_PIXELS, LazyImage, decode, opened
from cambrian_eval.results.grading import benchmark_of
from cambrian_eval.running.store import Run

from ..catalogue import entry
from ..runs import NamedRun
from ..style import write
from .records import Owners

if TYPE_CHECKING:
    from PIL.Image import Image

EDGE = 320
"""Longest edge of a thumbnail in pixels."""
EMBEDDED = 400
"""Up to this many images may be embedded in the page; more go into files beside it, which the page loads one by one."""
FOLDER = "images"
MOST_DRAWN = 10_000
"""Rows of the miniature suite that are drawn again for one benchmark."""


@dataclass
class Thumbnails:
    """What was found: in memory where the images are few, else as files beside the page."""

    embedded: dict[str, bytes] = field(default_factory=dict)
    """Start of the hash -> JPEG."""
    files: set[str] = field(default_factory=set)
    """Starts of the hashes of images in files."""
    notes: list[str] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)

    @property
    def base64(self) -> dict[str, str]:
        """The embedded images as text."""
        return {name: base64.b64encode(data).decode("ascii") for name, data in self.embedded.items()}

    def to_files(self, out: Path) -> None:
        """Moves the embedded images into files."""
        for name, data in self.embedded.items():
            self.put(out, name, data)
        self.embedded = {}

    def put(self, out: Path, name: str, data: bytes) -> None:
        """Writes one image into its file."""
        self.written.append(write(out / FOLDER / f"{name}.jpg", data))
        self.files.add(name)


def gathered(runs: Sequence[NamedRun], shown: Owners, out: Path, root: Path | None = None, most: int = 0) -> Thumbnails:
    """Thumbnails of the images shown, of at most `most` of them (0 for all), spread over the benchmarks.

    Files beside the page are written one by one, so that memory does not grow with their number.
    """
    found = Thumbnails()
    chosen = _chosen(shown, most)
    if len(chosen) < len(shown):
        found.notes.append(f"thumbnails of {len(chosen):,} of {len(shown):,} images; --max-images 0 makes all of them")
    many = len(chosen) > EMBEDDED
    for digest, data in find(runs, chosen, found.notes, root):
        if many:
            found.put(out, digest[:24], data)
        else:
            found.embedded[digest[:24]] = data
    return found


def _chosen(shown: Owners, most: int) -> Owners:
    """The first images of every benchmark: each gets an equal share of `most`, and what one leaves goes to others."""
    if not most or len(shown) <= most:
        return shown
    by_benchmark: dict[str, list[str]] = {}
    for digest, owner in shown.items():
        if owner is not None:
            by_benchmark.setdefault(owner[0], []).append(digest)
    chosen: dict[str, tuple[str, str] | None] = {}
    left = most
    smallest_first = sorted(by_benchmark.values(), key=len)
    for place, digests in enumerate(smallest_first):
        share = digests[: left // (len(smallest_first) - place)]
        left -= len(share)
        chosen.update((digest, shown[digest]) for digest in share)
    return chosen


def find(
    runs: Sequence[NamedRun],
    wanted: Owners,
    notes: list[str],
    root: Path | None = None,
) -> Iterator[tuple[str, bytes]]:
    """Hash and JPEG thumbnail of each wanted image, once; adds notes on what could not be found.

    `root` is the data root of runs whose rows came from a folder. A hash whose sample is known is looked for there
    alone; for others all images of the benchmark are read.
    """
    kept: set[str] = set()
    done: set[tuple[str, str]] = set()
    everywhere = any(owner is None for owner in wanted.values())
    of_sample = set(wanted.values())
    for named in runs:
        info = named.run.info
        for name in named.run.benchmarks():
            key = name, str(info["benchmarks"][name]["data"].get("fingerprint"))
            if key in done or not (everywhere or any(owner and owner[0] == name for owner in of_sample)):
                continue
            try:
                needed = [s.index for s in named.run.samples(name) if everywhere or (name, s.id) in of_sample]
                spec = _spec(named.run, name, root, max(needed, default=0) + 2)
                loaded = load_samples(benchmark_of(named.run, name), spec)
            except (UserError, OSError, ImportError) as error:
                reason = one_line(error)
                notes.append(f"no images of {entry(name).short} from {named.run.path.name}: {reason}")
                continue
            done.add(key)
            images = [i for s in loaded.samples if everywhere or (name, s.id) in of_sample for i in s.images]
            unreadable = 0
            for digest, data in _thumbnails(images, wanted.keys(), kept):
                if data is None:
                    unreadable += 1
                else:
                    kept.add(digest)
                    yield digest, data
            if unreadable:
                notes.append(f"{entry(name).short}: {unreadable} images could not be decoded")


def _thumbnails(
    images: Sequence[LazyImage], wanted: Iterable[str], kept: set[str]
) -> Iterator[tuple[str, bytes | None]]:
    """Wanted images that are not yet kept, decoded in threads; None for one that could not be decoded."""

    def made(image: LazyImage) -> tuple[str, bytes | None] | None:
        try:
            read = image.fetched()  # once: a drawn image would be drawn again
            digest = read.sha256
            return (digest, thumbnail(read)) if digest in wanted and digest not in kept else None
        except (OSError, ValueError):
            return "", None

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as threads:
        for start in range(0, len(images), 256):
            for one in threads.map(made, images[start : start + 256]):
                if one is not None and one[0] not in kept:
                    yield one


def _spec(run: Run, benchmark: str, root: Path | None, rows: int) -> DataSpec:
    """Where the run's rows are, without the network; of rows that are drawn, no more than are needed."""
    data = run.info.get("data")
    kind = str(data.get("kind")) if isinstance(data, dict) else "unknown"
    if kind == "folder":
        if root is None:
            raise UserError("the rows came from a folder; name it with --data-root to show its images")
        return DataSpec(root=root, offline=True)
    spec = DataSpec.parse(kind, None, offline=True)
    if spec.mini is None:
        return spec
    return replace(spec, mini=min(spec.mini, rows, len(run.samples(benchmark)) + 1, MOST_DRAWN))


def thumbnail(image: LazyImage) -> bytes:
    """A small JPEG of an image."""
    from PIL.Image import Resampling

    small = _decoded(image.data())
    small.thumbnail((EDGE, EDGE), Resampling.HAMMING)  # half the time of LANCZOS, which looks the same here
    out = io.BytesIO()
    small.save(out, format="JPEG", quality=80)
    return out.getvalue()


def _decoded(data: bytes) -> Image:
    """The image in RGB; a JPEG at the smallest size that it can be decoded at and that is not below its thumbnail's."""
    with opened(data, MAX_PIXELS) as image:
        if image.format != "JPEG":
            return decode(data)
        width, height = image.size
        longest = max(width, height)
        image.draft(None, (max(1, width * EDGE // longest), max(1, height * EDGE // longest)))
        return image.convert("RGB")

"""From the paths a user gave to checked catalogs: which reader, which images, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from cvbench_builder.cache import NOTHING_KEPT, Cache
from cvbench_builder.catalog import Catalog, Pic
from cvbench_builder.errors import BuilderError
from cvbench_builder.images import Folder, check, count_by_flag
from cvbench_builder.sources import ade20k, ade20k_instances, coco, omni3d

MISSING_LIMIT = 0.05
_WRONG_FOLDER = 0.5
_SHOWN = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Inputs:
    """What a user gave to read: annotations, image folders, images to leave out. ``load`` checks it."""

    coco: tuple[Path, ...] = ()
    coco_images: tuple[Path, ...] = ()
    ade20k: tuple[Path, ...] = ()
    ade20k_split: str = "auto"
    ade20k_instances: tuple[Path, ...] = ()
    ade20k_list: Path | None = None
    ade20k_images: tuple[Path, ...] = ()
    omni3d: tuple[Path, ...] = ()
    omni3d_images: tuple[Path, ...] = ()
    exclude: frozenset[str] = frozenset()
    cache: Cache = NOTHING_KEPT
    workers: int = 1


@dataclass(frozen=True)
class Source:
    """One annotation file with the images that were found for it."""

    catalog: Catalog
    images: dict[str, Path]
    """Path of each usable image by image id; empty when no image folder was given."""
    missing: tuple[str, ...]


def load(inputs: Inputs, say: Say, *, need_images: bool) -> list[Source]:
    """Every source the user gave, in an order that does not depend on the order of the flags."""
    sources: dict[str, Source] = {}
    if not (inputs.coco or inputs.ade20k or inputs.ade20k_instances or inputs.omni3d):
        raise BuilderError("no source: give at least one of --coco, --ade20k, --ade20k-instances, --omni3d")
    for catalog, roots, flag in _catalogs(inputs, say):
        same = f"{catalog.source}|{catalog.component}|{catalog.split}|{catalog.sha256}"
        if same in sources:
            say(f"{catalog.file}: the same annotations were given twice; read once")
            continue
        if not roots and need_images:
            raise BuilderError(f"{catalog.file}: its images are needed; give their folder with {flag}")
        source = _with_images(catalog, roots) if roots else Source(catalog, {}, ())
        sources[same] = _exclude(source, inputs.exclude)
        for reason, n in sorted({**catalog.skipped, **count_by_flag(source.catalog.image_flags)}.items()):
            say(f"{Path(catalog.file).name}: {n} x {reason}")
        if source.missing:
            listed = ", ".join(source.missing[:_SHOWN]) + (" ..." if len(source.missing) > _SHOWN else "")
            say(f"{Path(catalog.file).name}: {len(source.missing)} of {len(catalog)} images missing: {listed}")
    ordered = [sources[k] for k in sorted(sources)]
    _stop_if_missing(ordered)
    return ordered


def _catalogs(inputs: Inputs, say: Say) -> Iterator[tuple[Catalog, list[Path], str]]:
    cache = inputs.cache
    for path in inputs.coco:
        digest = cache.digest(path)
        catalog = cache.catalog(f"coco-{coco.split_of(path)}", digest, str(path), partial(coco.read, path, digest))
        yield catalog, list(inputs.coco_images), "--coco-images"
    instances = [*inputs.ade20k_instances, *(p for p in inputs.ade20k if p.is_file())]
    for path in instances:
        digest = cache.digest(path)
        kind = "ade100-" + ("train" if "train" in path.name.lower() else "val")
        listed = inputs.ade20k_list
        if listed is not None:
            kind += "-" + cache.digest(listed)[:16]
        catalog = cache.catalog(
            kind,
            digest,
            str(path),
            partial(ade20k_instances.read, path, inputs.ade20k_list, digest),
        )
        yield catalog, list(inputs.ade20k_images), "--ade20k-images"
    for root in inputs.ade20k:
        if root.is_file():
            continue
        for split, files in ade20k.find_annotations(root, inputs.ade20k_split).items():
            if inputs.ade20k_split == "auto" and split == "training":
                say(f"{root}: no validation images, the training images are used")
            catalog = cache.catalog(
                f"ade20k-{split}",
                ade20k.fingerprint(files),
                str(root),
                partial(ade20k.read, root, split, files, inputs.workers),
            )
            yield catalog, [root], "--ade20k"
    for path in inputs.omni3d:
        digest = cache.digest(path)
        catalog = cache.catalog(f"omni3d-{path.stem}", digest, str(path), partial(omni3d.read, path, digest))
        yield catalog, list(inputs.omni3d_images), "--omni3d-images"


def _with_images(catalog: Catalog, roots: list[Path]) -> Source:
    checked, paths, missing = check(catalog, Folder(roots))
    if len(missing) > _WRONG_FOLDER * len(catalog):
        other = "val" if "train" in catalog.split else "train" if "val" in catalog.split else "another"
        raise BuilderError(
            f"{catalog.file}: {len(missing)} of its {len(catalog)} images are not under "
            f"{', '.join(str(r) for r in roots)} (first: {missing[0]}); are these the images of the {other} split?"
        )
    return Source(checked, paths, tuple(missing))


def _exclude(source: Source, names: frozenset[str]) -> Source:
    if not names:
        return source
    plain = {n.rsplit("/", 1)[-1] for n in names if "/" not in n} | names
    catalog = source.catalog
    hit = [n in names or n.rsplit("/", 1)[-1] in plain for n in catalog.image_name.tolist()]
    flags = catalog.image_flags | np.where(hit, int(Pic.EXCLUDED), 0)
    return replace(source, catalog=catalog.with_flags(flags))


def _stop_if_missing(sources: list[Source]) -> None:
    checked = [s for s in sources if s.images or s.missing]
    missing, total = sum(len(s.missing) for s in checked), sum(len(s.catalog) for s in checked)
    if missing > MISSING_LIMIT * total:
        worst = max(checked, key=lambda s: len(s.missing))
        raise BuilderError(
            f"{missing} of {total} images are missing, more than {MISSING_LIMIT:.0%} "
            f"(most in {worst.catalog.file}, first: {worst.missing[0]}); fetch them or correct the image folder"
        )

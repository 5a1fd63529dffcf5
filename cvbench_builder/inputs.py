"""From the given paths to checked catalogs: which reader, which images, what is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np

from cvbench_builder.cache import NOTHING_KEPT, Cache
from cvbench_builder.catalog import Catalog, ImageFlag
from cvbench_builder.errors import BuilderError
from cvbench_builder.files import read_text
from cvbench_builder.images import ImageFolder, Source, check, count_by_flag
from cvbench_builder.settings import BuildSettings, Meta, ObjectRules, declared
from cvbench_builder.sources import ade20k, ade20k_instances, coco, omni3d
from cvbench_builder.union import unite

MISSING_LIMIT = 0.05
_WRONG_FOLDER = 0.5
_SHOWN = 5

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Inputs:
    """The given sources: annotations, image folders, images to leave out. `load` checks them."""

    coco: Annotated[tuple[Path, ...], Meta("COCO instances_*.json, one or more files.")] = ()
    coco_images: Annotated[tuple[Path, ...], Meta("Folders with the COCO images.")] = ()
    ade20k: Annotated[tuple[Path, ...], Meta("ADE20K_2021_17_01 folders.")] = ()
    ade20k_split: Annotated[
        str,
        Meta(
            "Which images of ADE20K; `auto`: validation if there are any, otherwise training.",
            choices=("auto", "validation", "training", "all"),
        ),
    ] = "auto"
    ade20k_instances: Annotated[tuple[Path, ...], Meta("Instance-100 JSON files of ADE20K.")] = ()
    ade20k_list: Annotated[Path | None, Meta("imgCatIds.json of Instance-100.")] = None
    ade20k_images: Annotated[tuple[Path, ...], Meta("Folders with the Instance-100 images.")] = ()
    omni3d: Annotated[tuple[Path, ...], Meta("Omni3D JSON files of any components.")] = ()
    omni3d_name: Annotated[
        tuple[str, ...],
        Meta("Names of the Omni3D files' datasets, one for all files or one per file; default: from name and `info`."),
    ] = ()
    omni3d_images: Annotated[tuple[Path, ...], Meta("Folders that the file paths of Omni3D are relative to.")] = ()
    exclude: Annotated[Path | None, Meta("File with source_filename values to leave out, one per line.")] = None
    follow_links: Annotated[bool, Meta("Use images behind links that lead out of their image folder.")] = False
    cache: Cache = NOTHING_KEPT
    workers: int = 1


def load(inputs: Inputs, progress: Progress, *, need_images: bool) -> list[Source]:
    """Every given source, in an order that does not depend on the order of the options."""
    sources: dict[str, Source] = {}
    if not (inputs.coco or inputs.ade20k or inputs.ade20k_instances or inputs.omni3d):
        raise BuilderError("no source: give at least one of --coco, --ade20k, --ade20k-instances, --omni3d")
    for option in declared(Inputs):
        option.check(getattr(inputs, option.name))
    excluded = _excluded(inputs.exclude)
    for catalog, roots, flag in _catalogs(inputs, progress):
        same = f"{catalog.source}|{catalog.component}|{catalog.split}|{catalog.sha256}"
        if same in sources:
            progress(f"{catalog.file}: these annotations were given twice; using them once")
            continue
        if not roots and need_images:
            raise BuilderError(f"{catalog.file}: the images of this file are needed; give their folder with {flag}")
        source = _with_images(catalog, roots, inputs.follow_links) if roots else Source(catalog, {}, ())
        sources[same] = _exclude(source, excluded)
        for reason, n in sorted({**catalog.skipped, **count_by_flag(source.catalog.image_flags)}.items()):
            progress(f"{Path(catalog.file).name}: {n} x {reason}")
        if catalog.synthetic:
            progress(f"{Path(catalog.file).name}: synthetic: a program drew these images; their rows say so")
        if source.missing:
            listed = ", ".join(source.missing[:_SHOWN]) + (" ..." if len(source.missing) > _SHOWN else "")
            progress(f"{Path(catalog.file).name}: {len(source.missing)} of {len(catalog)} images missing: {listed}")
    ordered = [sources[k] for k in sorted(sources)]
    _stop_if_missing(ordered)
    united, notes = unite(ordered)
    for note in notes:
        progress(note)
    return united


def named(sources: list[Source], settings: BuildSettings) -> list[Source]:
    """The sources with the class names that the settings ask for."""
    if settings[ObjectRules].names == "first":
        return sources
    return [replace(s, catalog=s.catalog.with_annotated_names()) for s in sources]


def _catalogs(inputs: Inputs, progress: Progress) -> Iterator[tuple[Catalog, list[Path], str]]:
    cache = inputs.cache
    for path in inputs.coco:
        digest = cache.digest(path)
        catalog = cache.catalog(f"coco-{coco.split_of(path)}", digest, str(path), partial(coco.read, path, digest))
        yield catalog, _own_first(inputs.coco, inputs.coco_images, path), "--coco-images"
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
                progress(f"{root}: there are no validation images; using the training images")
            catalog = cache.catalog(
                f"ade20k-{split}",
                ade20k.fingerprint(root, files),
                str(root),
                partial(ade20k.read, root, split, files, inputs.workers),
            )
            yield catalog, [root], "--ade20k"
    names = inputs.omni3d_name
    if len(names) > 1 and len(names) != len(inputs.omni3d):
        raise BuilderError(
            f"--omni3d-name: {len(names)} names for {len(inputs.omni3d)} files; give one for all or one per file"
        )
    for path in inputs.omni3d:
        digest = cache.digest(path)
        name = names[inputs.omni3d.index(path) % len(names)] if names else ""
        kind = f"omni3d-{path.stem}" + (f"-{omni3d.component_name(name)}" if name else "")
        catalog = cache.catalog(kind, digest, str(path), partial(omni3d.read, path, digest, name))
        yield catalog, _own_first(inputs.omni3d, inputs.omni3d_images, path), "--omni3d-images"


def _own_first(files: tuple[Path, ...], folders: tuple[Path, ...], path: Path) -> list[Path]:
    """The image folders; where there are as many as files, the one in the same place comes first."""
    place = files.index(path)
    own = [folders[place]] if len(files) == len(folders) else []
    return [*own, *(f for f in folders if f not in own)]


def _with_images(catalog: Catalog, roots: list[Path], follow_links: bool) -> Source:
    for root in roots:
        if not root.is_dir():
            raise BuilderError(f"{root}: {'is a file' if root.exists() else 'no such folder'}; give a folder of images")
    folder = ImageFolder(roots, follow_links)
    checked, paths, missing = check(catalog, folder)
    if missing and folder.left_out:
        raise BuilderError(
            f"{folder.left_out[0]}: is a link that leads out of the image folder; add --follow-links to use it"
        )
    if len(missing) > _WRONG_FOLDER * len(catalog):
        raise BuilderError(
            f"{catalog.file}: {len(missing)} of its {len(catalog)} images are not under "
            f"{', '.join(str(r) for r in roots)} (first: {missing[0]}); {_hint(catalog, roots, missing[0])}"
        )
    return Source(checked, paths, tuple(missing))


def _hint(catalog: Catalog, roots: list[Path], name: str) -> str:
    """Where the images seem to be, by looking for one of them near the given folders."""
    name = name.replace("\\", "/")
    for root in roots:
        for folder in (*_folders(root), root.absolute().parent, *_folders(root.absolute().parent)):
            if any((folder / tail).is_file() for tail in (name, name.rsplit("/", 1)[-1])):
                return f"did you mean {folder}?"
    for ours, theirs in (("train", "val"), ("val", "train")):
        if ours in catalog.split and any(theirs in root.name for root in roots):
            return f"are these the images of the {theirs} split?"
    return f"give the folder that contains {name}"


def _folders(root: Path) -> list[Path]:
    try:
        return sorted(p for p in root.iterdir() if p.is_dir())
    except OSError:
        return []


def _exclude(source: Source, names: frozenset[str]) -> Source:
    if not names:
        return source
    plain = {n.rsplit("/", 1)[-1] for n in names if "/" not in n} | names
    catalog = source.catalog
    hit = [n in names or n.rsplit("/", 1)[-1] in plain for n in catalog.image_name.tolist()]
    flags = catalog.image_flags | np.where(hit, int(ImageFlag.EXCLUDED), 0)
    return replace(source, catalog=catalog.with_flags(flags))


def _excluded(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    return frozenset(line.strip() for line in read_text(path).splitlines() if line.strip())


def _stop_if_missing(sources: list[Source]) -> None:
    checked = [s for s in sources if s.images or s.missing]
    missing, total = sum(len(s.missing) for s in checked), sum(len(s.catalog) for s in checked)
    if missing > MISSING_LIMIT * total:
        worst = max(checked, key=lambda s: len(s.missing))
        raise BuilderError(
            f"{missing} of {total} images are missing, more than {MISSING_LIMIT:.0%} "
            f"(most in {worst.catalog.file}, first: {worst.missing[0]}); download them or correct the image folder"
        )

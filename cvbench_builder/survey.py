"""What the given folders contain: annotation files, their images, and the candidates of each task.

`found_in` looks for the sources below a folder by the names that their providers use. `survey` reads every source on
its own, so a problem with one of them does not hide the others.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from cvbench_builder.catalog import SYNTHETIC
from cvbench_builder.errors import BuilderError
from cvbench_builder.images import Source
from cvbench_builder.inputs import Inputs, load, named
from cvbench_builder.settings import BuildSettings
from cvbench_builder.sources.omni3d import COMPONENTS
from cvbench_builder.tasks import chosen_tasks, enumerate_candidates

DEPTH = 3
"""Levels of folders that are searched."""
WANTED = {
    "COCO": "annotations and images of 2017 from https://cocodataset.org/#download (no registration)",
    "ADE20K": "ADE20K_2021_17_01 from https://ade20k.csail.mit.edu (registration; research and education only)",
    "nuScenes": "images from https://www.nuscenes.org (registration), annotations with Omni3D",
    "Hypersim": "images from https://github.com/apple/ml-hypersim, annotations with Omni3D",
    "SUNRGBD": "images from https://rgbd.cs.princeton.edu, annotations with Omni3D",
}
"""The sources of the published set, and where they come from."""


@dataclass(frozen=True)
class Finding:
    """One annotation file (or ADE20K folder), or what is wrong with it."""

    name: str
    place: str
    problem: str = ""
    images: int = 0
    with_file: int | None = None
    """Images whose file was found; None where no image folder was given."""
    objects: int = 0
    classes: int = 0
    candidates: tuple[tuple[str, int], ...] = ()
    """Valid candidates of each task."""


def found_in(folder: Path) -> Inputs:
    """The sources below a folder."""
    if not folder.is_dir():
        raise BuilderError(f"{folder}: no such folder")
    folders = list(_folders(folder))
    files = sorted(p for f in folders for p in f.glob("*.json") if p.is_file())
    coco = tuple(p for p in files if p.name.startswith("instances_"))
    ade = tuple(f for f in folders if f.name.startswith("ADE20K_") and (f / "images").is_dir())
    omni = tuple(p for p in files if re.fullmatch(rf"({'|'.join(COMPONENTS)})_(train|val|test)", p.stem))
    splits = {p.stem.removeprefix("instances_") for p in coco}
    return Inputs(
        coco=coco,
        coco_images=tuple(f for f in folders if f.name in splits),
        ade20k=ade,
        omni3d=omni,
        omni3d_images=tuple(f for f in folders if f.name == "datasets"),
    )


def _folders(root: Path) -> Iterator[Path]:
    for place, names, _ in os.walk(root):
        folder = Path(place)
        yield folder
        deep = len(folder.relative_to(root).parts) >= DEPTH or folder.name.startswith("ADE20K_")
        names[:] = [] if deep else sorted(n for n in names if not n.startswith("."))


def survey(inputs: Inputs, settings: BuildSettings) -> Iterator[Finding]:
    """A finding for each given file and folder."""
    alone = replace(inputs, coco=(), ade20k=(), ade20k_instances=(), omni3d=(), omni3d_name=())
    parts = [
        *(replace(alone, coco=(p,)) for p in inputs.coco),
        *(replace(alone, ade20k=(p,)) for p in inputs.ade20k),
        *(replace(alone, ade20k_instances=(p,)) for p in inputs.ade20k_instances),
        *(replace(alone, omni3d=(p,), omni3d_name=inputs.omni3d_name[:1]) for p in inputs.omni3d),
    ]
    for part in parts:
        place = str((*part.coco, *part.ade20k, *part.ade20k_instances, *part.omni3d)[0])
        try:
            sources = named(load(part, lambda _: None, need_images=False), settings)
        except BuilderError as error:
            yield Finding("", place, problem=str(error).removeprefix(f"{place}: "))
            continue
        for source in sources:
            yield _finding(source, place, settings)


def _finding(source: Source, place: str, settings: BuildSettings) -> Finding:
    catalog = source.catalog
    counts = [
        (task.name, sum(int(np.count_nonzero(t.reasons == 0)) for t in enumerate_candidates(task, catalog, settings)))
        for task in chosen_tasks(settings)
        if task.applies(catalog)
    ]
    checked = bool(source.images or source.missing)
    return Finding(
        name=f"{catalog.name} {catalog.split}" + (f" ({SYNTHETIC})" if catalog.synthetic else ""),
        place=place,
        images=len(catalog),
        with_file=len(catalog) - len(source.missing) if checked else None,
        objects=len(catalog.object_image),
        classes=len(catalog.classes),
        candidates=tuple(counts),
    )


def lines(findings: list[Finding]) -> list[str]:
    """The findings, then the sources of the published set that are missing."""
    out = []
    for f in findings:
        if f.problem:
            out += [f"problem: {f.place}", f"    {f.problem}"]
            continue
        files = "no image folder given" if f.with_file is None else f"{f.with_file} of {f.images} image files found"
        counts = ", ".join(f"{n} {task}" for task, n in f.candidates) or "none"
        out += [f"{f.name}: {f.place}", f"    {f.images} images ({files}), {f.objects} objects, {f.classes} classes"]
        out.append(f"    candidates: {counts}")
    have = {f.name.split(" ")[0] for f in findings if not f.name.endswith(f"({SYNTHETIC})")}
    out += [f"missing for the published set: {name}; {where}" for name, where in WANTED.items() if name not in have]
    return out


def flags(inputs: Inputs, findings: list[Finding]) -> str:
    """The source options of `build` for these inputs, without those that cannot be used; "" if none is left."""
    unusable = {f.place for f in findings if f.problem}
    coco, ade20k, omni3d = (
        tuple(p for p in paths if str(p) not in unusable) for paths in (inputs.coco, inputs.ade20k, inputs.omni3d)
    )
    given = {
        "--coco": coco,
        "--coco-images": inputs.coco_images if coco else (),
        "--ade20k": ade20k,
        "--omni3d": omni3d,
        "--omni3d-images": inputs.omni3d_images if omni3d else (),
    }
    return " ".join(f"{flag} {' '.join(map(str, paths))}" for flag, paths in given.items() if paths)

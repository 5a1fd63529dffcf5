"""The Instance-100 release of ADE20K: COCO's format, ids from 0, run-length masks.

Its JSON may lack the image and class lists; they are then in the list file of the release (`imgCatIds.json`).
Category ids with the same name become one class.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cvbench_builder.catalog import Catalog
from cvbench_builder.errors import BuilderError
from cvbench_builder.records import Field, Stream, decode_raw_many, read_lists, record
from cvbench_builder.sources import coco

ANNOTATION = record("InstanceAnnotation", *coco.OBJECT_FIELDS, Field("segmentation", "raw"))
LISTS = {"images": coco.IMAGE, "annotations": ANNOTATION, "categories": coco.CATEGORY}
LIST_FILE = "imgCatIds.json"


def read(path: Path, list_file: Path | None, sha256: str) -> Catalog:
    """The file as a catalog; `list_file` contains the missing lists, with None it is searched beside the file."""
    parsed = read_lists(path, LISTS, streamed="annotations")
    if parsed["annotations"] is None:
        raise BuilderError(f"{path}: no `annotations`; the Instance-100 JSON of ADE20K is needed")
    if parsed["images"] is None or parsed["categories"] is None:
        listed = _list_file(path, list_file)
        parsed["images"] = parsed["images"] or listed["images"]
        parsed["categories"] = parsed["categories"] or listed["categories"]
    found = parsed["annotations"]
    parsed["annotations"] = Stream(
        _boxes_from_masks(path, found.first), lambda: (_boxes_from_masks(path, piece) for piece in found.pieces())
    )
    coco.refuse_other_files(path, parsed)
    train = "train" in path.name.lower()
    return coco.from_parsed(
        parsed,
        source="ADE20K",
        split="training" if train else "validation",
        title="ADE20K Training Set" if train else "ADE20K Validation Set",
        path=path,
        sha256=sha256,
        folder="",
    )


def _list_file(path: Path, given: Path | None) -> dict[str, Any]:
    candidates = [given] if given else [path.parent / LIST_FILE, path.parent.parent / LIST_FILE]
    for candidate in candidates:
        if candidate and candidate.is_file():
            listed = read_lists(candidate, {"images": coco.IMAGE, "categories": coco.CATEGORY})
            if listed["images"] is None or listed["categories"] is None:
                raise BuilderError(f"{candidate}: needs `images` and `categories`; pass {LIST_FILE} with --ade20k-list")
            return listed
    raise BuilderError(f"{path}: has no `images` or `categories`; pass the release's {LIST_FILE} with --ade20k-list")


def _boxes_from_masks(path: Path, annotations: list[Any]) -> list[Any]:
    """The annotations, with box and area computed from the mask if the file does not contain them."""
    incomplete = [a for a in annotations if a.bbox is None or a.area is None]
    if not incomplete:
        return annotations
    from pycocotools import mask as masks

    for annotation, shape in zip(incomplete, decode_raw_many([a.segmentation for a in incomplete]), strict=True):
        if not isinstance(shape, dict) or "counts" not in shape or "size" not in shape:
            continue  # remains without a box and is counted as degenerate
        try:
            run_lengths = masks.frPyObjects(shape, *shape["size"]) if isinstance(shape["counts"], list) else shape
            annotation.bbox = annotation.bbox or [float(v) for v in masks.toBbox(run_lengths)]
            annotation.area = float(masks.area(run_lengths))
        except (TypeError, ValueError):
            raise BuilderError(
                f"{path}: annotation {annotation.id}: `segmentation` is not a run-length mask; download the file again"
            ) from None
    return annotations

"""The options that several verbs share, each declared once: its flag, its type and its one line of help.

Defaults stand with the verbs. A rule that is not given keeps the preset's value, so its default is None everywhere.
"""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated, Any

import typer


class Task(str, Enum):  # noqa: UP042 - typer shows the values of a str Enum
    """A task as `--task` names it."""

    COUNT = "count"
    RELATION = "relation"
    DEPTH = "depth"
    DISTANCE = "distance"


def _source(*flag: str, help: str) -> Any:
    return typer.Option(*flag, help=help, rich_help_panel="Sources")


def _rule(help: str) -> Any:
    return typer.Option(help=help, rich_help_panel="Rules (default: the preset's)")


Coco = Annotated[list[Path] | None, _source("--coco", help="COCO instances_*.json, one or more.")]
CocoImages = Annotated[list[Path] | None, _source("--coco-images", help="Folders of its images.")]
Ade = Annotated[list[Path] | None, _source("--ade20k", help="ADE20K_2021_17_01 folders.")]
AdeSplit = Annotated[str, _source("--ade20k-split", help="auto, validation, training or all.")]
AdeInstances = Annotated[list[Path] | None, _source("--ade20k-instances", help="Instance-100 JSON of ADE20K.")]
AdeList = Annotated[Path | None, _source("--ade20k-list", help="imgCatIds.json of Instance-100.")]
AdeImages = Annotated[list[Path] | None, _source("--ade20k-images", help="Images of Instance-100.")]
Omni = Annotated[list[Path] | None, _source("--omni3d", help="Omni3D JSON files, any components.")]
OmniImages = Annotated[list[Path] | None, _source("--omni3d-images", help="The folder their file paths start from.")]
Exclude = Annotated[Path | None, _source(help="File of source_filename values to leave out, one a line.")]
CacheDir = Annotated[Path | None, _source(help="Where read annotations are kept.")]
NoCache = Annotated[bool, _source("--no-cache", help="Read every file anew, keep nothing.")]

Preset = Annotated[str, typer.Option(help="published, strict or max.")]
Seed = Annotated[int, typer.Option(help="Another seed draws other rows.")]
Workers = Annotated[int | None, typer.Option(help="Parallel workers; the result does not depend on it.", min=1)]
Tasks = Annotated[list[Task] | None, typer.Option("--task", help="Only these tasks.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Build = Annotated[Path, typer.Argument(help="A finished build folder.")]

MinArea = Annotated[float | None, _rule("Share of the image an object must cover.")]
MinSide = Annotated[float | None, _rule("Smallest side in pixels.")]
MinGap = Annotated[float | None, _rule("Gap on the asked axis (Relation).")]
MaxOverlap = Annotated[float | None, _rule("Overlap of the smaller box (Relation).")]
SoftRelation = Annotated[bool | None, _rule("Also overlapping projections with far centres.")]
SoftGap = Annotated[float | None, _rule("How far the centres then lie apart.")]
RequireDominantAxis = Annotated[bool | None, _rule("The asked axis must be the longer one.")]
MarkAnchor = Annotated[bool | None, _rule("Allow anchors that are not alone, with a box.")]
Markers = Annotated[str | None, _rule("both, or published (ADE20K marks once).")]
DuplicateIoU = Annotated[float | None, _rule("Overlap that makes two boxes one object (Count).")]
CountOptions = Annotated[str | None, _rule("published or balanced.")]
Plural = Annotated[str | None, _rule("proper, or published (a bare s).")]
KeepSoft = Annotated[bool | None, _rule("Counts of cropped, occluded or many objects.")]
MaxTruncation = Annotated[float | None, _rule("Of a cuboid, where known.")]
MinVisibility = Annotated[float | None, _rule("Of a cuboid, where known.")]
MinHeight = Annotated[float | None, _rule("Of a cuboid, as a share of the image.")]
DepthOffset = Annotated[float | None, _rule("Metres (0.3 indoors, 1.0 outdoors).")]
DepthRatio = Annotated[float | None, _rule("Share of the farther object's distance.")]
DistanceOffset = Annotated[float | None, _rule("Metres (0.3 indoors, 1.0 outdoors).")]
DistanceRatio = Annotated[float | None, _rule("Share of the nearer value.")]
AnchorMetric = Annotated[str | None, _rule("centre, corner, surface or all.")]
MaxOverlap3D = Annotated[float | None, _rule("Overlap of drawn boxes (Depth, Distance).")]
TriplesPerImage = Annotated[int | None, _rule("Distance candidates of one image; 0: all.")]
Palette = Annotated[str | None, _rule("published, or safe for colour-blind eyes.")]

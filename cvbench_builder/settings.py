"""Every number the builder decides by, in one frozen value, and the three presets.

The hash of a ``Settings`` goes into every row: two builds with the same hash, sources and seed are
byte-identical.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, replace

from cvbench_builder.errors import BuilderError

TASKS = ("Count", "Relation", "Depth", "Distance")
PUBLISHED_SIZES = {"Count": 788, "Relation": 650, "Depth": 600, "Distance": 600}
SOURCES_2D = ("ADE20K", "COCO")
COMPONENTS_3D = ("Hypersim", "SUNRGBD", "nuScenes")
"""The components of the published 3D tasks, 200 rows each."""

ZERO_STRATEGIES = ("random", "popular", "adversarial")
VALUE_QUOTAS = (("0", 0.15), ("1", 0.20), ("2", 0.20), ("3", 0.15), ("4", 0.10), ("5-10", 0.20))


@dataclass(frozen=True)
class Settings:
    """The rules of one build: pixels in the plane, metres in space, and shares of 1."""

    preset: str = "strict"
    """The preset these rules began as."""
    seed: int = 1
    """Decides the hash by which candidates are drawn."""
    tasks: tuple[str, ...] = TASKS
    sizes: tuple[tuple[str, int], ...] = tuple(PUBLISHED_SIZES.items())
    """Rows wanted per task; empty: everything valid, without quotas or caps."""

    # objects in the plane
    min_area: float = 0.0025
    """Share of the image an object must cover."""
    min_side: float = 8.0
    """Pixels each side of a box must have."""
    max_overlap: float = 0.10
    """Intersection over the smaller box at which two objects are not told apart."""
    duplicate_iou: float = 0.8
    """Overlap of two boxes of one class from which on they count as one object annotated twice."""

    # relation
    min_gap: float = 0.02
    """Gap between the boxes on the asked axis, as a share of that side of the image."""
    soft_relation: bool = False
    """Also ask where projections overlap but the centres are far apart."""
    soft_gap: float = 0.25
    """How far apart, as a share of that side of the image."""
    require_dominant_axis: bool = False
    """Ask only about the axis on which the centres are farther apart."""
    mark_anchor: bool = False
    """Allow anchors whose class is not alone in the image, with a box drawn around them."""
    markers: str = "both"
    """``both`` mentions carry the marker; ``published``: only the first one in ADE20K rows."""

    # count
    count_options: str = "published"
    """``published``: values around the answer, and 0; ``balanced``: windows that do not give it away."""
    plural: str = "proper"
    """``proper`` plurals, or ``published``: an s behind every name."""
    keep_soft: bool = True
    """Keep counts of cropped, occluded or more than ten objects, with a flag."""
    zero_share: float = 0.15
    """Share of Count rows whose answer is 0."""

    # cuboids
    max_truncation: float = 0.33
    """Share of a cuboid that may lie outside the image, where it is known."""
    min_visibility: float = 0.34
    """Share of a cuboid that must be visible, where it is known."""
    min_height: float = 0.05
    """Projected height over the height of the image that a cuboid must exceed."""
    max_height: float = 1.5
    """Projected height over the height of the image that a cuboid must not exceed."""
    min_z: float = 0.1
    """Metres in front of the camera that every corner must exceed."""
    min_side_3d: float = 16.0
    """Pixels each side of a cuboid's box must have."""
    max_overlap_3d: float = 0.5
    """Intersection over the smaller box above which drawn boxes are not told apart."""
    depth_offset: float | None = None
    """Metres; None: 0.3 indoors, 1.0 outdoors."""
    depth_ratio: float = 0.10
    """The offset as a share of the farther object's distance, where that is more."""
    distance_offset: float | None = None
    """As ``depth_offset``."""
    distance_ratio: float = 0.20
    """The offset as a share of the nearer object's distance from the anchor, where that is more."""
    anchor_metric: str = "all"
    """How the anchor is read: ``centre``, ``corner``, ``surface``, or ``all``, which must agree."""
    triples_per_image: int = 200
    """Most Distance candidates of one image, drawn by their hash; 0: no cap."""

    # sampling
    ade20k_share: float = 0.5
    """Share of ADE20K in the 2D rows, where both sources are given."""
    per_image: tuple[tuple[str, int], ...] = (("Count", 1), ("Relation", 2), ("Depth", 1), ("Distance", 1))
    """Most rows of one image, by task."""
    per_scene: int = 10
    """Most rows of one scene and task."""
    min_frame_distance: int = 4
    """Frames between two images of one scene."""
    pair_share: float = 0.04
    """Largest share of a task's rows on one pair of classes."""
    class_share: float = 0.10
    """Largest share of a task's rows on one class; Count and Relation."""
    value_share: float = 0.5
    """Largest share of one value among the Count rows of a class."""
    shortcut_cap: float = 0.6
    """Largest share of Depth rows that one box heuristic solves, or fails."""

    palette: str = "published"
    """``published`` red, blue and green, or ``safe`` for people with any colour blindness."""
    twins: bool = False
    """Also write a mirrored twin of every row."""

    def size(self, task: str) -> int | None:
        """Rows wanted of a task; None means no bound."""
        return dict(self.sizes).get(task) if self.sizes else None

    def offset(self, task: str, outdoors: bool) -> float:
        """Metres by which the nearer object must at least be nearer; the ratio may ask for more."""
        given = self.depth_offset if task == "Depth" else self.distance_offset
        return given if given is not None else (1.0 if outdoors else 0.3)

    @property
    def sha256(self) -> str:
        """Of every field, so that any changed rule changes it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


PRESETS = {
    "published": Settings(
        preset="published",
        plural="published",
        markers="published",
        per_image=(("Count", 1), ("Relation", 1), ("Depth", 1), ("Distance", 1)),
    ),
    "strict": Settings(keep_soft=False),
    "max": Settings(preset="max", sizes=()),
}

_CHOICES = {
    "count_options": ("published", "balanced"),
    "plural": ("proper", "published"),
    "markers": ("both", "published"),
    "anchor_metric": ("centre", "corner", "surface", "all"),
    "palette": ("published", "safe"),
}
_SHARES = ("min_area", "max_overlap", "duplicate_iou", "min_gap", "soft_gap", "zero_share", "ade20k_share",
           "pair_share", "class_share", "value_share", "shortcut_cap", "max_overlap_3d")  # fmt: skip
_NOT_NEGATIVE = ("min_side", "min_side_3d", "min_height", "max_height", "depth_ratio", "distance_ratio",
                 "triples_per_image", "per_scene", "min_frame_distance")  # fmt: skip


def make(preset: str, **changes: object) -> Settings:
    """A preset with some fields changed; None means unchanged."""
    if preset not in PRESETS:
        raise BuilderError(f"--preset {preset}: unknown; one of {', '.join(PRESETS)}")
    settings = replace(PRESETS[preset], **{k: v for k, v in changes.items() if v is not None})  # type: ignore[arg-type]
    for name, allowed in _CHOICES.items():
        if getattr(settings, name) not in allowed:
            raise BuilderError(f"--{_flag(name)} {getattr(settings, name)}: unknown; one of {', '.join(allowed)}")
    for name in _SHARES:
        if not 0 <= getattr(settings, name) <= 1:
            raise BuilderError(f"--{_flag(name)} {getattr(settings, name)}: must lie between 0 and 1")
    for name in (*_NOT_NEGATIVE, "depth_offset", "distance_offset"):
        value = getattr(settings, name)
        if value is not None and not value >= 0:
            raise BuilderError(f"--{_flag(name)} {value}: must not be negative")
    return settings


def _flag(name: str) -> str:
    return name.replace("_", "-")

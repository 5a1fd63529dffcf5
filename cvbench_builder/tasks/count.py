"""Count: how many whole objects of a class an image shows, zero included.

A class is counted only where every instance is a visible whole object of sufficient size and no
other name in the image could mean the same. Which absent classes are asked about is decided by
``tasks.zeros``.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from cvbench_builder.candidates import Soft, Table, Why, table
from cvbench_builder.catalog import Bools, Catalog, Obj
from cvbench_builder.settings import Settings
from cvbench_builder.tasks import zeros
from cvbench_builder.tasks.plane import object_reasons, presence
from cvbench_builder.words import is_stuff, is_uncountable

MARGINS = ("smallest_area",)
RELIABLE = 10
"""Above this many, annotators switch to crowd regions."""


def candidates(catalog: Catalog, settings: Settings) -> Iterator[Table]:
    """Each class that an image shows, one candidate each, then absent ones for the zero questions."""
    objects = object_reasons(catalog, settings)
    groups = presence(catalog, settings, objects)
    why, soft = groups.why.copy(), np.zeros(len(groups.image), np.int64)
    names = countable(catalog)
    why[~names[groups.kind]] |= int(Why.NOT_COUNTABLE_NAME)
    why[~catalog.usable_image[groups.image]] |= int(Why.IMAGE_UNUSABLE)
    only_parts = (groups.whole == 0) & ~groups.crowd
    why[only_parts] |= int(Why.PART)
    for flag, mark in (
        (Obj.CROPPED, Soft.CROPPED),
        (Obj.OCCLUDED, Soft.OCCLUDED),
        (Obj.OUT_OF_BOUNDS, Soft.OUT_OF_BOUNDS),
    ):
        soft[(groups.flags & int(flag)) != 0] |= int(mark)
    soft[groups.whole > RELIABLE] |= int(Soft.MANY)
    if not settings.keep_soft:
        why[soft != 0] |= int(Why.SOFT)
    size = (catalog.image_width * catalog.image_height)[catalog.object_image]
    smallest = np.full(len(groups.image), np.inf)
    np.minimum.at(smallest, groups.group_of, catalog.object_area / size)
    yield table(
        "Count",
        MARGINS,
        len(why),
        image=groups.image,
        kind=groups.kind,
        answer=groups.whole,
        why=why,
        soft=soft,
        margins=smallest[:, None],
    )
    for image, kind, strategy in zeros.choose(catalog, groups, names, settings):
        yield table(
            "Count",
            MARGINS,
            len(image),
            image=image,
            kind=kind,
            answer=np.zeros(len(image), np.int64),
            soft=strategy,
            margins=np.full((len(image), 1), np.nan),
        )


def countable(catalog: Catalog) -> Bools:
    """Per class, whether its name can follow "how many"."""
    return np.array([not is_stuff(c.name) and not is_uncountable(c.name) for c in catalog.classes], bool)

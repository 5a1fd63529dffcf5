"""Drawn sources for trying the CV-Bench builder: 3D scenes with annotations in the formats of COCO, ADE20K and Omni3D.

A scene is a set of `bodies` in front of a `camera`; `scenes` decides which bodies and where. `render` makes an image of
it and determines what is visible, and the writers `coco`, `ade20k` and `omni3d` write that in the official formats.
This package does not depend on the CV-Bench builder, which reads the folders like the releases.

    python -m cambrian_eval.demo.sources OUT
"""

from __future__ import annotations

from pathlib import Path
from random import Random

IMAGES = 100
"""Images per source and per Omni3D component."""


def draw(out: Path, seed: int = 1, images: int = IMAGES) -> dict[str, int]:
    """Write all sources below `out`: `coco/`, `ADE20K_2021_17_01/`, `omni3d/`. Returns images by source.

    An image depends only on the seed, the source and its number, not on how many are drawn. The folder appears when
    it is complete.
    """
    import tempfile

    from cambrian_eval.demo.sources import ade20k, coco, omni3d, scenes
    from cambrian_eval.demo.sources.render import View, render
    from cambrian_eval.errors import UserError

    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{out}: already exists; choose a new or an empty folder")
    out.parent.mkdir(parents=True, exist_ok=True)

    def plane(source: str, number: int) -> View:
        rng = Random(f"{seed}/{source}/{number}")
        return render(scenes.room(rng) if number % 14 == 0 else scenes.board(rng))

    def space(component: omni3d.Component, number: int) -> View:
        rng = Random(f"{seed}/{component.name}/{number}")
        return render((scenes.depths if number % 2 else scenes.distances)(rng, component.outdoors))

    numbers = range(1, images + 1)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as folder:
        root = Path(folder) / "sources"
        coco.write(root / "coco", [plane("COCO", n) for n in numbers])
        ade20k.write(root / "ADE20K_2021_17_01", [plane("ADE20K", n) for n in numbers])
        for component in omni3d.COMPONENTS:
            omni3d.write(root / "omni3d", component, [space(component, n) for n in numbers])
        root.replace(out)
    return dict.fromkeys(("COCO", "ADE20K", *(c.name for c in omni3d.COMPONENTS)), images)

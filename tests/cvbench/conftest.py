"""A mixed set of hand-made sources, built once for the tests that only look at the result."""

from __future__ import annotations

import random
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cvbench_builder.cli import app
from tests.cvbench.sources import Ade, Coco, Omni

COCO_NAMES = ["person", "wine glass", "dog", "knife", "sheep", "car", "bus", "chair", "cup", "scissors"]
ADE_NAMES = ["lamp", "armchair", "organ, pipe organ", "bed", "wall", "painting, image", "vase", "cushion"]
OMNI_NAMES = {
    "nuScenes": (["car", "pedestrian", "truck", "traffic cone", "barrier"], (800, 450)),
    "Hypersim": (["bed", "lamp", "chair", "desk", "books"], (512, 384)),
    "SUNRGBD": (["sofa", "table", "chair", "sink", "bottle"], (400, 300)),
}


@dataclass(frozen=True)
class Sources:
    root: Path

    @property
    def flags(self) -> list[str]:
        omni = [str(self.root / "omni" / f"{c}_test.json") for c in OMNI_NAMES]
        return [
            *("--coco", str(self.root / "coco" / "instances_val2017.json")),
            *("--coco-images", str(self.root / "coco" / "val2017")),
            *("--ade20k", str(self.root / "ade")),
            *("--omni3d", *omni, "--omni3d-images", str(self.root / "omni" / "datasets")),
            "--no-cache",
        ]


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result.output


@pytest.fixture(scope="session")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Sources:
    root = tmp_path_factory.mktemp("sources")
    rng = random.Random(3)
    coco, ade = Coco(COCO_NAMES), Ade()
    for _ in range(40):
        image = coco.image(200, 150)
        room = ade.image(200, 150)
        for _ in range(rng.randint(1, 5)):
            w, h = rng.randint(15, 60), rng.randint(15, 60)
            x, y = rng.randint(0, 200 - w), rng.randint(0, 150 - h)
            coco.add(image, rng.choice(COCO_NAMES), (x, y, x + w, y + h))
            ade.add(room, rng.choice(ADE_NAMES), (x, y, x + w, y + h))
    coco.write(root / "coco")
    ade.write(root / "ade")
    for component, (names, size) in OMNI_NAMES.items():
        omni = Omni(component, names, size)
        omni.focal = 0.8 * size[0]
        scale = 4 if component == "nuScenes" else 1
        for k in range(14):
            scene = f"hypersim/ai_00{k % 5}_001/images/scene_cam_00_final_preview"
            path = {
                "nuScenes": f"nuScenes/samples/CAM_FRONT/n0{k % 4}__CAM_FRONT__{k * 5_000_000}.jpg",
                "Hypersim": f"{scene}/frame.{k * 7:04d}.tonemap.jpg",
            }.get(component, "")
            image = omni.image(path)
            for _ in range(rng.randint(2, 6)):
                z = rng.uniform(2, 9) * scale
                centre = (rng.uniform(-0.5, 0.5) * z, rng.uniform(-0.3, 0.3) * z, z)
                omni.add(image, rng.choice(names), centre, [rng.uniform(0.3, 1.2) * scale for _ in range(3)])
        omni.write(root / "omni")
    return Sources(root)


@pytest.fixture(scope="session")
def built(sources: Sources, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("built") / "cvb"
    run("build", *sources.flags, "--preset", "published", "--seed", "1", "--twins", "--out", out)
    return out

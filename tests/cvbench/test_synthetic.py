"""The mark of drawn sources: from the annotations to the rows, the card, and a run on them; never on others."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval import registry
from cambrian_eval.data.rows import DataSpec, load_samples
from cvbench_builder import catalog, dataset
from cvbench_builder.cache import Cache
from cvbench_builder.inputs import Inputs, load
from tests.cvbench.conftest import run
from tests.cvbench.sources import Ade, Coco, Omni


def with_mark(path: Path) -> None:
    """Write the mark into an annotation file: COCO's and Omni3D's `info`, ADE20K's `annotation`."""
    tree = json.loads(path.read_text())
    (tree["annotation"] if "annotation" in tree else tree["info"])["synthetic"] = True
    path.write_text(json.dumps(tree))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A build of ten images, whose annotations have the mark."""
    folder = tmp_path_factory.mktemp("drawn")
    coco = Coco(["dog", "cup", "bus"])
    for k in range(10):
        image = coco.image(200, 150)
        for place in range(1 + k % 3):
            coco.add(image, "dog", (10 + 60 * place, 10, 50 + 60 * place, 60))
        coco.add(image, "cup", (20, 90, 80, 140))
    annotations, images = coco.write(folder)
    with_mark(annotations)
    out = folder / "built"
    run("build", "--coco", annotations, "--coco-images", images, "--preset", "max", "--no-cache", "--out", out)
    return out


def test_rows_of_marked_annotations_say_so(drawn: Path) -> None:
    rows = dataset.read_rows(drawn)
    assert rows and all("synthetic" in row["flags"] for row in rows)
    assert {row["source_dataset"] for row in rows} == {"COCO 2017 Validation Set (synthetic)"}
    assert [s["synthetic"] for s in dataset.read_record(drawn / "build.json")["sources"]] == [True]
    assert "**Synthetic data.** A program drew the images of COCO" in (drawn / "README.md").read_text()
    text = run("sources", drawn.parent, "--no-cache")
    assert "COCO val2017 (synthetic)" in text and "missing for the published set: COCO" in text


def test_other_rows_do_not(built: Path) -> None:
    rows = dataset.read_rows(built)
    assert rows and not any("synthetic" in json.dumps(row) for row in rows)
    assert not any(s["synthetic"] for s in dataset.read_record(built / "build.json")["sources"])
    assert "Synthetic data" not in (built / "README.md").read_text()


@pytest.mark.parametrize(
    "info", [None, {}, [], {"synthetic": False}, {"synthetic": "yes"}, {"synthetic": 1}, "synthetic"]
)
def test_only_true_is_the_mark(info: Any) -> None:
    assert not catalog.says_synthetic(info)
    assert catalog.says_synthetic({"synthetic": True})


def test_only_marked_sources_of_a_set_are_synthetic(tmp_path: Path) -> None:
    ade = Ade()
    for _ in range(3):
        ade.add(ade.image(), "bed", (20, 20, 100, 100))
    rooms = ade.write(tmp_path / "ade")
    omni = Omni("SUNRGBD", ["sink", "bottle"])
    image = omni.image()
    omni.add(image, "sink", (-0.8, 0.0, 2.5))
    omni.add(image, "bottle", (1.0, 0.0, 5.0))
    cuboids, _ = omni.write(tmp_path / "omni", images=False)
    kept = Cache(tmp_path / "cache")

    def marks() -> list[bool]:
        inputs = Inputs(ade20k=(rooms,), omni3d=(cuboids,), cache=kept)
        return [s.catalog.synthetic for s in load(inputs, lambda _: None, need_images=False)]

    assert marks() == [False, False]
    with_mark(next(rooms.rglob("ADE_*.json")))
    assert marks() == marks() == [True, False]  # read, then from the cache
    with_mark(cuboids)
    assert marks() == marks() == [True, True]


def test_a_run_on_synthetic_rows_is_synthetic(drawn: Path, built: Path) -> None:
    benchmark = registry.load_benchmark("cvbench_2d")
    assert load_samples(benchmark, DataSpec(root=drawn)).provenance["synthetic"] is True
    assert "synthetic" not in load_samples(benchmark, DataSpec(root=built)).provenance

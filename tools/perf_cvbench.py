"""Speed and memory of cvbench_builder on synthetic files of the real sizes.

Every measurement runs in its own process and reports processor time and its peak resident memory. The same run shows
pycocotools on the same file, and the parse floor: msgspec decoding nothing but the fields that the builder needs,
numbers included. Files are written to a temporary folder (about 1.5 GB for a full run) and deleted.

    python tools/perf_cvbench.py            # everything
    python tools/perf_cvbench.py --only val growth build
    python tools/perf_cvbench.py --json train omni3d
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

COCO_NAMES = """person bicycle car motorcycle airplane bus train truck boat traffic_light fire_hydrant stop_sign
parking_meter bench bird cat dog horse sheep cow elephant bear zebra giraffe backpack umbrella handbag tie suitcase
frisbee skis snowboard sports_ball kite baseball_bat baseball_glove skateboard surfboard tennis_racket bottle
wine_glass cup fork knife spoon bowl banana apple sandwich orange broccoli carrot hot_dog pizza donut cake chair couch
potted_plant bed dining_table toilet tv laptop mouse remote keyboard cell_phone microwave oven toaster sink
refrigerator book clock vase scissors teddy_bear hair_drier toothbrush""".split()  # noqa: SIM905


def write_coco(path: Path, annotations: int, images: int, points: int = 22) -> None:
    """A file with the real proportions: 7.3 objects per image, most of the bytes in polygons."""
    rng = random.Random(annotations)
    categories = [{"id": i + 1, "name": n.replace("_", " "), "supercategory": "x"} for i, n in enumerate(COCO_NAMES)]
    weights = [1 / (i + 3) for i in range(len(categories))]
    kinds = rng.choices(range(1, len(categories) + 1), weights, k=annotations)
    with path.open("w") as out:
        rows = [
            {
                "license": 1 + i % 8,
                "file_name": f"{i + 1:012d}.jpg",
                "coco_url": f"http://images.cocodataset.org/val2017/{i + 1:012d}.jpg",
                "height": 480,
                "width": 640,
                "date_captured": "2013-11-14 17:02:52",
                "flickr_url": f"http://farm7.staticflickr.com/6116/{i:010d}_02315982c4_z.jpg",
                "id": i + 1,
            }
            for i in range(images)
        ]
        out.write(f'{{"info": {{}}, "licenses": [], "images": {json.dumps(rows)}, "annotations": [')
        for k in range(annotations):
            w, h = min(600, 8 * math.exp(rng.gauss(1.9, 1.0))), min(440, 8 * math.exp(rng.gauss(1.9, 1.0)))
            x, y = rng.uniform(0, 640 - w), rng.uniform(0, 480 - h)
            shape = ", ".join(f"{x + w * rng.random():.2f}, {y + h * rng.random():.2f}" for _ in range(points))
            crowd = int(k % 86 == 0)
            body = (
                f'{{"segmentation": [[{shape}]], "area": {0.6 * w * h:.4f}, "iscrowd": {crowd}, '
                f'"image_id": {1 + rng.randrange(images)}, "bbox": [{x:.2f}, {y:.2f}, {w:.2f}, {h:.2f}], '
                f'"category_id": {kinds[k]}, "id": {100000 + k}}}'
            )
            out.write((", " if k else "") + body)
        out.write(f'], "categories": {json.dumps(categories)}}}')


def write_omni3d(path: Path, megabytes: float, folder: str = "SUNRGBD", size: tuple[int, int] = (640, 480)) -> int:
    """Cuboids of 1.4 kB each, about ten per image; returns the number of images."""
    rng = random.Random(7)
    names = "bed lamp chair desk books sofa table sink bottle pillow window door cabinet box mirror picture".split()  # noqa: SIM905
    per_image, bytes_each = 10, 1400
    images = max(1, round(megabytes * 1e6 / bytes_each / per_image))
    w, h = size
    with path.open("w") as out:
        rows = [
            {
                "id": i,
                "dataset_id": 3,
                "width": w,
                "height": h,
                "file_path": f"{folder}/{i:06d}.jpg",
                "K": [[520.0, 0, w / 2], [0, 520.0, h / 2], [0, 0, 1]],
                "src_90_rotate": 0,
                "src_flagged": False,
            }
            for i in range(images)
        ]
        categories = [{"id": i, "name": n, "supercategory": ""} for i, n in enumerate(names)]
        info = {"id": 3, "source": folder, "name": f"{folder} Test", "split": "Test", "version": "0.1"}
        out.write(
            f'{{"info": {json.dumps(info)}, "images": {json.dumps(rows)}, "categories": {json.dumps(categories)}, '
        )
        out.write('"annotations": [')
        for k in range(images * per_image):
            out.write((", " if k else "") + json.dumps(_cuboid(rng, k, k // per_image, names, w, h)))
        out.write("]}")
    return images


def _cuboid(rng: random.Random, k: int, image: int, names: list[str], w: int, h: int) -> dict[str, Any]:
    z = rng.uniform(1.5, 9)
    centre = [rng.uniform(-0.5, 0.5) * z, rng.uniform(-0.35, 0.35) * z, z]
    dimensions = [rng.uniform(0.2, 1.2) for _ in range(3)]
    turn = rng.uniform(-3, 3)
    c, s = math.cos(turn), math.sin(turn)
    rotation = [[c, 0.0, s], [0.0, 1.0, 0.0], [-s, 0.0, c]]
    depth, height, length = dimensions
    points = []
    for dz in (-depth / 2, depth / 2):
        for dx, dy in ((-1, -1), (1, -1), (1, 1), (-1, 1)):
            x, y = dx * length / 2, dy * height / 2
            points.append([centre[0] + c * x + s * dz, centre[1] + y, centre[2] - s * x + c * dz])
    us = [520 * p[0] / max(p[2], 0.05) + w / 2 for p in points]
    vs = [520 * p[1] / max(p[2], 0.05) + h / 2 for p in points]
    proj = [min(us), min(vs), max(us), max(vs)]
    trunc = [max(0.0, proj[0]), max(0.0, proj[1]), min(float(w), proj[2]), min(float(h), proj[3])]
    name = rng.randrange(len(names))
    return {
        "id": k,
        "image_id": image,
        "category_id": name,
        "category_name": names[name],
        "dataset_id": 3,
        "valid3D": k % 17 != 0,
        "bbox2D_tight": [-1, -1, -1, -1],
        "bbox2D_proj": proj,
        "bbox2D_trunc": trunc,
        "bbox3D_cam": points,
        "center_cam": centre,
        "dimensions": dimensions,
        "R_cam": rotation,
        "behind_camera": False,
        "visibility": rng.choice([-1, 1.0, 0.8, 0.2]),
        "truncation": rng.choice([-1, 0.0, 0.1]),
        "segmentation_pts": -1,
        "lidar_pts": -1,
        "depth_error": -1,
    }


# ---- measurements: each runs in a child process as `perf_cvbench.py --child NAME ARGUMENTS`


def _sources(flag: str, path: Path, cache: str) -> Any:
    from cvbench_builder.cache import Cache
    from cvbench_builder.inputs import Inputs, load

    kept = Cache(Path(cache) if cache else None)
    inputs = Inputs(coco=(path,), cache=kept) if flag == "coco" else Inputs(omni3d=(path,), cache=kept)
    return load(inputs, lambda _: None, need_images=False)


def child_candidates(flag: str, path: str, cache: str) -> dict[str, Any]:
    """Processor seconds to read a source, to its first valid candidate and to its last, and how many are valid."""
    import cvbench_builder.inputs  # noqa: F401 - both sides are timed without their imports
    from cvbench_builder.presets import make
    from cvbench_builder.tasks import chosen_tasks, enumerate_candidates

    settings = make("strict")
    start = time.process_time()
    sources = _sources(flag, Path(path), cache)
    read = time.process_time() - start
    counts: dict[str, int] = {}
    first = 0.0
    for task in (task for task in chosen_tasks(settings) if task.applies(sources[0].catalog)):
        counts[task.name] = 0
        for table in enumerate_candidates(task, sources[0].catalog, settings):
            counts[task.name] += len(table.valid())
            if not first and counts[task.name]:
                first = time.process_time() - start
    return {"read": read, "first": first, "all": time.process_time() - start, "valid": counts}


def child_pycocotools(path: str) -> dict[str, Any]:
    """Processor seconds that pycocotools needs to read and index the same file."""
    import contextlib
    import io

    from pycocotools.coco import COCO

    start = time.process_time()
    with contextlib.redirect_stdout(io.StringIO()):
        COCO(path)
    return {"all": time.process_time() - start}


def _typed_lists(flag: str) -> Any:
    """The lists of a source with their needed fields, all of them typed."""
    from dataclasses import replace

    from cvbench_builder.records import record
    from cvbench_builder.sources import coco, omni3d

    nested = dict.fromkeys(("bbox3D_cam", "R_cam"), list[list[float]] | None)
    flat = dict.fromkeys(
        ("bbox2D_tight", "bbox2D_trunc", "bbox2D_proj", "center_cam", "dimensions"), list[float] | None
    )
    kinds: dict[str, Any] = {**nested, **flat}
    cuboid = record("Cuboid", *(replace(f, kind=kinds.get(f.name, f.kind)) for f in omni3d.ANNOTATION.fields))
    return coco.LISTS if flag == "coco" else {**omni3d.LISTS, "annotations": cuboid}


def child_floor(flag: str, path: str) -> dict[str, Any]:
    """Processor seconds to decode the needed fields alone, all at once, without a check or a column."""
    from cvbench_builder.records import collector_off, map_file, read_lists

    lists = _typed_lists(flag)
    map_file(Path(path)).close()
    start = time.process_time()
    with collector_off():
        read_lists(Path(path), lists)
    return {"all": time.process_time() - start}


def child_plain(flag: str, path: str) -> dict[str, Any]:
    """Processor seconds of a plain call of msgspec for the same fields, garbage collector included."""
    import msgspec

    def plain(kind: Any) -> Any:
        fields = [(f.name, f.kind, f.default) for f in kind.fields if f.kind != "raw"]
        return msgspec.defstruct(kind.cls.__name__, fields)

    file = msgspec.defstruct("File", [(name, list[plain(kind)]) for name, kind in _typed_lists(flag).items()])
    start = time.process_time()
    msgspec.json.decode(Path(path).read_bytes(), type=file)
    return {"all": time.process_time() - start}


def child_digest(path: str) -> dict[str, Any]:
    """Processor seconds for the sha256 of the file, which the parse floor does not contain and every catalog has."""
    from cvbench_builder.cache import NOTHING_KEPT

    start = time.process_time()
    NOTHING_KEPT.digest(Path(path))
    return {"all": time.process_time() - start}


def child_listing(path: str, out: str) -> dict[str, Any]:
    """Seconds to write every line of `candidates`, with two processes, and the size of the file."""
    from cvbench_builder.candidate_lines import write
    from cvbench_builder.presets import make

    start = time.perf_counter()
    settings = make("strict")
    write(_sources("coco", Path(path), ""), settings, Path(out), lambda _: None, 2)
    return {"all": time.perf_counter() - start, "megabytes": Path(out).stat().st_size / 1e6}


def measure(name: str, *arguments: str) -> dict[str, Any]:
    """The result of one measurement in a new process, with CPU seconds and peak memory."""
    command = [sys.executable, __file__, "--child", name, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def show(name: str, result: dict[str, Any], target: str = "") -> None:
    """Print one line of the table; the target is shown, not checked."""
    parts = [f"{k} {v:.2f} s" for k, v in result.items() if k in ("read", "first", "all")]
    parts.append(f"CPU {result['cpu']:.1f} s, peak {result['peak_mb']:.0f} MB")
    if "valid" in result:
        parts.append(", ".join(f"{n} {k}" for k, n in result["valid"].items()))
    print(f"{name:<34}{'  '.join(parts)}{'   target: ' + target if target else ''}", flush=True)


def beside_floors(flag: str, path: Path, turns: int = 1) -> dict[str, dict[str, Any]]:
    """Candidates, parse floor, sha256, plain parse and the index of pycocotools, in turns: the least of each."""
    sides = {
        "candidates": ("candidates", flag, str(path), ""),
        "floor": ("floor", flag, str(path)),
        "sha256": ("digest", str(path)),
        "plain": ("plain", flag, str(path)),
        "pycocotools": ("pycocotools", str(path)),
    }
    taken = [{name: measure(*side) for name, side in sides.items()} for _ in range(turns)]
    return {name: min((one[name] for one in taken), key=lambda one: float(one["all"])) for name in sides}


def beside_others(flag: str, path: Path, target: str) -> None:
    """Prints the candidates of a file beside its floors and the index of pycocotools, all in this run."""
    found = beside_floors(flag, path)
    ours, floor, digest, plain, theirs = found.values()
    show("  candidates of both tasks", ours, target)
    show("  parse floor", floor)
    show("  sha256 of the file", digest)
    show("  plain parse by msgspec", plain)
    show("  pycocotools index", theirs)
    print(
        f"  candidates: {ours['all'] / floor['all']:.1f} times the parse floor, "
        f"{ours['all'] / (floor['all'] + digest['all']):.1f} times it with the sha256, "
        f"{ours['all'] / plain['all']:.1f} times a plain parse; "
        f"first candidate: {theirs['all'] / ours['first']:.1f} times sooner than the index of pycocotools"
    )


def from_cache(flag: str, path: Path, cache: Path) -> None:
    """The second start, after one that fills the cache."""
    measure("candidates", flag, str(path), str(cache))
    show("  second start, from the cache", measure("candidates", flag, str(path), str(cache)), "read < 1 s")


@dataclass(frozen=True)
class File:
    """A source of a real size."""

    flag: str
    name: str
    write: Callable[[Path], object]
    target: str = ""


FILES = {
    "val": File("coco", "instances_val2017.json", lambda path: write_coco(path, 36_781, 5_000), "5 s"),
    "train": File("coco", "instances_train2017.json", lambda path: write_coco(path, 860_001, 118_287), "6 s, 800 MB"),
    "omni3d": File("omni3d", "SUNRGBD_test.json", lambda path: write_omni3d(path, 500), "9 s"),
    "omni3d_tenth": File("omni3d", "SUNRGBD_test.json", lambda path: write_omni3d(path, 50)),
}
"""COCO val2017 and train2017, an Omni3D file of 452 MB, and one of a tenth of its size."""


def run_file(name: str, work: Path) -> None:
    """A file beside its floors and from the cache."""
    file = FILES[name]
    path = work / file.name
    file.write(path)
    print(f"{name}: {file.name}, {path.stat().st_size / 1e6:.0f} MB")
    beside_others(file.flag, path, file.target)
    from_cache(file.flag, path, work / "cache")
    if name == "val":
        show("  every line written", measure("listing", str(path), str(work / "lines.jsonl")))


def run_growth(work: Path) -> None:
    """One, two and four times as many annotations and images, to show how the time grows."""
    print("growth")
    for factor in (1, 2, 4):
        path = work / f"instances_grow{factor}.json"
        write_coco(path, 60_000 * factor, 8_250 * factor)
        show(f"  COCO, {factor}x ({60_000 * factor} annotations)", measure("candidates", "coco", str(path), ""))
        path.unlink()
    for factor in (1, 2, 4):
        path = work / f"SUNRGBD_grow{factor}_test.json"
        write_omni3d(path, 40.0 * factor)
        show(f"  Omni3D, {factor}x ({40 * factor} MB)", measure("candidates", "omni3d", str(path), ""))
        path.unlink()


def run_build(work: Path) -> None:
    """A set of the published size, with images, with two workers."""
    coco, omni = work / "instances_val2017.json", work / "omni"
    write_coco(coco, 36_781, 5_000)
    _photographs(work / "val2017", [f"{i + 1:012d}.jpg" for i in range(5_000)], (640, 480))
    omni.mkdir()
    sizes = {"nuScenes": (1600, 900), "Hypersim": (1024, 768), "SUNRGBD": (730, 530)}
    for name, size in sizes.items():
        images = write_omni3d(omni / f"{name}_test.json", 25, name, size)
        _photographs(omni / name, [f"{i:06d}.jpg" for i in range(images)], size)
    command = [
        sys.executable,
        "-m",
        "cvbench_builder",
        "build",
        "--coco",
        str(coco),
        "--coco-images",
        str(work / "val2017"),
        "--omni3d",
        *(str(omni / f"{n}_test.json") for n in sizes),
        "--omni3d-images",
        str(omni),
        "--preset",
        "strict",
        "--workers",
        "2",
        "--no-cache",
        "--out",
        str(work / "built"),
    ]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parent.parent)}
    start = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        raise SystemExit(done.stderr)
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    print(f"build end to end\n  {seconds:.1f} s (CPU {cpu:.1f} s), peak {used.ru_maxrss / 1024:.0f} MB   target: 90 s")
    print("  " + "\n  ".join(done.stdout.splitlines()[-12:]))


def _photographs(folder: Path, names: list[str], size: tuple[int, int]) -> None:
    """A few noisy JPEG files, linked under all names; decoding takes as long as for photographs."""
    import numpy as np
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    masters = []
    for k in range(8):
        rough = Image.fromarray(rng.integers(0, 256, (size[1] // 6, size[0] // 6, 3), dtype=np.uint8))
        masters.append(folder / f"master{k}.jpg")
        rough.resize(size, Image.Resampling.BICUBIC).save(masters[-1], quality=92)
    for i, name in enumerate(names):
        os.link(masters[i % len(masters)], folder / name)


RUNS: dict[str, Callable[[Path], None]] = {
    **{name: partial(run_file, name) for name in ("val", "train", "omni3d")},
    "growth": run_growth,
    "build": run_build,
}


def main() -> None:
    """Run the chosen measurements; with `--child`, one of them in this process."""
    if sys.argv[1:2] == ["--child"]:
        result = globals()[f"child_{sys.argv[2]}"](*sys.argv[3:])
        result["cpu"] = time.process_time()
        result["peak_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps(result))
        return
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", nargs="+", choices=list(RUNS), default=list(RUNS))
    parser.add_argument("--json", nargs="+", choices=list(FILES), help="only these files beside their floors, as JSON")
    parser.add_argument("--turns", type=int, default=1, help="turns of --json, of which the least time counts")
    given = parser.parse_args()
    if given.json:
        found = {}
        for name in given.json:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / FILES[name].name
                FILES[name].write(path)
                found[name] = beside_floors(FILES[name].flag, path, given.turns)
        print(json.dumps(found, indent=2))
        return
    for name in given.only:
        work = Path(tempfile.mkdtemp(prefix="perf_cvbench_"))
        try:
            RUNS[name](work)
        finally:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main()

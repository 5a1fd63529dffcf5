"""What the report of a finished run costs, and how quickly its page reacts: 62,000 samples under two conditions.

    python tools/perf_report.py [--scale 1.0] [--images 4000] [--folder FOLDER] [--no-browser]

A run over all sixteen benchmarks of the paper is made first, with rows and responses as in `perf_results.py`; the first
samples of each benchmark have an image (a JPEG of 640 x 480 pixels, `--images` in all, as many as the report makes
thumbnails of). Making it is not measured. `report` then runs in a process of its own, with `--no-images` and with
images; start and imports are part of its time. Processor time is that of `--processes 1`; the time that passes is
measured with one process for each processor, too. Its floor decodes every line of the run once and writes the
values; the floor of the images decodes each, makes it smaller and writes it.

The page is opened from disk in headless Chromium (with the package `playwright`), three times; the least value counts.
A reaction is from the reader's input to the drawn list, in milliseconds, beside the processor time of the page's main
thread, which depends less on what else the machine does.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import json
import os
import random
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.processes import LARGE, processes_for

sys.path.insert(0, str(Path(__file__).parent))

from perf_results import ALONE, Answering, measured
from perf_scoring import MAKERS, SIZES

TRIES = 3
REACT = """async ([id, value, event]) => {
  const node = document.getElementById(id), root = document.documentElement;
  delete root.dataset.ready;
  const begun = performance.now();
  node.value = value;
  node.dispatchEvent(new Event(event, { bubbles: true }));
  while (!root.dataset.ready) await new Promise(requestAnimationFrame);
  return performance.now() - begun;
}"""
LOOP = """(() => {
  const begun = performance.now();
  let sum = 0;
  for (let i = 0; i < 5e7; i++) sum += i % 7;
  return performance.now() - begun;
})()"""
"""Fixed work: what the machine is capable of at that moment."""
PAINT = "performance.getEntriesByName('first-contentful-paint')[0].startTime"


def photos(n: int) -> list[bytes]:
    """Encoded images without detail of their own: blurred noise."""
    from PIL import Image

    found = []
    for _ in range(n):
        bands = [Image.effect_noise((40, 30), 90).resize((640, 480), Image.Resampling.BICUBIC) for _ in range(3)]
        out = io.BytesIO()
        fine = Image.merge("RGB", [Image.effect_noise((640, 480), 30)] * 3)
        Image.blend(Image.merge("RGB", bands), fine, 0.2).save(out, format="JPEG", quality=90)
        found.append(out.getvalue())
    return found


def make(folder: Path, scale: float, images: int) -> None:
    """Writes the rows and images, then the run `run`."""
    from cambrian_eval.data.rows import DataSpec
    from cambrian_eval.image import IMAGE_COLUMN
    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.results.evaluation import evaluate
    from cambrian_eval.running.settings import Settings

    encoded, each = photos(8), -(-images // len(SIZES))
    for name, size in SIZES.items():
        rng, columns = random.Random(name), load_benchmark(name).source.columns
        shown = next((c for c in columns if IMAGE_COLUMN.match(c)), None)
        target = folder / "data" / name
        target.mkdir(parents=True)
        with (target / "rows.jsonl").open("w") as lines:
            for i in range(max(2, round(size * scale))):
                made = {k: None if isinstance(v, bytes) else v for k, v in MAKERS[name](rng, i).items()}
                row = dict.fromkeys(columns) | made
                if shown is not None:
                    there = i < each
                    if there:  # bytes behind the end of a JPEG make it another file
                        (target / f"{i}.jpg").write_bytes(encoded[i % len(encoded)] + f"{name} {i}".encode())
                    row[shown] = [f"{i}.jpg"] * there if isinstance(row[shown], list) else f"{i}.jpg" if there else None
                lines.write(json.dumps(row) + "\n")
    settings = Settings(
        benchmarks=tuple(SIZES), conditions=("on", "off"), data=DataSpec(root=folder / "data"), images_optional=True
    )
    evaluate(Answering(0), settings, folder / "run")


def floor(run: Path) -> None:
    """Decodes every line that the report must read, untyped and unchecked, and writes the values once."""
    import orjson

    with tempfile.TemporaryFile() as out:
        for path in run.glob("**/*.jsonl"):
            with path.open("rb") as lines:
                for line in lines:
                    out.write(orjson.dumps(orjson.loads(line)))


def image_floor(data: Path, out: Path) -> None:
    """Decodes every image, makes it as small as a thumbnail, and writes it."""
    from PIL import Image

    out.mkdir()
    for number, path in enumerate(sorted(data.glob("*/*.jpg"))):
        with Image.open(path) as image:
            image.draft(None, (320, 240))  # those of 640 x 480 pixels are decoded at half their size
            image.thumbnail((320, 320), Image.Resampling.HAMMING)
            image.save(out / f"{number}.jpg", quality=80)


def sizes(page: Path) -> dict[str, float]:
    """Megabytes of the page and of its folder, and the number of files."""
    files = [p for p in page.parent.rglob("*") if p.is_file()]
    return {
        "page_mb": page.stat().st_size / 1e6,
        "folder_mb": sum(p.stat().st_size for p in files) / 1e6,
        "files": len(files),
        "thumbnails": len(list(page.parent.glob("images/*.jpg"))),
    }


def browser(page: Path) -> dict[str, float] | str:
    """First paint and reactions of the page; why not, where there is no browser."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None or importlib.util.find_spec("playwright") is None:
        return "not measured: it needs Chromium and the package playwright"
    from playwright.sync_api import sync_playwright

    found: dict[str, float] = {}

    def least(name: str, value: float) -> None:
        found[name] = min(value, found.get(name, value))

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=chromium, args=["--headless", "--no-sandbox"])
        for _ in range(TRIES):
            for idle in (True, False):
                context = started.new_context(viewport={"width": 1440, "height": 900})
                _react(context, page, idle, least)
                context.close()
        started.close()
    return found


def _react(context: Any, page: Path, idle: bool, least: Callable[[str, float], None]) -> None:
    """Opens the page in a new context and acts as a reader does, after a pause or at once."""
    opened = context.new_page()
    session = context.new_cdp_session(opened)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def thread() -> float:
        values = session.send("Performance.getMetrics")["metrics"]
        return next(1000 * float(m["value"]) for m in values if m["name"] == "TaskDuration")

    def act(name: str, *what: str) -> None:
        before = thread()
        least(f"{name}_ms", opened.evaluate(REACT, list(what)))
        least(f"{name}_thread_ms", thread() - before)

    opened.goto(page.as_uri())
    opened.wait_for_selector("html[data-ready=true]", state="attached")
    least("first_paint_ms", opened.evaluate(PAINT))
    if idle:
        opened.wait_for_timeout(4000)
        act("filter_by_outcome", "outcome", "wrong", "change")
        act("filter_by_benchmark", "benchmark", "seed", "change")
        act("no_filter", "benchmark", "", "change")
        least("loop_ms", opened.evaluate(LOOP))
    act("first_search" if idle else "search_at_once", "search", "ba co", "input")
    act("later_search", "search", "penquaka", "input")


def measure(scale: float, images: int, folder: Path | None, opened: bool) -> dict[str, Any]:
    """All figures, of the page only where it is `opened`; `folder` keeps rows and run, and what is there is used."""
    with tempfile.TemporaryDirectory() as scratch:
        work = (folder or Path(scratch)).resolve()
        run, data = work / "run", work / "data"
        mine = (__file__, "--folder", str(work), "--scale", str(scale), "--images", str(images), "--part")
        if not (run / "results.json").is_file():
            measured(*mine, "make")
        if folder is not None:  # a run of an earlier version has other rules
            measured("-m", "cambrian_eval", "score", str(run))
        plain, full = Path(scratch) / "plain", Path(scratch) / "full"
        command = ("-m", "cambrian_eval", "report", str(run), "--data-root", str(data), "--out")
        found: dict[str, Any] = {
            "samples": sum(len((data / n / "rows.jsonl").read_bytes().splitlines()) for n in SIZES),
            "floor": measured(*mine, "floor"),
            "processes": processes_for(LARGE),
            "report": measured(*command, str(plain), "--no-images", *ALONE),
            "report in processes": measured(*command, str(plain), "--no-images"),
            "images floor": measured(*mine, "images floor"),
            "report with images": measured(*command, str(full), *ALONE),
        }
        found["report"] |= sizes(plain / "report.html")
        found["report with images"] |= sizes(full / "report.html")
        if opened:
            found["browser"] = browser(full / "report.html")
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Measures and prints JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=1.0, help="fraction of the published sizes")
    parser.add_argument("--images", type=int, default=4000, help="images in all, spread over the benchmarks")
    parser.add_argument("--folder", type=Path, help="keep rows and run here, and use what is there")
    parser.add_argument("--no-browser", action="store_true", help="only the command, not the page")
    parser.add_argument("--part", choices=("make", "floor", "images floor"), help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    if given.part == "make":
        make(given.folder, given.scale, given.images)
    elif given.part == "floor":
        floor(given.folder / "run")
    elif given.part == "images floor":
        with tempfile.TemporaryDirectory() as scratch:
            image_floor(given.folder / "data", Path(scratch) / "out")
    else:
        print(json.dumps(measure(given.scale, given.images, given.folder, not given.no_browser), indent=2))


if __name__ == "__main__":
    main()

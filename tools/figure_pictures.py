"""Draws one picture of each kind of figure for docs/images/figures/, from published tables or runs on the mini suite.

Run it again where a figure looks different: `.venv/bin/python tools/figure_pictures.py [NAME ...]`.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

OUT = Path(__file__).parents[1] / "docs" / "images" / "figures"
PUBLISHED = {
    "agreement": [],
    "boxes": ["--published", "table14"],
    "categories": ["--published", "table9", "--models", "8B"],
    "components": ["--published", "table14"],
    "correlation": ["--published", "table14"],
    "missing": ["--published", "table14"],
    "partial": ["--published", "table14"],
    "radar": ["--published", "table9", "--models", "8B", "--axes", "benchmarks"],
}
"""Figures of the paper's numbers, and the options that each needs."""
RUN = ("--model", "demo", "--benchmark", "mmvp,realworldqa,cvbench_2d", "--data", "mini:16")
DRAWN = ("dose", "seeing")
"""Figures of runs, which are on synthetic data here."""
COLORS = 64
"""Colors of a picture: enough for every figure, and a fifth of the size."""


def command(*words: str | Path) -> None:
    """One command of cambrian-eval, quiet unless it fails."""
    done = subprocess.run([sys.executable, "-m", "cambrian_eval", *map(str, words)], capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)


def main(names: list[str]) -> None:
    """Draws the named figures, or all."""
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        wanted = names or [*PUBLISHED, *DRAWN]
        sources: dict[str, list[str | Path]] = {name: [*PUBLISHED.get(name, [])] for name in wanted}
        if drawn := [name for name in DRAWN if name in wanted]:
            run = work / "run"
            command("run", *RUN, "--vision", "on,off,blur:2,blur:4,blur:8", "--out", run, "--quiet")
            sources |= {name: [run] for name in drawn}
        OUT.mkdir(parents=True, exist_ok=True)
        for name, words in sources.items():
            command("plot", name, *words, "--style", "web", "--format", "png", "--out", work)
            picture = Image.open(work / f"{name}.png").convert("RGB").quantize(COLORS, dither=Image.Dither.NONE)
            picture.save(OUT / f"{name}.png", optimize=True)
            print(OUT / f"{name}.png")


if __name__ == "__main__":
    main(sys.argv[1:])

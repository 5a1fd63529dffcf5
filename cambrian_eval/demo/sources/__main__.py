"""`python -m cambrian_eval.demo.sources OUT` draws the sources."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cambrian_eval.demo.sources import IMAGES, draw
from cambrian_eval.errors import UserError


def main(
    out: Annotated[Path, typer.Argument(help="A new or an empty folder.")],
    seed: Annotated[int, typer.Option(help="Random seed of the scenes.")] = 1,
    images: Annotated[int, typer.Option(help="Images per source and per Omni3D component.", min=1)] = IMAGES,
) -> None:
    """Draw small COCO, ADE20K and Omni3D sources for `cambrian-eval cvbench build`."""
    try:
        drawn = draw(out, seed, images)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(2) from None
    print(f"{out}: {sum(drawn.values())} images ({', '.join(f'{n} {name}' for name, n in drawn.items())})")


if __name__ == "__main__":
    typer.run(main)

"""`cambrian-eval show`: samples as a model will see them, without a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from PIL.Image import Image


def show(
    benchmark: str = typer.Argument(help="Name of the benchmark."),
    n: int = typer.Option(3, "--n", min=1, help="How many samples."),
    data: str = typer.Option("hub", help="hub, mini or mini:N."),
    data_root: Path = typer.Option(None, help="Folder with one sub-folder for each benchmark."),
    prompts: str = typer.Option("official", help="official or paper."),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; may be repeated."),
    images: Path = typer.Option(None, help="Folder to write the images to."),
    offline: bool = typer.Option(False, help="No network; use the caches only."),
) -> None:
    """Images, exact prompt, gold answer and chance of the first samples."""
    from typing import get_args

    from cambrian_eval.benchmark import PromptStyle
    from cambrian_eval.cli import output
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.errors import unknown
    from cambrian_eval.registry import load_benchmark
    from cambrian_eval.results.grading import chance

    if prompts not in get_args(PromptStyle):
        raise unknown("prompt style", prompts, get_args(PromptStyle))
    declared = load_benchmark(benchmark, **output.settings_of(set_, benchmark))
    loaded = load_samples(declared, DataSpec.parse(data, data_root, offline=offline))
    expected = chance(declared, loaded.samples)
    print(f"{declared.title} ({declared.name}), {declared.category}: {declared.paper}")
    print(f"metric: {declared.metric}; chance on these {len(loaded.samples)} samples: {output.number(expected, 2)}")
    _published(declared.name)
    for text in loaded.warnings:
        print(f"warning: {text}")
    for sample in loaded.samples[:n]:
        print(f"\n=== sample {sample.id}" + (f" (scored with group {sample.group})" if sample.group else ""))
        for i, image in enumerate(sample.images):
            try:
                pixels = image.load()
                print(f"[image {i + 1}: {pixels.width} x {pixels.height}, sha256 {image.sha256[:16]}]")
            except (OSError, ValueError) as error:
                print(f"[image {i + 1} cannot be decoded: {error}]")
                continue
            if images is not None:
                name = "".join(c if c.isalnum() or c in "-_" else "_" for c in sample.id)[:100]
                _write(pixels, images / f"{declared.name}-{name}-{i + 1}.png")
        print(declared.prompt(sample, prompts))  # type: ignore[arg-type]
        print(f"--- gold: {' | '.join(sample.answers) or '(withheld)'}", end="")
        print(f"   guesses: {', '.join(sample.guesses)}" if sample.guesses else "   free-form")
        if tags := [f"{k}={v if isinstance(v, str) else ' + '.join(v)}" for k, v in sample.tags.items() if v]:
            print(f"    tags: {', '.join(tags)}")


def _write(image: Image, path: Path) -> None:
    from cambrian_eval.errors import UserError

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
    except OSError as error:
        raise UserError(f"--images {path.parent} cannot be written: {error.strerror or error}") from error


def _published(name: str) -> None:
    """The paper's own numbers for its own models."""
    from cambrian_eval.results.published_scores import nearest

    shown = []
    for model in ("cambrian-8b", "cambrian-13b", "cambrian-34b"):
        found = nearest(model, name)
        shown += [f"{row.model} {row.score:g}" for row in found[:1]]
    if shown:
        print(f"published (Table 9): {', '.join(shown)}")

"""`cambrian-eval show`: samples as a model will see them, and the values of a recipe, without loading a model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import typer

from cambrian_eval.numbers import number

if TYPE_CHECKING:
    from PIL.Image import Image

    from cambrian_eval.models.recipes.recipe import Recipe


def show(
    benchmark: str = typer.Argument(None, help="Name of the benchmark; with --recipe it may be left out."),
    n: int = typer.Option(3, "--n", min=1, help="How many samples."),
    data: str = typer.Option("hub", help="hub, mini or mini:N."),
    data_root: Path = typer.Option(None, help="Folder with one sub-folder for each benchmark."),
    recipe: str = typer.Option(None, metavar="NAME|FILE", help="Print this recipe, and prompts as it words them."),
    model: str = typer.Option(None, help="Print prompts in this model's chat template; loads no weights."),
    prompts: str = typer.Option(None, help="official, paper or authors. [default: official]"),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; may be repeated."),
    images: Path = typer.Option(None, help="Folder to write the images to."),
    offline: bool = typer.Option(False, help="No network; use the caches only."),
) -> None:
    """Images, exact prompt, gold answer and chance of the first samples; with --recipe its values and sources."""
    from typing import get_args

    from cambrian_eval.benchmark import PromptStyle
    from cambrian_eval.cli import output
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.errors import UserError, unknown
    from cambrian_eval.models.recipes.applied import Given, applied
    from cambrian_eval.models.recipes.catalog import load
    from cambrian_eval.registry import load_benchmark, written
    from cambrian_eval.results.grading import chance
    from cambrian_eval.running.settings import Settings
    from cambrian_eval.sample import Request

    if prompts is not None and prompts not in get_args(PromptStyle):
        raise unknown("prompt style", prompts, get_args(PromptStyle))
    chosen = None if recipe is None else load(recipe)
    if chosen is not None:
        _print_recipe(chosen)
    if benchmark is None:
        if chosen is None or model is not None:
            raise UserError("no benchmark named; give one, for example cambrian-eval show mmvp")
        return
    settings = Settings((benchmark,), **applied(chosen, Given(prompts=prompts)))  # type: ignore[arg-type]
    declared = load_benchmark(benchmark, **output.settings_of(set_, benchmark))
    loaded = load_samples(declared, DataSpec.parse(data, data_root, offline=offline))
    expected = chance(declared, loaded.samples)
    print(f"{declared.title} ({declared.name}), {declared.category}: {declared.paper}")
    print(f"metric: {declared.metric}; chance on these {len(loaded.samples)} samples: {number(expected, 2)}")
    _published(declared.name)
    for text in loaded.warnings:
        print(f"warning: {text}")
    for sample in loaded.samples[:n]:
        print(f"\n=== sample {sample.id}" + (f" (scored with group {sample.group})" if sample.group else ""))
        if model is None and settings.system is not None:
            print(f"[system prompt] {settings.system}")
        after: list[str] = []
        for i, image in enumerate(sample.images):
            try:
                pixels = image.load()
                line = f"[image {i + 1}: {pixels.width} x {pixels.height}, sha256 {image.sha256[:16]}]"
                if settings.order == "image_first":
                    print(line)
                else:
                    after.append(line)
            except (OSError, ValueError) as error:
                print(f"[image {i + 1} cannot be decoded: {error}]")
                continue
            if images is not None:
                name = "".join(c if c.isalnum() or c in "-_" else "_" for c in sample.id)[:100]
                _write(pixels, images / f"{declared.name}-{name}-{i + 1}.png")
        text = settings.prompt(declared, sample)
        if model is not None:
            request = Request(
                *(sample.id, declared.name, "on", text, sample.images, 0, settings.answer_limit(declared), ""),
                decoding=settings.decoding,
                system=settings.system,
                thinking=settings.thinking,
                order=settings.order,
                places_images=declared.places_images(settings.prompts),
            )
            text = written(model, {}, request)
        print("\n".join([text, *after]))
        print(f"--- gold: {' | '.join(sample.answers) or '(withheld)'}", end="")
        print(f"   guesses: {', '.join(sample.guesses)}" if sample.guesses else "   free-form")
        if tags := [f"{k}={v if isinstance(v, str) else ' + '.join(v)}" for k, v in sample.tags.items() if v]:
            print(f"    tags: {', '.join(tags)}")


def _print_recipe(recipe: Recipe) -> None:
    """Every value of a recipe with the document that states it."""
    import json

    print(f"recipe {recipe.name}" + (f": {recipe.summary}" if recipe.summary else ""))
    if recipe.models:
        print(f"for: {recipe.models}")
    if recipe.note:
        print(f"note: {recipe.note}")
    by_source: dict[str, list[str]] = {}
    for name, value in recipe.values().items():
        source = recipe.source_of(name)
        place = "without a source" if source is None else f"{source.document} ({source.date})"
        by_source.setdefault(place, []).append(f"{name} = {json.dumps(value, ensure_ascii=False)}")
    for place, lines in by_source.items():
        print(f"  {place}:")
        print("\n".join(f"    {line}" for line in lines))


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

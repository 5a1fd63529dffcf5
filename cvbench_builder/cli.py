"""The command line. Parses, calls one function per verb, prints; decides nothing itself.

Options that several verbs share are declared in `options`.
Exit codes: 0 done, 1 done but a check failed, 2 bad input (one line, no traceback unless --debug).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cvbench_builder import options
from cvbench_builder.errors import BuilderError

if TYPE_CHECKING:
    from cvbench_builder.inputs import Inputs
    from cvbench_builder.settings import Settings

app = typer.Typer(
    name="cvbench",
    help="Rebuild CV-Bench from COCO, ADE20K and Omni3D annotations; review, audit, export and compare it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

_MANY = {"--coco", "--coco-images", "--ade20k", "--ade20k-instances", "--ade20k-images", "--omni3d", "--omni3d-images",
         "--review", "--task"}  # fmt: skip


class ManyValues(TyperCommand):
    """Options that take several values at once: ``--omni3d a.json b.json``."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Repeats an option before each of its further values, which is what click understands."""
        spread: list[str] = []
        option = None
        taken = 0
        for token in args:
            if token.startswith("-"):
                option, taken = (token if token in _MANY else None), 0
                spread.append(token)
            elif option == "--review" and taken and Path(token).is_dir():
                spread.append(token)  # `finalize --review a.jsonl cvb/`: the build, not a second review
            elif option is not None and taken:
                spread += [option, token]
            else:
                taken += 1
                spread.append(token)
        return super().parse_args(ctx, spread)


def _command(name: str) -> Callable[[Callable[..., int | None]], Callable[..., None]]:
    """Register a verb whose function returns an exit code, with errors as one line."""

    def register(function: Callable[..., int | None]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            debug = bool(kwargs.get("debug"))
            try:
                code = function(*args, **kwargs)
            except BuilderError as error:
                if debug:
                    raise
                typer.echo(f"error: {error}", err=True)
                raise typer.Exit(2) from None
            raise typer.Exit(code or 0)

        app.command(name, cls=ManyValues)(run)
        return run

    return register


def _sample(help: str) -> Any:
    return typer.Option(help=help, rich_help_panel="Sampling (default: the preset's)")


@_command("build")
def build(
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    coco: options.Coco = None,
    coco_images: options.CocoImages = None,
    ade20k: options.Ade = None,
    ade20k_split: options.AdeSplit = "auto",
    ade20k_instances: options.AdeInstances = None,
    ade20k_list: options.AdeList = None,
    ade20k_images: options.AdeImages = None,
    omni3d: options.Omni = None,
    omni3d_images: options.OmniImages = None,
    exclude: options.Exclude = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    preset: options.Preset = "strict",
    seed: options.Seed = 1,
    workers: options.Workers = None,
    task: options.Tasks = None,
    count_rows: Annotated[int | None, _sample("Rows wanted for Count.")] = None,
    relation_rows: Annotated[int | None, _sample("Rows wanted for Relation.")] = None,
    depth_rows: Annotated[int | None, _sample("Rows wanted for Depth.")] = None,
    distance_rows: Annotated[int | None, _sample("Rows wanted for Distance.")] = None,
    ade20k_share: Annotated[float | None, _sample("Share of ADE20K in the 2D tasks.")] = None,
    zero_share: Annotated[float | None, _sample("Share of zero questions.")] = None,
    per_scene: Annotated[int | None, _sample("Rows per scene and task.")] = None,
    min_frame_distance: Annotated[int | None, _sample("Frames between two rows of a scene.")] = None,
    pair_share: Annotated[float | None, _sample("Largest share of a class pair.")] = None,
    class_share: Annotated[float | None, _sample("Largest share of a class (Count, Relation).")] = None,
    shortcut_cap: Annotated[float | None, _sample("Largest share of Depth rows one box heuristic solves.")] = None,
    twins: Annotated[bool, typer.Option("--twins", help="Also write a mirrored twin of every row to twins/.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a build even if it was reviewed.")] = False,
    min_area: options.MinArea = None,
    min_side: options.MinSide = None,
    min_gap: options.MinGap = None,
    max_overlap: options.MaxOverlap = None,
    soft_relation: options.SoftRelation = None,
    soft_gap: options.SoftGap = None,
    require_dominant_axis: options.RequireDominantAxis = None,
    mark_anchor: options.MarkAnchor = None,
    markers: options.Markers = None,
    duplicate_iou: options.DuplicateIoU = None,
    count_options: options.CountOptions = None,
    plural: options.Plural = None,
    keep_soft: options.KeepSoft = None,
    max_truncation: options.MaxTruncation = None,
    min_visibility: options.MinVisibility = None,
    min_height: options.MinHeight = None,
    depth_offset: options.DepthOffset = None,
    depth_ratio: options.DepthRatio = None,
    distance_offset: options.DistanceOffset = None,
    distance_ratio: options.DistanceRatio = None,
    anchor_metric: options.AnchorMetric = None,
    max_overlap_3d: options.MaxOverlap3D = None,
    triples_per_image: options.TriplesPerImage = None,
    palette: options.Palette = None,
    debug: options.Debug = False,
) -> int:
    """Build a data set: candidates, sampling, images with boxes, card, review page."""
    given = dict(locals())
    from cvbench_builder.build import build as run

    sizes = {"Count": count_rows, "Relation": relation_rows, "Depth": depth_rows, "Distance": distance_rows}
    settings = _settings(given, sizes)
    report = run(_inputs(given), settings, out, _say, overwrite=overwrite)
    for line in report.unbuildable:
        typer.echo(line)
    for name, cells in report.shortfalls.items():
        for cell, (wanted, got) in cells.items():
            typer.echo(f"shortfall: {name}, {cell}: {got} of {wanted} rows")
    rows = ", ".join(f"{n} {name}" for name, n in report.rows.items())
    typer.echo(f"{out}: {sum(report.rows.values())} rows ({rows})")
    return 0


@_command("candidates")
def candidates(
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    coco: options.Coco = None,
    coco_images: options.CocoImages = None,
    ade20k: options.Ade = None,
    ade20k_split: options.AdeSplit = "auto",
    ade20k_instances: options.AdeInstances = None,
    ade20k_list: options.AdeList = None,
    ade20k_images: options.AdeImages = None,
    omni3d: options.Omni = None,
    omni3d_images: options.OmniImages = None,
    exclude: options.Exclude = None,
    cache_dir: options.CacheDir = None,
    no_cache: options.NoCache = False,
    preset: options.Preset = "strict",
    seed: options.Seed = 1,
    workers: options.Workers = None,
    task: options.Tasks = None,
    min_area: options.MinArea = None,
    min_side: options.MinSide = None,
    min_gap: options.MinGap = None,
    max_overlap: options.MaxOverlap = None,
    soft_relation: options.SoftRelation = None,
    soft_gap: options.SoftGap = None,
    require_dominant_axis: options.RequireDominantAxis = None,
    mark_anchor: options.MarkAnchor = None,
    markers: options.Markers = None,
    duplicate_iou: options.DuplicateIoU = None,
    count_options: options.CountOptions = None,
    plural: options.Plural = None,
    keep_soft: options.KeepSoft = None,
    max_truncation: options.MaxTruncation = None,
    min_visibility: options.MinVisibility = None,
    min_height: options.MinHeight = None,
    depth_offset: options.DepthOffset = None,
    depth_ratio: options.DepthRatio = None,
    distance_offset: options.DistanceOffset = None,
    distance_ratio: options.DistanceRatio = None,
    anchor_metric: options.AnchorMetric = None,
    max_overlap_3d: options.MaxOverlap3D = None,
    triples_per_image: options.TriplesPerImage = None,
    palette: options.Palette = None,
    debug: options.Debug = False,
) -> int:
    """List every candidate and every rejection with its reasons. Images are checked where given."""
    given = dict(locals())
    from cvbench_builder.inputs import load
    from cvbench_builder.listing import write

    settings = _settings(given, {})
    inputs = _inputs(given)
    write(load(inputs, _say, need_images=False), settings, out, typer.echo, inputs.workers)
    return 0


@_command("review")
def review(
    folder: options.Build,
    out: Annotated[Path | None, typer.Option(help="Default: review.html in the build.")] = None,
    debug: options.Debug = False,
) -> int:
    """Write the review page and say where it is; open it in a browser, no server needed."""
    from cvbench_builder import dataset
    from cvbench_builder.review import PAGE, write_page

    rows = dataset.read_rows(folder)
    target = (out or folder / PAGE).absolute()
    if target.parent != folder.absolute():
        raise BuilderError(f"{target}: the page must lie in {folder}, beside img/")
    page = write_page(folder, rows)
    if target != page.absolute():
        page.rename(target)
    dataset.write_manifest(folder)
    typer.echo(f"{target}: {len(rows)} rows; open it in a browser, export review.jsonl, then run finalize")
    return 0


@_command("finalize")
def finalize(
    folder: options.Build,
    review: Annotated[list[Path], typer.Option("--review", help="review.jsonl files, one per reviewer.")],
    out: Annotated[Path | None, typer.Option(help="Write here instead of replacing the build.")] = None,
    debug: options.Debug = False,
) -> int:
    """Apply reviews: drop rejected rows, correct modified ones, record the status in every row."""
    from cvbench_builder.finalize import finalize as run

    report = run(folder, review, out)
    for a in report.agreements:
        typer.echo(f"{a.first} and {a.second}: {a.rows} common rows, agreement {a.agreement:.1%}, kappa {a.kappa:.3f}")
    typer.echo(", ".join(f"{n} {status}" for status, n in sorted(report.counts.items())))
    typer.echo(f"accepted share of the judged rows: {report.accepted_share:.1%}")
    return 0


@_command("audit")
def audit(
    folder: options.Build,
    out: Annotated[Path | None, typer.Option(help="Folder for audit.json and audit.png; default: the build.")] = None,
    fail_above: Annotated[
        float | None, typer.Option(help="Exit 1 if a blind baseline is more than so many points over chance.")
    ] = None,
    boxes: Annotated[bool, typer.Option("--boxes", help="Hold the box heuristics to --fail-above too.")] = False,
    forest: Annotated[bool, typer.Option(help="The text-only random forest.")] = True,
    debug: options.Debug = False,
) -> int:
    """How much of the set a blind guesser can solve, against chance, with intervals."""
    from cvbench_builder import audit as audits
    from cvbench_builder import dataset, figures
    from cvbench_builder.diff import load_any

    rows = load_any(folder)
    if not rows:
        raise BuilderError(f"{folder}: no rows")
    result = audits.audit(rows, forest=forest)
    target = out or (folder if folder.is_dir() else folder.parent)
    target.mkdir(parents=True, exist_ok=True)
    dataset.write_json(result, target / "audit.json")
    figures.draw_audit(result, target / "audit.png")
    if target == folder and (folder / dataset.MANIFEST).is_file():
        dataset.write_manifest(folder)
    for line in audits.lines(result):
        typer.echo(line)
    failed = audits.failures(result, fail_above, boxes=boxes) if fail_above is not None else []
    for line in failed:
        typer.echo(f"above {fail_above:g}: {line}", err=True)
    return 1 if failed else 0


@_command("stats")
def stats(folder: options.Build, debug: options.Debug = False) -> int:
    """Statistics of a build: cells, answers, letters, classes, pairs, margins."""
    from cvbench_builder import dataset
    from cvbench_builder import stats as numbers

    for line in numbers.lines(numbers.statistics(dataset.read_rows(folder))):
        typer.echo(line)
    return 0


@_command("export")
def export(
    folder: options.Build,
    format: Annotated[str, typer.Option("--format", help="parquet, disk, jsonl or vlmevalkit.")],
    out: Annotated[Path | None, typer.Option(help="Default: the build's name with the format.")] = None,
    debug: options.Debug = False,
) -> int:
    """Write a build in another form; it is read back and compared."""
    from cvbench_builder.export import export as run

    target = out or folder.absolute().with_name(f"{folder.absolute().name}-{format}")
    typer.echo(f"{target}: {run(folder, format, target)} rows, read back and compared")
    return 0


@_command("diff")
def diff(
    a: Annotated[Path, typer.Argument(help="A build, a parquet file or a folder of them.")],
    b: Annotated[Path, typer.Argument(help="The other one.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Write all differences here.")] = None,
    debug: options.Debug = False,
) -> int:
    """Rows added, removed and changed from A to B, per task and source."""
    from cvbench_builder import dataset
    from cvbench_builder import diff as diffs

    difference = diffs.compare(diffs.load_any(a), diffs.load_any(b))
    for line in diffs.lines(difference):
        typer.echo(line)
    if json_out is not None:
        dataset.write_json(diffs.as_json(difference), json_out)
    return 0


def _say(line: str) -> None:
    typer.echo(line, err=True)


def _settings(given: dict[str, Any], sizes: dict[str, int | None]) -> Settings:
    from dataclasses import fields, replace

    from cvbench_builder import settings as presets

    names = {f.name for f in fields(presets.Settings)} - {"preset", "tasks", "sizes"}
    changes = {k: v for k, v in given.items() if k in names}
    if not given.get("twins"):
        changes.pop("twins", None)
    made = presets.make(given["preset"], **changes)
    chosen = tuple(t for t in presets.TASKS if t.lower() in {x.value for x in given["task"] or options.Task})
    wanted = dict(made.sizes)
    for name, n in sizes.items():
        if n is not None:
            if not made.sizes:
                raise BuilderError(f"--{name.lower()}-rows: preset max takes every valid row; use strict")
            if n < 0:
                raise BuilderError(f"--{name.lower()}-rows {n}: must not be negative")
            wanted[name] = n
    return replace(made, tasks=chosen, sizes=tuple(wanted.items()))


def _inputs(given: dict[str, Any]) -> Inputs:
    from cvbench_builder.cache import Cache, default_folder
    from cvbench_builder.inputs import Inputs

    many = ("coco", "coco_images", "ade20k", "ade20k_instances", "ade20k_images", "omni3d", "omni3d_images")
    if given["ade20k_split"] not in ("auto", "validation", "training", "all"):
        raise BuilderError(f"--ade20k-split {given['ade20k_split']}: one of auto, validation, training, all")
    folder = None if given["no_cache"] else given["cache_dir"] or default_folder()
    return Inputs(
        **{name: tuple(given[name] or ()) for name in many},
        ade20k_split=given["ade20k_split"],
        ade20k_list=given["ade20k_list"],
        exclude=_excluded(given["exclude"]),
        cache=Cache(folder),
        workers=given["workers"] or min(os.cpu_count() or 1, 8),
    )


def _excluded(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        return frozenset(line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip())
    except (OSError, UnicodeDecodeError) as error:
        raise BuilderError(f"{path}: cannot be read ({error})") from None


def main() -> None:
    """Runs the command line and ends with the exit code of the verb."""
    sys.exit(app())

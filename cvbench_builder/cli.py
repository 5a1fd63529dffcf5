"""The command line: parses, calls one function per command, prints.

Options about sources, tasks and rules are generated from their declarations (`options`).
Exit codes: 0 done, 1 done but a check failed, 2 bad input (one line; the traceback with --debug).
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from cvbench_builder.errors import BuilderError
from cvbench_builder.files import shown
from cvbench_builder.options import BuildCommand, inputs_from, settings_from

if TYPE_CHECKING:
    from cvbench_builder.build import BuildSummary

app = typer.Typer(
    name="cvbench",
    help="Rebuild CV-Bench from COCO, ADE20K and Omni3D annotations; review, audit, export and compare it.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

CacheDir = Annotated[Path | None, typer.Option(help="Folder of the cache of annotations that were read.")]
NoCache = Annotated[bool, typer.Option("--no-cache", help="Read every annotation file again, store nothing.")]
Workers = Annotated[int | None, typer.Option(help="Parallel workers; the result does not depend on it.", min=1)]
Debug = Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")]
Build = Annotated[Path, typer.Argument(help="A complete build.")]


def _command(name: str, cls: type[TyperCommand] = TyperCommand) -> Callable[[Callable[..., int]], Callable[..., None]]:
    """Register a command whose function returns an exit code, with errors as one line."""

    def register(function: Callable[..., int]) -> Callable[..., None]:
        @functools.wraps(function)
        def run(*args: Any, **kwargs: Any) -> None:
            try:
                code = function(*args, **kwargs)
            except BuilderError as error:
                if kwargs.get("debug"):
                    raise
                typer.echo(f"error: {shown(str(error))}", err=True)
                raise typer.Exit(2) from None
            raise typer.Exit(code)

        app.command(name, cls=cls)(run)
        return run

    return register


@_command("build", BuildCommand)
def build(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace a build even if it was reviewed.")] = False,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    workers: Workers = None,
    debug: Debug = False,
) -> int:
    """Build a dataset from source annotations.

    Writes questions with their images, the dataset card, statistics and the review page.
    """
    from cvbench_builder.build import build as run

    inputs = inputs_from(ctx.obj, cache_dir, no_cache, workers or _default_workers())
    summary = run(inputs, settings_from(ctx.obj), out, _progress, overwrite=overwrite)
    _report(summary, out)
    return 0


@_command("fresh", BuildCommand)
def fresh(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="The folder to write.")],
    not_in: Annotated[
        list[Path], typer.Option(help="Sets whose images are left out: builds, parquet files or JSONL files.")
    ],
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    workers: Workers = None,
    debug: Debug = False,
) -> int:
    """Build a new set from the same sources, without the images of known sets.

    Takes the options of `build`. Without --seed the seed is random; it is written to build.json, so keep the folder
    private.
    """
    from click.core import ParameterSource

    from cvbench_builder import fresh as fresh_set

    if ctx.get_parameter_source("seed") is ParameterSource.DEFAULT:
        ctx.obj["seed"] = fresh_set.private_seed()
    inputs = inputs_from(ctx.obj, cache_dir, no_cache, workers or _default_workers())
    made = fresh_set.build(inputs, settings_from(ctx.obj), not_in, out, _progress)
    _report(made.summary, out)
    typer.echo(f"{made.left_out} images of {len(not_in)} known sets were left out; none is in {out}")
    return 0


@_command("candidates", BuildCommand)
def candidates(
    ctx: typer.Context,
    out: Annotated[Path, typer.Option(help="The JSONL file to write.")],
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    workers: Workers = None,
    debug: Debug = False,
) -> int:
    """List every candidate and every rejection with its reasons.

    Takes the options of `build`; those about sampling have no effect. Images are checked if their folders are given.
    """
    from cvbench_builder.candidate_lines import write
    from cvbench_builder.inputs import load

    settings = settings_from(ctx.obj)
    inputs = inputs_from(ctx.obj, cache_dir, no_cache, workers or _default_workers())
    write(load(inputs, _progress, need_images=False), settings, out, typer.echo, inputs.workers)
    return 0


@_command("sources", BuildCommand)
def sources(
    ctx: typer.Context,
    folder: Annotated[Path | None, typer.Argument(help="A folder to search for COCO, ADE20K and Omni3D.")] = None,
    cache_dir: CacheDir = None,
    no_cache: NoCache = False,
    workers: Workers = None,
    debug: Debug = False,
) -> int:
    """Check folders of annotations and images.

    Says what is there, what is missing, and how many candidates of each task the sources give. Searches FOLDER, or
    checks the sources given as for `build`. Exits with 1 if a source cannot be used.
    """
    from cvbench_builder import survey

    inputs = inputs_from(ctx.obj, cache_dir, no_cache, workers or _default_workers())
    if folder is not None:
        inputs = replace(survey.found_in(folder), cache=inputs.cache, workers=inputs.workers)
    findings = list(survey.survey(inputs, settings_from(ctx.obj)))
    if folder is not None and not findings:
        typer.echo(f"{folder}: no annotations of COCO, ADE20K or Omni3D in its folders")
    for line in survey.lines(findings):
        typer.echo(shown(line))
    if folder is not None and (flags := survey.flags(inputs, findings)):
        typer.echo(f"options of build: {flags}")
    return 1 if any(f.problem for f in findings) else 0


@_command("rules")
def rules(debug: Debug = False) -> int:
    """Print all rules and defaults as a Markdown table."""
    from cvbench_builder.presets import rules_table

    for line in rules_table():
        typer.echo(line)
    return 0


@_command("review")
def review(
    folder: Build,
    out: Annotated[Path | None, typer.Option(help="Default: review.html in the build.")] = None,
    debug: Debug = False,
) -> int:
    """Write the review page; open it in a browser, without a server."""
    from cvbench_builder import dataset
    from cvbench_builder.review import PAGE, write_page

    rows = dataset.read_rows(folder)
    target = (out or folder / PAGE).absolute()
    if target.parent != folder.absolute():
        raise BuilderError(f"{target}: the page must be in {folder}, beside img/; change --out")
    page = write_page(folder, rows)
    if target != page.absolute():
        page.rename(target)
    dataset.write_manifest(folder)
    typer.echo(f"{target}: {len(rows)} rows; open it in a browser, export review.jsonl, then run finalize")
    return 0


@_command("finalize")
def finalize(
    folder: Build,
    review: Annotated[
        list[Path], typer.Option("--review", help="The review.jsonl of a reviewer; repeat it for several reviewers.")
    ],
    out: Annotated[Path | None, typer.Option(help="The folder to write; default: the build is replaced.")] = None,
    debug: Debug = False,
) -> int:
    """Apply reviews to a build.

    Removes rejected rows, corrects modified ones and records the status in every row.
    """
    from cvbench_builder.finalize import finalize as run

    summary = run(folder, review, out)
    for a in summary.agreements:
        typer.echo(f"{a.first} and {a.second}: {a.rows} common rows, agreement {a.agreement:.1%}, kappa {a.kappa:.3f}")
    typer.echo(", ".join(f"{n} {status}" for status, n in sorted(summary.counts.items())))
    typer.echo(f"accepted share of the reviewed rows: {summary.accepted_share:.1%}")
    return 0


@_command("merge-reviews")
def merge_reviews(
    reviews: Annotated[list[Path], typer.Argument(help="The review.jsonl of two or more reviewers.")],
    out: Annotated[Path, typer.Option(help="The merged file to write; `finalize` takes it.")],
    debug: Debug = False,
) -> int:
    """Merge the reviews of several reviewers; prints agreement and kappa.

    Keeps the decisions on which all agree and lists the rows on which they do not.
    """
    from cvbench_builder import review as reviewing

    if len(reviews) < 2:
        raise BuilderError("merge-reviews: give the files of at least two reviewers")
    if out.exists():
        raise BuilderError(f"{out}: already exists; choose another --out")
    merged = reviewing.merge([reviewing.read_decisions(path) for path in reviews])
    reviewing.write_decisions(merged.decisions, out)
    for a in merged.agreements:
        typer.echo(f"{a.first} and {a.second}: {a.rows} common rows, agreement {a.agreement:.1%}, kappa {a.kappa:.3f}")
    for key in merged.disagreements:
        typer.echo(f"disagreement: row {key}")
    typer.echo(f"{out}: {len(merged.decisions)} decisions; {len(merged.disagreements)} rows are left to decide")
    return 0


@_command("audit")
def audit(
    folder: Annotated[Path, typer.Argument(help="A build, a parquet file, a folder of them, or a JSONL file.")],
    out: Annotated[Path | None, typer.Option(help="Folder for audit.json and audit.png; default: the build.")] = None,
    fail_above: Annotated[
        float | None,
        typer.Option(help="Exit with 1 if the best guesser of a task is significantly above chance by more points."),
    ] = None,
    boxes: Annotated[bool, typer.Option(help="Let guessers that look at the drawn boxes decide too.")] = True,
    forest: Annotated[bool, typer.Option(help="Include the random forests.")] = True,
    debug: Debug = False,
) -> int:
    """Measure how much can be solved without the images.

    Compares guessers with chance, and names the best one of each task with its interval and a verdict.
    """
    from cvbench_builder import any_rows, dataset, figures
    from cvbench_builder import audit as audits

    rows = any_rows.load(folder)
    result = audits.audit(rows, forest=forest)
    target = out or (folder if folder.is_dir() else folder.parent)
    target.mkdir(parents=True, exist_ok=True)
    dataset.write_json(result, target / "audit.json")
    figures.draw_audit(result, target / "audit.png")
    if target == folder and (folder / dataset.MANIFEST).is_file():
        dataset.write_manifest(folder)
    limit = audits.LIMIT if fail_above is None else fail_above
    for line in audits.lines(result, limit, boxes=boxes):
        typer.echo(line)
    failed = audits.failures(result, limit, boxes=boxes) if fail_above is not None else []
    for line in failed:
        typer.echo(f"above {limit:g}: {line}", err=True)
    return 1 if failed else 0


@_command("debias")
def debias(
    source: Annotated[Path, typer.Argument(help="A build, a parquet file, a folder of them, or a JSONL file.")],
    out: Annotated[Path, typer.Argument(help="What to write, in the same form.")],
    limit: Annotated[float, typer.Option(help="Points above chance that the best guesser may have.", min=0)] = 5.0,
    forest: Annotated[bool, typer.Option(help="Include the random forests.")] = True,
    debug: Debug = False,
) -> int:
    """Draw new options and drop rows until the audit passes.

    Counts get options that do not give the answer away; other rows are dropped as far as needed. Prints the cost.
    """
    from cvbench_builder import debias as debiasing

    costs = debiasing.debias(source, out, limit, _progress, forest=forest)
    for line in debiasing.lines(costs, limit):
        typer.echo(line)
    failed = debiasing.unsolved(costs, limit)
    for line in failed:
        typer.echo(line, err=True)
    return 1 if failed else 0


@_command("stats")
def stats(folder: Build, debug: Debug = False) -> int:
    """Print statistics of a build.

    Rows per cell, answers, letters, classes, pairs and margins.
    """
    from cvbench_builder import dataset
    from cvbench_builder import stats as numbers

    for line in numbers.lines(numbers.statistics(dataset.read_rows(folder))):
        typer.echo(line)
    return 0


@_command("export")
def export(
    folder: Build,
    format: Annotated[str, typer.Option("--format", help="parquet, disk, jsonl, vlmevalkit, circular or mirrored.")],
    out: Annotated[Path | None, typer.Option(help="Default: the name of the build with the format added.")] = None,
    debug: Debug = False,
) -> int:
    """Write a build in another format; it is read back and compared."""
    from cvbench_builder.export import export as run

    target = out or folder.absolute().with_name(f"{folder.absolute().name}-{format}")
    typer.echo(f"{target}: {run(folder, format, target)} rows, read back and compared")
    return 0


@_command("diff")
def diff(
    a: Annotated[Path, typer.Argument(help="A build, a parquet or JSONL file, or a folder of parquet files.")],
    b: Annotated[Path, typer.Argument(help="What to compare it with.")],
    json_out: Annotated[Path | None, typer.Option("--json", help="Also write all differences to this file.")] = None,
    fail: Annotated[bool, typer.Option("--fail", help="Exit with 1 if a distribution differs.")] = False,
    debug: Debug = False,
) -> int:
    """List rows added, removed and changed from A to B, and compare their distributions.

    For each task: sources, classes, answers, options, markers, wording and box sizes, with a verdict. With the
    published parquet file as B this shows how close a build is to the published set.
    """
    from cvbench_builder import dataset, likeness
    from cvbench_builder import diff as diffs

    ours, theirs = diffs.load_any(a), diffs.load_any(b)
    difference = diffs.compare(ours, theirs)
    comparisons = likeness.compare(ours, theirs)
    for line in (*diffs.lines(difference), *likeness.lines(ours, theirs, comparisons)):
        typer.echo(line)
    if json_out is not None:
        dataset.write_json(diffs.as_json(difference) | {"distributions": [asdict(c) for c in comparisons]}, json_out)
    return 1 if fail and any(c.verdict == "differs" for c in comparisons) else 0


def _report(summary: BuildSummary, out: Path) -> None:
    from cvbench_builder.build import shortfall_table

    for line in summary.unbuildable:
        typer.echo(line)
    for line in shortfall_table(summary.shortfalls):
        typer.echo(line)
    for line in summary.guessing:
        typer.echo(line)
    rows = ", ".join(f"{n} {name}" for name, n in summary.rows.items())
    typer.echo(f"{out}: {sum(summary.rows.values())} rows ({rows})")


def _progress(line: str) -> None:
    typer.echo(shown(line), err=True)


def _default_workers() -> int:
    return min(os.cpu_count() or 1, 8)


def main() -> None:
    """Run the command line and exit with the code of the command."""
    sys.exit(app())

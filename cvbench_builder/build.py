"""A build in stages: load, list candidates, sample, decode the sampled images, write rows and derived files.

This module passes the results from stage to stage and keeps the funnel (candidates, valid ones, rejections by
reason) of all stages.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cvbench_builder import __version__, dataset, derived_files, draw, duplicates, sampling
from cvbench_builder.candidates import CandidateTable, Pick, add_funnels, funnel, image_key, join
from cvbench_builder.catalog import SYNTHETIC, Catalog
from cvbench_builder.errors import BuilderError
from cvbench_builder.hardening import harden
from cvbench_builder.images import Source, count_by_flag
from cvbench_builder.inputs import Inputs, load, named
from cvbench_builder.row_files import SampledTask, image_name, write_rows
from cvbench_builder.settings import BuildSettings, DrawingRules, SamplingRules
from cvbench_builder.task import SampledRows, Task
from cvbench_builder.tasks import chosen_tasks, enumerate_candidates

Progress = Callable[[str], None]
Shortfalls = dict[str, dict[str, tuple[int, int]]]
"""Task -> cell -> (wanted, got)."""


@dataclass(frozen=True)
class BuildSummary:
    """What a build did, for the command line."""

    rows: dict[str, int]
    shortfalls: Shortfalls
    unbuildable: list[str]
    guessing: list[str]
    """For each task what the best guesser has, and what would be needed for more rows; empty without `balance`."""


def shortfall_table(shortfalls: Shortfalls) -> list[str]:
    """One table of the rows that the sources lack: a line per task and source, with the cells that are short."""
    lines: list[str] = []
    for task, cells in shortfalls.items():
        by_source: dict[str, dict[str, tuple[int, int]]] = defaultdict(dict)
        for cell, numbers in cells.items():
            source, _, rest = cell.partition(" ")
            by_source[source][rest] = numbers
        for source, parts in by_source.items():
            wanted, got = (sum(n[k] for n in parts.values()) for k in (0, 1))
            listed = ", ".join(f"{rest} {have}/{want}" for rest, (want, have) in parts.items() if rest)
            lines.append(f"{task:<11}{source:<13}{got:>6}{wanted:>8}  {listed}".rstrip())
    return (
        ["rows that the sources lack:", f"{'task':<11}{'source':<13}{'got':>6}{'wanted':>8}", *lines] if lines else []
    )


@dataclass(frozen=True)
class _TaskCandidates:
    """The valid candidates of one task, a table per catalog."""

    task: Task
    tables: list[tuple[Catalog, CandidateTable]]


def build(
    inputs: Inputs, settings: BuildSettings, out: Path, progress: Progress, *, overwrite: bool = False
) -> BuildSummary:
    """Make a dataset in `out`; the folder appears only when it is complete.

    Cells that could not be filled are reported in the summary. Sources without any valid question are an error.
    """
    dataset.refuse_foreign(out, overwrite)
    sources = named(load(inputs, progress, need_images=True), settings)
    counts: dict[str, Any] = {}
    listed = [_list_candidates(task, sources, settings, counts, progress) for task in chosen_tasks(settings)]
    unbuildable = _unbuildable(sources, settings)
    paths, files = _image_paths(sources), _annotation_files(sources)
    results, facts = _sample(listed, paths, files, settings, counts, inputs.workers, progress)
    if not any(result.picks for result in results.values()):
        raise BuilderError(
            f"there is no valid question in these sources{_excluded(sources)}; `candidates` lists every rejection with "
            "its reason"
        )
    sampled = [SampledTask(item.task, results[item.task.name].picks) for item in listed]
    guessing: list[str] = []
    if settings[SamplingRules].balance and settings.sizes:
        images = {item.task.name: sum(len(catalog) for catalog, _ in item.tables) for item in listed}
        lacking = {name: result.lacking for name, result in results.items()}
        sampled, guessing = harden(sampled, facts, settings, images, lacking)
    shortfalls = {task: result.shortfalls for task, result in results.items() if result.shortfalls}
    with dataset.replacing(out) as part:
        rows = write_rows(part, sampled, paths, facts, settings, inputs.workers)
        dataset.write_all_parquet(rows, part)
        if settings[DrawingRules].twins:
            twins = part / "twins"
            twins.mkdir()
            dataset.write_all_parquet(
                write_rows(twins, sampled, paths, facts, settings, inputs.workers, mirror=True), twins
            )
        record = {**_record(sources, settings, shortfalls, unbuildable), "guessing": guessing}
        dataset.write_json(record, part / dataset.BUILD)
        dataset.write_json(counts, part / dataset.FUNNEL)
        derived_files.write(part, rows)
    return BuildSummary({s.task.name: len(s.picks) for s in sampled}, shortfalls, unbuildable, guessing)


def _excluded(sources: list[Source]) -> str:
    """How many images of the sources are left out by name; empty where none is."""
    n = sum(count_by_flag(s.catalog.image_flags).get("excluded", 0) for s in sources)
    return f" ({n} of {sum(len(s.catalog) for s in sources)} images are left out by name)" if n else ""


def _list_candidates(
    task: Task, sources: list[Source], settings: BuildSettings, counts: dict[str, Any], progress: Progress
) -> _TaskCandidates:
    found = _TaskCandidates(task, [])
    counts[task.name] = {}
    for source in sources:
        kept: list[CandidateTable] = []
        total: dict[str, int] = {}
        for table in enumerate_candidates(task, source.catalog, settings):
            add_funnels(total, funnel(table, task.own_reasons))
            kept.append(table.valid())
        if kept:
            name = f"{source.catalog.name} {source.catalog.split}"
            add_funnels(counts[task.name].setdefault(name, {}), total)
            found.tables.append((source.catalog, join(kept)))
            progress(f"{task.name} {name}: {total['valid']} valid of {total['candidates']} candidates")
    return found


def _unbuildable(sources: list[Source], settings: BuildSettings) -> list[str]:
    """The rows of the published set that these sources cannot give, and the sources that the preset leaves out."""
    have = {s.catalog.name for s in sources}
    by_sources: dict[tuple[str, tuple[str, ...]], list[str]] = defaultdict(list)
    for task in chosen_tasks(settings):
        by_sources[(task.kind, task.sources)].append(task.name)
    lines = []
    for (kind, wanted), names in by_sources.items():
        prefix = "Omni3D " if kind == "3D" else ""
        lines += [f"no {prefix}{s}: no rows of {' and '.join(names)} from it" for s in wanted if s not in have]
        extra = sorted({s.catalog.name for s in sources if s.catalog.source == "Omni3D"} - set(wanted))
        if settings.preset == "published" and kind == "3D":
            lines += [
                f"Omni3D {name} is not part of the published set and is left out (use --preset strict or max)"
                for name in extra
            ]
    return lines


def _image_paths(sources: list[Source]) -> dict[str, Path]:
    """The file of each usable image by its key."""
    return {
        image_key(s.catalog, i): s.images[str(image)]
        for s in sources
        for i, image in enumerate(s.catalog.image_id.tolist())
        if str(image) in s.images
    }


def _annotation_files(sources: list[Source]) -> dict[str, str]:
    """The hash of the annotation file of each image by the image's key."""
    return {image_key(s.catalog, i): s.catalog.sha256 for s in sources for i in range(len(s.catalog))}


def _sample(
    listed: list[_TaskCandidates],
    paths: dict[str, Path],
    files: dict[str, str],
    settings: BuildSettings,
    counts: dict[str, Any],
    workers: int,
    progress: Progress,
) -> tuple[dict[str, SampledRows], dict[str, draw.ImageFacts]]:
    """Sample, decode the sampled images, and sample again without those that are damaged or duplicates."""
    pools = {
        item.task.name: [
            p for catalog, table in item.tables for p in sampling.picks_of(item.task, catalog, table, settings.seed)
        ]
        for item in listed
    }
    facts: dict[str, draw.ImageFacts] = {}
    broken: set[str] = set()
    repeated: set[tuple[str, str]] = set()
    while True:
        results = {}
        for item in listed:
            name = item.task.name
            usable = [p for p in pools[name] if image_name(p) not in broken and (name, p.hash) not in repeated]
            results[name] = _sample_task(item, usable, settings)
        wanted = sorted({image_name(p) for r in results.values() for p in r.picks} - facts.keys())
        new_broken = _decode(wanted, paths, facts, workers)
        same = duplicates.same_images(facts, files)
        pools = {name: [_renamed(p, same) for p in pool] for name, pool in pools.items()} if same else pools
        known = ((n, p, facts[image_name(p)]) for n, r in results.items() for p in r.picks if image_name(p) in facts)
        new_repeated = duplicates.repeated_questions(known) - repeated
        moved = any(same.get(image_name(p), p.image) != p.image for r in results.values() for p in r.picks)
        if not (new_broken or new_repeated or moved):
            break
        broken |= new_broken
        repeated |= new_repeated
    if broken:
        progress(f"{len(broken)} images cannot be decoded: {', '.join(sorted(broken)[:5])}")
    counts["images"] = {"decoded": len(facts), "broken": len(broken), "double_questions": len(repeated)}
    return results, facts


def _sample_task(item: _TaskCandidates, usable: list[Pick], settings: BuildSettings) -> SampledRows:
    if not settings.sizes:
        return sampling.take_all(item.task, usable, settings)
    sources = list(item.task.sources) if settings.preset == "published" else [c.name for c, _ in item.tables]
    return sampling.sample(item.task, usable, settings, sources)


def _renamed(pick: Pick, same: dict[str, str]) -> Pick:
    name = same.get(image_name(pick), pick.image)
    return pick if name == pick.image else replace(pick, image=name)


def _decode(wanted: list[str], paths: dict[str, Path], facts: dict[str, draw.ImageFacts], workers: int) -> set[str]:
    """Add the facts of these images; returns the keys of the damaged ones."""

    def decode(name: str) -> draw.ImageFacts | None:
        try:
            return draw.inspect(paths[name])
        except draw.BrokenImage:
            return None

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        found = list(pool.map(decode, wanted))
    facts.update({name: f for name, f in zip(wanted, found, strict=True) if f is not None})
    return {name for name, f in zip(wanted, found, strict=True) if f is None}


def _record(
    sources: list[Source], settings: BuildSettings, shortfalls: Shortfalls, unbuildable: list[str]
) -> dict[str, Any]:
    """The content of `build.json`."""
    return {
        "builder_version": __version__,
        "settings": settings.as_dict(),
        "settings_sha256": settings.sha256,
        "seed": settings.seed,
        "sources": [
            {
                "source": s.catalog.source,
                "component": s.catalog.component,
                "split": s.catalog.split,
                "annotation_file": Path(s.catalog.file).name,
                "annotation_sha256": s.catalog.sha256,
                "images": len(s.catalog),
                "images_missing": sorted(s.missing),
                "annotations_skipped": s.catalog.skipped,
                SYNTHETIC: s.catalog.synthetic,
            }
            for s in sources
        ],
        "unbuildable": unbuildable,
        "shortfalls": shortfalls,
        "state": "built",
    }

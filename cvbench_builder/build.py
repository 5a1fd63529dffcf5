"""The stages in order: load, enumerate, draw, look at the images, word, render, write.

Each stage is a function over plain values; this module only hands one's result to the next and
keeps the funnel (in, out, per reason) of all of them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cvbench_builder import __version__, dataset, draw, rows, select, wording
from cvbench_builder.candidates import Table, add_funnels, funnel, join
from cvbench_builder.candidates import key as candidate_key
from cvbench_builder.catalog import Catalog
from cvbench_builder.errors import BuilderError
from cvbench_builder.inputs import Inputs, Source, load
from cvbench_builder.select import Outcome, Pick
from cvbench_builder.settings import COMPONENTS_3D, SOURCES_2D, Settings
from cvbench_builder.tasks import enumerate_task
from cvbench_builder.tasks.distance import complete

Say = Callable[[str], None]
_NEAR_BITS = 2


@dataclass(frozen=True)
class Report:
    """What a build did, for the command line."""

    out: Path
    rows: dict[str, int]
    shortfalls: dict[str, dict[str, tuple[int, int]]]
    unbuildable: list[str]


def build(inputs: Inputs, settings: Settings, out: Path, say: Say, *, overwrite: bool = False) -> Report:
    """Make a data set in ``out``, which appears whole or not at all.

    Cells that could not be filled are not an error: they are in the report. No valid question at all is one.
    """
    dataset.refuse_foreign(out, overwrite)
    sources = load(inputs, say, need_images=True)
    counts, tables = _enumerate(sources, settings, say)
    unbuildable = _unbuildable(sources, settings)
    outcomes, facts = _draw(sources, tables, settings, counts, inputs.workers, say)
    if not any(o.picks for o in outcomes.values()):
        raise BuilderError("no valid question in these sources; `candidates` lists every rejection with its reason")
    with dataset.replacing(out) as part:
        made = _write_rows(part, sources, outcomes, facts, settings, inputs.workers, mirror=False)
        for kind in sorted({r["type"] for r in made}):
            of_kind = [r for r in made if r["type"] == kind]
            dataset.write_parquet(of_kind, part, part / dataset.PARQUET[kind] / "test.parquet")
        if settings.twins:
            _write_twins(part, sources, outcomes, facts, settings, inputs.workers)
        shortfalls = {task: o.shortfalls for task, o in outcomes.items() if o.shortfalls}
        _write_papers(part, made, sources, settings, counts, shortfalls, unbuildable)
    per_task = {task: len(o.picks) for task, o in outcomes.items()}
    return Report(out, per_task, shortfalls, unbuildable)


def _enumerate(
    sources: list[Source], settings: Settings, say: Say
) -> tuple[dict[str, Any], dict[str, list[tuple[Catalog, Table]]]]:
    counts: dict[str, Any] = {}
    tables: dict[str, list[tuple[Catalog, Table]]] = {}
    for task in settings.tasks:
        counts[task], tables[task] = {}, []
        for source in sources:
            kept: list[Table] = []
            total: dict[str, int] = {}
            for table in enumerate_task(task, source.catalog, settings):
                add_funnels(total, funnel(table))
                kept.append(table.valid())
            if kept:
                name = f"{source.catalog.name} {source.catalog.split}"
                add_funnels(counts[task].setdefault(name, {}), total)
                tables[task].append((source.catalog, join(kept)))
                say(f"{task} {name}: {total['valid']} valid of {total['candidates']} candidates")
    return counts, tables


def _unbuildable(sources: list[Source], settings: Settings) -> list[str]:
    """What these sources cannot give, said plainly."""
    have = {s.catalog.source for s in sources}
    components = {s.catalog.component for s in sources if s.catalog.source == "Omni3D"}
    lines = []
    plane = [t for t in ("Count", "Relation") if t in settings.tasks]
    space = [t for t in ("Depth", "Distance") if t in settings.tasks]
    if plane:
        lines += [f"no {s}: {' and '.join(plane)} have no rows from it" for s in SOURCES_2D if s not in have]
    if space:
        lines += [
            f"no Omni3D {c}: {' and '.join(space)} have no rows from it" for c in COMPONENTS_3D if c not in components
        ]
        if settings.preset == "published":
            extra = sorted(components - set(COMPONENTS_3D))
            lines += [
                f"Omni3D {c} is not part of the published set and is left out (use --preset strict or max)"
                for c in extra
            ]
    return lines


def _cells_from(task: str, tables: list[tuple[Catalog, Table]], settings: Settings) -> list[str]:
    """The sources or components that have a share of the quota."""
    if settings.preset == "published":
        return list(COMPONENTS_3D if task in ("Depth", "Distance") else SOURCES_2D)
    return [c.component if c.source == "Omni3D" else c.source for c, _ in tables]


def _draw(
    sources: list[Source],
    tables: dict[str, list[tuple[Catalog, Table]]],
    settings: Settings,
    counts: dict[str, Any],
    workers: int,
    say: Say,
) -> tuple[dict[str, Outcome], dict[str, draw.Facts]]:
    """Draw, decode what was drawn, and draw again without what turned out broken or double."""
    paths = {
        select.image_key(s.catalog, i): s.images[str(image)]
        for s in sources
        for i, image in enumerate(s.catalog.image_id.tolist())
        if str(image) in s.images
    }
    pools = {
        task: [p for catalog, table in found for p in select.picks_of(catalog, table, settings)]
        for task, found in tables.items()
    }
    facts: dict[str, draw.Facts] = {}
    broken: set[str] = set()
    doubles: set[tuple[str, str]] = set()
    while True:
        outcomes = {}
        for task, pool in pools.items():
            usable = [p for p in pool if _own_key(p) not in broken and (task, p.hash) not in doubles]
            if settings.sizes:
                outcomes[task] = select.draw(task, usable, settings, _cells_from(task, tables[task], settings))
            else:
                outcomes[task] = select.everything(task, usable, settings)
        wanted = sorted({_own_key(p) for o in outcomes.values() for p in o.picks} - facts.keys())
        new_broken = _inspect(wanted, paths, facts, workers)
        same = _same_images(facts)
        pools = {t: [_renamed(p, same) for p in pool] for t, pool in pools.items()} if same else pools
        new_doubles = _doubles(outcomes, facts) - doubles
        moved = any(same.get(_own_key(p), p.image) != p.image for o in outcomes.values() for p in o.picks)
        if not (new_broken or new_doubles or moved):
            break
        broken |= new_broken
        doubles |= new_doubles
    if broken:
        say(f"{len(broken)} images cannot be decoded: {', '.join(sorted(broken)[:5])}")
    counts["images"] = {"decoded": len(facts), "broken": len(broken), "double_questions": len(doubles)}
    return outcomes, facts


def _renamed(pick: Pick, same: dict[str, str]) -> Pick:
    name = same.get(_own_key(pick), pick.image)
    return pick if name == pick.image else replace(pick, image=name)


def _own_key(pick: Pick) -> str:
    return select.image_key(pick.catalog, int(pick.table.image[pick.row]))


def _inspect(wanted: list[str], paths: dict[str, Path], facts: dict[str, draw.Facts], workers: int) -> set[str]:
    def look(name: str) -> draw.Facts | None:
        try:
            return draw.inspect(paths[name])
        except draw.BrokenImage:
            return None

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        found = list(pool.map(look, wanted))
    facts.update({name: f for name, f in zip(wanted, found, strict=True) if f is not None})
    return {name for name, f in zip(wanted, found, strict=True) if f is None}


def _same_images(facts: dict[str, draw.Facts]) -> dict[str, str]:
    """Images of different sources that are one image, by their bytes or by their look.

    Within one source the image id is the identity; flat images have no look to compare.
    """
    names = sorted(facts)
    home = {n: n.rsplit("/", 1)[0] for n in names}
    same: dict[str, str] = {}
    by_bytes: dict[str, list[str]] = defaultdict(list)
    for name in names:
        by_bytes[facts[name].sha256].append(name)
    for group in by_bytes.values():
        first = group[0]
        for name in group[1:]:
            if home[name] != home[first]:
                same[name] = first
    textured = [n for n in names if 8 <= facts[n].look.bit_count() <= 56]
    looks = np.array([facts[n].look for n in textured], np.uint64)
    homes = np.array([home[n] for n in textured])
    for i, name in enumerate(textured[:-1]):
        near = _bits(looks[i + 1 :] ^ looks[i]) <= _NEAR_BITS
        for j in np.flatnonzero(near & (homes[i + 1 :] != homes[i])).tolist():
            other = textured[i + 1 + j]
            if _shape(facts[name]) == _shape(facts[other]):
                same.setdefault(other, same.get(name, name))
    return same


def _bits(values: NDArray[np.uint64]) -> NDArray[np.int64]:
    return np.asarray(np.unpackbits(values.view(np.uint8).reshape(-1, 8), axis=1).sum(axis=1, dtype=np.int64))


def _shape(facts: draw.Facts) -> float:
    return round(facts.width / facts.height, 1)


def _doubles(outcomes: dict[str, Outcome], facts: dict[str, draw.Facts]) -> set[tuple[str, str]]:
    """The same question about the same image bytes from two sources: the later one goes."""
    seen: dict[tuple[str, ...], str] = {}
    doubles = set()
    for task, outcome in outcomes.items():
        for pick in outcome.picks:
            own = _own_key(pick)
            if own not in facts:
                continue
            about = (task, *pick.classes, pick.answer, facts[own].sha256)
            home = f"{pick.catalog.name}/{pick.catalog.split}"
            if seen.setdefault(about, home) != home:
                doubles.add((task, pick.hash))
    return doubles


def _ordered(task: str, outcome: Outcome) -> list[Pick]:
    return sorted(outcome.picks, key=lambda p: (p.catalog.source, p.catalog.component, p.hash))


def _write_rows(
    part: Path,
    sources: list[Source],
    outcomes: dict[str, Outcome],
    facts: dict[str, draw.Facts],
    settings: Settings,
    workers: int,
    *,
    mirror: bool,
) -> list[dict[str, Any]]:
    """Word and render every pick; images go to ``part/img``, rows to ``part/rows.jsonl``."""
    paths = {(s.catalog.name, s.catalog.split): s.images for s in sources}
    jobs = list(_questions(outcomes, settings))

    def finish(job: tuple[int, Pick, rows.Question, str]) -> dict[str, Any]:
        idx, pick, question, stem = job
        image = int(pick.table.image[pick.row])
        catalog = pick.catalog
        path = paths[(catalog.name, catalog.split)][str(catalog.image_id[image])]
        rendered = draw.render(path, marks_of(question, settings), mirror=mirror)
        filename = stem + rendered.suffix
        target = part / filename
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(rendered.data)
        row = {"idx": idx, **rows.published_columns(question, catalog, image), "filename": filename}
        row |= rows.extra_columns(question, catalog, image, settings, facts[_own_key(pick)].sha256)
        if mirror:
            row = mirrored(row, rendered.width)
        row["image_sha256"] = hashlib.sha256(rendered.data).hexdigest()
        row["content_hash"] = rows.content_hash(row, row["image_sha256"])
        return row

    with ThreadPoolExecutor(max(workers, 1)) as pool:
        made = list(pool.map(finish, jobs))
    dataset.write_rows(made, part / dataset.ROWS)
    return made


def _questions(outcomes: dict[str, Outcome], settings: Settings) -> Iterator[tuple[int, Pick, rows.Question, str]]:
    idx = 0
    for task, outcome in outcomes.items():
        picks = _ordered(task, outcome)
        sizes = []
        keys = [candidate_key(p.catalog, p.table, p.row) for p in picks]
        for p, key in zip(picks, keys, strict=True):
            sizes.append((p.catalog.name if task != "Count" else "", rows.options_of(p.table, p.row, key, settings)))
        numbers: dict[str, int] = defaultdict(int)
        windows: list[list[int] | None] = [None] * len(picks)
        if task == "Count" and settings.count_options == "balanced":
            windows = [*wording.balanced_windows([(int(p.answer), k) for p, k in zip(picks, keys, strict=True)])]
        for pick, key, place, values in zip(picks, keys, rows.letters(task, sizes), windows, strict=True):
            catalog = pick.catalog
            exact = complete(catalog, pick.table.take([pick.row]))
            question = rows.ask(catalog, exact, 0, key, place, settings, values)
            short = f"omni3d_{catalog.component}".lower() if catalog.source == "Omni3D" else catalog.source.lower()
            yield idx, pick, question, f"img/{rows.FOLDER[task]}/{short}_{numbers[short]}"
            numbers[short] += 1
            idx += 1


def marks_of(question: rows.Question, settings: Settings) -> list[draw.Mark]:
    """Green, blue, red: the anchor is drawn last and lies on top."""
    palette = wording.PALETTES[settings.palette]
    drawn = {b["colour"]: b["xyxy"] for b in question.boxes if b["colour"]}
    return [draw.Mark(rgb, tuple(drawn[name])) for name, rgb in reversed(palette.colours) if name in drawn]


def mirrored(row: dict[str, Any], width: int) -> dict[str, Any]:
    """The row about the image flipped left to right."""
    boxes = [{**b, "xyxy": [round(v, 4) for v in draw.mirrored(tuple(b["xyxy"]), width)]} for b in row["boxes"]]
    answer = row["answer"]
    if row["choices"] == ["left", "right"]:
        answer = {"(A)": "(B)", "(B)": "(A)"}[answer]
    bbox = None if row["bbox"] is None else [b["xyxy"] for b in boxes]
    flags = [*row["flags"], "mirrored"]
    return {**row, "key": row["key"] + "m", "boxes": boxes, "bbox": bbox, "answer": answer, "flags": flags}


def _write_twins(
    part: Path,
    sources: list[Source],
    outcomes: dict[str, Outcome],
    facts: dict[str, draw.Facts],
    settings: Settings,
    workers: int,
) -> None:
    folder = part / "twins"
    folder.mkdir()
    made = _write_rows(folder, sources, outcomes, facts, settings, workers, mirror=True)
    for kind in sorted({r["type"] for r in made}):
        target = folder / dataset.PARQUET[kind] / "test.parquet"
        dataset.write_parquet([r for r in made if r["type"] == kind], folder, target)


def _write_papers(
    part: Path,
    made: list[dict[str, Any]],
    sources: list[Source],
    settings: Settings,
    counts: dict[str, Any],
    shortfalls: dict[str, dict[str, tuple[int, int]]],
    unbuildable: list[str],
) -> None:
    """Everything beside the rows: funnel, settings, and what is derived from the rows."""
    from cvbench_builder import papers

    described = [
        {
            "source": s.catalog.source,
            "component": s.catalog.component,
            "split": s.catalog.split,
            "annotation_file": Path(s.catalog.file).name,
            "annotation_sha256": s.catalog.sha256,
            "images": len(s.catalog),
            "images_missing": sorted(s.missing),
            "annotations_skipped": s.catalog.skipped,
        }
        for s in sources
    ]
    dataset.write_json(
        {
            "builder_version": __version__,
            "settings": asdict(settings),
            "settings_sha256": settings.sha256,
            "seed": settings.seed,
            "sources": described,
            "unbuildable": unbuildable,
            "shortfalls": shortfalls,
            "state": "built",
        },
        part / dataset.BUILD,
    )
    dataset.write_json(counts, part / "funnel.json")
    papers.write(part, made)

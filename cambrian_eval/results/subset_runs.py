"""A smaller run that has only the samples of a subset: what `run --subset` would have made, from stored responses."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from cambrian_eval.data.rows import Only
from cambrian_eval.errors import UserError
from cambrian_eval.results.subsets import Subset
from cambrian_eval.running.store import Run, create_or_open


def only(subset: Subset) -> Only:
    """The subset as settings and loaders take it."""
    return Only(subset.name, subset.ids)


def write_subset_run(run: Run, subset: Subset, out: Path, benchmarks: Collection[str] | None = None) -> Run:
    """Writes the samples of the subset and their responses into a new run folder, not scored yet.

    Benchmarks that the subset does not have are left out.
    """
    has = run.benchmarks()
    names = [n for n in has if subset.ids.get(n) and (benchmarks is None or n in benchmarks)]
    if not names:
        there = ", ".join(n for n, ids in subset.ids.items() if ids) or "none at all"
        raise UserError(
            f"subset {subset.name} has samples of {there}; {run.path} has none of these (it has: {', '.join(has)})"
        )
    info = {**run.info, "subset_of": str(run.path)}
    chosen = {}
    about = {}
    for name in names:
        samples = run.samples(name)
        kept, said = only(subset).chosen(name, samples)
        if not kept:
            reason = said[0] if said else f"{run.path} has no sample of {name} that is in subset {subset.name}"
            raise UserError(f"{reason}; nothing to score")
        then = {k: v for k, v in info["benchmarks"][name].items() if k != "prompts_sha256"}
        inner = then.get("subset")
        described = only(subset).about(name, len(samples) if inner is None else inner["of"])
        if inner is not None:
            described["name"] = f"{inner['name']} and {subset.name}"
        about[name] = {
            **then,
            "samples": len(kept),
            "complete": then["complete"] and len(kept) == len(samples),
            "subset": described,
            "warnings": [*then["warnings"], *said],
        }
        chosen[name] = kept
    info["benchmarks"] = about
    target = create_or_open(out)
    if (target.path / "run.json").is_file():
        raise UserError(f"{out} is a run already; score that, or give another --out")
    with target.writing():
        target.save_info(info)
        for cell in (c for c in run.cells() if c.benchmark in chosen):
            ids = {s.id for s in chosen[cell.benchmark]}
            if not target.has_samples(cell.benchmark):
                target.save_samples(cell.benchmark, chosen[cell.benchmark])
            writer = target.writer(cell)
            try:
                for (identity, _), record in run.all_responses(cell).items():
                    if identity in ids:
                        writer.append(record)
            finally:
                writer.close()
    return target

"""`cambrian-eval fetch`: data sets and models into the cache ahead, for compute nodes without internet."""

from __future__ import annotations

import typer


def fetch(
    benchmarks: list[str] = typer.Argument(None, help="Benchmark names, or all."),
    model: list[str] = typer.Option([], "--model", help="Also this model (hub id), vision towers included."),
    revision: str = typer.Option(None, help="Revision of the data set instead of the one named by the benchmark."),
) -> None:
    """Put data sets and models in the cache."""
    from cambrian_eval.cli import words
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import load_benchmark

    wanted = words.benchmarks(",".join(benchmarks or []))
    if not wanted and not model:
        raise UserError("nothing to fetch; name benchmarks (or all), or give --model ID")
    for name in wanted:
        loaded = load_samples(load_benchmark(name), DataSpec(revision=revision))
        about = loaded.provenance
        print(f"{name}: {about['rows']} rows of {about['from']} at {about['revision']}")
        for text in loaded.warnings:
            print(f"warning: {text}")
    for spec in model:
        from cambrian_eval.models.fetching import fetch_model

        for line in fetch_model(spec):
            print(line)

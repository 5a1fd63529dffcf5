"""`cambrian-eval fetch`: downloads datasets and models into the cache, for compute nodes without internet."""

from __future__ import annotations

import typer


def fetch(
    benchmarks: list[str] = typer.Argument(None, help="Benchmarks, suites, all (the paper's sixteen) or everything."),
    model: list[str] = typer.Option([], "--model", help="A model to download, with its vision towers; repeatable."),
    revision: str = typer.Option(None, help="Revision of the datasets instead of the benchmark's own."),
) -> None:
    """Download datasets and models into the cache."""
    from cambrian_eval.cli import output
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import load_benchmark

    wanted = output.benchmarks(",".join(benchmarks or []))
    if not wanted and not model:
        raise UserError("nothing to download; name benchmarks (or all), or give --model ID")
    for name in wanted:
        loaded = load_samples(load_benchmark(name), DataSpec(revision=revision))
        about = loaded.provenance
        print(f"{name}: {about['rows']} rows of {about['from']} at {about['revision']}")
        for text in loaded.warnings:
            print(f"warning: {text}")
    for spec in model:
        for line in _fetch_model(spec):
            print(line)


def _fetch_model(spec: str) -> list[str]:
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import locate

    adapter, rest = locate(spec)
    try:
        return adapter.fetch(rest)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"model {spec} could not be downloaded ({type(error).__name__}); check the name and the network"
        ) from error

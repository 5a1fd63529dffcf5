"""`cambrian-eval merge`: merges runs that were made separately, for example with `--shard i/n`."""

from __future__ import annotations

from pathlib import Path

import typer


def merge(
    runs: list[Path] = typer.Argument(help="Run folders."),
    out: Path = typer.Option(None, help="Folder of the merged run. [default: `merged` beside the first run]"),
    allow_gaps: bool = typer.Option(False, help="Merge even if some samples have no response."),
    allow_versions: bool = typer.Option(False, help="Merge runs made with different package versions, with a note."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
) -> None:
    """Merge runs into one, after checking settings, samples, overlap and gaps."""
    from dataclasses import asdict

    from cambrian_eval.cli import output, summary
    from cambrian_eval.results.grading import score_run
    from cambrian_eval.running.merging import merge_runs

    found = merge_runs(runs, out or runs[0].absolute().parent / "merged", allow_gaps, allow_versions)
    results = score_run(found.run, found.run.info["scorers"], official_raw=bool(found.run.info.get("official_raw")))
    if json:
        body = {
            "run": str(found.run.path),
            "merged_from": list(found.sources),
            "samples": found.n,
            "failed": found.n_failed,
            "missing": found.n_missing,
        }
        print(output.as_json({**body, "results": [asdict(r) for r in results]}))
        return
    summary.show(results, found.run.info["model"]["name"])
    missing = f", {found.n_missing} missing" if found.n_missing else ""
    print(f"{len(found.sources)} runs merged: {found.n} responses, {found.n_failed} failed{missing}")
    print(f"run: {found.run.path}")

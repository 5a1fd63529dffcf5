"""`cambrian-eval bias`: how much of a benchmark can be solved from its text alone, and a subset that cannot."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cambrian_eval.numbers import number, p_equals, signed, span

if TYPE_CHECKING:
    from cambrian_eval.benchmark import Benchmark
    from cambrian_eval.results.bias.study import Settings, Study
    from cambrian_eval.sample import Sample

SOLVED = 0.9
"""Share of tries from which on a sample counts as solved without its image in what is printed."""


def bias(
    what: str = typer.Argument(metavar="BENCHMARK|RUN", help="Benchmarks or suites separated by commas, or a run."),
    data: str = typer.Option("hub", help="hub, mini or mini:N; not with a run."),
    data_root: Path = typer.Option(None, help="Folder with one subfolder for each benchmark; not with a run."),
    set_: list[str] = typer.Option([], "--set", help="benchmark.setting=value; repeatable; not with a run."),
    folds: int = typer.Option(5, min=2, max=20, help="Parts that predictors are scored on in turn."),
    margin: float = typer.Option(5.0, min=0, max=100, help="Points above chance that the best predictor may have."),
    by: str = typer.Option(None, help="Tags that a predictor may look at, such as category,task. [default: none]"),
    seed: int = typer.Option(0, min=0, help="Random seed of the folds."),
    lm: str = typer.Option(
        None, metavar="hf:NAME", help="Also a language model, fine-tuned by LoRA in each fold (needs peft; slow)."
    ),
    out: Path = typer.Option(Path("subsets"), help="Folder for debiased.json and solvability.csv."),
    offline: bool = typer.Option(False, help="No network; use the caches only."),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text, with every sample."),
) -> None:
    """Predictors that see only the text, against chance; how often each sample is solved; a debiased subset."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.results import subsets
    from cambrian_eval.results.bias import study as studies

    settings = studies.Settings(folds, margin, seed, tuple(output.names(by)))
    if (Path(what) / "run.json").is_file():
        if data != "hub" or data_root is not None or set_:
            raise UserError(f"{what} is a run, which has its own rows; leave --data, --data-root and --set out")
        chosen, sources = _of_run(Path(what))
    else:
        chosen, sources = _of_data(what, data, data_root, set_, offline)
    chosen = _suitable(chosen, folds)
    further = []
    if lm is not None:
        from cambrian_eval.results.bias.language_model import language_model

        further.append(language_model(lm, offline))
    found = studies.study(chosen, settings, output.say, further)
    made = studies.subset(found, settings, sources, further)
    path, items = out / f"{studies.NAME}.json", studies.items_file(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
        items.write_text(studies.items_csv(found), encoding="utf-8")
        if made.ids:
            subsets.write(made, path)
        else:
            path.unlink(missing_ok=True)  # that of an earlier study is not this one's
    except OSError as error:
        raise UserError(f"--out {out} cannot be written: {error.strerror or error}") from error
    synthetic = [s.benchmark for s in found if sources[s.benchmark].get("synthetic")]
    if json:
        _print_json(found, settings, str(path) if made.ids else None, synthetic)
        return
    for one in found:
        _print(one, settings)
    if len(found) > 1:
        print(f"\np-values are corrected for {len(found)} benchmarks (Holm)")
    if synthetic:
        output.notes_below([f"synthetic data, no statement about the published benchmark: {', '.join(synthetic)}"])
    print(f"samples: {items}")
    if made.ids:
        print(f"subset: {path}; score it with --subset {studies.NAME if out == subsets.FOLDER else path}")


Chosen = tuple[list[tuple["Benchmark", "list[Sample]"]], dict[str, dict[str, Any]]]


def _of_run(folder: Path) -> Chosen:
    """Benchmarks, samples and provenance of a run."""
    from cambrian_eval.results.grading import benchmark_of
    from cambrian_eval.running.shapes import is_synthetic
    from cambrian_eval.running.store import open_run

    run = open_run(folder)
    about = run.info["benchmarks"]
    sources = {
        name: {**about[name].get("data", {}), "run": str(folder), "synthetic": is_synthetic(about[name])}
        for name in run.benchmarks()
    }
    return [(benchmark_of(run, name), run.samples(name)) for name in sources], sources


def _of_data(what: str, data: str, root: Path | None, set_: list[str], offline: bool) -> Chosen:
    """Benchmarks, samples and provenance by name."""
    from cambrian_eval.cli import output
    from cambrian_eval.data.rows import DataSpec, load_samples
    from cambrian_eval.errors import UserError
    from cambrian_eval.registry import load_benchmark

    spec = DataSpec.parse(data, root, offline=offline)
    try:
        named = output.named(what, spec.offered)
    except UserError as error:
        if "/" in what or Path(what).is_dir():
            raise UserError(f"{what} is neither a run folder (it has no run.json) nor a benchmark") from error
        raise
    given = output.settings(set_)
    if others := [name for name in given if name not in named.benchmarks]:
        raise UserError(f"--set names benchmark {others[0]!r}, which is not among {', '.join(named.benchmarks)}")
    chosen: list[tuple[Benchmark, list[Sample]]] = []
    sources: dict[str, dict[str, Any]] = {}
    for name in named.benchmarks:
        benchmark = load_benchmark(name, **{**named.settings.get(name, {}), **given.get(name, {})})
        loaded = load_samples(benchmark, spec)
        for text in loaded.warnings:
            output.say(f"warning: {text}")
        chosen.append((benchmark, loaded.samples))
        sources[name] = loaded.provenance
    return chosen, sources


def _suitable(chosen: list[tuple[Benchmark, list[Sample]]], folds: int) -> list[tuple[Benchmark, list[Sample]]]:
    """Those that can be studied; the others are named, and none left is an error."""
    from cambrian_eval.cli import output
    from cambrian_eval.errors import UserError
    from cambrian_eval.results.bias.study import unsuitable

    reasons = [unsuitable(benchmark, samples, folds) for benchmark, samples in chosen]
    if all(reasons):
        raise UserError("; ".join(map(str, reasons)) or "the run has no responses, so it has no rows")
    for reason in filter(None, reasons):
        output.say(f"left out: {reason}")
    return [one for one, reason in zip(chosen, reasons, strict=True) if reason is None]


def _print(found: Study, settings: Settings) -> None:
    from cambrian_eval.cli import output

    free = "" if not found.free else f", {found.free:,} with free answers (chance 0)"
    print(f"\n{found.benchmark}: {found.rows:,} rows, {found.images:,} images or groups{free}")
    rows = [["predictor", "accuracy", "chance", "margin", "95% interval", "score"]]
    for a in (*found.accuracies, found.test.accuracy):
        between = span(a.interval, plus=True)
        cells = [number(a.accuracy), number(a.chance), signed(a.margin), between, number(a.score)]
        rows.append([a.predictor, *cells])
    print(output.table(rows, right=(1, 2, 3, 4, 5)))
    if found.score_of_chance is not None:
        print(f"score: the benchmark's own metric; chance is {number(found.score_of_chance)}")
    print(f"result: {sentence(found, settings.margin)}")
    solved = sum(i.solved >= SOLVED for i in found.items)
    print(f"samples that at least {SOLVED:.0%} of the tries solve: {solved:,} of {found.rows:,}")
    print(_cost(found))
    output.notes_below(found.notes)


def sentence(found: Study, limit: float) -> str:
    """The finding in words."""

    best = found.best
    by = f"{best.predictor} {signed(best.margin)}, {p_equals(found.p_holm)}"
    if found.finding == "biased":
        return f"in part solvable without the image ({by})"
    if found.finding == "within the margin":
        return f"bias within the margin of {limit:g} points ({by})"
    if found.finding == "no bias found":
        return f"no bias found ({by})"
    return f"not decided, the margin may be an accident ({by})"


def _cost(found: Study) -> str:
    kept = found.debiased
    if kept.ids:
        before = f"best predictor {signed(found.best.margin)} before, {signed(kept.margin)} after"
        return f"debiased: {len(kept.ids):,} of {found.rows:,} rows; {before}"
    return (
        f"debiased: no subset found (best predictor {signed(kept.margin)} on the last {kept.tried:,} rows); "
        "set a larger --margin"
    )


def _print_json(found: list[Study], settings: Settings, path: str | None, synthetic: list[str]) -> None:
    from dataclasses import asdict

    from cambrian_eval.cli import output

    values = [{**asdict(s), "best": asdict(s.best), "synthetic": s.benchmark in synthetic} for s in found]
    print(output.as_json({"settings": asdict(settings), "subset": path, "benchmarks": values}))

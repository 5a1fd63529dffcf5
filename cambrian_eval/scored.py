"""Scores what a run has stored: responses to verdicts and results, without the data set and without the model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cambrian_eval.benchmark import Benchmark
from cambrian_eval.errors import UserError
from cambrian_eval.grading import failed_verdict, scorer_of, summarise
from cambrian_eval.registry import load_benchmark
from cambrian_eval.sample import Result, Sample, Verdict
from cambrian_eval.store import Cell, Record, Run


def score_run(run: Run, scorers: Sequence[str], benchmarks: Iterable[str] | None = None) -> list[Result]:
    """Scores every stored cell again under the named scorers and stores verdicts and results."""
    wanted = None if benchmarks is None else set(benchmarks)
    results: list[Result] = []
    with run.writing():
        cells = [c for c in run.cells() if wanted is None or c.benchmark in wanted]
        if not cells:
            raise UserError(f"{run.path} has no responses to score; it has: {', '.join(run.benchmarks()) or 'nothing'}")
        for cell in cells:
            results += score_cell(run, benchmark_of(run, cell.benchmark), cell, scorers)
        run.save_results(results)
    return results


def benchmark_of(run: Run, name: str) -> Benchmark:
    """The benchmark with the switches the run was made with."""
    return load_benchmark(name, **run.info["benchmarks"][name]["settings"])


def score_cell(run: Run, benchmark: Benchmark, cell: Cell, scorers: Sequence[str]) -> list[Result]:
    """Verdicts and results of one cell; an answer that is missing makes the result partial."""
    samples, records = answered(run, cell)
    results = []
    for scorer in scorers:
        verdicts = verdicts_of(benchmark, samples, records, scorer)
        run.save_verdicts(cell, scorer, [s.id for s in samples], verdicts)
        results.append(summarise_cell(run, benchmark, cell, samples, records, verdicts, scorer))
    _write_submission(run, benchmark, cell, samples, records)
    return results


def answered(run: Run, cell: Cell) -> tuple[list[Sample], list[Record]]:
    """Samples that have an answer, in data-set order, with their answers."""
    records = run.responses(cell)
    samples = [s for s in run.samples(cell.benchmark) if s.id in records]
    return samples, [records[s.id] for s in samples]


def verdicts_of(
    benchmark: Benchmark, samples: Sequence[Sample], records: Sequence[Record], scorer: str
) -> list[Verdict]:
    """Verdicts by a deterministic scorer; a failed answer scores 0 whatever the scorer."""
    decide = scorer_of(benchmark, scorer)
    return [
        failed_verdict(record.error or "no reason given") if record.finish == "failed" else decide(sample, record.text)
        for sample, record in zip(samples, records, strict=True)
    ]


def summarise_cell(
    run: Run,
    benchmark: Benchmark,
    cell: Cell,
    samples: Sequence[Sample],
    records: Sequence[Record],
    verdicts: Sequence[Verdict],
    scorer: str,
) -> Result:
    """The result of a cell, with what a reader must know about it."""
    about = run.info["benchmarks"][cell.benchmark]
    notes = [str(w) for w in about["warnings"]]
    if broken := [r for r in records if r.finish == "failed"]:
        notes.append(f"{len(broken)} samples failed and score 0; the first, {broken[0].id}: {_short(broken[0].error)}")
    if (dropped := sum(bool(r.notes.get("images_dropped")) for r in records)) > 0:
        takes = run.info["model"]["max_images"]
        fewer = "no pictures" if takes == 0 else f"at most {takes}"
        notes.append(f"{dropped} samples had pictures left out: the model takes {fewer}")
    if (cut := sum(r.finish == "length" for r in records)) > 0:
        notes.append(f"{cut} answers reached the limit of {about['max_new_tokens']} new tokens")
    if len(samples) < about["samples"]:
        notes.append(f"partial: {len(samples)} of {about['samples']} samples are answered")
    complete = bool(about["complete"]) and len(samples) == about["samples"]
    return summarise(benchmark, samples, verdicts, scorer, condition=cell.condition, complete=complete, notes=notes)


def _short(reason: str | None, most: int = 160) -> str:
    text = " ".join((reason or "no reason given").split())
    return text if len(text) <= most else f"{text[:most]} ..."


def _write_submission(
    run: Run, benchmark: Benchmark, cell: Cell, samples: Sequence[Sample], records: Sequence[Record]
) -> None:
    """The file a challenge server takes, where the benchmark's answers are withheld."""
    made = benchmark.submission(samples, [r.text for r in records])
    if made is not None:
        name, content = made
        run.save_file(f"submissions/{cell.stem}.{name}", content)

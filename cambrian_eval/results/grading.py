"""From responses to verdicts and a Result: the one place where scorers, metrics, intervals and chance meet.

`grade` and `grade_all` score rows and predictions in memory; `score_run` scores what a run has stored, without the
dataset and without the model. All end in `summarize`. `official_raw` lets `official` read thoughts too.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from itertools import groupby
from typing import Any

from cambrian_eval.benchmark import Benchmark, Graded, Unit, row_to_sample
from cambrian_eval.collector import collector_off
from cambrian_eval.condition import graded_samples
from cambrian_eval.errors import UserError
from cambrian_eval.formula import Formula
from cambrian_eval.processes import in_processes
from cambrian_eval.registry import is_rule, load_benchmark, load_condition, load_scorer
from cambrian_eval.results import repeats, shares, statistics
from cambrian_eval.results.averages import by_run
from cambrian_eval.results.basis import STALE, changed_by_rules, key_of, marked, rules_of, with_basis
from cambrian_eval.results.cell_notes import cell_notes, images_carried
from cambrian_eval.results.subsets import words
from cambrian_eval.results.verdicts import decide, failed_verdict, thought_notes, verdicts_by
from cambrian_eval.running import stopping
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.shapes import CHANGED, is_synthetic
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.store import Run
from cambrian_eval.sample import Result, Sample, Stopped, Verdict, clusters
from cambrian_eval.scoring.reply import Reply


def grade(
    benchmark: str | Benchmark,
    row: Mapping[str, Any],
    prediction: str,
    scorer: str = "fuzzy",
    *,
    official_raw: bool = False,
) -> Verdict:
    """The verdict on one prediction, from a row with the dataset's own column names. Images may be absent."""
    declared = _declared(benchmark)
    sample = row_to_sample(declared, row, 0)
    if sample is None:
        raise UserError(f"this row is not part of {declared.name} (the benchmark's own filter leaves it out)")
    return decide(load_scorer(scorer, declared), declared, sample, Reply(_text(prediction, 0)), official_raw)


def grade_all(
    benchmark: str | Benchmark,
    rows: Sequence[Mapping[str, Any]],
    predictions: Sequence[str],
    scorer: str = "fuzzy",
    seed: int = 0,
    *,
    official_raw: bool = False,
) -> Result:
    """The result over many rows and their predictions, in the same order."""
    declared = _declared(benchmark)
    if len(rows) != len(predictions):
        raise UserError(f"{len(rows)} rows but {len(predictions)} predictions; give one prediction for each row")
    deciding = load_scorer(scorer, declared)
    kept = [
        (s, p)
        for i, (row, p) in enumerate(zip(rows, predictions, strict=True))
        if (s := row_to_sample(declared, row, i))
    ]
    samples = [sample for sample, _ in kept]
    replies = [Reply(_text(text, sample.index)) for sample, text in kept]
    verdicts = [
        decide(deciding, declared, sample, reply, official_raw) for sample, reply in zip(samples, replies, strict=True)
    ]
    notes = thought_notes(deciding, sum(bool(reply.thoughts) for reply in replies), official_raw)
    complete = declared.source.is_whole(len(rows), len(samples))
    return summarize(declared, samples, verdicts, scorer, complete=complete, notes=notes, seed=seed)


def score_run(
    run: Run,
    names: Sequence[str],
    benchmarks: Iterable[str] | None = None,
    *,
    official_raw: bool = False,
    say: Callable[[str], None] = lambda text: None,
    processes: int = 1,
) -> list[Result]:
    """Scores every stored cell again under the named scorers and stores verdicts, results and averages.

    `say` is called with what a user must know about the scores, one line each. Benchmarks are scored in so many
    processes at the same time.
    """
    wanted = None if benchmarks is None else set(benchmarks)
    with run.writing():
        cells = [c for c in run.cells() if wanted is None or c.benchmark in wanted]
        if not cells:
            raise UserError(f"{run.path} has no responses to score; it has: {', '.join(run.benchmarks()) or 'nothing'}")
        by_benchmark = [list(group) for _, group in groupby(cells, lambda cell: cell.benchmark)]
        with in_processes(processes) as each:
            scored = each(partial(_score_cells, run, names, official_raw), by_benchmark)
            results = [result for some in scored for result in some]
        for text in save_results(run, results):
            say(text)
    return results


def _score_cells(run: Run, names: Sequence[str], official_raw: bool, cells: Sequence[Cell]) -> list[Result]:
    """The results of some cells of one benchmark."""
    return [
        result
        for cell in cells
        for result in score_cell(run, benchmark_of(run, cell.benchmark), cell, names, official_raw=official_raw)
    ]


def benchmark_of(run: Run, name: str) -> Benchmark:
    """The benchmark with the settings the run was made with."""
    return load_benchmark(name, **run.info["benchmarks"][name]["settings"])


@collector_off()  # from Python, whose thresholds are lower than the command line's, it would add a quarter of the time
def score_cell(
    run: Run, benchmark: Benchmark, cell: Cell, names: Sequence[str], *, official_raw: bool = False
) -> list[Result]:
    """Verdicts and results of one cell; a missing response makes the result partial.

    A scorer that cannot score the benchmark (`official` without released code) is left out.
    """
    samples, records = responses_of(run, cell)
    inputs, shared = run.inputs(cell), cell_notes(run, cell, samples, records)
    guessed = chance(benchmark, samples)
    usable = usable_scorers(benchmark, names)
    found, thoughts = verdicts_by(usable, benchmark, samples, records, official_raw)
    ids, results = [s.id for s in samples], []
    for name in usable:
        verdicts = found.pop(name)
        notes = [*thought_notes(load_scorer(name), thoughts, official_raw), *shared]
        result = summarize_cell(run, benchmark, cell, samples, records, verdicts, name, notes, guessed)
        results.append(with_basis(run, result, ids, verdicts, rules_of(benchmark.name, name), inputs))
    if benchmark.judging is not None and not any(_is_judged(r, cell) for r in run.results()):
        results.append(_not_judged(run, benchmark, cell, samples, records, shared))
    _write_submission(run, benchmark, cell, samples, records[0])
    return results


def _is_judged(result: Result, cell: Cell) -> bool:
    judged = result.scorer == "judge" and result.score is not None
    return judged and (result.benchmark, result.condition) == (cell.benchmark, cell.condition)


def _not_judged(
    run: Run,
    benchmark: Benchmark,
    cell: Cell,
    samples: Sequence[Sample],
    records: Sequence[Sequence[Record]],
    notes: Sequence[str],
) -> Result:
    """The result of a benchmark that needs a judge and has not been judged: no score, and how to get one."""
    nothing = Verdict(0.0, None, "not judged", outcome="undecided")
    verdicts = [[failed_verdict(r.error) if r.finish == "failed" else nothing for r in row] for row in records]
    note = f"no score: graded by a judge; cambrian-eval score {run.path} --scorer judge --judge-model NAME"
    made = summarize_cell(run, benchmark, cell, samples, records, verdicts, "judge", [note, *notes])
    return replace(made, score=None, interval=None, chance=None, breakdown={}, repeats=None, n_undecided=0)


def usable_scorers(benchmark: Benchmark, names: Sequence[str]) -> list[str]:
    """Those of the named scorers that can score the benchmark; an error where none can and no judge is needed."""
    reasons = {name: load_scorer(name).unavailable(benchmark) for name in names}
    usable = [name for name, reason in reasons.items() if reason is None]
    if names and not usable and benchmark.judging is None:
        raise UserError("; ".join(str(r) for r in reasons.values()))
    return usable


def save_results(run: Run, results: Sequence[Result]) -> list[str]:
    """Adds results to those the run holds already, with the averages over all of them.

    Returns what a user must know about scores that changed with the rules, or no longer belong to their responses.
    """
    said = changed_by_rules({key_of(r): r for r in run.results()}, results)
    merged = marked(run, run.merged_results(results), results)
    run.save_results(merged, by_run(merged))
    stale = [(r, note) for r in merged for note in r.notes if note.startswith(STALE)]
    return [*said, *(f"{r.benchmark}.{r.condition}.{r.scorer} is {note}" for r, note in stale)]


def responses_of(run: Run, cell: Cell) -> tuple[list[Sample], list[list[Record]]]:
    """Samples that have a response in every repeat, in dataset order, with the responses of each repeat.

    A run may have been resumed with more repeats for other benchmarks, or not to the end: of a cell whose samples all
    have a response in the first repeats, those repeats are read. Of a cell that a rule stopped, only the samples that
    the rule used are read.
    """
    records, samples, info = run.all_responses(cell), samples_of(run, cell), run.info
    samples = stopping.used(info, cell, benchmark_of(run, cell.benchmark), samples)
    most, shard = info.get("repeats", 1), info["responses_depend_on"].get("shard")
    mine = samples if most == 1 or shard is None else Shard.parse(shard).of(run.samples(cell.benchmark))
    asked = {s.id for s in mine} & {s.id for s in samples}
    whole = next((n for n in range(most) if any((i, n) not in records for i in asked)), most)
    numbers = range(whole or most)
    samples = [s for s in samples if all((s.id, n) in records for n in numbers)]
    if records and not samples and not {s.id for s in run.samples(cell.benchmark)} & {i for i, _ in records}:
        raise UserError(f"{run.path}: no response of {cell.stem} is to a sample of {cell.benchmark}; {CHANGED}")
    return samples, [[records[s.id, n] for s in samples] for n in numbers]


def samples_of(run: Run, cell: Cell) -> list[Sample]:
    """The samples of a cell with the gold answers that hold under its condition, in dataset order."""
    benchmark = benchmark_of(run, cell.benchmark)
    return graded_samples(load_condition(cell.condition), run.samples(cell.benchmark), benchmark)


def summarize_cell(
    run: Run,
    benchmark: Benchmark,
    cell: Cell,
    samples: Sequence[Sample],
    repeated: Sequence[Sequence[Record]],
    verdicts: Sequence[Sequence[Verdict]],
    scorer: str,
    notes: Sequence[str],
    guessed: float | None = None,
) -> Result:
    """The result of a cell from the responses and verdicts of each repeat; `guessed` is its chance, where known."""
    about = run.info["benchmarks"][cell.benchmark]
    complete = bool(about["complete"]) and len(samples) == about["samples"]
    made = summarize(
        benchmark,
        samples,
        verdicts[0],
        scorer,
        *verdicts[1:],
        condition=cell.condition,
        complete=complete,
        notes=notes,
        guessed=guessed,
    )
    tokens = _mean_tokens([record for row in repeated for record in row])
    chosen = about.get("subset")
    subset = None if chosen is None else words(chosen["name"], about["samples"], chosen["of"])
    made = replace(
        made, images=images_carried(repeated[0]), tokens=tokens, synthetic=is_synthetic(about), subset=subset
    )
    if (stop := stopping.stop_of(run.info, cell)) is None or made.score is None:
        return made
    if len(samples) < stop.samples:  # responses are gone, or a judge has not seen them all
        return replace(made, interval=None)
    known = {s.id: row for s, *row in zip(samples, *verdicts, strict=True)}
    bounds = shares.interval(benchmark, samples_of(run, cell), known, scorer, stop)
    return replace(made, interval=bounds, stopped=Stopped(stop.rule, stop.of, bool(about["complete"])))


def _mean_tokens(records: Sequence[Record]) -> dict[str, float]:
    """Mean tokens of answers and thoughts over the responses that state them."""
    answers = [r.new_tokens for r in records if r.new_tokens is not None]
    thoughts = [r.thought_tokens for r in records if r.thought_tokens is not None]
    found = {"answer": sum(answers) / len(answers)} if answers else {}
    return found | ({"thoughts": sum(thoughts) / len(thoughts)} if thoughts else {})


def summarize(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    verdicts: Sequence[Verdict],
    scorer: str,
    *further: Sequence[Verdict],
    condition: str = "on",
    complete: bool,
    notes: Sequence[str] = (),
    seed: int = 0,
    guessed: float | None = None,
) -> Result:
    """Verdicts to a result on the paper's scale, with interval, breakdown and chance.

    `further` are the verdicts of further repeats, over which scores are means; `guessed` is the chance, where known.
    """
    rows = (verdicts, *further)
    withheld = bool(samples) and not any(s.answers for s in samples)
    repeated = repeats.units_of(benchmark, samples, rows, scorer)
    units = repeats.mean(repeated)
    metrics = benchmark.metrics(sorted({u.stratum for u in units}))
    headline = metrics.get("score", {})
    score = None if withheld else statistics.score(units, headline)
    bounds = None if score is None else repeats.interval(repeated, headline, clusters(samples), seed)
    extra = [] if not withheld else ["answers are withheld: the score comes from the challenge's server"]
    outcomes = Counter(v.outcome for row in rows for v in row)
    if unfinished := sum(v.reason == "unfinished thought" for row in rows for v in row):
        extra.append(f"{unfinished} responses end inside a thought: they have no answer and score 0")
    return Result(
        benchmark=benchmark.name,
        condition=condition,
        scorer=scorer,
        score=score,
        interval=bounds,
        n=len(samples),
        n_failed=outcomes["failed"],
        n_unparsed=outcomes["unparsed"],
        n_undecided=outcomes["undecided"],
        n_unfinished=unfinished,
        scale=benchmark.scale,
        chance=None if withheld else chance(benchmark, samples) if guessed is None else guessed,
        breakdown={} if withheld else _breakdown(benchmark, samples, units, repeated, metrics),
        complete=complete,
        notes=(*extra, *(load_scorer(scorer).notes(benchmark) if is_rule(scorer) else ()), *notes),
        repeats=repeats.summary(benchmark, samples, rows, repeated, headline, scorer) if further else None,
    )


def chance(benchmark: Benchmark, samples: Sequence[Sample]) -> float | None:
    """The exact expected headline of independent uniform guessing on these samples; free-form answers count 0."""
    graded = []
    for sample in samples:
        hits = sum([g in sample.answers for g in sample.guesses])
        graded.append(Graded(sample, _guessed(hits / len(sample.guesses) if hits else 0.0)))
    units = benchmark.units(graded, "fuzzy")
    return statistics.score(units, benchmark.metrics(sorted({u.stratum for u in units})).get("score", {}))


@cache
def _guessed(value: float) -> Verdict:
    """The expected verdict of a guess: a few values occur."""
    return Verdict(value, None, "chance")


def _breakdown(
    benchmark: Benchmark,
    samples: Sequence[Sample],
    units: Sequence[Unit],
    repeated: Sequence[Sequence[Unit]],
    metrics: Mapping[str, Formula],
) -> dict[str, float]:
    """The benchmark's extra metrics by name, then mean percent by tag as "tag=value", over the units of all repeats."""
    found: dict[str, float] = {}
    for name, weights in metrics.items():
        if name != "score" and (value := statistics.score(units, weights)) is not None:
            found[name] = value
    sums: dict[str, list[float]] = {}
    for row in repeated if any(s.tags for s in samples) else ():
        for unit in benchmark.units_of_tag(row):
            for tag, labels in samples[unit.members[0]].tags.items():
                for label in (labels,) if isinstance(labels, str) else labels:
                    sums.setdefault(f"{tag}={label}", []).append(unit.value)
    for label in sorted(sums):
        found[label] = 100.0 * sum(sums[label]) / len(sums[label])
    return found


def _declared(benchmark: str | Benchmark) -> Benchmark:
    return load_benchmark(benchmark) if isinstance(benchmark, str) else benchmark


def _text(prediction: object, index: int) -> str:
    if not isinstance(prediction, str):
        raise UserError(
            f"prediction {index} is of type {type(prediction).__name__}; give a string, empty for no answer"
        )
    return prediction


def _write_submission(
    run: Run, benchmark: Benchmark, cell: Cell, samples: Sequence[Sample], records: Sequence[Record]
) -> None:
    """The file to upload to a challenge server, where the benchmark withholds its answers."""
    made = benchmark.submission(samples, [r.text for r in records])
    if made is not None:
        name, content = made
        run.save_file(f"submissions/{cell.stem}.{name}", content)

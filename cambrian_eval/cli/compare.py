"""`cambrian-eval compare`: paired comparison of runs with a first one, or of two conditions of one run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from cambrian_eval.collector import collector_off
from cambrian_eval.numbers import number, probability, signed, span

if TYPE_CHECKING:
    from cambrian_eval.results.comparison import AverageComparison, Comparison
    from cambrian_eval.results.lengths import Lengths
    from cambrian_eval.results.rows import Rows
    from cambrian_eval.results.statistics import Paired
    from cambrian_eval.running.store import Run


def compare(
    a: Path = typer.Argument(help="A run folder; with several others it is the reference of all."),
    b: list[Path] = typer.Argument(help="Other run folders, or the same one with --vision-b."),
    vision: str = typer.Option("on", "--vision", help="Condition of all runs."),
    vision_b: str = typer.Option(None, help="Condition of the runs after the first, if it differs."),
    scorer: str = typer.Option("fuzzy", help="The scorer whose verdicts are compared."),
    strata: str = typer.Option(
        None, help="Compare runs of different questions by these tags, such as task,source: difference per stratum."
    ),
    json: bool = typer.Option(False, "--json", help="One JSON object instead of text."),
    processes: int = typer.Option(
        None, min=1, help="Processes that compare benchmarks at the same time. [default: one for each processor]"
    ),
) -> None:
    """Compare runs: paired difference per benchmark and average, interval, p-value, smallest detectable difference."""
    from cambrian_eval.errors import UserError
    from cambrian_eval.running.store import open_run

    first, others = open_run(a), [open_run(path) for path in b]
    if strata:
        if len(others) > 1:
            raise UserError("--strata compares two runs; name two")
        _compare_strata(first, others[0], vision, vision_b or vision, scorer, strata, json)
        return
    with collector_off():  # garbage collection would add a tenth of the time
        found = [_pair(first, other, vision, vision_b or vision, scorer, processes) for other in others]
    if len(found) == 1:
        _print_pair(found[0], json)
    else:
        _print_several(found, json)


@dataclass(frozen=True)
class _Pair:
    """Two runs and all that is known about their difference."""

    a: Run
    b: Run
    vision: str
    vision_b: str
    scorer: str
    comparisons: Sequence[Comparison]
    averages: Sequence[AverageComparison]
    settings: Sequence[str]
    lengths: Sequence[Lengths]
    rows: Mapping[str, Rows]

    @property
    def body(self) -> dict[str, Any]:
        """As JSON has it."""
        from dataclasses import asdict

        return {
            "b": str(self.b.path),
            "settings_that_differ": self.settings,
            "comparisons": [{**asdict(c), **asdict(self.rows[c.benchmark])} for c in self.comparisons],
            "averages": [asdict(c) for c in self.averages],
            "lengths": [asdict(x) for x in self.lengths],
        }


def _pair(a: Run, b: Run, vision: str, vision_b: str, scorer: str, processes: int | None) -> _Pair:
    from cambrian_eval.processes import processes_for
    from cambrian_eval.results.comparison import compare_with_averages, differing
    from cambrian_eval.results.rows import rows_of

    number = processes or processes_for(a.response_bytes())
    comparisons, averages, long = compare_with_averages(a, b, vision, vision_b, scorer, number)
    names = [c.benchmark for c in comparisons]
    rows = {name: rows_of(name, a, b) for name in dict.fromkeys((*names, *(m for x in averages for m in x.members)))}
    return _Pair(a, b, vision, vision_b, scorer, comparisons, averages, differing(a, b, names), long, rows)


def _cells(p: Paired, p_holm: float | None) -> list[str]:
    """The columns of a comparison, from `n` on."""
    return [
        *(str(p.n), number(p.a), number(p.b), signed(p.difference), span(p.interval, plus=True)),
        *(probability(p.p_value), "-" if p_holm is None else probability(p_holm), p.test, number(p.detectable)),
    ]


def _average_label(found: _Pair, average: AverageComparison) -> str:
    """The name of an average, which says that it lacks rows; marked where a program drew some of them."""
    drawn = any(found.rows[name].synthetic for name in average.members)
    return f"{average.label}{' (synthetic)' if drawn else ''}"


HEADS = ("n", "a", "b", "b - a", "95% interval", "p", "p (Holm)", "test", "detectable")
DETECTABLE = "detectable: the smallest difference that these samples detect (80 % power, 5 % level)"


def _print_pair(found: _Pair, json: bool) -> None:
    """The table of two runs."""
    from cambrian_eval.cli import output

    if json:
        print(output.as_json({"a": str(found.a.path), **found.body}))
        return
    rows = [["benchmark", *HEADS]]
    rows += [[found.rows[c.benchmark].label(c.benchmark), *_cells(c.paired, c.p_holm)] for c in found.comparisons]
    rows += [[_average_label(found, c), *_cells(c.paired, None)] for c in found.averages]
    a, b = f"{found.a.path} ({found.vision})", f"{found.b.path} ({found.vision_b})"
    print(f"a = {a}, b = {b}, scorer {found.scorer}")
    print(output.table(rows, right=(1, 2, 3, 4, 5, 6, 7, 9)))
    _print_lengths(found.lengths)
    _print_notes(found, "")
    output.sentences([DETECTABLE])


def _print_several(found: Sequence[_Pair], json: bool) -> None:
    """The table of a reference and several runs; the p-values of all benchmarks are corrected together."""
    from dataclasses import replace

    from cambrian_eval.cli import output
    from cambrian_eval.results.statistics import holm

    every = [c.paired.p_value for pair in found for c in pair.comparisons]
    corrected = iter(holm(every))
    found = [replace(p, comparisons=[replace(c, p_holm=next(corrected)) for c in p.comparisons]) for p in found]
    first = found[0]
    if json:
        print(output.as_json({"a": str(first.a.path), "runs": [pair.body for pair in found]}))
        return
    rows = [["benchmark", "run", *HEADS]]
    names = "bcdefghijklmnopqrstuvwxyz"
    letters = {id(pair): names[i] if i < len(names) else str(i + 2) for i, pair in enumerate(found)}
    for name in dict.fromkeys(c.benchmark for pair in found for c in pair.comparisons):
        for pair in found:
            mine = [c for c in pair.comparisons if c.benchmark == name]
            rows += [[pair.rows[name].label(name), letters[id(pair)], *_cells(c.paired, c.p_holm)] for c in mine]
    for name in dict.fromkeys(c.name for pair in found for c in pair.averages):
        for pair in found:
            mean = [c for c in pair.averages if c.name == name]
            rows += [[_average_label(pair, c), letters[id(pair)], *_cells(c.paired, None)] for c in mean]
    print(f"reference a = {first.a.path} ({first.vision}), scorer {first.scorer}")
    for pair in found:
        print(f"{letters[id(pair)]} = {pair.b.path} ({pair.vision_b})")
    print(output.table(rows, right=(2, 3, 4, 5, 6, 7, 8, 10), keys=2))
    for pair in found:
        _print_notes(pair, f"{letters[id(pair)]}: ")
    print(f"p (Holm): corrected over all {len(every)} comparisons of a benchmark")
    output.sentences([DETECTABLE])


def _print_notes(found: _Pair, which: str) -> None:
    """What a reader must know about one pair of runs."""
    from cambrian_eval.cli import output
    from cambrian_eval.results.rows import notes_of

    first, second, names = found.a, found.b, [c.benchmark for c in found.comparisons]
    texts: list[str] = []
    if left := [n for n in dict.fromkeys((*first.benchmarks(), *second.benchmarks())) if n not in names]:
        why = "missing in one run, graded by a judge, or the gold answers are withheld"
        texts.append(f"note: {which}not compared ({why}): {', '.join(left)}")
    texts += [f"note: {which}{note}" for note in notes_of({name: found.rows[name] for name in names})]
    if found.settings:
        texts.append(f"note: {which}the runs also differ in these settings: {'; '.join(found.settings)}")
    for c in found.comparisons:
        if c.only_a or c.only_b:
            texts.append(
                f"note ({c.benchmark}): {which}not compared: {c.only_a} samples only in a, {c.only_b} only in b"
            )
    if looked := [c.benchmark for c in found.comparisons if c.looked]:
        texts.append(
            f"note: {which}a run was stopped by --until-different, so its interval and p-value here are too optimistic "
            f"({', '.join(looked)}); the bounds that hold are in the notes of that run"
        )
    output.sentences(texts)


def _print_lengths(found: Sequence[Lengths]) -> None:
    """Mean lengths of the responses, with thoughts where a model tells them apart."""
    from cambrian_eval.cli import output

    heads = ["response length", "n", "tokens a", "tokens b", "characters a", "characters b"]
    thoughts = any(value is not None for x in found for value in x.thought_tokens)
    rows = [heads + (["thought tokens a", "thought tokens b"] if thoughts else [])]
    for x in found:
        values = [*x.tokens, *x.characters, *(x.thought_tokens if thoughts else ())]
        rows.append([x.benchmark, str(x.n), *map(number, values)])
    print(output.table(rows, right=tuple(range(1, len(rows[0])))))


def _compare_strata(a: Run, b: Run, vision: str, vision_b: str, scorer: str, strata: str, json: bool) -> None:
    from dataclasses import asdict

    from cambrian_eval.cli import output
    from cambrian_eval.results.rows import notes_of, rows_of
    from cambrian_eval.results.strata import compare_strata

    tags = [t.strip() for t in strata.split(",") if t.strip()]
    found = compare_strata(a, b, vision, vision_b, scorer, tags)
    about = {c.benchmark: rows_of(c.benchmark, a, b) for c in found}
    if json:
        values = [{**asdict(c), **asdict(about[c.benchmark])} for c in found]
        print(output.as_json({"a": str(a.path), "b": str(b.path), "strata": values}))
        return
    rows = [["benchmark", ", ".join(tags), "n a", "n b", "a", "b", "chance a", "chance b", "b - a", "95% interval"]]
    for c in found:
        numbers = map(number, (c.a, c.b, c.chance_a, c.chance_b))
        ends = signed(c.difference), span(c.interval, plus=True)
        rows.append([about[c.benchmark].label(c.benchmark), c.stratum, str(c.n_a), str(c.n_b), *numbers, *ends])
    print(f"a = {a.path} ({vision}), b = {b.path} ({vision_b}), scorer {scorer}; the runs have different questions")
    print(output.table(rows, right=(2, 3, 4, 5, 6, 7, 8), keys=2))
    print("all strata: the strata weighted by their samples in a")
    notes = notes_of(about)
    if any(abs(c.chance_a - c.chance_b) > 1 for c in found):
        notes.append("chance differs between the two sets, so their options differ; build both with the same preset")
    output.notes_below(notes)

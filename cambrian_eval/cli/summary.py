"""The end of a run in 80 columns: a row for each benchmark, grouped by category, then counts, notes and averages.

The first scorer's scores are shown, those of `on` with their interval; another scorer has a column where a score of it
differs, or a line below where that column does not fit. The long form, a row for each benchmark, condition and scorer,
is `output.results`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cambrian_eval.cli import output
from cambrian_eval.numbers import number, signed, span

if TYPE_CHECKING:
    from cambrian_eval.results.averages import Average
    from cambrian_eval.sample import Result


@dataclass(frozen=True, slots=True)
class Line:
    """One row of the table: its name and its cells by column."""

    name: str
    cells: dict[str, str]
    bold: bool = False


def show(found: Sequence[Result], model: str, full: bool = False) -> None:
    """Prints results on stdout, in the short or the long form."""
    published = output.published(model, found)
    if full:
        print(output.results(found, published))
        if averages := output.averages(found):
            print(averages)
        return
    width = output.columns(sys.stdout)
    lines = summary(found, published, width, wrap=sys.stdout.isatty())
    output.emphasized(([line] for line in lines), sys.stdout)


def summary(
    found: Sequence[Result], published: dict[str, float], width: int, wrap: bool = True
) -> list[tuple[str, bool]]:
    """The lines of the short form, and which of them are bold. Without `wrap`, each note is one line, for `grep`."""
    view = _View(found, published)
    rows = view.lines()
    if view.scorers and max(len(text) for text, _ in _drawn(view.columns()[:-1], rows, 1)) > width:
        view.scorers = []  # a remark says where they differ
        rows = view.lines()
    lines = _fitted(view.columns(), rows, width)
    below = [view.counts(), *view.remarks()]
    most = width if wrap else None
    text = [line for one in below for line in output.wrapped(one, most)]
    return [*lines, *((line, False) for line in [*text, *output.notes(found, most)])]


class _View:
    """Results arranged for the table."""

    def __init__(self, found: Sequence[Result], published: dict[str, float]) -> None:
        self.found, self.published = found, published
        self.of = {(r.benchmark, r.condition, r.scorer): r for r in found}
        self.scorer, *self.other_scorers = dict.fromkeys(r.scorer for r in found)
        conditions = list(dict.fromkeys(r.condition for r in found))
        self.first = "on" if "on" in conditions else conditions[0]
        self.others = sorted((c for c in conditions if c != self.first), key=lambda c: c != "off")
        self.against = self.others[0] if len(self.others) == 1 or "off" in self.others else None
        self.averages: dict[str, dict[str, Average]] = {}
        self.refused: dict[str, str] = {}
        self._average(conditions)
        self.scorers = [
            s for s in self.other_scorers if any(self._differs(b, self.first, s) for b in self._benchmarks())
        ]
        """Those of the other scorers that have a column."""

    def _average(self, conditions: Sequence[str]) -> None:
        from cambrian_eval.results.averages import averages, suite_averages, unaveraged

        for condition in conditions:
            mine = [r for r in self.found if (r.condition, r.scorer) == (condition, self.scorer)]
            if (reason := unaveraged(mine)) is not None:
                self.refused[condition] = reason
                continue
            scores = {r.benchmark: r.score for r in mine}
            ran = {r.benchmark: None for r in self.found if r.condition == condition}
            partial = [r.benchmark for r in mine if r.partial]
            suites = suite_averages({**ran, **scores}, partial)
            named = {f"suite {name}": average for name, average in suites.items()}
            self.averages[condition] = {**averages(scores, partial), **named}

    @property
    def difference(self) -> str | None:
        """The heading of the column with the difference of two conditions."""
        return None if self.against is None else f"{self.first} - {self.against}"

    def columns(self) -> list[str]:
        """The columns that have a value, in order."""
        middle = [] if self.difference is None else [self.difference]
        every = [self.first, "95 % CI", *self.others[:1], *middle, *self.others[1:], "chance", *self.scorers]
        return [*every, *(["published"] if self.published else []), "n"]

    def _benchmarks(self) -> list[str]:
        return list(dict.fromkeys(r.benchmark for r in self.found))

    def _result(self, benchmark: str, condition: str, scorer: str | None = None) -> Result | None:
        return self.of.get((benchmark, condition, scorer or self.scorer))

    def _score(self, benchmark: str, condition: str, scorer: str | None = None) -> float | None:
        result = self._result(benchmark, condition, scorer)
        return None if result is None else result.score

    def _differs(self, benchmark: str, condition: str, scorer: str) -> bool:
        """Whether a scorer's printed score is another than the first one's."""
        if self._result(benchmark, condition, scorer) is None:
            return False
        scores = self._score(benchmark, condition), self._score(benchmark, condition, scorer)
        return number(scores[0]) != number(scores[1])

    def lines(self) -> list[Line]:
        """The rows: each category in bold with its average, then its benchmarks; averages over all at the end."""
        from cambrian_eval.registry import CATEGORIES, load_benchmark
        from cambrian_eval.results.averages import OVERALL

        names = self._benchmarks()
        if len(names) == 1:
            return [self._row(names[0])]
        of = {name: load_benchmark(name).category for name in names}
        lines = []
        for category in (*CATEGORIES, *sorted(set(of.values()) - set(CATEGORIES))):
            if mine := [name for name in names if of[name] == category]:
                lines += [self._mean(category, category), *map(self._row, mine)]
        suites = dict.fromkeys(n for means in self.averages.values() for n in means if n.startswith("suite "))
        for name in (OVERALL, *suites):
            if (row := self._mean(name, name.capitalize() if name == OVERALL else name)).cells:
                lines.append(row)
        return lines

    def _row(self, benchmark: str) -> Line:
        base = self._result(benchmark, self.first) or next(r for r in self.found if r.benchmark == benchmark)
        cells = {c: number(self._score(benchmark, c)) for c in (self.first, *self.others)}
        shown = self._result(benchmark, self.first)
        if shown is not None:
            cells["95 % CI"] = span(shown.interval, missing="", form="[{}, {}]")
        cells |= {"chance": number(base.chance), "n": f"{base.n:,}"}
        if self.difference is not None:
            on, off = self._score(benchmark, self.first), self._score(benchmark, str(self.against))
            cells[self.difference] = "-" if on is None or off is None else signed(on - off)
        for scorer in self.scorers:
            if self._differs(benchmark, self.first, scorer):
                cells[scorer] = number(self._score(benchmark, self.first, scorer))
        if benchmark in self.published:
            cells["published"] = number(self.published[benchmark])
        return Line(output.named_result(base), cells)

    def _mean(self, average: str, title: str) -> Line:
        """A row of averages; without numbers where fewer than two benchmarks are in it."""
        found = {c: means[average] for c, means in self.averages.items() if average in means}
        mean = {c: a for c, a in found.items() if a.value is not None and len(a.members) > 1}
        drawn = any(r.synthetic for r in self.found)
        name = f"{title} (synthetic)" if drawn else title
        if not mean:
            return Line(name, {}, bold=True)
        cells = {c: number(a.value) for c, a in mean.items()}
        if (shown := mean.get(self.first)) is not None:
            of = len(shown.members) + len(shown.missing)
            cells["95 % CI"] = f"{len(shown.members)} of {of}" if shown.missing else f"mean of {of}"
            if shown.incomplete and not drawn:
                cells["95 % CI"] += ", subset"
        pair = mean.get(self.first), mean.get(self.against or "")
        if self.difference is not None and pair[0] is not None and pair[1] is not None:
            values = pair[0].value, pair[1].value
            if pair[0].members == pair[1].members and values[0] is not None and values[1] is not None:
                cells[self.difference] = signed(values[0] - values[1])
        return Line(name, cells, bold=True)

    def counts(self) -> str:
        """How many responses there are, and how many of them failed, had no answer, or never ended."""
        mine = [r for r in self.found if r.scorer == self.scorer]
        total = sum(r.n * (1 if r.repeats is None else r.repeats.n) for r in mine)
        parts = []
        for what, field in (
            ("failed", "n_failed"),
            ("unparsed", "n_unparsed"),
            ("unfinished", "n_unfinished"),
            ("undecided", "n_undecided"),
        ):
            where = sorted(((getattr(r, field), r) for r in mine if getattr(r, field)), key=lambda pair: -pair[0])
            if where or what in ("failed", "unparsed", "unfinished"):
                named = [f"{r.benchmark}.{r.condition} {n:,}" for n, r in where[: output.SHOWN]]
                more = ", ..." if len(where) > output.SHOWN else ""
                parts.append(f"{sum(n for n, _ in where):,} {what}" + (f" ({', '.join(named)}{more})" if named else ""))
        return f"{total:,} responses ({self.scorer}): {', '.join(parts)}"

    def remarks(self) -> list[str]:
        """What the columns do not say: other scorers elsewhere, repeats, thoughts, and averages that there are not."""
        said = [f"no average ({condition}): {reason}" for condition, reason in self.refused.items()]
        for scorer in self.other_scorers:
            for condition in ([] if scorer in self.scorers else [self.first]) + self.others:
                cells = [
                    f"{b} {number(self._score(b, condition, scorer))}"
                    for b in self._benchmarks()
                    if self._differs(b, condition, scorer)
                ]
                if cells:
                    said.append(f"{scorer} differs with vision {condition}: {', '.join(cells)}")
        if any(r.repeats for r in self.found):
            said.append("scores are means over repeats; --full adds best of N, majority vote and changed verdicts")
        if any("thoughts" in r.tokens for r in self.found):
            said.append("the model thinks; --full adds the mean tokens of responses and thoughts")
        return said


def _fitted(columns: Sequence[str], lines: Sequence[Line], width: int) -> list[tuple[str, bool]]:
    """The table in the widest form that fits: with `n`, without, with single spaces, or in several blocks."""
    short = [c for c in columns if c != "n"]
    for names, gap in ((columns, 2), (short, 2), (short, 1)):
        made = _drawn(names, lines, gap)
        if max(len(text) for text, _ in made) <= width:
            return made
    blocks: list[list[str]] = [[]]
    for name in short:
        if blocks[-1] and max(len(text) for text, _ in _drawn([*blocks[-1], name], lines, 1)) > width:
            blocks.append([])
        blocks[-1].append(name)
    return [line for i, names in enumerate(blocks) for line in ([("", False)] if i else []) + _drawn(names, lines, 1)]


def _drawn(columns: Sequence[str], lines: Sequence[Line], gap: int) -> list[tuple[str, bool]]:
    """The table with these columns. Intervals stand directly behind their score."""
    rows = [["benchmark", *columns], *([line.name, *(line.cells.get(c, "") for c in columns)] for line in lines)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    made = []
    for row, bold in zip(rows, [False, *(line.bold for line in lines)], strict=True):
        text = row[0].ljust(widths[0])
        for i, name in enumerate(columns, start=1):
            near = name == "95 % CI"
            text += " " * (1 if near else gap) + (row[i].ljust(widths[i]) if near else row[i].rjust(widths[i]))
        made.append((text.rstrip(), bold))
    return made

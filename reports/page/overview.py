"""The top of the page: who was run when on what, the headline score, the categories, and what was left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from cambrian_eval.numbers import number, signed, span
from cambrian_eval.registry import CATEGORIES
from cambrian_eval.results.averages import OVERALL
from cambrian_eval.sample import Result

from .. import cells
from ..catalogue import SIXTEEN, categories_of, entry, in_order
from ..category_means import Mean, by_category
from ..runs import NamedRun
from ..scores import build

WIDE = 200
"""Width of a dumbbell in the units of its drawing; a score of 100 % is at the right edge less the margin."""
MARGIN = 6


@dataclass(frozen=True)
class Score:
    """A score with vision on and off, and that of guessing: for a benchmark or an average."""

    title: str
    model: str
    on: float | None
    interval: tuple[float, float] | None
    off: float | None
    chance: float | None
    most: float = 100.0
    """The largest score."""
    link: str = ""
    """Address of the samples on the page."""
    category: str = ""
    n: int | None = None
    remark: str = ""

    @property
    def written(self) -> dict[str, str]:
        """The numbers as text."""
        gap = None if self.on is None or self.off is None else self.on - self.off
        return {
            "on": number(self.on, missing="–"),
            "interval": span(self.interval, missing="–", form="{} to {}"),
            "off": number(self.off, missing="–"),
            "gap": signed(gap, missing="–"),
            "chance": number(self.chance, missing="–"),
        }

    @property
    def gap(self) -> float | None:
        """How much the image adds."""
        return None if self.on is None or self.off is None else self.on - self.off

    @property
    def words(self) -> str:
        """All of it in words: the name of the drawing for those who do not see it."""
        text = self.written
        return (
            f"{self.title}: vision on {text['on']} (95 % interval {text['interval']}), "
            f"off {text['off']}, chance {text['chance']}"
        )

    def at(self, value: float | None) -> float | None:
        """Where a value is on the dumbbell."""
        if value is None:
            return None
        return round(MARGIN + (WIDE - 2 * MARGIN) * min(1.0, max(0.0, value / self.most)), 1)

    @property
    def places(self) -> dict[str, float | None]:
        """Where the marks of the dumbbell are."""
        low, high = self.interval or (None, None)
        places = {"on": self.on, "off": self.off, "chance": self.chance, "low": low, "high": high}
        return {key: self.at(value) for key, value in places.items()}


@dataclass(frozen=True)
class About:
    """What was run."""

    model: str
    spec: str
    date: str
    data: str
    conditions: str
    samples: int


@dataclass(frozen=True)
class Overview:
    """The values of the top of the page."""

    about: tuple[About, ...]
    headlines: tuple[Score, ...]
    """The average over all benchmarks for each model; of one benchmark alone its score."""
    cards: tuple[tuple[str, tuple[Score, ...]], ...]
    """Category and the average of each model."""
    benchmarks: tuple[Score, ...]
    left_out: tuple[str, ...]


def overview(runs: Sequence[NamedRun], scorer: str) -> Overview:
    """Everything the top of the page shows, under one scorer."""
    benchmarks = [s for name in _names(runs) for named in runs if (s := _benchmark(named, name, scorer)) is not None]
    means = {named.name: _means(named, scorer) for named in runs}
    headlines = [s for named in runs if (s := means[named.name].get(OVERALL)) is not None]
    if not headlines and len({s.title for s in benchmarks}) == 1:
        headlines = benchmarks
    cards = [
        (category, tuple(s for named in runs if (s := means[named.name].get(category)) is not None))
        for category in CATEGORIES
    ]
    return Overview(
        tuple(_about(named) for named in runs),
        tuple(headlines),
        tuple(card for card in cards if card[1]),
        tuple(benchmarks),
        tuple(line for named in runs for line in left_out(named, scorer)),
    )


def _names(runs: Sequence[NamedRun]) -> list[str]:
    """Benchmarks with results, by category."""
    found = in_order(r.benchmark for named in runs for r in named.results)
    return [name for category in categories_of(found) for name in found if entry(name).category == category]


def address(**state: str) -> str:
    """The address of a view of the samples."""
    return "#?" + "&".join(f"{key}={quote(value, safe='')}" for key, value in state.items())


def _benchmark(named: NamedRun, name: str, scorer: str) -> Score | None:
    on, off = (named.result(name, condition, scorer) for condition in ("on", "off"))
    if on is None:
        return None
    shown = entry(name)
    return Score(
        shown.short,
        named.name,
        on.score,
        on.interval,
        None if off is None else off.score,
        on.chance,
        on.scale,
        address(model=named.name, condition="on", benchmark=name),
        shown.category,
        on.n,
        "" if on.complete else "subset",
    )


def _means(named: NamedRun, scorer: str) -> dict[str, Score]:
    """The averages of a model by category; off and chance only where they are over the same benchmarks."""
    on = _averaged(named, scorer, "on")
    off = _averaged(named, scorer, "off")
    guessed = _averaged(named, scorer, "on", chance=True)
    found = {}
    for category, mean in on.items():
        whole = len(SIXTEEN) if category == OVERALL else len(SIXTEEN) // len(CATEGORIES)
        others = [m.value if (m := x.get(category)) and m.members == mean.members else None for x in (off, guessed)]
        found[category] = Score(
            "Average" if category == OVERALL else category,
            named.name,
            mean.value,
            None if mean.low is None or mean.high is None else (mean.low, mean.high),
            others[0],
            others[1],
            link=address(model=named.name, condition="on", **({} if category == OVERALL else {"category": category})),
            remark=f"{mean.members} of {whole} benchmarks" if mean.partial else f"{whole} benchmarks",
        )
    return found


def _averaged(named: NamedRun, scorer: str, condition: str, chance: bool = False) -> dict[str, Mean]:
    """The averages under a condition, or those of guessing on the same samples."""
    results = [r for r in named.results if (r.condition, r.scorer) == (condition, scorer)]
    values = {r.benchmark: v for r in results if (v := r.chance if chance else r.score) is not None}
    if not values:
        return {}
    table = build({named.name: values}, named.name)
    if not chance:
        intervals = {(named.name, r.benchmark): r.interval for r in results if r.interval is not None}
        table = replace(table, intervals=intervals)
    return {category: mean for (_, category), mean in by_category(table).items()}


def left_out(named: NamedRun, scorer: str) -> list[str]:
    """What a reader could believe to be in the scores and is not."""
    results = [r for r in named.results if r.scorer == scorer]
    on = {r.benchmark: r for r in results if r.condition == "on"}
    lines = []
    absent = [entry(name).short for name in SIXTEEN if name not in on]
    if absent and set(on) & set(SIXTEEN):
        lines.append(f"{named.name}: of the paper's sixteen benchmarks not run: {', '.join(absent)}")
    subsets = [entry(r.benchmark).short for r in on.values() if not r.complete]
    if subsets and not named.synthetic:
        which = "all benchmarks" if len(subsets) == len(on) > 1 else ", ".join(subsets)
        lines.append(f"{named.name}: only a part of the rows of {which}")
    if not any(r.condition == "off" for r in results):
        lines.append(f"{named.name}: not run with vision off, so how much of a score needs the image is not known")
    counts = [(_total(results, f), words) for f, words in _COUNTS.items()]
    if told := [f"{n:,} {words}" for n, words in counts if n]:
        total = sum(r.n for r in results)
        lines.append(f"{named.name}: of {total:,} responses {', '.join(told)}; they count as wrong")
    return lines


_COUNTS = {
    "n_failed": "failed",
    "n_unparsed": "had no answer that could be read",
    "n_undecided": "were not decided by the judge",
}


def _total(results: Sequence[Result], field: str) -> int:
    return sum(int(getattr(r, field)) for r in results)


def _about(named: NamedRun) -> About:
    info = named.run.info
    passes = [one for one in info.get("passes", []) if isinstance(one, dict)]
    days = [str(one[key])[:10] for one in passes for key in ("start", "end") if one.get(key)]
    data = info.get("data", {})
    kind = str(data.get("kind", "")) if isinstance(data, dict) else ""
    samples = {r.benchmark: r.n for r in named.results}
    return About(
        named.name,
        str(info["model"].get("spec", "")),
        " to ".join(dict.fromkeys((min(days), max(days)))) if days else "not recorded",
        kind or "not recorded",
        ", ".join(named.conditions),
        sum(samples.values()),
    )


@dataclass(frozen=True)
class TableCell:
    """A cell of the score table on the page."""

    text: str
    margin: str
    value: float | None
    link: str
    bold: bool
    average: bool


def score_rows(made: cells.Layout, models: Sequence[str]) -> list[tuple[str, list[tuple[str, bool, list[TableCell]]]]]:
    """The score table: group, its models, whether each is one of yours, and its cells. `models` have samples."""
    groups = []
    for title, members in made.groups:
        rows = []
        for model in members:
            row = []
            for column in made.columns:
                cell = made.cells[model, column.name]
                whole = cells.number(cell, True)
                text, _, margin = whole.partition(" ")
                benchmark = column.name not in cells.AVERAGES and column.name != "visual_tokens"
                link = address(model=model, condition="on", benchmark=column.name)
                linked = benchmark and model in models and cell.value is not None
                average = column.name in cells.AVERAGES
                row.append(TableCell(text, margin, cell.value, link if linked else "", cell.bold, average))
            rows.append((model, model in made.own, row))
        groups.append((title, rows))
    return groups

"""ScoreTable: models by benchmarks, wherever the numbers come from.

Owns reading a CSV in wide or long form, taking rows from the paper's published tables, mixing several sources
and combining CV-Bench into one column. Numbers of runs come from `runs`; what is computed from a table is left to
`category_means`, `correlation`, `pca` and `clustering`.
"""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from cambrian_eval.errors import UserError, unknown
from cambrian_eval.safe_text import name_in_csv

from .attributes import attribute_named
from .catalogue import SIXTEEN, canonical, entry, in_order

Array = npt.NDArray[np.float64]

MISSING = {"", "-", "–", "—", "n/a", "na", "nan", "none", "null"}
NUMBER = re.compile(r"[-+]?(\d{1,3}(,\d{3})+(\.\d*)?|(\d+\.?\d*|\.\d+)(e[-+]?\d+)?)%?", re.ASCII | re.IGNORECASE)
"""How numbers are written; a comma is read only where it separates thousands."""
NO_SCORES = ("group", "rank", "#")
"""Columns of a wide CSV that are no benchmarks."""
MAX_BYTES = 64 << 20
"""Larger CSV files are not read."""
MOST_ROWS = 10_000
"""The most models of a table."""
MOST_MODELS = 12
"""More models than this cannot be told apart in one set of bars or one radar."""


@dataclass(frozen=True)
class ScoreTable:
    """Scores on the paper's scale (MME raw, percent otherwise); NaN where a cell is missing."""

    models: tuple[str, ...]
    benchmarks: tuple[str, ...]
    values: Array
    """models x benchmarks."""
    source: str
    """Where the numbers come from, in words."""
    own: frozenset[str] = frozenset()
    """Your runs: figures and tables set them apart."""
    groups: Mapping[str, str] = field(default_factory=dict)
    """Model -> the group it is compared within (base language model, kind of backbone)."""
    intervals: Mapping[tuple[str, str], tuple[float, float]] = field(default_factory=dict)
    """(model, benchmark) -> 95 % interval, where known."""
    attributes: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Model -> attribute (visual_tokens, resolution, params) -> number."""
    notes: tuple[str, ...] = ()

    @property
    def apart(self) -> frozenset[str]:
        """Your models where others are beside them."""
        return self.own if len(self.own) < len(self.models) else frozenset()

    def label(self, model: str) -> str:
        """The model's name in a legend, marked where it is your run among others."""
        return f"{model} (your run)" if model in self.apart else model

    def check_few(self, what: str) -> None:
        """Raises where the models are too many to be told apart in one chart."""
        if len(self.models) > MOST_MODELS:
            raise UserError(
                f"{self.source}: {len(self.models)} models do not fit into {what}; choose up to {MOST_MODELS} with "
                "--models, or draw boxes"
            )

    def column(self, benchmark: str) -> Array:
        """One benchmark's scores over the models."""
        return np.asarray(self.values[:, self.benchmarks.index(benchmark)], dtype=np.float64)

    def row(self, model: str) -> dict[str, float]:
        """The scores a model has, by benchmark."""
        cells = zip(self.benchmarks, self.values[self.models.index(model)], strict=True)
        return {name: float(value) for name, value in cells if not math.isnan(value)}

    def select(self, benchmarks: Sequence[str]) -> ScoreTable:
        """Only these columns, in this order."""
        for name in benchmarks:
            if name not in self.benchmarks:
                raise unknown(f"benchmark of {self.source}", name, self.benchmarks)
        keep = [self.benchmarks.index(name) for name in benchmarks]
        return replace(self, benchmarks=tuple(benchmarks), values=self.values[:, keep])


def build(cells: Mapping[str, Mapping[str, float]], source: str, notes: Iterable[str] = ()) -> ScoreTable:
    """A table from model -> benchmark -> score."""
    benchmarks = in_order(name for row in cells.values() for name in row)
    values = np.array([[row.get(b, math.nan) for b in benchmarks] for row in cells.values()], dtype=np.float64)
    return ScoreTable(
        tuple(cells), tuple(benchmarks), values.reshape(len(cells), len(benchmarks)), source, notes=tuple(notes)
    )


def csv_rows(path: Path) -> list[list[str]]:
    """The cells of a CSV file, each as one line of printable characters."""
    try:
        if not path.is_file():
            raise UserError(f"{path} is not a file; name a CSV of scores")
        if path.stat().st_size > MAX_BYTES:
            raise UserError(f"{path} has more than {MAX_BYTES >> 20} MB; name a CSV of scores")
        text = path.read_text(encoding="utf-8-sig")
        first = text.partition("\n")[0]
        if "," not in first and any(mark in first for mark in (";", "\t")):
            raise UserError(
                f"{path}: its first line has no commas; save it with commas between cells, points in numbers"
            )
        return [[name_in_csv(cell) for cell in row] for row in csv.reader(text.splitlines())]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UserError(f"{path}: cannot be read as a UTF-8 CSV file ({error}); name a CSV of scores") from error


def read_csv(path: Path, scorer: str = "fuzzy", condition: str = "on") -> ScoreTable:
    """A table from a CSV: wide (model, then a column per benchmark) or long (model, benchmark, score).

    A long one can name scorers and vision conditions; the rows of these two are read.
    """
    rows = [r for r in csv_rows(path) if any(r)]
    if len(rows) < 2:
        raise UserError(f"{path}: has no rows; the first line names the columns, each further line is a model")
    head = rows[0]
    lower = [c.lower() for c in head]
    if len(set(lower)) != len(lower):
        twice = next(c for c in head if lower.count(c.lower()) > 1)
        raise UserError(f"{path}: column {twice!r} occurs twice; rename or drop one")
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(head):
            raise UserError(f"{path} line {number}: {len(row)} cells under {len(head)} columns; quote commas in names")
    records = [dict(zip(lower, row, strict=True)) for row in rows[1:]]
    if {"model", "benchmark", "score"} <= set(lower):
        table = _long(path, records, scorer, condition)
    else:
        table = _wide(path, head, records)
        if (scorer, condition) != ("fuzzy", "on"):
            text = f"{path.name} does not say under which scorer and vision condition; its scores are shown as they are"
            table = replace(table, notes=(*table.notes, text))
    if len(table.models) > MOST_ROWS:
        raise UserError(f"{path}: {len(table.models)} models; at most {MOST_ROWS} can be shown")
    known = [b for b in table.benchmarks if canonical(b)]
    values = table.values[:, [table.benchmarks.index(b) for b in known]]
    values = values[np.isfinite(values)]
    if values.size and 0 < values.max() <= 1:
        notes = (
            *table.notes,
            f"{path.name}: no score is above 1; scores are expected on a scale of 100, not as shares",
        )
        table = replace(table, notes=notes)
    return table


def number(path: Path, line: int, column: str, text: str) -> float:
    """A cell as a number; missing marks are NaN. A thousands comma, as in `1,547.1`, is understood."""
    if text.lower() in MISSING:
        return math.nan
    value = float(text.replace(",", "").rstrip("%")) if NUMBER.fullmatch(text) else math.inf
    if not math.isfinite(value):
        raise UserError(
            f"{path} line {line}: column {column!r} holds {text!r}, which is not a number; leave missing cells empty"
        )
    return value


def score(path: Path, line: int, column: str, benchmark: str, text: str) -> float:
    """A cell as a score, which is on the benchmark's scale where that is known."""
    value, most = number(path, line, column, text), entry(benchmark).scale
    if canonical(benchmark) and not (math.isnan(value) or 0 <= value <= most):
        raise UserError(
            f"{path} line {line}: column {column!r} holds {text!r}, which is not a score of {benchmark} (0 to {most:g})"
        )
    return value


def _attributes(path: Path, line: int, record: Mapping[str, str]) -> dict[str, float]:
    """Attributes of the model in a row: visual tokens, resolution, parameters."""
    return {
        name: number(path, line, key, record[key])
        for key in sorted(record)
        if (name := attribute_named(key)) is not None and record[key].lower() not in MISSING
    }


def _scorer(path: Path, records: Sequence[Mapping[str, str]], wanted: str) -> tuple[str, list[str]]:
    """Which rows of a long CSV are read where it names scorers, and notes; the only one there is if not the wanted."""
    named = list(dict.fromkeys(record.get("scorer", "") for record in records))
    if wanted in named:
        others = sorted(n for n in named if n != wanted)
        return wanted, [
            f"{path.name}: scores by {wanted!r}; rows by {', '.join(others)} are not used"
        ] if others else []
    if len(named) > 1:
        raise UserError(f"{path}: no scores by {wanted!r}; it has {', '.join(sorted(named))}: name one with --scorer")
    return named[0], [f"{path.name}: scores by {named[0]!r}"] if named[0] else []


def _long(path: Path, records: Sequence[Mapping[str, str]], wanted: str, condition: str) -> ScoreTable:
    cells: dict[str, dict[str, float]] = {}
    intervals: dict[tuple[str, str], tuple[float, float]] = {}
    groups: dict[str, str] = {}
    attributes: dict[str, dict[str, float]] = {}
    skipped: set[str] = set()
    partial: list[str] = []
    scorer, notes = _scorer(path, records, wanted)
    for line, record in enumerate(records, start=2):
        if (stated := record.get("condition") or "on") != condition:
            skipped.add(stated)
            continue
        if record.get("scorer", "") != scorer:
            continue
        model, name = record["model"], canonical(record["benchmark"]) or record["benchmark"]
        if not model:
            raise UserError(f"{path} line {line}: the column 'model' is empty; name the model")
        if name.startswith("avg_"):
            continue
        if name in cells.setdefault(model, {}):
            raise UserError(f"{path} line {line}: {model} has two scores for {name}; keep one scorer and one setting")
        cells[model][name] = score(path, line, "score", name, record["score"])
        low, high = record.get("low") or record.get("interval_low"), record.get("high") or record.get("interval_high")
        if low and high:
            intervals[model, name] = (number(path, line, "low", low), number(path, line, "high", high))
            if intervals[model, name][0] > intervals[model, name][1]:
                raise UserError(f"{path} line {line}: low is above high; exchange them")
        if record.get("complete") == "no":
            partial.append(name)
        if record.get("group"):
            groups[model] = record["group"]
        attributes.setdefault(model, {}).update(_attributes(path, line, record))
    if partial:
        names = ", ".join(dict.fromkeys(partial))
        notes.append(f"{path.name}: scores on {names} cover only some rows of the published dataset (complete: no)")
    if skipped and not cells:
        raise UserError(f"{path}: no scores under vision condition {condition!r}; it has {', '.join(sorted(skipped))}")
    if skipped:
        text = f"rows under the vision condition {', '.join(sorted(skipped))} are not used"
        notes.append(f"{path.name}: scores under {condition!r}; {text}")
    table = build(
        {m: {b: v for b, v in row.items() if not math.isnan(v)} for m, row in cells.items()}, path.name, notes
    )
    return replace(table, intervals=intervals, groups=groups, attributes=attributes)


def _wide(path: Path, head: Sequence[str], records: Sequence[Mapping[str, str]]) -> ScoreTable:
    label = next((h for h in head if h.lower() in ("model", "name", "method")), head[0])
    if canonical(label):
        raise UserError(f"{path}: no column names the models; call it 'model'")
    cells: dict[str, dict[str, float]] = {}
    groups: dict[str, str] = {}
    attributes: dict[str, dict[str, float]] = {}
    columns: dict[str, str] = {}
    text: list[str] = []
    for column in head:
        key = column.lower()
        if column == label or key in NO_SCORES or attribute_named(key) or key.startswith(("avg", "average")):
            continue
        name = canonical(column) or column
        filled = [record[key] for record in records if record[key].lower() not in MISSING]
        if canonical(column) is None and filled and not any(NUMBER.fullmatch(cell) for cell in filled):
            text.append(column)
            continue
        if name in columns.values():
            raise UserError(f"{path}: two columns mean {name}; rename or drop {column!r}")
        columns[key] = name
    if not columns:
        raise UserError(f"{path}: no column of scores; known benchmarks: {', '.join(SIXTEEN)}")
    for line, record in enumerate(records, start=2):
        model = record[label.lower()]
        if not model:
            raise UserError(f"{path} line {line}: the column {label!r} is empty; name the model")
        if model in cells:
            raise UserError(f"{path} line {line}: model {model!r} occurs twice; give each row its own name")
        numbers = {name: score(path, line, key, name, record[key]) for key, name in columns.items()}
        cells[model] = {name: value for name, value in numbers.items() if not math.isnan(value)}
        if record.get("group"):
            groups[model] = record["group"]
        attributes.setdefault(model, {}).update(_attributes(path, line, record))
    notes = [f"{path.name}: columns of text are not scores: {', '.join(text)}"] if text else []
    return replace(build(cells, path.name, notes), groups=groups, attributes=attributes)


BACKBONES = ("table3", "table12", "table13", "table14", "table15", "table16")
"""The tables of backbone experiments; `--published backbones` pools them."""


def published_tables() -> dict[str, str]:
    """What `--published` accepts for a table of the paper -> how the paper calls it."""
    from cambrian_eval.results.published_scores import published

    printed = dict.fromkeys(row.table for row in published() if not row.benchmark.startswith("avg_"))
    return {name.lower().replace(" ", ""): name for name in printed}


def from_published(name: str) -> ScoreTable:
    """A table of the paper by name; several joined by `+` are pooled, with the table in the model's name."""
    from cambrian_eval.results.published_scores import published

    known = published_tables()
    wanted: list[str] = []
    for part in name.lower().replace(" ", "").replace(",", "+").split("+"):
        if part != "backbones" and part not in known:
            raise unknown("published table", part, [*known, "backbones", "figure15"])
        wanted.extend(known[t] for t in (BACKBONES if part == "backbones" else (part,)))
    wanted = list(dict.fromkeys(wanted))
    rows = [r for r in published() if r.table in wanted and not r.benchmark.startswith("avg_")]
    labels = _labels([(r.table, r.setting, r.model) for r in rows])
    cells: dict[str, dict[str, float]] = {}
    groups: dict[str, str] = {}
    attributes: dict[str, dict[str, float]] = {}
    for r in rows:
        model = labels[r.table, r.setting, r.model]
        cells.setdefault(model, {})[r.benchmark] = r.score
        final = r.table == "Table 9"
        groups[model] = r.setting.removeprefix("base LLM ") if final else r.group.removeprefix("backbone:")
        attributes.setdefault(model, {}).update(_from_name(r.model))
        if r.visual_tokens is not None:
            attributes[model]["visual_tokens"] = float(r.visual_tokens)
    table = build(cells, f"the paper's {', '.join(wanted)}")
    return replace(table, groups=groups, attributes=attributes)


def _from_name(model: str) -> dict[str, float]:
    """Attributes in the paper's model names: `@336` is the resolution, `-8B` billions of parameters."""
    found = {}
    if resolution := re.search(r"@(\d+)$", model):
        found["resolution"] = float(resolution[1])
    if size := re.search(r"-(\d+(?:\.\d+)?)B$", model):
        found["params"] = float(size[1])
    return found


def _labels(keys: Sequence[tuple[str, str, str]]) -> dict[tuple[str, str, str], str]:
    """A name for every (table, setting, model): the bare model where that is enough."""
    distinct = list(dict.fromkeys(keys))
    count: dict[str, int] = {}
    for _, _, model in distinct:
        count[model] = count.get(model, 0) + 1
    within: dict[tuple[str, str], int] = {}
    for table, _, model in distinct:
        within[table, model] = within.get((table, model), 0) + 1
    names = {}
    for key in distinct:
        table, setting, model = key
        if count[model] == 1:
            names[key] = model
        elif within[table, model] == 1:
            names[key] = f"{model} [{table}]"
        else:
            names[key] = f"{model} [{table}, {setting.split(', ')[-1]}]"
    return names


def combine(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Several sources as one table; a model name that occurs twice gets its source as a suffix."""
    if len(tables) == 1:
        return tables[0]
    cells: dict[str, dict[str, float]] = {}
    own: set[str] = set()
    groups: dict[str, str] = {}
    intervals: dict[tuple[str, str], tuple[float, float]] = {}
    attributes: dict[str, Mapping[str, float]] = {}
    for table in tables:
        for model in table.models:
            name = model if model not in cells else f"{model} ({table.source})"
            if name in cells:
                raise UserError(f"model {model!r} occurs twice in {table.source}; give each its own name")
            cells[name] = table.row(model)
            if model in table.own:
                own.add(name)
            if model in table.groups:
                groups[name] = table.groups[model]
            attributes[name] = table.attributes.get(model, {})
            intervals |= {(name, b): v for (m, b), v in table.intervals.items() if m == model}
    notes = [note for table in tables for note in table.notes]
    joined = build(cells, "; ".join(dict.fromkeys(t.source for t in tables)), notes)
    return replace(joined, own=frozenset(own), groups=groups, intervals=intervals, attributes=attributes)


def one_cvbench(table: ScoreTable) -> ScoreTable:
    """CV-Bench 2D and 3D combined into one column, the mean of the two, as the paper's figures draw it."""
    if not {"cvbench_2d", "cvbench_3d"} <= set(table.benchmarks) or "cvbench" in table.benchmarks:
        return table
    mean = (table.column("cvbench_2d") + table.column("cvbench_3d")) / 2
    keep = [i for i, b in enumerate(table.benchmarks) if b not in ("cvbench_2d", "cvbench_3d")]
    names = [*(table.benchmarks[i] for i in keep), "cvbench"]
    values = np.column_stack([table.values[:, keep], mean])
    order = in_order(names)
    combined = replace(table, benchmarks=tuple(order), values=values[:, [names.index(n) for n in order]])
    kept = {k: v for k, v in table.intervals.items() if not k[1].startswith("cvbench_")}
    return replace(combined, intervals=kept)

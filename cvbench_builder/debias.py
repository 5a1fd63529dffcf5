"""Make a set that cannot be guessed out of one that can: new options where they leak, fewer rows where more leaks.

For each task, guessers are compared with chance (`audit`). Options that can be drawn from the answer alone (a count)
are drawn again; then rows go until no guesser is above the limit (`prune`), with forests over text and boxes that are
scored on other images than they learn from, again and again as the rows change. The idea of testing a benchmark with
models that are trained on it, and of pruning what they solve: Brown et al., arXiv 2511.04655.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cvbench_builder import any_rows, dataset, wording
from cvbench_builder.audit import Score, sentence
from cvbench_builder.errors import BuilderError
from cvbench_builder.prune import prune
from cvbench_builder.task import Row
from cvbench_builder.tasks import task_named

_ROUNDS = 10
Changes = dict[int, Row]
"""Rows that stay, by their place in the input; `choices`, `answer` and `prompt` may be new."""


@dataclass(frozen=True)
class Cost:
    """What one task lost, and what its best guesser had before and has after."""

    task: str
    rows: int
    kept: int
    redrawn: int
    """Rows with new options."""
    before: Score
    after: Score
    solved: bool


def debias(
    source: Path, out: Path, limit: float, progress: Callable[[str], None], *, forest: bool = True
) -> list[Cost]:
    """Write the debiased rows of `source` to `out` in the same form."""
    rows = any_rows.load(source)
    _refuse(source, out)
    kept: Changes = {}
    costs = []
    for task in dict.fromkeys(r["task"] for r in rows):
        places = [i for i, r in enumerate(rows) if r["task"] == task]
        progress(f"{task}: {len(places)} rows")
        own, cost = debias_task([rows[i] for i in places], limit, forest=forest)
        kept |= {places[i]: row for i, row in own.items()}
        costs.append(cost)
    if any_rows.is_build(source):
        _write_build(source, out, kept, costs, limit)
    elif source.is_dir():
        start = 0
        for file in sorted(source.rglob("*.parquet")):
            start += _write_parquet(file, out / file.relative_to(source), kept, start)
    elif source.suffix.lower() in (".jsonl", ".ndjson"):
        _write_jsonl(source, out, kept)
    else:
        _write_parquet(source, out, kept, 0)
    return costs


def debias_task(rows: list[Row], limit: float, *, forest: bool = True) -> tuple[Changes, Cost]:
    """The rows of one task that stay, by place."""
    first = prune(rows, limit, forest=forest)
    if first.before.margin <= limit:
        return dict(enumerate(rows)), _cost(rows, dict(enumerate(rows)), first.before, first.before, True)
    kept: Changes = dict(enumerate(rows))
    if not _redrawn(rows):
        kept = {i: rows[i] for i in first.kept}
        return kept, _cost(rows, kept, first.before, first.after, first.solved)
    after, solved = first.before, False
    for _ in range(_ROUNDS):
        # fewer rows have other complete windows, so options are drawn again after each cut
        own = list(kept)
        new = _redrawn([rows[i] for i in own])
        kept = dict(zip(own, new, strict=True))
        result = prune(new, limit, forest=forest)
        after, solved = result.after, result.solved
        if not solved or len(result.kept) == len(own):
            break
        kept = {own[i]: new[i] for i in result.kept}
    return kept, _cost(rows, kept, first.before, after, solved)


def _redrawn(rows: list[Row]) -> list[Row]:
    """The rows with new options; empty for a task whose options cannot be drawn from the answer."""
    options = task_named(rows[0]["task"]).redrawn(rows)
    if options is None:
        return []
    return [
        {
            **row,
            "choices": choices,
            "answer": f"({wording.letter(place)})",
            "prompt": wording.prompt(row["question"], choices),
        }
        for row, (choices, place) in zip(rows, options, strict=True)
    ]


def _cost(rows: list[Row], kept: Changes, before: Score, after: Score, solved: bool) -> Cost:
    redrawn = sum(row["choices"] != rows[i]["choices"] for i, row in kept.items())
    return Cost(rows[0]["task"], len(rows), len(kept), redrawn, before, after, solved)


def lines(costs: list[Cost], limit: float) -> list[str]:
    """The costs as printed."""
    out = [f"{'task':<14}{'rows':>6}{'kept':>6}{'new options':>13}  best guesser before -> after"]
    for c in costs:
        what = f"{sentence(c.before, limit)} -> {sentence(c.after, limit)}"
        out.append(f"{c.task:<14}{c.rows:>6}{c.kept:>6}{c.redrawn:>13}  {what}")
    out.append(f"{sum(c.kept for c in costs)} of {sum(c.rows for c in costs)} rows are kept")
    return out


def unsolved(costs: list[Cost], limit: float) -> list[str]:
    """The tasks that could not be brought below the limit."""
    found = []
    for c in (c for c in costs if not c.solved):
        left = "its rows are kept as they are" if c.kept == c.rows and not c.redrawn else f"{c.kept} rows are left"
        found.append(
            f"{c.task}: no subset of its {c.rows} rows was found in which the best guesser is at most {limit:g} points "
            f"above chance; {left}, more rows are needed"
        )
    return found


def _refuse(source: Path, out: Path) -> None:
    if out.resolve() == source.resolve():
        raise BuilderError(f"{out}: is the input; choose another output")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BuilderError(f"{out}: already exists; choose another output")


def _write_build(source: Path, out: Path, kept: Changes, costs: list[Cost], limit: float) -> None:
    from cvbench_builder.finalize import rewrite

    rows = dataset.read_rows(source)
    dataset.verify(source, rows)
    build = dataset.read_record(source / dataset.BUILD)
    build["debiased"] = {
        "limit": limit,
        "tasks": {c.task: {"rows": c.rows, "kept": c.kept, "new_options": c.redrawn} for c in costs},
    }
    changed = ("choices", "answer", "prompt")
    new = [{**rows[i], **{c: kept[i][c] for c in changed}} for i in sorted(kept)]
    rewrite(source, out, new, build, dataset.read_record(source / dataset.FUNNEL))


def _write_parquet(source: Path, out: Path, kept: Changes, start: int) -> int:
    """Write the kept rows of one file, whose first row has the number `start`; returns how many rows it had."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = pq.ParquetFile(source)
    out.parent.mkdir(parents=True, exist_ok=True)
    row = start
    part = out.with_name(out.name + ".part")
    with pq.ParquetWriter(part, file.schema_arrow, compression="snappy") as writer:
        for batch in file.iter_batches(64):
            chosen = [i for i in range(batch.num_rows) if row + i in kept]
            table = pa.Table.from_batches([batch]).take(chosen)
            for name in ("choices", "answer", "prompt"):
                if name in table.column_names and chosen:
                    values = [
                        _cell(kept[row + i], old, name) for i, old in zip(chosen, table[name].to_pylist(), strict=True)
                    ]
                    at = table.column_names.index(name)
                    table = table.set_column(at, table.field(at), pa.array(values, table.field(at).type))
            if chosen:
                writer.write_table(table)
            row += batch.num_rows
    part.rename(out)
    return row - start


def _cell(row: Row, old: Any, name: str) -> Any:
    """A cell of a kept row; an answer is written as the input writes it, `A` or `(A)`."""
    new = row[name]
    return new.strip("()") if name == "answer" and not str(old).startswith("(") else new


def _write_jsonl(source: Path, out: Path, kept: Changes) -> None:
    part = out.with_name(out.name + ".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    with part.open("w", encoding="utf-8") as handle:
        for i, line in enumerate(dataset.read_jsonl(source)):
            if i not in kept:
                continue
            new = {c: _cell(kept[i], line[c], c) for c in ("choices", "answer", "prompt") if c in line}
            handle.write(json.dumps({**line, **new}, ensure_ascii=False) + "\n")
    part.rename(out)

"""Text of the command line: lists such as `a,b,c`, aligned tables, scores with intervals."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from cambrian_eval.cli import aligned
from cambrian_eval.errors import UserError
from cambrian_eval.numbers import number, span
from cambrian_eval.safe_text import printable

if TYPE_CHECKING:
    from cambrian_eval.names import Named
    from cambrian_eval.reports.tables import Layout
    from cambrian_eval.sample import Result


def names(text: str | None) -> list[str]:
    """`a,b c` as a list, each name once."""
    return list(dict.fromkeys((text or "").replace(",", " ").split()))


def benchmarks(text: str | None, offered: Callable[[], Collection[str] | None] | None = None) -> list[str]:
    """Benchmark names from the command line; see `named`."""
    return list(named(text, offered).benchmarks)


def named(text: str | None, offered: Callable[[], Collection[str] | None] | None = None) -> Named:
    """What `a,b c` stands for: names, suites, categories, `all` and `everything`; says on stderr what `all` leaves out.

    Words for several benchmarks stand for those `offered` only, where the data has not all of them.
    """
    from cambrian_eval.names import named as resolved
    from cambrian_eval.registry import CATEGORIES

    words = []
    for part in (p.strip() for p in (text or "").split(",") if p.strip()):
        whole = part.lower() in {category.lower() for category in CATEGORIES}
        words += [part] if whole else part.split()
    found = resolved(words, offered)
    for line in found.says:
        say(line)
    return found


def settings(texts: Sequence[str]) -> dict[str, dict[str, str]]:
    """`textvqa.ocr_tokens=false` items as benchmark -> setting -> value."""
    found: dict[str, dict[str, str]] = {}
    for text in texts:
        left, equals, value = text.partition("=")
        benchmark, dot, name = left.partition(".")
        if not (equals and dot and benchmark and name):
            raise UserError(f"--set {text!r} is not of the form benchmark.setting=value")
        found.setdefault(benchmark.strip(), {})[name.strip()] = value.strip()
    return found


def settings_of(texts: Sequence[str], benchmark: str) -> dict[str, str]:
    """The settings of the one benchmark of a command; those of another are an error."""
    found = settings(texts)
    if others := [name for name in found if name != benchmark]:
        raise UserError(f"--set names benchmark {others[0]!r}, but this command is about {benchmark!r}")
    return found.get(benchmark, {})


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = (), keys: int = 1) -> str:
    """Rows as aligned text for stdout, in the width of a terminal; see `aligned.lines`."""
    return "\n".join(aligned.lines(rows, right, terminal_width(), keys))


def results(found: Sequence[Result], published: dict[str, float] | None = None) -> str:
    """Results in the long form: a row for each benchmark, condition and scorer, with every count."""
    heading = [
        "benchmark",
        "condition",
        "scorer",
        "score",
        "95% interval",
        "chance",
        "n",
        "failed",
        "unparsed",
    ]
    thinks, repeated = any("thoughts" in r.tokens for r in found), any(r.repeats for r in found)
    heading += ["tokens", "thoughts"] if thinks else []
    heading += ["repeats", "best", "majority", "changed"] if repeated else []
    if published:
        heading.append("published")
    rows = [heading]
    published = published if found and not any(r.synthetic for r in found) else None
    for r in found:
        row = [named_result(r), r.condition, r.scorer, number(r.score), span(r.interval), number(r.chance)]
        row += [str(r.n), str(r.n_failed), str(r.n_unparsed)]
        row += [number(r.tokens.get(name)) for name in ("answer", "thoughts")] if thinks else []
        if repeated:
            more = r.repeats
            row += ["1", "-", "-", "-"] if more is None else [str(more.n), number(more.best), number(more.majority)]
            row += [] if more is None else [f"{number(100 * more.changed)}%"]
        if published:
            row.append(number(published.get(r.benchmark)) if r.condition == "on" else "")
        rows.append(row)
    text = table(rows, right=range(3, len(heading)), keys=3)
    return "\n".join((text, *notes(found, terminal_width())))


def notes(found: Sequence[Result], width: int | None = None) -> list[str]:
    """Every note of the results once, with where it holds, on lines of at most `width`."""
    from cambrian_eval.results.rows import of_result

    noted: dict[str, list[Result]] = {}
    for r in found:
        for note in r.notes:
            noted.setdefault(note, []).append(r)
        if (part := of_result(r).subset) is not None and (r.subset is not None or r.score is not None):
            noted.setdefault(part, []).append(r)
    lines = []
    for note, where in noted.items():
        places = list(dict.fromkeys(_place(r, where, found) for r in where))
        rest = f" and {len(places) - SHOWN} more" if len(places) > SHOWN else ""
        everywhere = {r.benchmark for r in found} == set(places) and len(places) > 1
        about = "" if everywhere else f" ({', '.join(places[:SHOWN])}{rest})"
        lines += wrapped(f"note{about}: {note}", width)
    return lines


SHOWN = 4
"""The most places that a note names."""


def _place(result: Result, where: Sequence[Result], found: Sequence[Result]) -> str:
    """A benchmark of a note, with its condition and scorer where the note does not hold for all of them."""
    mine = [r for r in where if r.benchmark == result.benchmark]
    every = [r for r in found if r.benchmark == result.benchmark]
    parts = [result.benchmark]
    for name in ("condition", "scorer"):
        if {getattr(r, name) for r in mine} != {getattr(r, name) for r in every}:
            parts.append(getattr(result, name))
    return ".".join(parts)


def wrapped(text: str, width: int | None, indent: int = 2) -> list[str]:
    """The text on lines of at most `width` characters, all but the first indented; one line without a width."""
    if width is None:
        return [text]
    return textwrap.wrap(text, width, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)


def sentences(texts: Iterable[str], indent: int = 2) -> None:
    """Prints texts on stdout: wrapped to the width of a terminal, elsewhere one line each, for `grep`."""
    width = terminal_width()
    for text in texts:
        print("\n".join(wrapped(text, width, indent)))


def notes_below(found: Iterable[str]) -> None:
    """Prints the notes below a table."""
    sentences(f"note: {note}" for note in found)


def terminal_width() -> int | None:
    """The width of the terminal that stdout is; None for a pipe or a file, whose lines are not wrapped."""
    return columns(sys.stdout) if sys.stdout.isatty() else None


def columns(stream: TextIO) -> int:
    """The width of the terminal; 80 where there is none and `COLUMNS` does not say another."""
    size = shutil.get_terminal_size((80, 24)).columns if stream.isatty() or "COLUMNS" in os.environ else 80
    return max(40, size)


def emphasized(lines: Iterable[Sequence[tuple[str, bool]]], stream: TextIO) -> None:
    """Prints lines made of pieces, on a terminal with the marked ones in bold."""
    styled = stream.isatty() and os.environ.get("TERM", "") not in ("", "dumb")
    for line in lines:
        for text, bold in line:
            if bold and styled:
                control(stream, "\x1b[1m")
            print(text, end="", file=stream)
            if bold and styled:
                control(stream, "\x1b[0m")
        print(file=stream)


TEXT = "text"
"""The format of score tables that a terminal shows."""


def score_table(layout: Layout, format: str | None = None) -> None:
    """Prints a score table: without a format, aligned text on a terminal and Markdown elsewhere."""
    if format == TEXT or (format is None and sys.stdout.isatty()):
        from cambrian_eval.reports import text_table

        emphasized(text_table.lines(layout, columns(sys.stdout)), sys.stdout)
    else:
        print(table_text(layout, format), end="")


def table_text(layout: Layout, format: str | None = None) -> str:
    """A score table for a file or a pipe."""
    from cambrian_eval.reports import tables, text_table

    if format == TEXT:
        return text_table.plain(text_table.lines(layout, columns(sys.stdout)))
    return tables.write(layout, format or "markdown")


def named_result(result: Result) -> str:
    """The name of a result's benchmark in a table; marked where its rows were drawn, or are a part of the benchmark."""
    from cambrian_eval.results.rows import of_result

    return of_result(result).label(result.benchmark)


def say(text: str) -> None:
    """A line on stderr, control characters written out."""
    print(printable(text), file=sys.stderr, flush=True)


def control(stream: TextIO, sequence: str) -> None:
    """Writes a sequence that moves the cursor; only for sequences of this program."""
    getattr(stream, "write_control", stream.write)(sequence)


def as_json(value: Any) -> str:
    """One machine-readable object on one line."""
    import json

    return printable(json.dumps(value, ensure_ascii=False), "json")


def published(model: str, found: Sequence[Result]) -> dict[str, float]:
    """The paper's scores for this model, where it is one of the paper's; never beside a part or synthetic rows."""
    from cambrian_eval.results.published_scores import nearest

    printed = {
        r.benchmark: nearest(model, r.benchmark) for r in found if r.complete and not r.synthetic and r.subset is None
    }
    return {name: rows[0].score for name, rows in printed.items() if rows}


def averages(found: Sequence[Result]) -> str:
    """Category averages by the paper's formulas and those of suites, for the first scorer and each condition."""
    from cambrian_eval.results.averages import averages as compute
    from cambrian_eval.results.averages import suite_averages, unaveraged

    lines = []
    scorer = found[0].scorer
    what = "averages on synthetic data" if any(r.synthetic for r in found) else "averages"
    for condition in dict.fromkeys(r.condition for r in found):
        mine = [r for r in found if r.condition == condition and r.scorer == scorer]
        if (reason := unaveraged(mine)) is not None:
            lines.append(f"{what} ({condition}, {scorer}): none, {reason}")
            continue
        scores = {r.benchmark: r.score for r in mine}
        partial = [r.benchmark for r in mine if r.partial]
        cells = [f"{a.label} {number(a.value)}" for a in compute(scores, partial).values() if a.value is not None]
        if cells:
            lines.append(f"{what} ({condition}, {scorer}): " + " · ".join(cells))
        ran = {r.benchmark: None for r in found if r.condition == condition}
        own = suite_averages({**ran, **scores}, partial).values()
        if shown := [f"{a.label} {number(a.value)}" for a in own if a.value is not None]:
            suites = what.replace("averages", "suites")
            lines.append(f"{suites} ({condition}, {scorer}): " + " · ".join(shown))
    return "\n".join(part for line in lines for part in wrapped(line, terminal_width()))

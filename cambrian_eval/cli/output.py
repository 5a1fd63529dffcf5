"""Text of the command line: lists such as `a,b,c`, aligned tables, scores with intervals."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING, Any, TextIO

from cambrian_eval.errors import UserError
from cambrian_eval.safe_text import printable
from cambrian_eval.sample import Result

if TYPE_CHECKING:
    from cambrian_eval.registry import Named


def names(text: str | None) -> list[str]:
    """`a,b c` as a list, each name once."""
    return list(dict.fromkeys((text or "").replace(",", " ").split()))


def benchmarks(text: str | None, offered: Collection[str] | None = None) -> list[str]:
    """Benchmark names from the command line; see `named`."""
    return list(named(text, offered).benchmarks)


def named(text: str | None, offered: Collection[str] | None = None) -> Named:
    """What `a,b c` stands for: names, suites, categories, `all` and `everything`; says on stderr what `all` leaves out.

    Words for several benchmarks stand for those `offered` only, where the data has not all of them.
    """
    from cambrian_eval.registry import CATEGORIES
    from cambrian_eval.registry import named as resolved

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


def table(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Rows as aligned text; the first row is the heading."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = []
    for row in rows:
        cells = [c.rjust(w) if i in right else c.ljust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def number(value: float | None, digits: int = 1) -> str:
    """A number for a table, "-" where there is none."""
    return "-" if value is None else f"{value:.{digits}f}"


def probability(value: float) -> str:
    """A p-value; never 0, because none is."""
    return "< 0.0001" if value < 0.00005 else f"{value:.4f}"


def results(found: Sequence[Result], published: dict[str, float] | None = None) -> str:
    """Results as the table that `run` and `score` print."""
    from cambrian_eval.registry import load_benchmark

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
        span = "-" if r.interval is None else f"{r.interval[0]:.1f} .. {r.interval[1]:.1f}"
        name = f"{r.benchmark} (synthetic)" if r.synthetic else r.benchmark
        name += "" if r.subset is None else " (subset)"
        row = [name, r.condition, r.scorer, number(r.score), span, number(r.chance)]
        row += [str(r.n), str(r.n_failed), str(r.n_unparsed)]
        row += [number(r.tokens.get(name)) for name in ("answer", "thoughts")] if thinks else []
        if repeated:
            more = r.repeats
            row += ["1", "-", "-", "-"] if more is None else [str(more.n), number(more.best), number(more.majority)]
            row += [] if more is None else [f"{more.changed:.1%}"]
        if published:
            row.append(number(published.get(r.benchmark)) if r.condition == "on" else "")
        rows.append(row)
    text = table(rows, right=range(3, len(heading)))
    noted: dict[str, list[str]] = {}
    for r in found:
        for note in r.notes:
            noted.setdefault(note, []).append(f"{r.benchmark}.{r.condition}.{r.scorer}")
        if r.subset is not None:
            noted.setdefault(r.subset, []).append(r.benchmark)
        elif not r.complete and not r.synthetic and r.score is not None:
            source = load_benchmark(r.benchmark).source
            whole = max(source.n_kept, default=source.n_rows)
            of = f"{r.n:,} of {whole:,} rows" if whole else f"{r.n:,} rows"
            of += "" if source.is_published else " of your own"
            noted.setdefault(f"subset: {of}", []).append(r.benchmark)
    for note, where in noted.items():
        places = list(dict.fromkeys(where))
        text += f"\nnote ({', '.join(places[:4])}{' ...' if len(places) > 4 else ''}): {note}"
    return text


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
    from cambrian_eval.results.averages import judges, suite_averages

    lines = []
    scorer = found[0].scorer
    what = "averages on synthetic data" if any(r.synthetic for r in found) else "averages"
    for condition in dict.fromkeys(r.condition for r in found):
        mine = [r for r in found if r.condition == condition and r.scorer == scorer]
        if len(different := judges(mine)) > 1:
            lines.append(f"{what} ({condition}, {scorer}): none, the judges differ ({'; '.join(different)})")
            continue
        scores = {r.benchmark: r.score for r in mine}
        partial = [r.benchmark for r in mine if not r.complete]
        cells = [f"{a.label} {number(a.value)}" for a in compute(scores, partial).values() if a.value is not None]
        if cells:
            lines.append(f"{what} ({condition}, {scorer}): " + " · ".join(cells))
        ran = {r.benchmark: None for r in found if r.condition == condition}
        own = suite_averages({**ran, **scores}, partial).values()
        if shown := [f"{a.label} {number(a.value)}" for a in own if a.value is not None]:
            suites = what.replace("averages", "suites")
            lines.append(f"{suites} ({condition}, {scorer}): " + " · ".join(shown))
    return "\n".join(lines)

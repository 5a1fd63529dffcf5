"""Writes logs of other harnesses as one run: responses, what the other side says about them, scores, and findings.

    RUN/imports/<benchmark>.<condition>.jsonl     the log's id, gold answers, prompt and verdicts for each sample
    RUN/imports/<benchmark>.<condition>.findings.jsonl   rows without a sample, duplicates and changed rows

The run is one like any other. The prompt of a response is the log's where it has one, else ours, with the note
`prompt_assumed`; image hashes are not known.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from cambrian_eval import registry
from cambrian_eval.benchmark import Benchmark
from cambrian_eval.data.rows import Loaded, load_samples
from cambrian_eval.decoding import key_parts
from cambrian_eval.errors import UserError, describe
from cambrian_eval.imports.formats import opened
from cambrian_eval.imports.log import Entry, Format, Source
from cambrian_eval.imports.matching import Matching, check_strict, match
from cambrian_eval.results.cell_notes import IMPORTED
from cambrian_eval.results.grading import save_results, score_cell, usable_scorers
from cambrian_eval.running import manifest
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.runner import check
from cambrian_eval.running.settings import Settings
from cambrian_eval.running.store import Run, create_or_open
from cambrian_eval.safe_text import folder_name
from cambrian_eval.sample import Response, Result, Sample, request_key


class ImportSettings(Settings):
    """Settings whose prompts may be unknown: rows need not hold what only a prompt needs."""

    def prompt(self, benchmark: Benchmark, sample: Sample) -> str:
        """Our prompt; empty where the rows lack something for it."""
        try:
            return Settings.prompt(self, benchmark, sample)
        except UserError:
            return ""


@dataclass(frozen=True, slots=True)
class Imported:
    """What an import came to."""

    run: Run
    """The folder, open for reading."""
    results: tuple[Result, ...]
    """A result for each benchmark and scorer."""
    matchings: Mapping[str, Matching]
    """Benchmark to its rows and samples."""
    formats: Mapping[str, str]
    """File to the name of its format."""

    @property
    def n(self) -> int:
        """Stored responses."""
        return sum(len(m.matches) for m in self.matchings.values())


@dataclass(slots=True)
class _Replayed:
    """What run.json says about the model of an import; it answers nothing."""

    name: str
    fingerprint: str
    details: Mapping[str, Any]
    max_images: int | None = None

    def respond(self, requests: Any) -> Any:
        """Nothing can be asked."""
        raise UserError(f"{self.name} is an import; it cannot be asked again")

    def describe(self) -> Mapping[str, Any]:
        """The files with their hashes and formats."""
        return self.details


@dataclass(frozen=True, slots=True)
class Log:
    """A file with its format and its rows."""

    source: Source
    format: Format
    entries: tuple[Entry, ...]


def read_logs(paths: Sequence[Path], format_name: str | None) -> list[Log]:
    """All rows of files and folders."""
    found = []
    for path in paths:
        for source, kind in opened(path, format_name):
            try:
                found.append(Log(source, kind, tuple(kind.read(source))))
            except (AttributeError, TypeError, ValueError, KeyError, IndexError) as error:
                raise UserError(
                    f"{source.path} is not what the format {kind.name} has ({describe(error)}); fix the file, or give "
                    "another --format"
                ) from error
    return found


def import_logs(
    paths: Sequence[Path], settings: Settings, out: Path | None, name: str | None, format_name: str | None = None
) -> Imported:
    """Matches the rows of logs with the samples of benchmarks, stores them as a run and scores them."""
    if out is not None and (out / "run.json").is_file():
        raise UserError(f"{out} holds a run already; give another --out")
    check(settings)
    logs = read_logs(paths, format_name)
    chosen = {b: dict(settings.benchmark_settings.get(b, {})) for b in settings.benchmarks}
    for log in logs:
        for asked, values in log.format.settings.items():
            if asked in chosen:
                chosen[asked] = {**values, **chosen[asked]}
    settings = replace(settings, benchmark_settings=chosen)
    plan = [registry.load_benchmark(b, **chosen[b]) for b in settings.benchmarks]
    splits = {b.name: b.source.split for b in plan}
    for benchmark in plan:
        usable_scorers(benchmark, settings.scorers)
    loaded = {b.name: load_samples(b, settings.data, settings.limit, images_optional=True) for b in plan}
    matchings = matched(logs, loaded, splits)
    plan = [b for b in plan if matchings[b.name].matches]
    files = [
        {"name": str(log.source.path), "format": log.format.name, "sha256": _hash(log.source.path)} for log in logs
    ]
    name = name or next((m for log in logs if (m := log.format.model(log.source))), None) or paths[0].stem
    store = create_or_open(Path("runs") / folder_name(name) if out is None else out)
    if (store.path / "run.json").is_file():
        raise UserError(f"{store.path} holds a run already; give another --out")
    repeats = 1 + max(m.entry.repeat for b in plan for m in matchings[b.name].matches)
    model = _Replayed(name, _fingerprint(matchings), {"kind": IMPORTED, "files": files})
    settings = replace(settings, benchmarks=tuple(b.name for b in plan), repeats=repeats)
    results: list[Result] = []
    with store.writing():
        used = {b.name: _with_changes(loaded[b.name], matchings[b.name]) for b in plan}
        about = manifest.describe(name, model, _as_import(settings), plan, used, None, {"name": "import"})
        store.save_info(about)
        for benchmark in plan:
            cell = Cell(benchmark.name, settings.conditions[0])
            store.save_samples(benchmark.name, used[benchmark.name].samples)
            _store(store, cell, benchmark, _as_import(settings), matchings[benchmark.name], model.fingerprint)
            results += score_cell(store, benchmark, cell, settings.scorers, official_raw=settings.official_raw)
        save_results(store, results)
        manifest.close_pass(store, interrupted=False)
    return Imported(store, tuple(results), matchings, {f["name"]: f["format"] for f in files})


def _as_import(settings: Settings) -> ImportSettings:
    from dataclasses import fields

    return ImportSettings(**{f.name: getattr(settings, f.name) for f in fields(Settings)})


def matched(logs: Sequence[Log], loaded: Mapping[str, Loaded], splits: Mapping[str, str]) -> dict[str, Matching]:
    """The rows of all logs by benchmark. With several benchmarks, a log belongs to the one of its name or content."""
    assigned: dict[str, list[Log]] = {name: [] for name in loaded}
    for log in logs:
        assigned[_benchmark_of(log, loaded)].append(log)
    found = {}
    for name, mine in assigned.items():
        samples = loaded[name].samples
        found[name] = match(samples, [entry for log in mine for entry in log.entries], splits[name])
        if strict := [log for log in mine if log.format.strict]:
            last = max((e.place.rpartition(" line ")[2] for e in strict[-1].entries), key=int, default="0")
            check_strict(found[name], samples, strict[-1].source.path, last)
        if mine and not found[name].matches:
            first = next((f"{f.place}: {f.text}" for f in found[name].findings), "the log has no rows")
            raise UserError(f"{mine[0].source.path}: no row belongs to a sample of {name} ({first})")
    if absent := [name for name, mine in assigned.items() if not mine]:
        raise UserError(f"none of the files has responses to {', '.join(absent)}; leave it out of --benchmark")
    return found


def _benchmark_of(log: Log, loaded: Mapping[str, Loaded]) -> str:
    """By the name of the file or its folder, else the benchmark with most of the rows."""
    if len(loaded) == 1:
        return next(iter(loaded))
    named = "".join(c for c in f"{log.source.path.parent.name}/{log.source.path.name}".lower() if c.isalnum())
    hits = [name for name in loaded if name.replace("_", "") in named]
    hits = [name for name in hits if not any(name != other and name in other for other in hits)]
    if len(hits) == 1:
        return hits[0]
    counts = {name: len(match(loaded[name].samples, log.entries).matches) for name in hits or loaded}
    best = max(counts, key=counts.__getitem__)
    if not counts[best] or list(counts.values()).count(counts[best]) > 1:
        raise UserError(f"{log.source.path}: not clear which of {', '.join(counts)} it belongs to; import it alone")
    return best


def _with_changes(loaded: Loaded, matching: Matching) -> Loaded:
    """The samples, changed ones with the log's options, and what the findings come to as warnings."""
    changed = {m.sample.id: m.sample for m in matching.matches}
    kinds = {
        "unmatched": "rows of the log belong to no sample and are left out",
        "ambiguous": "rows of the log cannot be told apart and are left out",
        "duplicate": "rows of the log are second responses to a sample; the first counts",
        "changed": "rows of the log have other options or answers than the dataset",
    }
    texts = [f"import: {n} {text}" for kind, text in kinds.items() if (n := matching.count(kind))]  # type: ignore[arg-type]
    if ordered := sum(m.by == "order" for m in matching.matches):
        texts.append(f"import: {ordered} rows of the log are alike but for their order, which was followed")
    samples = [changed.get(s.id, s) for s in loaded.samples]
    return replace(loaded, samples=samples, warnings=(*loaded.warnings, *texts))


def _store(
    store: Run, cell: Cell, benchmark: Benchmark, settings: Settings, matching: Matching, fingerprint: str
) -> None:
    """The responses, and beside them what the log says."""
    info = store.info
    asked_of, about = info["benchmarks"][cell.benchmark], info["responses_depend_on"]
    limit, placed = asked_of.get("max_new_tokens"), asked_of.get("places_images", False)
    writer = store.writer(cell)
    beside = []
    try:
        for one in matching.matches:
            entry, sample = one.entry, one.sample
            prompt = entry.prompt or settings.prompt(benchmark, sample)
            parts = key_parts(limit, about.get("seed"), about, entry.repeat, placed)
            key = request_key(fingerprint, prompt, (), parts)
            notes = {} if entry.prompt else {"prompt_assumed": True}
            response = Response(sample.id, entry.response, entry.finish, entry.error, notes=notes)
            writer.append(Record.of(response, key, prompt, (), entry.repeat))
            theirs = {
                "id": sample.id,
                "repeat": entry.repeat,
                "place": entry.place,
                "matched_by": one.by,
                "log_id": entry.id,
                "gold": list(entry.gold),
                "options": dict(entry.options),
                "prompt": entry.prompt,
                "question": entry.question,
                "verdict": dict(entry.verdict),
            }
            beside.append(json.dumps(theirs, ensure_ascii=True, default=str))
    finally:
        writer.close()
    store.save_file(f"imports/{cell.stem}.jsonl", "".join(f"{line}\n" for line in beside))
    lines = [json.dumps(asdict(f)) for f in matching.findings]
    store.save_file(f"imports/{cell.stem}.findings.jsonl", "".join(f"{line}\n" for line in lines))


def _fingerprint(matchings: Mapping[str, Matching]) -> str:
    rows = [(b, m.sample.id, m.entry.repeat, m.entry.response) for b, found in matchings.items() for m in found.matches]
    return f"imported-{sha256(json.dumps(sorted(rows)).encode()).hexdigest()[:24]}"


def _hash(path: Path) -> str:
    digest = sha256()
    for file in sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]:
        with file.open("rb") as content:
            digest.update(f"{file.name}\0".encode() if path.is_dir() else b"")
            while block := content.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()

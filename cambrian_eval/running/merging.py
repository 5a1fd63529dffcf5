"""Merges runs that were made separately (`--shard i/n`, or other benchmarks) into one, with every check.

All runs must be of one model under the same settings and hold the same samples. A sample with a response in two runs
is an error, and so is one without any: a merged score is that of a whole run, or there is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.registry import is_benchmark, load_condition
from cambrian_eval.running.changes import foreign
from cambrian_eval.running.manifest import versions_used
from cambrian_eval.running.records import Cell, Record
from cambrian_eval.running.sharding import Shard
from cambrian_eval.running.store import Run, create_or_open, open_run

NAMED = 3
"""Samples named in a message."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge came to."""

    run: Run
    """The new run."""
    sources: tuple[str, ...]
    """The runs it was made from."""
    n: int
    """Responses in it."""
    n_failed: int
    """Those among them that failed."""
    n_missing: int
    """Samples that have a response in no source."""


def merge_runs(paths: Sequence[Path], out: Path, allow_gaps: bool = False, allow_versions: bool = False) -> Merged:
    """One run out of several, not scored yet. Nothing is written before every check has passed.

    With `allow_versions`, runs made with different package versions are merged, and the results say so.
    """
    folders = [p for p in dict.fromkeys(Path(p) for p in paths) if p.resolve() != out.resolve()]
    if not folders:
        raise UserError("no runs to merge; name their folders")
    runs = [open_run(p) for p in folders]
    for run in runs:
        _check_alone(run)
    _check_settings(runs)
    mixture = _version_differences(runs)
    if mixture and not allow_versions:
        raise UserError(
            f"the runs were made with different versions ({'; '.join(mixture)}), which can change responses; make them "
            "with the same versions, or give --allow-versions to merge them with a note"
        )
    owners = _owners(runs)
    responses = {cell: _joined(cell, owners[cell]) for cell in owners}
    for cell in owners:
        _check_images(cell, owners[cell])
        _check_keys(cell, owners[cell])
    missing = _check_gaps(responses, owners, runs, allow_gaps)
    target = _target(out, responses)
    with target.writing():
        target.clear_responses()
        target.save_info(_info(runs, mixture))
        for cell, records in responses.items():
            _write(target, cell, records, owners[cell][0])
    everything = [r for records in responses.values() for r in records.values()]
    return Merged(
        target,
        tuple(map(str, folders)),
        len(everything),
        sum(r.finish == "failed" for r in everything),
        missing,
    )


def _check_alone(run: Run) -> None:
    """Names become paths, so only known names are accepted from a folder that came from elsewhere."""
    if (writer := run.writer_now()) is not None:
        raise UserError(f"{run.path} is still being written by {writer}; wait until it ends")
    if stopped := run.info.get("stopped"):
        raise UserError(
            f"{run.path}: {', '.join(stopped)} was stopped by a rule ({next(iter(stopped.values()))['rule']}); "
            "run it to the end without the rule before merging"
        )
    for benchmark in run.info.get("benchmarks", {}):
        if not is_benchmark(benchmark):
            raise UserError(f"{run.path / 'run.json'} names benchmark {benchmark!r}, which is not installed here")
    for condition in run.info.get("conditions", []):
        try:
            load_condition(condition)
        except UserError as error:
            raise UserError(f"{run.path / 'run.json'}: {error}") from error


def _check_settings(runs: Sequence[Run]) -> None:
    """Settings that responses depend on must be equal everywhere; only the shard may differ."""
    first = runs[0].info
    for run in runs[1:]:
        info = run.info
        differences = _differences(first["responses_depend_on"], info["responses_depend_on"], {"shard"})
        differences += _differences({"repeats": first.get("repeats", 1)}, {"repeats": info.get("repeats", 1)}, set())
        for name in info["benchmarks"].keys() & first["benchmarks"].keys():
            then, now = first["benchmarks"][name], info["benchmarks"][name]
            parts = ("settings", "max_new_tokens", "samples", "prompts_sha256", "subset")
            differences += [
                f"{name} {p}: {then.get(p)!r} and {now.get(p)!r}" for p in parts if then.get(p) != now.get(p)
            ]
            if then["data"]["fingerprint"] != now["data"]["fingerprint"]:
                differences.append(f"{name} data: {then['data']['fingerprint']} and {now['data']['fingerprint']}")
        if differences:
            raise UserError(
                f"{runs[0].path} and {run.path} were made with different settings ({'; '.join(differences)}); "
                "only runs of one model with the same settings can be merged"
            )


def _version_differences(runs: Sequence[Run]) -> list[str]:
    """Packages that can change responses and whose version differs between the runs."""
    used = [versions_used(run.info) for run in runs]
    found = []
    for name in dict.fromkeys(package for one in used for package in one):
        versions = dict.fromkeys(", ".join(one[name]) for one in used if name in one)
        if len(versions) > 1:
            found.append(f"{name} {' and '.join(versions)}")
    return found


def _check_images(cell: Cell, runs: Sequence[Run]) -> None:
    """Samples whose image is named by its hash must have been asked with that image."""
    if cell.condition != "on":
        return
    names = {s.id: s.image_id for s in runs[0].samples(cell.benchmark)}
    for run in runs:
        for (identity, _), record in run.all_responses(cell).items():
            kind, colon, digest = (names.get(identity) or "").partition(":")
            if (kind, colon) == ("sha256", ":") and record.images and not record.images[0].startswith(digest):
                raise UserError(
                    f"{run.path} was made from other images: that of sample {identity!r} of {cell.benchmark} does not "
                    "have the hash in the samples file; it cannot be merged"
                )


def _check_keys(cell: Cell, runs: Sequence[Run]) -> None:
    """Every response must belong to the request that its prompt, its images and the run's settings give."""
    for run in runs:
        if others := foreign(run, cell):
            raise UserError(
                f"{run.path} has {len(others)} responses of {cell.stem} that were made for other requests than its "
                f"settings, prompts and images give ({_some(others)}); request them again with run --on-change ask"
            )


def _differences(a: dict[str, Any], b: dict[str, Any], ignored: set[str]) -> list[str]:
    names = dict.fromkeys([*a, *b])
    return [f"{n}: {a.get(n)!r} and {b.get(n)!r}" for n in names if n not in ignored and a.get(n) != b.get(n)]


def _owners(runs: Sequence[Run]) -> dict[Cell, list[Run]]:
    """Which runs have a part in which cell, cells in the order in which runs name them."""
    found: dict[Cell, list[Run]] = {}
    for run in runs:
        for cell in run.asked():
            found.setdefault(cell, []).append(run)
    order = list(dict.fromkeys(cell.benchmark for cell in found))
    return dict(sorted(found.items(), key=lambda entry: order.index(entry[0].benchmark)))


Responses = dict[tuple[str, int], Record]
"""Responses by sample and repeat."""


def _joined(cell: Cell, runs: Sequence[Run]) -> Responses:
    """The responses of all runs by sample and repeat; the same one twice is an error."""
    known = _sample_ids(cell.benchmark, runs)
    found: dict[tuple[str, int], tuple[Record, Run]] = {}
    twice: dict[tuple[Path, Path], list[str]] = {}
    for run in runs:
        for place, record in run.all_responses(cell).items():
            identity = place[0]
            if identity not in known:
                raise UserError(f"{run.path} has a response to {identity!r}, which is not a sample of {cell.benchmark}")
            if place in found:
                twice.setdefault((found[place][1].path, run.path), []).append(identity)
            found[place] = record, run
    for (a, b), several in twice.items():
        ids = list(dict.fromkeys(several))
        raise UserError(
            f"{a} and {b} overlap: both have responses to {len(ids)} samples of {cell.stem} ({_some(ids)}); "
            "leave one of them out"
        )
    return {place: record for place, (record, _) in found.items()}


def _sample_ids(benchmark: str, runs: Sequence[Run]) -> set[str]:
    """The samples of a benchmark, after checking that all runs hold the same ones."""
    first, content = runs[0], runs[0].samples_content(benchmark)
    for run in runs[1:]:
        if run.samples_content(benchmark) != content:
            raise UserError(f"{first.path} and {run.path} hold different samples of {benchmark}; they cannot be merged")
    return {s.id for s in first.samples(benchmark)}


def _check_gaps(
    responses: dict[Cell, Responses], owners: dict[Cell, list[Run]], runs: Sequence[Run], allow: bool
) -> int:
    """How many samples have no response; an error unless allowed."""
    total = 0
    for cell, records in responses.items():
        first = owners[cell][0]
        numbers = range(first.repeats)
        missing = [s.id for s in first.samples(cell.benchmark) if any((s.id, n) not in records for n in numbers)]
        total += len(missing)
        if missing and not allow:
            raise UserError(
                f"{len(missing)} samples of {cell.stem} {_gap(first.repeats)} ({_some(missing)}){_absent(runs)}; "
                "finish the runs, or give --allow-gaps for a partial result"
            )
    return total


def _gap(repeats: int) -> str:
    """What samples lack, in words."""
    return "have a response in no run" if repeats == 1 else f"have fewer than {repeats} responses in all runs together"


def _absent(runs: Sequence[Run]) -> str:
    """Which shards were not named, where that explains a gap."""
    shards = [Shard.parse(s) for run in runs if (s := run.info["responses_depend_on"].get("shard")) is not None]
    if not shards:
        return ""
    most = max(s.of_all for s in shards)
    absent = sorted(set(range(1, most + 1)) - {s.number for s in shards if s.of_all == most})
    return f"; shards not named: {', '.join(f'{i}/{most}' for i in absent)}" if absent else ""


def _some(ids: Sequence[str]) -> str:
    return ", ".join(map(repr, ids[:NAMED])) + (", ..." if len(ids) > NAMED else "")


def _target(out: Path, responses: dict[Cell, Responses]) -> Run:
    """An empty folder, or an earlier merge, which is replaced unless responses would be lost."""
    target = create_or_open(out)
    if not (out / "run.json").is_file():
        return target
    if "merged_from" not in target.info:
        raise UserError(f"{out} holds a run that was not made by merge; give another --out")
    for cell in target.cells():
        here = target.all_responses(cell).keys() - responses.get(cell, {}).keys()
        if here:
            named = _some(sorted({identity for identity, _ in here}))
            raise UserError(
                f"{out} holds {len(here)} responses of {cell.stem} that the named runs do not ({named}); "
                "name the runs they came from as well, or give another --out"
            )
    return target


def _info(runs: Sequence[Run], mixture: Sequence[str]) -> dict[str, Any]:
    """run.json of the whole: the first run's, with all benchmarks and conditions, and no shard any more."""
    infos = [run.info for run in runs]
    whole = {k: v for k, v in infos[0].items() if k not in ("schema", "passes")}
    whole["responses_depend_on"] = {**whole["responses_depend_on"], "shard": None}
    whole["conditions"] = list(dict.fromkeys(c for info in infos for c in info["conditions"]))
    whole["scorers"] = [s for s in infos[0]["scorers"] if all(s in info["scorers"] for info in infos)]
    whole["benchmarks"] = {name: about for info in reversed(infos) for name, about in info["benchmarks"].items()}
    order = dict.fromkeys(name for info in infos for name in info["benchmarks"])
    whole["benchmarks"] = {name: whole["benchmarks"][name] for name in order}
    if mixture:
        note = f"merged from runs with different versions: {'; '.join(mixture)}"
        for about in whole["benchmarks"].values():
            about["warnings"] = [*about["warnings"], note]
    whole["merged_from"] = [
        {"run": str(run.path), "shard": info["responses_depend_on"].get("shard")}
        for run, info in zip(runs, infos, strict=True)
    ]
    whole["passes"] = [one for info in infos for one in info["passes"]]
    return whole


def _write(target: Run, cell: Cell, records: Responses, source: Run) -> None:
    """Samples and responses, in dataset order."""
    samples = source.samples(cell.benchmark)
    target.copy_samples(cell.benchmark, source)
    numbers = range(source.repeats)
    writer = target.writer(cell)
    try:
        for sample in samples:
            for number in numbers:
                if (sample.id, number) in records:
                    writer.append(records[sample.id, number])
    finally:
        writer.close()

"""A run on disk: append-only, crash-safe, resumable. The only reader and writer of a run folder.

    RUN/run.json                               what is needed to repeat the run
    RUN/samples/<benchmark>.jsonl              the questions with their gold answers, once
    RUN/responses/<benchmark>.<condition>.jsonl    one line for each response, with a checksum
    RUN/verdicts/<benchmark>.<condition>.<scorer>.jsonl
    RUN/results.json                           scores, rewritten whole; holds no times
    RUN/progress.json                          the progress of a run; information only

Response files are append-only. A line is valid when its checksum matches; a torn or damaged line is moved to a
`.damaged` file when the run is opened for writing, and its sample is requested again. Of several lines for one sample
the last counts. Everything else is written to a temporary file and renamed.

`records` has the lines of responses, `shapes` the types of the other files, `files` how files are read and written,
`lock` who may write.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object
from cambrian_eval.running.files import content_of, disk_error, dumps, is_temporary, replace_file, state_of
from cambrian_eval.running.kept import Kept
from cambrian_eval.running.lock import held, held_by
from cambrian_eval.running.reading import hash_of_inputs, hashed_inputs, read_responses, read_samples, read_verdicts
from cambrian_eval.running.records import Cell, Record, ResponseWriter, repair
from cambrian_eval.running.shapes import (
    CHANGED,
    SCHEMA,
    Results,
    RunFile,
    StoredVerdict,
    convert,
    is_synthetic,
    sample_values,
    verdict_line,
    without_images,
)
from cambrian_eval.safe_text import name_line
from cambrian_eval.sample import Result, Sample, Verdict


class Run:
    """A run folder. Opened for reading by anyone; written through `writing` by one process at a time."""

    def __init__(self, path: Path, *, keep_all: bool = False) -> None:
        """With `keep_all`, everything that was read is kept, for those who read a run several times."""
        self.path = path
        self._kept_samples = Kept[str, list[Sample]]()
        self._kept_hashes = Kept[Path, str]()
        self._kept_inputs = Kept[Cell, dict[str, str]](None if keep_all else 1)
        self._kept_results = Kept[str, list[Result]]()
        self._kept_info = Kept[str, str]()
        # Two: a comparison of two conditions needs both, and so do the notes of a result.
        two = None if keep_all else 2
        self._kept_responses = Kept[Cell, dict[tuple[str, int], Record]](two)
        self._kept_verdicts = Kept[Path, list[StoredVerdict]](two)

    def __reduce__(self) -> tuple[type[Run], tuple[Path]]:
        """Another process reads the folder itself."""
        return type(self), (self.path,)

    @property
    def repeats(self) -> int:
        """How many responses the run has to each request."""
        return int(self.info.get("repeats", 1))

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json, a new copy at each call; the file is checked once, and again when it has changed."""
        path = self.path / "run.json"
        content = self._kept_info.get("info", state_of(path), lambda: json.dumps(self._read_info(path)))
        return cast("dict[str, Any]", json.loads(content))

    def _read_info(self, path: Path) -> dict[str, Any]:
        found = read_object(path, CHANGED)
        schema = found.get("schema")
        if not isinstance(schema, int):
            raise UserError(f"{path} is not a cambrian-eval run: it has no schema number")
        if schema > SCHEMA:
            raise UserError(
                f"{path} has schema {schema}, newer than the {SCHEMA} of this version; update cambrian-eval"
            )
        if "answers_depend_on" in found:  # schema 1
            found["responses_depend_on"] = found.pop("answers_depend_on")
        convert(found, str(path), RunFile)
        found["model"]["name"] = name_line(found["model"]["name"])
        return found

    def save_info(self, info: Mapping[str, Any]) -> None:
        """Replaces run.json whole, schema number first."""
        content = {"schema": SCHEMA} | {key: value for key, value in info.items() if key != "schema"}
        replace_file(self.path / "run.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    # -- samples

    def has_samples(self, benchmark: str) -> bool:
        """Whether the samples of a benchmark are stored; they are written once."""
        return (self.path / "samples" / f"{benchmark}.jsonl").is_file()

    def save_samples(self, benchmark: str, samples: Iterable[Sample]) -> None:
        """Writes the samples with their gold answers in the order given; images stay in the dataset."""
        path, kept = self.path / "samples" / f"{benchmark}.jsonl", list(samples)
        replace_file(path, (dumps(sample_values(s)) + b"\n" for s in kept))
        self._kept_samples.put(benchmark, state_of(path), [without_images(s) for s in kept])

    def samples(self, benchmark: str) -> list[Sample]:
        """The samples of a benchmark in dataset order, without their images."""
        path = self.path / "samples" / f"{benchmark}.jsonl"
        if not path.is_file():
            raise UserError(f"{self.path} holds no samples of {benchmark!r}; it has: {', '.join(self.benchmarks())}")
        return list(self._kept_samples.get(benchmark, state_of(path), lambda: read_samples(path)))

    def samples_content(self, benchmark: str) -> bytes:
        """The samples file: equal contents mean equal samples in equal order."""
        try:
            return (self.path / "samples" / f"{benchmark}.jsonl").read_bytes()
        except OSError as error:
            raise UserError(f"{self.path} holds no samples of {benchmark!r} ({error.strerror})") from error

    def copy_samples(self, benchmark: str, source: Run) -> None:
        """Copies the samples of another run byte for byte."""
        replace_file(self.path / "samples" / f"{benchmark}.jsonl", source.samples_content(benchmark))

    def benchmarks(self) -> list[str]:
        """Benchmarks that have responses, in the order in which the run named them."""
        return list(dict.fromkeys(cell.benchmark for cell in self.cells()))

    def asked(self) -> list[Cell]:
        """The planned cells over all starts; a later start may add benchmarks or conditions.

        Only names that run.json declares: its reader checks those, since names become paths.
        """
        info = self.info
        found: dict[Cell, None] = {}
        for one in info["passes"]:
            for benchmark in one.get("benchmarks", info["benchmarks"]):
                for condition in one.get("conditions", info["conditions"]):
                    if benchmark in info["benchmarks"] and condition in info["conditions"]:
                        found[Cell(benchmark, condition)] = None
        return list(found)

    def cells(self) -> list[Cell]:
        """Benchmarks and conditions with responses, in the order in which the run named them."""
        found, info = {p.stem for p in (self.path / "responses").glob("*.jsonl")}, self.info
        named = [Cell(b, c) for b in info.get("benchmarks", {}) for c in info.get("conditions", [])]
        return [c for c in named if c.stem in found]

    # -- responses

    def _responses_path(self, cell: Cell) -> Path:
        return self.path / "responses" / f"{cell.stem}.jsonl"

    def responses(self, cell: Cell, repeat: int = 0) -> dict[str, Record]:
        """The stored responses of a cell by sample id, of one repeat."""
        return {identity: r for (identity, number), r in self.all_responses(cell).items() if number == repeat}

    def all_responses(self, cell: Cell) -> dict[tuple[str, int], Record]:
        """The stored responses of a cell by sample id and repeat; damaged lines are skipped."""
        path = self._responses_path(cell)
        return dict(self._kept_responses.get(cell, state_of(path), lambda: read_responses(path)))

    def response_bytes(self) -> int:
        """The size of all responses; a file that cannot be read has none."""
        return sum(state[2] for state in state_of(*(self.path / "responses").glob("*.jsonl")) if state is not None)

    def writer(self, cell: Cell) -> ResponseWriter:
        """Appends responses of a cell; for use inside `writing`, which holds the lock."""
        return ResponseWriter(self._responses_path(cell))

    def clear_responses(self) -> None:
        """Removes responses, verdicts and results; for folders whose content is made from other runs."""
        for file in (*(self.path / "responses").glob("*.jsonl"), *(self.path / "verdicts").glob("*.jsonl")):
            file.unlink()
        (self.path / "results.json").unlink(missing_ok=True)

    # -- verdicts and results

    def inputs(self, cell: Cell) -> dict[str, str]:
        """For every sample with a response, a hash of all that its verdict depends on: the sample and the response."""
        path = self.path / "samples" / f"{cell.benchmark}.jsonl"
        state = state_of(path, self._responses_path(cell))
        return dict(self._kept_inputs.get(cell, state, lambda: hashed_inputs(path, self.all_responses(cell).values())))

    def inputs_hash(self, cell: Cell) -> str:
        """A hash of all samples and responses of a cell."""
        path = self._responses_path(cell)
        state = state_of(self.path / "samples" / f"{cell.benchmark}.jsonl", path)
        return self._kept_hashes.get(path, state, lambda: hash_of_inputs(self.inputs(cell)))

    def save_verdicts(
        self,
        cell: Cell,
        scorer: str,
        ids: Sequence[str],
        verdicts: Sequence[Verdict],
        *further: Sequence[Verdict],
        rules: str | None = None,
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        """Replaces the verdicts of this scorer on the cell, one for each id; `further` are those of further repeats.

        `rules` is the version of the scorer, `inputs` what the verdicts were made from, as the method `inputs` gives
        it; each line has both.
        """

        def lines() -> Iterator[bytes]:
            for number, row in enumerate((verdicts, *further)):
                for identity, verdict in zip(ids, row, strict=True):
                    source = None if inputs is None else inputs[identity]
                    yield verdict_line(identity, number, verdict, rules, source)

        replace_file(self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl", lines())

    def verdicts(self, cell: Cell, scorer: str, repeat: int = 0) -> dict[str, Verdict]:
        """The verdicts of a scorer by sample id, of one repeat; empty where that scorer has not run."""
        return {i: verdict for (i, number), verdict in self.all_verdicts(cell, scorer).items() if number == repeat}

    def all_verdicts(self, cell: Cell, scorer: str) -> dict[tuple[str, int], Verdict]:
        """The verdicts of a scorer by sample id and repeat."""
        return {(one.id, one.repeat): one.verdict for one in self.stored_verdicts(cell, scorer)}

    def stored_verdicts(self, cell: Cell, scorer: str) -> list[StoredVerdict]:
        """The lines of a verdict file; none where that scorer has not run."""
        path = self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl"
        return (
            list(self._kept_verdicts.get(path, state_of(path), lambda: read_verdicts(path))) if path.is_file() else []
        )

    def verdicts_hash(self, cell: Cell, scorer: str) -> str | None:
        """Hash of a verdict file; None where there is none."""
        path = self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl"
        if not path.is_file():
            return None
        return self._kept_hashes.get(
            path, state_of(path), lambda: hashlib.blake2b(content_of(path), digest_size=8).hexdigest()
        )

    def scorers(self, cell: Cell) -> list[str]:
        """Names of the scorers whose verdicts on the cell are stored, sorted."""
        prefix = f"{cell.stem}."
        names = [p.name[len(prefix) : -len(".jsonl")] for p in (self.path / "verdicts").glob(f"{prefix}*.jsonl")]
        return sorted(n for n in names if "." not in n)

    def results(self) -> list[Result]:
        """The stored results; empty before anything was scored."""
        path = self.path / "results.json"
        if not path.is_file():
            return []
        return list(
            self._kept_results.get("results", state_of(path, self.path / "run.json"), lambda: self._read_results(path))
        )

    def _read_results(self, path: Path) -> list[Result]:
        stored = read_object(path, CHANGED)
        found = list(convert(stored, str(path), Results).results)
        for r in found:
            if not all(math.isfinite(v) for v in (r.score, *(r.interval or ()), r.chance, r.scale) if v is not None):
                raise UserError(f"{path}: {r.benchmark}.{r.condition}.{r.scorer} has a number that is none; {CHANGED}")
        about = self.info["benchmarks"]
        return [replace(r, synthetic=r.synthetic or is_synthetic(about.get(r.benchmark, {}))) for r in found]

    def merged_results(self, results: Iterable[Result]) -> list[Result]:
        """The stored results with these added or replaced by benchmark, condition and scorer."""
        merged = {(r.benchmark, r.condition, r.scorer): r for r in self.results()}
        merged.update({(r.benchmark, r.condition, r.scorer): r for r in results})
        order = list(self.info.get("benchmarks", {}))
        return sorted(merged.values(), key=lambda r: (_rank(order, r.benchmark), r.condition, r.scorer))

    def save_results(self, results: Sequence[Result], averages: Sequence[Mapping[str, Any]]) -> None:
        """Replaces results.json whole."""
        stored = {"schema": SCHEMA, "results": [asdict(r) for r in results], "averages": list(averages)}
        replace_file(self.path / "results.json", json.dumps(stored, indent=2, ensure_ascii=False) + "\n")

    def save_file(self, name: str, content: str) -> None:
        """Any further file of the run, written whole."""
        replace_file(self.path / name, content)

    # -- progress

    def save_progress(self, content: str) -> None:
        """Replaces progress.json without forcing it to disk: after a crash, an old file or none is good enough."""
        replace_file(self.path / "progress.json", content, durable=False)

    def progress(self) -> dict[str, Any] | None:
        """The content of progress.json; None where there is none."""
        path = self.path / "progress.json"
        return read_object(path, CHANGED) if path.is_file() else None

    def writer_now(self) -> str | None:
        """Which process is writing this run now, in words; None where there is none. Never disturbs the writer."""
        return held_by(self.path)

    # -- one writer

    @contextmanager
    def writing(self) -> Iterator[list[str]]:
        """Holds the lock of the run and repairs torn files; yields notes about the repairs."""
        with held(self.path) as stale:
            notes = [f"removed a stale lock of {stale}"] if stale else []
            try:
                for left in filter(is_temporary, sorted(self.path.rglob("*.tmp"))):
                    left.unlink()
                notes += [note for file in sorted((self.path / "responses").glob("*.jsonl")) if (note := repair(file))]
            except OSError as error:
                raise disk_error(self.path, error) from error
            yield notes


SERVER_LOGS = "servers"
"""The folder of a run with the logs of the servers that it started; it may be there before the run."""


def create_or_open(path: Path) -> Run:
    """The run in a folder that is empty, absent, or a run already."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; --out needs a folder")
    if path.is_dir() and not (path / "run.json").is_file():
        others = sorted(p.name for p in path.iterdir() if p.name not in ("lock", SERVER_LOGS) and not is_temporary(p))
        if others:
            raise UserError(f"{path} is not a run folder (no run.json; it holds {others[0]!r}); give an empty folder")
    if (path / "run.json").is_file():
        return open_run(path)
    return Run(path)


def open_run(path: str | Path) -> Run:
    """The run stored in a folder."""
    folder = Path(path)
    if not (folder / "run.json").is_file():
        table = "; name a table of scores with --scores" if folder.suffix == ".csv" else ""
        raise UserError(f"{folder} is not a run folder: it has no run.json{table}")
    run = Run(folder)
    run.info  # noqa: B018 - checks the file
    return run


def _rank(order: Sequence[str], name: str) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)

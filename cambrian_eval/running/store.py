"""A run on disk: append-only, crash-safe, resumable. The only reader and writer of a run folder.

    RUN/run.json                               what is needed to repeat the run
    RUN/samples/<benchmark>.jsonl              the questions with their gold answers, once
    RUN/responses/<benchmark>.<condition>.jsonl    one line for each answer, with a checksum
    RUN/verdicts/<benchmark>.<condition>.<scorer>.jsonl
    RUN/results.json                           scores, rewritten whole; holds no times
    RUN/progress.json                          where a run that is going on stands; nobody depends on it

Response files only grow. A line counts when its checksum holds; a torn or damaged line is moved to a `.damaged`
file when the run is opened for writing, and its request is done again. Of several lines for one sample the last
counts. Everything else is written to a temporary file and renamed.

One file although it is long: whoever changes how a run lies on disk must see all of its readers and writers.
"""

from __future__ import annotations

import errno
import json
import os
import socket
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.sample import Finish, Response, Result, Sample, Verdict
from cambrian_eval.scoring.reply import Reply

SCHEMA = 1
"""Number of the layout; a newer one is not read."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored answer: what was asked, what came back."""

    id: str
    """The sample's id."""
    key: str
    """The request's key; empty where the request could not be made."""
    prompt: str
    """The user's text as it was asked."""
    images: tuple[str, ...]
    """SHA-256 of the encoded images the model was shown."""
    text: str
    finish: Finish
    error: str | None
    prompt_tokens: int | None
    new_tokens: int | None
    seconds: float | None
    notes: Mapping[str, Any]
    answer_start: int | None = 0
    """Where the answer begins in the text, behind the thoughts; None where a thought never ended."""

    @classmethod
    def of(cls, response: Response, key: str, prompt: str, images: Sequence[str]) -> Record:
        """The record of a response, with the request's key, prompt and image hashes beside it."""
        return cls(
            response.id,
            key,
            prompt,
            tuple(images),
            response.text,
            response.finish,
            response.error,
            response.prompt_tokens,
            response.new_tokens,
            response.seconds,
            dict(response.notes),
            Reply(response.text).answer_start,
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One benchmark under one vision condition."""

    benchmark: str
    """The benchmark's name."""
    condition: str
    """The vision condition."""

    @property
    def stem(self) -> str:
        """`benchmark.condition`, as in the names of the cell's files."""
        return f"{self.benchmark}.{self.condition}"


def _dumps(value: Any) -> bytes:
    import orjson

    return orjson.dumps(value)


def encode(record: Record) -> bytes:
    """A record as its line, checksum last."""
    values = {name: getattr(record, name) for name in _RECORD_FIELDS}
    try:
        body = _dumps(values)
    except TypeError:  # a lone surrogate in a model's output is no UTF-8; JSON escapes can hold it
        body = json.dumps(values).encode("ascii")
    return body[:-1] + b',"sum":"%08x"}\n' % zlib.crc32(body)


_RECORD_FIELDS = tuple(f.name for f in fields(Record))
_SUM = len(b',"sum":"00000000"}')


def decode(line: bytes) -> Record | None:
    """The record of a line without its newline; None where the line is torn or damaged."""
    body = line[:-_SUM] + b"}"
    if line[-_SUM:] != b',"sum":"%08x"}' % zlib.crc32(body):
        return None
    values = json.loads(body)
    values["images"] = tuple(values.pop("pictures", None) or values.get("images", ()))  # `pictures` in old runs
    return Record(**values)


class Run:
    """A run folder. Opened for reading by anyone; written through `writing` by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        return _read_json(self.path / "run.json")

    def save_info(self, info: Mapping[str, Any]) -> None:
        """Replaces run.json whole, schema number first."""
        _replace(
            self.path / "run.json",
            json.dumps({"schema": SCHEMA, **info}, indent=2, ensure_ascii=False) + "\n",
        )

    # -- samples

    def has_samples(self, benchmark: str) -> bool:
        """Whether the questions of a benchmark are on record; they are written once."""
        return (self.path / "samples" / f"{benchmark}.jsonl").is_file()

    def save_samples(self, benchmark: str, samples: Iterable[Sample]) -> None:
        """Writes the questions and gold answers in the order given; images stay in the data set."""
        lines = b"".join(_dumps(sample_values(s)) + b"\n" for s in samples)
        _replace(self.path / "samples" / f"{benchmark}.jsonl", lines)

    def samples(self, benchmark: str) -> list[Sample]:
        """The questions of a benchmark in data-set order, without their images."""
        path = self.path / "samples" / f"{benchmark}.jsonl"
        if not path.is_file():
            raise UserError(f"{self.path} holds no samples of {benchmark!r}; it has: {', '.join(self.benchmarks())}")
        with path.open("rb") as lines:
            return [sample_of(json.loads(line)) for line in lines]

    def samples_content(self, benchmark: str) -> bytes:
        """The questions as they are stored: equal contents mean equal samples in equal order."""
        try:
            return (self.path / "samples" / f"{benchmark}.jsonl").read_bytes()
        except OSError as error:
            raise UserError(f"{self.path} holds no samples of {benchmark!r} ({error.strerror})") from error

    def copy_samples(self, benchmark: str, source: Run) -> None:
        """Takes the questions of another run byte for byte."""
        _replace(self.path / "samples" / f"{benchmark}.jsonl", source.samples_content(benchmark))

    def benchmarks(self) -> list[str]:
        """Benchmarks that have responses, in the order in which the run named them."""
        return list(dict.fromkeys(cell.benchmark for cell in self.cells()))

    def asked(self) -> list[Cell]:
        """What the run was started for, each start counted; a later one may add benchmarks or conditions.

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
        found = {p.stem for p in (self.path / "responses").glob("*.jsonl")}
        named = [Cell(b, c) for b in self.info.get("benchmarks", {}) for c in self.info.get("conditions", [])]
        return [c for c in named if c.stem in found]

    # -- responses

    def _responses_path(self, cell: Cell) -> Path:
        return self.path / "responses" / f"{cell.stem}.jsonl"

    def responses(self, cell: Cell) -> dict[str, Record]:
        """The stored answers of a cell by sample id; damaged lines are passed over."""
        found: dict[str, Record] = {}
        path = self._responses_path(cell)
        if path.is_file():
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n") and (record := decode(line[:-1])) is not None:
                        found[record.id] = record
        return found

    def writer(self, cell: Cell) -> ResponseWriter:
        """Appends answers of a cell; for use inside `writing`, which holds the lock."""
        return ResponseWriter(self._responses_path(cell))

    def clear_answers(self) -> None:
        """Removes answers, verdicts and results; for folders whose content is made from other runs."""
        for file in (*(self.path / "responses").glob("*.jsonl"), *(self.path / "verdicts").glob("*.jsonl")):
            file.unlink()
        (self.path / "results.json").unlink(missing_ok=True)

    # -- verdicts and results

    def save_verdicts(self, cell: Cell, scorer: str, ids: Sequence[str], verdicts: Sequence[Verdict]) -> None:
        """Replaces what this scorer has said of the cell, a verdict for each id."""
        lines = b"".join(
            _dumps({"id": i, **_verdict_values(_printable(v))}) + b"\n" for i, v in zip(ids, verdicts, strict=True)
        )
        _replace(self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl", lines)

    def verdicts(self, cell: Cell, scorer: str) -> dict[str, Verdict]:
        """The verdicts of a scorer by sample id; empty where that scorer has not run."""
        path = self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl"
        if not path.is_file():
            return {}
        with path.open("rb") as lines:
            return {(v := json.loads(line)).pop("id"): _verdict_of(v) for line in lines}

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
        stored = _read_json(path)["results"]
        return [_result_of(r) for r in stored]

    def merged_results(self, results: Iterable[Result]) -> list[Result]:
        """The stored results with these added or replaced by benchmark, condition and scorer."""
        merged = {(r.benchmark, r.condition, r.scorer): r for r in self.results()}
        merged.update({(r.benchmark, r.condition, r.scorer): r for r in results})
        order = list(self.info.get("benchmarks", {}))
        return sorted(merged.values(), key=lambda r: (_rank(order, r.benchmark), r.condition, r.scorer))

    def save_results(self, results: Sequence[Result], averages: Sequence[Mapping[str, Any]]) -> None:
        """Replaces results.json whole."""
        stored = {"schema": SCHEMA, "results": [asdict(r) for r in results], "averages": list(averages)}
        _replace(self.path / "results.json", json.dumps(stored, indent=2, ensure_ascii=False) + "\n")

    def save_file(self, name: str, content: str) -> None:
        """Any further file of the run, written whole."""
        _replace(self.path / name, content)

    # -- for those who watch

    def save_progress(self, content: str) -> None:
        """Whole, but not forced to the disk: after a crash the old one, or none, is as good."""
        _replace(self.path / "progress.json", content, durable=False)

    def progress(self) -> dict[str, Any] | None:
        """What the run last said about itself; None before it said anything."""
        path = self.path / "progress.json"
        return _read_json(path) if path.is_file() else None

    def writer_now(self) -> str | None:
        """Who is writing this run at this moment, in words; None when nobody is. Never disturbs the writer."""
        import fcntl

        try:
            handle = os.open(self.path / "lock", os.O_RDONLY)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return os.read(handle, 4096).decode("utf-8", "replace").strip() or "another process"
        else:
            return None
        finally:
            os.close(handle)

    # -- one writer

    @contextmanager
    def writing(self) -> Iterator[list[str]]:
        """Holds the lock of the run and repairs torn files; yields what was found and mended, in words."""
        import fcntl

        path = self.path / "lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError as error:
            raise disk_error(self.path, error) from error
        try:
            held = os.read(handle, 4096).decode("utf-8", "replace").strip()
            for attempt in range(5):  # somebody who asks whether the run is going on holds it for a moment
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except OSError as error:
                    if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                        raise disk_error(path, error) from error
                    if attempt == 4:
                        raise UserError(
                            f"{self.path} is being written by {held or 'another process'}; wait or stop it"
                        ) from None
                    time.sleep(0.02)
            notes = [f"took over the lock that {held} left behind"] if held else []
            try:
                os.ftruncate(handle, 0)
                mark = f"process {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}"
                os.pwrite(handle, mark.encode(), 0)
                for left in filter(_is_temporary, sorted(self.path.rglob("*.tmp"))):
                    left.unlink()
                notes += [note for file in sorted((self.path / "responses").glob("*.jsonl")) if (note := _mend(file))]
            except OSError as error:
                raise disk_error(self.path, error) from error
            try:
                yield notes
            finally:
                os.ftruncate(handle, 0)
        finally:
            os.close(handle)


class ResponseWriter:
    """Appends records of one cell; a record is in the file (and survives a kill) when `append` returns."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise disk_error(path, error) from error

    def append(self, record: Record) -> None:
        """Writes the whole line, however many writes that takes."""
        line = memoryview(encode(record))
        try:
            while line:
                line = line[os.write(self._handle, line) :]
        except OSError as error:
            raise disk_error(self.path, error) from error

    def close(self) -> None:
        """Forces the lines to the disk, so that they survive a loss of power too."""
        try:
            os.fsync(self._handle)
        except OSError as error:
            raise disk_error(self.path, error) from error
        finally:
            os.close(self._handle)


def create_or_open(path: Path) -> Run:
    """The run in a folder that is empty, absent, or a run already."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; --out needs a folder")
    if path.is_dir() and not (path / "run.json").is_file():
        strangers = sorted(p.name for p in path.iterdir() if p.name != "lock" and not _is_temporary(p))
        if strangers:
            raise UserError(
                f"{path} is not a run folder (no run.json; it holds {strangers[0]!r}); give an empty folder"
            )
    if (path / "run.json").is_file():
        return open_run(path)
    return Run(path)


def open_run(path: str | Path) -> Run:
    """The run stored in a folder."""
    folder = Path(path)
    if not (folder / "run.json").is_file():
        raise UserError(f"{folder} is not a run folder: it has no run.json")
    run = Run(folder)
    schema = run.info.get("schema")
    if not isinstance(schema, int):
        raise UserError(f"{folder / 'run.json'} is not a cambrian-eval run: it has no schema number")
    if schema > SCHEMA:
        raise UserError(
            f"{folder} has schema {schema}, newer than the {SCHEMA} this version reads; update cambrian-eval"
        )
    return run


def sample_values(sample: Sample) -> dict[str, Any]:
    """A sample as plain JSON, its images by their number."""
    values: dict[str, Any] = {f.name: getattr(sample, f.name) for f in fields(Sample) if f.name != "images"}
    return {**values, "tags": dict(sample.tags), "extra": dict(sample.extra), "images": len(sample.images)}


def sample_of(values: dict[str, Any]) -> Sample:
    """The inverse of `sample_values`; images stay behind."""
    for count in ("images", "pictures"):  # `pictures` in old runs
        values.pop(count, None)
    for name in ("answers", "choices", "labels", "guesses"):
        values[name] = tuple(values[name])
    values["tags"] = {k: tuple(v) if isinstance(v, list) else v for k, v in values["tags"].items()}
    return Sample(**values)


def _verdict_values(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is stored; the reason only where there is one."""
    values = {"value": verdict.value, "extracted": verdict.extracted, "rule": verdict.rule, "outcome": verdict.outcome}
    return values if verdict.reason is None else {**values, "reason": verdict.reason}


def _verdict_of(values: dict[str, Any]) -> Verdict:
    """A stored verdict; schema 1 said `parsed` and began the rule with the outcome."""
    if "parsed" in values:
        rule = values["rule"]
        started = next((name for start, name in _OLD_OUTCOMES.items() if rule.startswith(start)), "unparsed")
        values["outcome"] = "read" if values.pop("parsed") else started
    return Verdict(**values)


_OLD_OUTCOMES = {"failed: ": "failed", "undecided: ": "undecided", "the answer is withheld": "withheld"}


def _printable(verdict: Verdict) -> Verdict:
    """Text that JSON files can hold: lone surrogates, which no UTF-8 has, become their escapes."""
    from dataclasses import replace

    def clean(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    extracted = None if verdict.extracted is None else clean(verdict.extracted)
    return replace(verdict, extracted=extracted, rule=clean(verdict.rule))


def _result_of(values: dict[str, Any]) -> Result:
    interval = values["interval"]
    return Result(
        **{
            **values,
            "interval": None if interval is None else tuple(interval),
            "notes": tuple(values["notes"]),
        }
    )


def _rank(order: Sequence[str], name: str) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path} is no JSON ({error}); the file was changed by something else") from None
    if not isinstance(found, dict):
        raise UserError(f"{path} does not hold a JSON object")
    return found


def _replace(path: Path, content: str | bytes, durable: bool = True) -> None:
    """Writes a whole file so that a reader sees the old content or the new, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("wb") as file:
            file.write(content.encode("utf-8", "backslashreplace") if isinstance(content, str) else content)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise disk_error(path, error) from error


def _is_temporary(path: Path) -> bool:
    """Whether a file is what `_replace` leaves behind when it is killed half-way."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _mend(path: Path) -> str | None:
    """Moves torn and damaged lines out of a response file; says what it moved."""
    content = path.read_bytes()
    lines = content.split(b"\n")
    tail = lines.pop()
    damaged = [line for line in lines if decode(line) is None] + ([tail] if tail else [])
    if not damaged:
        return None
    with path.with_name(path.name + ".damaged").open("ab") as aside:
        aside.write(b"".join(line + b"\n" for line in damaged))
    _replace(path, b"".join(line + b"\n" for line in lines if decode(line) is not None))
    return f"{path.name}: {len(damaged)} torn or damaged line(s) set aside, their samples are done again"


def disk_error(path: Path, error: OSError) -> UserError:
    """One clear line for a full disk, a read-only folder and their like."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"{path}: the disk is full; nothing written so far is lost, free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path} is not writable ({error.strerror}); nothing written so far is lost")
    return UserError(f"{path} cannot be written: {error.strerror or error}; nothing written so far is lost")

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

More than 400 lines in one file on purpose: all readers and writers of the run format must be changed together.
"""

from __future__ import annotations

import errno
import hashlib
import json
import math
import os
import socket
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import msgspec

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object, read_object
from cambrian_eval.safe_text import name_line
from cambrian_eval.sample import Finish, Response, Result, Sample, Verdict
from cambrian_eval.scoring.reply import Reply
from cambrian_eval.scoring.thoughts import bare

T = TypeVar("T")

SCHEMA = 2
"""Number of the layout; older ones are read, a newer one is not."""
MOST_REPEATS = 1000
"""The most responses to one request."""


@dataclass(frozen=True, slots=True)
class Record:
    """One stored response with its request."""

    id: str
    """The sample's id."""
    key: str
    """The request's key; empty where the request could not be made."""
    prompt: str
    """The prompt as it was sent."""
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
    thoughts: str = ""
    """What the model thought first; the text has it too where the model did not tell it apart."""
    thought_tokens: int | None = None
    """Tokens of the thoughts, which `new_tokens` does not count."""
    repeat: int = 0
    """Which response to the request this is, from 0."""

    @property
    def outage(self) -> bool:
        """Whether the request failed because its endpoint was not available; it is requested again on resume."""
        return self.finish == "failed" and bool(self.notes.get("outage"))

    @classmethod
    def of(cls, response: Response, key: str, prompt: str, images: Sequence[str], repeat: int = 0) -> Record:
        """The record of a response, with the request's key, prompt and image hashes beside it.

        Thoughts in the text are told apart here, once. The id is the sample's.
        """
        reply = Reply(response.text)
        cut = response.finish == "length" and reply.unfinished
        return cls(
            response.id.removesuffix(f"#{repeat}") if repeat else response.id,
            key,
            prompt,
            tuple(images),
            response.text,
            "unfinished_thought" if cut else response.finish,
            response.error,
            response.prompt_tokens,
            response.new_tokens,
            response.seconds,
            dict(response.notes),
            None if response.finish == "unfinished_thought" else reply.answer_start,
            response.thoughts or bare(reply.thoughts),
            response.thought_tokens,
            repeat,
        )

    @property
    def reply(self) -> Reply:
        """The response as scorers see it."""
        return Reply(self.text, thoughts=self.thoughts, unfinished=self.finish == "unfinished_thought")


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
    values |= {name: value for name, empty in _OPTIONAL.items() if (value := getattr(record, name)) != empty}
    try:
        body = _dumps(values)
    except TypeError:  # a lone surrogate in a response is not valid UTF-8; a JSON escape can hold it
        body = json.dumps(values).encode("ascii")
    return body[:-1] + b',"sum":"%08x"}\n' % zlib.crc32(body)


_OPTIONAL: Mapping[str, Any] = {"thoughts": "", "thought_tokens": None, "repeat": 0}
"""Fields that a line has only where they say something."""
_RECORD_FIELDS = tuple(f.name for f in fields(Record) if f.name not in _OPTIONAL)
_SUM = len(b',"sum":"00000000"}')


def decode(line: bytes) -> Record | None:
    """The record of a line without its newline; None where the line is torn or damaged."""
    body = line[:-_SUM] + b"}"
    if line[-_SUM:] != b',"sum":"%08x"}' % zlib.crc32(body):
        return None
    try:
        return _record_decoder().decode(body)
    except msgspec.DecodeError:  # an old run, or an escaped lone surrogate, which only the standard library reads
        return _record_of(body)


@cache
def _record_decoder() -> msgspec.json.Decoder[Record]:
    return msgspec.json.Decoder(Record)


def _record_of(body: bytes) -> Record | None:
    """The record of a line whose images are still called `pictures`, or whose text holds escaped surrogates."""
    try:
        values = json.loads(body)
        if "pictures" in values:
            values["images"] = values.pop("pictures")
        return msgspec.convert(values, Record)
    except (ValueError, TypeError, RecursionError, msgspec.ValidationError):
        return None


class Run:
    """A run folder. Opened for reading by anyone; written through `writing` by one process at a time."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._samples: dict[str, tuple[State, list[Sample]]] = {}
        self._inputs: dict[Cell, tuple[State, dict[str, str]]] = {}
        self._last_responses: tuple[Cell, State, dict[tuple[str, int], Record]] | None = None
        self._last_verdicts: tuple[Path, State, list[StoredVerdict]] | None = None

    @property
    def repeats(self) -> int:
        """How many responses the run has to each request."""
        return int(self.info.get("repeats", 1))

    @property
    def info(self) -> dict[str, Any]:
        """The content of run.json."""
        path = self.path / "run.json"
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
        _convert(found, str(path), _RunFile)
        found["model"]["name"] = name_line(found["model"]["name"])
        return found

    def save_info(self, info: Mapping[str, Any]) -> None:
        """Replaces run.json whole, schema number first."""
        content = {"schema": SCHEMA} | {key: value for key, value in info.items() if key != "schema"}
        _replace(self.path / "run.json", json.dumps(content, indent=2, ensure_ascii=False) + "\n")

    # -- samples

    def has_samples(self, benchmark: str) -> bool:
        """Whether the samples of a benchmark are stored; they are written once."""
        return (self.path / "samples" / f"{benchmark}.jsonl").is_file()

    def save_samples(self, benchmark: str, samples: Iterable[Sample]) -> None:
        """Writes the samples with their gold answers in the order given; images stay in the dataset."""
        lines = b"".join(_dumps(sample_values(s)) + b"\n" for s in samples)
        _replace(self.path / "samples" / f"{benchmark}.jsonl", lines)

    def samples(self, benchmark: str) -> list[Sample]:
        """The samples of a benchmark in dataset order, without their images."""
        path = self.path / "samples" / f"{benchmark}.jsonl"
        if not path.is_file():
            raise UserError(f"{self.path} holds no samples of {benchmark!r}; it has: {', '.join(self.benchmarks())}")
        state = _state(path)
        if benchmark in self._samples and self._samples[benchmark][0] == state:
            return list(self._samples[benchmark][1])
        found: dict[str, Sample] = {}
        for line, where in _lines(path):
            sample = _typed(_sample_values, line, where, Sample)
            if sample.id in found:
                raise UserError(f"{where}: the sample {sample.id!r} is there twice; {CHANGED}")
            found[sample.id] = sample
        self._samples[benchmark] = state, list(found.values())
        return list(found.values())

    def samples_content(self, benchmark: str) -> bytes:
        """The samples file: equal contents mean equal samples in equal order."""
        try:
            return (self.path / "samples" / f"{benchmark}.jsonl").read_bytes()
        except OSError as error:
            raise UserError(f"{self.path} holds no samples of {benchmark!r} ({error.strerror})") from error

    def copy_samples(self, benchmark: str, source: Run) -> None:
        """Copies the samples of another run byte for byte."""
        _replace(self.path / "samples" / f"{benchmark}.jsonl", source.samples_content(benchmark))

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
        found = {p.stem for p in (self.path / "responses").glob("*.jsonl")}
        named = [Cell(b, c) for b in self.info.get("benchmarks", {}) for c in self.info.get("conditions", [])]
        return [c for c in named if c.stem in found]

    # -- responses

    def _responses_path(self, cell: Cell) -> Path:
        return self.path / "responses" / f"{cell.stem}.jsonl"

    def responses(self, cell: Cell, repeat: int = 0) -> dict[str, Record]:
        """The stored responses of a cell by sample id, of one repeat."""
        return {identity: r for (identity, number), r in self.all_responses(cell).items() if number == repeat}

    def all_responses(self, cell: Cell) -> dict[tuple[str, int], Record]:
        """The stored responses of a cell by sample id and repeat; damaged lines are skipped."""
        path, last = self._responses_path(cell), self._last_responses
        state = _state(path)
        if last is not None and last[:2] == (cell, state):
            return dict(last[2])
        found: dict[tuple[str, int], Record] = {}
        if path.is_file():
            with path.open("rb") as lines:
                for line in lines:
                    if line.endswith(b"\n") and (record := decode(line[:-1])) is not None:
                        found[record.id, record.repeat] = record
        self._last_responses = cell, state, found
        return dict(found)

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
        state = _state(path, self._responses_path(cell))
        if cell in self._inputs and self._inputs[cell][0] == state:
            return dict(self._inputs[cell][1])
        records: dict[str, list[Record]] = {}
        for (identity, _), record in sorted(self.all_responses(cell).items(), key=lambda entry: entry[0][1]):
            records.setdefault(identity, []).append(record)
        found: dict[str, str] = {}
        for line, where in _lines(path) if path.is_file() else ():
            try:
                identity = _identity_decoder().decode(line).id
            except msgspec.DecodeError:
                identity = _typed(lambda values: values, line, where, _Identified).id
            if identity in records:
                digest = hashlib.blake2b(line.rstrip(b"\n"), digest_size=8)
                for r in records[identity]:
                    said = (r.repeat, r.finish, r.text, r.thoughts, r.error if r.finish == "failed" else "")
                    digest.update("\0".join(map(str, said)).encode("utf-8", "surrogatepass"))
                found[identity] = digest.hexdigest()
        self._inputs[cell] = state, found
        return dict(found)

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
        lines = []
        for number, row in enumerate((verdicts, *further)):
            for identity, verdict in zip(ids, row, strict=True):
                values = {"id": identity, **({"repeat": number} if number else {})}
                made = {} if rules is None or inputs is None else {"rules": rules, "inputs": inputs[identity]}
                try:
                    line = _dumps({**values, **_verdict_values(verdict), **made})
                except TypeError:  # a lone surrogate
                    line = _dumps({**values, **_verdict_values(_printable(verdict)), **made})
                lines.append(line + b"\n")
        _replace(self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl", b"".join(lines))

    def verdicts(self, cell: Cell, scorer: str, repeat: int = 0) -> dict[str, Verdict]:
        """The verdicts of a scorer by sample id, of one repeat; empty where that scorer has not run."""
        return {i: verdict for (i, number), verdict in self.all_verdicts(cell, scorer).items() if number == repeat}

    def all_verdicts(self, cell: Cell, scorer: str) -> dict[tuple[str, int], Verdict]:
        """The verdicts of a scorer by sample id and repeat."""
        return {(one.id, one.repeat): one.verdict for one in self.stored_verdicts(cell, scorer)}

    def stored_verdicts(self, cell: Cell, scorer: str) -> list[StoredVerdict]:
        """The lines of a verdict file; none where that scorer has not run."""
        path, last = self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl", self._last_verdicts
        if not path.is_file():
            return []
        state = _state(path)
        if last is not None and last[:2] == (path, state):
            return list(last[2])
        found = []
        for line, where in _lines(path):
            one = _typed(_stored_verdict, line, where, StoredVerdict)
            if not 0 <= one.verdict.value <= 1:
                raise UserError(f"{where}: the value {one.verdict.value!r} is not between 0 and 1; {CHANGED}")
            found.append(one)
        self._last_verdicts = path, state, found
        return list(found)

    def verdicts_hash(self, cell: Cell, scorer: str) -> str | None:
        """Hash of a verdict file; None where there is none."""
        path = self.path / "verdicts" / f"{cell.stem}.{scorer}.jsonl"
        try:
            return hashlib.blake2b(path.read_bytes(), digest_size=8).hexdigest() if path.is_file() else None
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error

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
        stored = read_object(path, CHANGED)
        found = list(_convert(stored, str(path), _Results).results)
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
        _replace(self.path / "results.json", json.dumps(stored, indent=2, ensure_ascii=False) + "\n")

    def save_file(self, name: str, content: str) -> None:
        """Any further file of the run, written whole."""
        _replace(self.path / name, content)

    # -- progress

    def save_progress(self, content: str) -> None:
        """Replaces progress.json without forcing it to disk: after a crash, an old file or none is good enough."""
        _replace(self.path / "progress.json", content, durable=False)

    def progress(self) -> dict[str, Any] | None:
        """The content of progress.json; None where there is none."""
        path = self.path / "progress.json"
        return read_object(path, CHANGED) if path.is_file() else None

    def writer_now(self) -> str | None:
        """Which process is writing this run now, in words; None where there is none. Never disturbs the writer."""
        import fcntl

        try:
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError:
            return None
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return self._holder() or "another process"
        else:
            return None
        finally:
            os.close(handle)

    def _holder(self) -> str:
        """Which process the lock file names; empty where there is none."""
        path = self.path / "lock"
        try:
            return path.read_bytes()[:4096].decode("utf-8", "replace").strip() if path.is_file() else ""
        except OSError:
            return ""

    # -- one writer

    @contextmanager
    def writing(self) -> Iterator[list[str]]:
        """Holds the lock of the run and repairs torn files; yields notes about the repairs.

        The lock is on the folder itself, so removing the file `lock`, which names the process, lets nobody in.
        """
        import fcntl

        path = self.path / "lock"
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise disk_error(self.path, error) from error
        try:
            held = self._holder()
            for attempt in range(5):  # `writer_now` of another process holds it for a moment
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
            notes = [f"removed a stale lock of {held}"] if held else []
            try:
                since = time.strftime("%Y-%m-%d %H:%M:%S")
                _replace(path, f"process {os.getpid()} on {socket.gethostname()} since {since}", durable=False)
                for left in filter(_is_temporary, sorted(self.path.rglob("*.tmp"))):
                    left.unlink()
                notes += [note for file in sorted((self.path / "responses").glob("*.jsonl")) if (note := _repair(file))]
            except OSError as error:
                raise disk_error(self.path, error) from error
            try:
                yield notes
            finally:
                _replace(path, "", durable=False)
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


SERVER_LOGS = "servers"
"""The folder of a run with the logs of the servers that it started; it may be there before the run."""


def create_or_open(path: Path) -> Run:
    """The run in a folder that is empty, absent, or a run already."""
    if path.exists() and not path.is_dir():
        raise UserError(f"{path} is a file; --out needs a folder")
    if path.is_dir() and not (path / "run.json").is_file():
        others = sorted(p.name for p in path.iterdir() if p.name not in ("lock", SERVER_LOGS) and not _is_temporary(p))
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


def is_synthetic(about: Mapping[str, Any]) -> bool:
    """Whether a benchmark's entry in run.json says that its rows were drawn by a program."""
    data = about.get("data", {})
    return bool(data.get("synthetic")) or data.get("kind") == "mini"  # runs of earlier versions have the kind alone


def sample_values(sample: Sample) -> dict[str, Any]:
    """A sample as plain JSON, its images by their number."""
    values: dict[str, Any] = {f.name: getattr(sample, f.name) for f in fields(Sample) if f.name != "images"}
    return {**values, "tags": dict(sample.tags), "extra": dict(sample.extra), "images": len(sample.images)}


class _Identified(msgspec.Struct):
    """The id of a line."""

    id: str


@cache
def _identity_decoder() -> msgspec.json.Decoder[_Identified]:
    return msgspec.json.Decoder(_Identified)


class StoredVerdict(msgspec.Struct):
    """One line of a verdict file."""

    id: str
    verdict: Verdict
    repeat: int = 0
    rules: str | None = None
    """The version of the scorer; None in runs of older versions."""
    inputs: str | None = None
    """Hash of the sample and the response it was made from; None in runs of older versions."""


class _Results(msgspec.Struct):
    """results.json, as far as it is read."""

    results: list[Result]


class _Data(msgspec.Struct):
    fingerprint: str


class _Subset(msgspec.Struct):
    name: str
    of: int
    sha256: str


class _BenchmarkInfo(msgspec.Struct):
    samples: int
    complete: bool
    settings: dict[str, Any]
    warnings: list[str]
    data: _Data
    max_new_tokens: int | None = None
    subset: _Subset | None = None


class _ModelInfo(msgspec.Struct):
    name: str
    fingerprint: str
    max_images: int | None = None


class _Pass(msgspec.Struct):
    end: str | None
    interrupted: bool | None
    benchmarks: list[str] = []
    conditions: list[str] = []


class _Stop(msgspec.Struct):
    """Where a rule stopped a cell; see `stopping.Stop`."""

    rule: str
    scorer: str
    seed: int
    blocks: Annotated[int, msgspec.Meta(ge=1)]
    samples: int
    of: int
    half_width: float | None
    found: str


class _RunFile(msgspec.Struct):
    """What every reader of run.json relies on; the other keys are information."""

    schema: int
    model: _ModelInfo
    responses_depend_on: dict[str, Any]
    conditions: list[str]
    scorers: list[str]
    benchmarks: dict[str, _BenchmarkInfo]
    passes: list[_Pass]
    stopped: dict[str, _Stop] = {}
    repeats: Annotated[int, msgspec.Meta(ge=1, le=MOST_REPEATS)] = 1


CHANGED = "another program has changed the file"

State = tuple[tuple[int, int, int] | None, ...]
"""What changes when another program, or this one, writes one of some files."""


def _state(*paths: Path) -> State:
    found: list[tuple[int, int, int] | None] = []
    for path in paths:
        try:
            about = path.stat()
        except OSError:
            found.append(None)
        else:
            found.append((about.st_ino, about.st_mtime_ns, about.st_size))
    return tuple(found)


def _lines(path: Path) -> Iterator[tuple[bytes, str]]:
    """The lines of a file with their places for error messages."""
    try:
        with path.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                yield line, f"{path} line {number}"
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}") from error


def _typed(shape: Callable[[dict[str, Any]], dict[str, Any]], line: bytes, where: str, kind: type[T]) -> T:
    return _convert(shape(parse_object(line, where, CHANGED)), where, kind)


def _convert(value: Any, where: str, kind: type[T]) -> T:
    """The value as its type; what does not fit is named with its field."""
    try:
        return msgspec.convert(value, kind)
    except (msgspec.ValidationError, RecursionError) as error:
        raise UserError(f"{where}: {error}; {CHANGED}") from None


def _sample_values(values: dict[str, Any]) -> dict[str, Any]:
    """The fields of a stored sample; the number of its images is information (`pictures` in old runs)."""
    return {name: value for name, value in values.items() if name not in ("images", "pictures")}


def _stored_verdict(values: dict[str, Any]) -> dict[str, Any]:
    """A stored verdict; old files have `parsed`, and the rule begins with the outcome."""
    identity, repeat = values.pop("id", None), values.pop("repeat", 0)
    if "parsed" in values:
        rule = str(values.get("rule"))
        started = next((name for start, name in _OLD_OUTCOMES.items() if rule.startswith(start)), "unparsed")
        values["outcome"] = "read" if values.pop("parsed") else started
    return {
        "id": identity,
        "repeat": repeat,
        "rules": values.get("rules"),
        "inputs": values.get("inputs"),
        "verdict": values,
    }


_OLD_OUTCOMES = {"failed: ": "failed", "undecided: ": "undecided", "the answer is withheld": "withheld"}


def _verdict_values(verdict: Verdict) -> dict[str, Any]:
    """A verdict as it is stored; the reason only where there is one."""
    values = {"value": verdict.value, "extracted": verdict.extracted, "rule": verdict.rule, "outcome": verdict.outcome}
    return values if verdict.reason is None else {**values, "reason": verdict.reason}


def _printable(verdict: Verdict) -> Verdict:
    """Text that JSON files can hold: lone surrogates, which no UTF-8 has, become their escapes."""
    from dataclasses import replace

    def clean(text: str) -> str:
        return text.encode("utf-8", "backslashreplace").decode("utf-8")

    extracted = None if verdict.extracted is None else clean(verdict.extracted)
    return replace(verdict, extracted=extracted, rule=clean(verdict.rule))


def _rank(order: Sequence[str], name: str) -> tuple[int, str]:
    return (order.index(name) if name in order else len(order), name)


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
    """Whether a file is what `_replace` leaves when it is killed."""
    return path.name.startswith(".") and path.name.endswith(".tmp")


def _repair(path: Path) -> str | None:
    """Moves torn and damaged lines out of a response file; returns a note about them."""
    if not path.is_file():
        raise UserError(f"{path} is not a regular file; remove it")
    content = path.read_bytes()
    lines = content.split(b"\n")
    tail = lines.pop()
    damaged = [line for line in lines if decode(line) is None] + ([tail] if tail else [])
    if not damaged:
        return None
    with path.with_name(path.name + ".damaged").open("ab") as aside:
        aside.write(b"".join(line + b"\n" for line in damaged))
    _replace(path, b"".join(line + b"\n" for line in lines if decode(line) is not None))
    return f"{path.name}: {len(damaged)} torn or damaged lines moved to {path.name}.damaged and requested again"


def disk_error(path: Path, error: OSError) -> UserError:
    """One clear line for a full disk, a read-only folder and their like."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return UserError(f"{path}: the disk is full; nothing written so far is lost, free some space and run again")
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return UserError(f"{path} is not writable ({error.strerror}); nothing written so far is lost")
    return UserError(f"{path} cannot be written: {error.strerror or error}; nothing written so far is lost")

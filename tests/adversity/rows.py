"""Rows with something missing, of another type, or doubled, and files that are not what they should be."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from cambrian_eval.demo import miniature
from cambrian_eval.registry import load_benchmark
from tests.adversity.situation import (
    WORDS,
    Expected,
    Handled,
    Refused,
    Seen,
    Situation,
    ask,
    command,
    gray,
    lines,
    page,
)
from tests.conftest import write_parquet

N = 4


@cache
def _mini(name: str) -> tuple[dict[str, Any], ...]:
    return tuple(miniature.rows(name, N))


def plain_rows(name: str) -> list[dict[str, Any]]:
    """Rows of a benchmark as JSON, images as base64."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict) and "bytes" in value:
            return {"bytes": base64.b64encode(value["bytes"]).decode(), "path": None}
        return [plain(item) for item in value] if isinstance(value, list) else value

    return [{k: plain(v) for k, v in row.items()} for row in _mini(name)]


Change = Callable[[list[dict[str, Any]]], Any]


def of_benchmark(name: str, change: Change, tmp: Path, *words: str) -> Seen:
    """Random guesses on the rows of a benchmark after a change."""
    rows = plain_rows(name)
    change(rows)
    lines(tmp / "data" / name / "rows.jsonl", rows)
    start = ("run", "--model", "chance", "--benchmark", name, "--data-root", tmp / "data", "--out", tmp / "run")
    return command(*start, "--json", "--quiet", *words)


def without(column: str) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row.pop(column, None)

    return change


def renamed(column: str) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row[column.swapcase() if column.swapcase() != column else column + "_"] = row.pop(column, None)

    return change


def with_value(column: str, value: Any, only: int | None = 1) -> Change:
    def change(rows: list[dict[str, Any]]) -> None:
        for i, row in enumerate(rows):
            if only in (None, i):
                row[column] = value

    return change


QUESTION = {"mmvp": "Question"}
"""The column of the question, where it is not `question`."""
ANSWER = {"mmvp": "Correct Answer", "textvqa": "answers", "docvqa": "answers"}
"""The column of the gold answer, where it is not `answer`."""
OPTIONS = {
    "scienceqa": "choices",
    "ai2d": "options",
    "cvbench_2d": "choices",
    "cvbench_3d": "choices",
    "mmmu": "options",
}
"""Benchmarks whose options are a list."""
NOT_TEXT: dict[str, Any] = {
    "null": None,
    "a number": 7,
    "a list": ["What?"],
    "an object": {"text": "What?"},
    "true": True,
}


def _table_rows() -> list[Situation]:
    found = []
    for name in miniature.NAMES:
        for column in load_benchmark(name).source.columns:
            refusal = Refused(f"{name}.*column .*'{column}'.* is missing")
            if (name, column) == ("gqa", "image"):
                refusal = Refused("no sub-folder 'testdev_balanced_images', which holds the images")
            act = partial(of_benchmark, name, without(column))
            found.append(Situation(f"{name}: no column {column}", act, refusal))
        question, answer = QUESTION.get(name, "question"), ANSWER.get(name, "answer")
        found.append(
            Situation(
                f"{name}: a renamed column",
                partial(of_benchmark, name, renamed(question)),
                Refused(f"{name}.*column .*'{question}'.* is missing"),
            )
        )
        for what, value in NOT_TEXT.items():
            act = partial(of_benchmark, name, with_value(question, value))
            found.append(Situation(f"{name}: {what} as question", act, Refused(f"{name} row 1.*question")))
        for what, value in {"null": None, "an object": {}, "an empty list": []}.items():
            act = partial(of_benchmark, name, with_value(answer, value))
            found.append(Situation(f"{name}: {what} as answer", act, Refused(f"{name} row 1")))
        found.append(
            Situation(
                f"{name}: more columns than it needs",
                partial(of_benchmark, name, with_value("added later", {"deep": [1, {"x": None}]}, None)),
                Handled(),
            )
        )
    for name, column in OPTIONS.items():
        for what, value in {"null": None, "no": [], "an object as": {"A": 1}, "a number as": 3}.items():
            if (name, what) == ("mmmu", "no"):
                continue
            act = partial(of_benchmark, name, with_value(column, value))
            found.append(Situation(f"{name}: {what} options", act, Refused(f"{name} row 1")))
    return found


# -- one table of DocVQA, whose score is known


def cell(i: int) -> str:
    return base64.b64encode(gray(i)).decode()


def good(n: int = N) -> list[dict[str, Any]]:
    return [page(i, cell(i)) for i in range(n)]


def raw(change: Callable[[list[bytes]], list[bytes] | bytes], tmp: Path, **more: Any) -> Seen:
    """A JSONL file whose lines were changed."""
    path = tmp / "data/docvqa/rows.jsonl"
    path.parent.mkdir(parents=True)
    changed = change([json.dumps(row).encode() for row in good()])
    path.write_bytes(changed if isinstance(changed, bytes) else b"\n".join(changed) + b"\n")
    return ask(tmp / "data", tmp / "run", **more)


def line(number: int, text: bytes | str) -> Callable[[list[bytes]], list[bytes]]:
    content = text.encode() if isinstance(text, str) else text
    return lambda old: [*old[: number - 1], content, *old[number:]]


def edited(**values: Any) -> Callable[[list[bytes]], list[bytes]]:
    """Row 1 with other values."""
    return line(2, json.dumps({**page(1, cell(1)), **values}))


def nested(depth: int, opening: str = "[", closing: str = "]") -> Callable[[list[bytes]], list[bytes]]:
    return line(2, json.dumps(page(1, cell(1)))[:-1] + ', "more": ' + opening * depth + "1" + closing * depth + "}")


FILES: dict[str, tuple[Callable[[list[bytes]], list[bytes] | bytes], Expected]] = {
    "as it should be": (lambda old: old, Handled(100.0)),
    "with a byte order mark": (lambda old: [b"\xef\xbb\xbf" + old[0], *old[1:]], Handled(100.0)),
    "with CRLF": (lambda old: b"\r\n".join(old) + b"\r\n", Handled(100.0)),
    "with empty lines": (lambda old: b"\n\n \n\t\n".join(old), Handled(100.0)),
    "without a last line break": (lambda old: b"\n".join(old), Handled(100.0)),
    "with keys in another order": (
        lambda old: [json.dumps(dict(reversed(json.loads(one).items()))).encode() for one in old],
        Handled(100.0),
    ),
    "with line separators of Unicode": (edited(question="What\u2028is\u2029it\x85?"), Handled(100.0)),
    "with emoji and right-to-left text": (edited(question="\U0001f600 \u05d0\u05d1 \u202e?"), Handled(100.0)),
    "with an escaped NUL": (edited(question="What\0?"), Handled(100.0)),
    "with terminal escapes": (edited(question="\x1b[31mWhat\x07?"), Handled(100.0)),
    "with a lone surrogate in a question": (edited(question="What \ud800?"), Refused("row 1.*lone surrogate")),
    "with a lone surrogate in an answer": (edited(answers=["\udc80"]), Refused("row 1.*lone surrogate")),
    "with a question of a megabyte": (edited(question="long " * 200_000), Handled(100.0)),
    "with an unused number of 400 digits": (
        line(2, json.dumps(page(1, cell(1)))[:-1] + ', "n": 1' + "0" * 400 + "}"),
        Handled(100.0),
    ),
    "with an unused list 50 deep": (nested(50), Handled(100.0)),
    "empty": (lambda old: b"", Refused("no rows")),
    "of line breaks alone": (lambda old: b"\n\r\n \n", Refused("no rows")),
    "in UTF-16": (lambda old: b"\n".join(old).decode().encode("utf-16"), Refused("UTF-8")),
    "in UTF-32": (lambda old: b"\n".join(old).decode().encode("utf-32"), Refused("UTF-8|JSON")),
    "in Latin-1": (line(2, '{"question": "M\u00fcller?"}'.encode("latin-1")), Refused("UTF-8")),
    "with a raw NUL": (line(2, b'{"question": "What\0?"}'), Refused("line 2 is not valid JSON")),
    "with a line of NUL": (line(2, b"\0" * 100), Refused("line 2 is not valid JSON")),
    "with random bytes": (line(2, bytes(range(128, 256))), Refused("UTF-8")),
    "that is gzip": (lambda old: __import__("gzip").compress(b"\n".join(old)), Refused("UTF-8")),
    "that is Parquet": (lambda old: b"PAR1" + bytes(range(256)), Refused("UTF-8")),
    "that is a JSON list": (lambda old: b"[" + b",\n".join(old) + b"]", Refused("line 1")),
    "that is a JSON list on one line": (
        lambda old: b"[" + b",".join(old) + b"]",
        Refused("line 1 is not a JSON object"),
    ),
    "with indented JSON": (
        lambda old: json.dumps(json.loads(old[0]), indent=2).encode(),
        Refused("line 1 is not valid JSON"),
    ),
    "that is CSV": (lambda old: b"question,answers\nWhat?,x\n", Refused("line 1 is not valid JSON")),
    "cut off": (lambda old: b"\n".join(old)[:-20], Refused("line 4 is not valid JSON")),
    "with two objects on a line": (lambda old: [old[0] + old[1], *old[2:]], Refused("line 1 is not valid JSON")),
    "with single quotes": (line(2, "{'question': 'What?'}"), Refused("line 2 is not valid JSON")),
    "with a comment": (line(1, "// the first row"), Refused("line 1 is not valid JSON")),
    "with a comma at the end": (line(2, '{"question": "What?",}'), Refused("line 2 is not valid JSON")),
    "with a raw tab in a text": (line(2, '{"question": "What\t?"}'), Refused("line 2 is not valid JSON")),
    "with a wrong escape": (line(2, r'{"question": "\x41"}'), Refused("line 2 is not valid JSON")),
    "with null as a row": (line(2, "null"), Refused("line 2 is not a JSON object")),
    "with a number as a row": (line(2, "17"), Refused("line 2 is not a JSON object")),
    "with a text as a row": (line(2, '"row"'), Refused("line 2 is not a JSON object")),
    "with a list as a row": (line(2, "[1, 2]"), Refused("line 2 is not a JSON object")),
    "with an empty row": (line(2, "{}"), Refused("docvqa row 1")),
    "with a list 101 deep": (nested(101), Refused("line 2 is nested more than 100")),
    "with a list 100,000 deep": (nested(100_000), Refused("line 2 is nested more than 100")),
    "with objects 5,000 deep": (nested(5_000, '{"a":', "}"), Refused("line 2 is nested more than 100")),
    "with brackets that never close": (line(2, b"[" * 1_000_000), Refused("line 2")),
    "with a key twice": (line(2, '{"question": "a", "question": "b"}'), Refused("'question' occurs twice")),
    "with an inner key twice": (
        line(2, json.dumps(page(1, cell(1)))[:-1] + ', "m": {"k": 1, "k": 2}}'),
        Refused("'k' occurs twice"),
    ),
    "with a number of 10,000 digits": (line(2, '{"question": 1' + "0" * 10_000 + "}"), Refused("line 2")),
    "with NaN as question": (line(2, '{"question": NaN}'), Refused("line 2|row 1")),
    "with the same id twice": (edited(questionId="0"), Refused("rows 0 and 1 have the same id '0'")),
    "with the same id as number and text": (edited(questionId=0), Refused("rows 0 and 1 have the same id '0'")),
    "with a row twice": (lambda old: [*old, old[-1]], Refused("rows 3 and 4 have the same id '3'")),
    "with null as id": (edited(questionId=None), Refused("docvqa row 1.*id")),
    "with an object as id": (edited(questionId={"a": 1}), Refused("docvqa row 1.*id")),
    "with a list as id": (edited(questionId=[1]), Refused("docvqa row 1.*id")),
    "with an empty id": (edited(questionId=""), Refused("docvqa row 1.*id")),
    "with a path as id": (edited(questionId="../../etc/passwd"), Handled(100.0)),
    "with a long id": (edited(questionId="x" * 10_000), Handled(100.0)),
    "with a line break in an id": (edited(questionId="a\nb"), Handled(100.0)),
    "with one answer as text": (edited(answers=WORDS[1]), Handled(100.0)),
    "with a list as text": (edited(answers=repr([WORDS[1]])), Handled(100.0)),
    "with 100,000 minus signs as answers": (edited(answers="[" + "-" * 100_000 + "1]"), Handled(75.0)),
    "with brackets as answers": (edited(answers="[" * 5_000 + "]" * 5_000), Handled(75.0)),
    "with numbers as answers": (edited(answers=[1, 2]), Handled(75.0)),
    "with null among the answers": (edited(answers=[None]), Refused("docvqa row 1")),
    "with an answer of a megabyte": (edited(answers=["a" * 1_000_000]), Handled(75.0)),
    "with 10,000 answers": (edited(answers=[f"{i} no" for i in range(10_000)] + [WORDS[1]]), Handled(100.0)),
}


# -- data roots


def root_is(make: Callable[[Path], None], tmp: Path, *words: str) -> Seen:
    """Random guesses on DocVQA with a data root made by `make`."""
    make(tmp)
    start = ("run", "--model", "chance", "--benchmark", "docvqa", "--data-root", tmp / "data", "--out", tmp / "run")
    return command(*start, "--json", "--quiet", *words)


def _write(name: str, content: bytes) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        path = tmp / "data/docvqa" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    return make


def _folder(name: str = "data/docvqa") -> Callable[[Path], None]:
    return lambda tmp: (tmp / name).mkdir(parents=True)


def _fifo(name: str, beside: bool) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        folder = tmp / "data/docvqa"
        folder.mkdir(parents=True)
        os.mkfifo(folder / name)
        if beside:
            lines(folder / "rows.jsonl", good())

    return make


def _link(target: str, name: str, beside: bool = True) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        folder = tmp / "data/docvqa"
        folder.mkdir(parents=True)
        (folder / name).symlink_to(target)
        if beside:
            lines(folder / "rows.jsonl", good())

    return make


def _giant(name: str) -> Callable[[Path], None]:
    """A sparse file of a tebibyte, whose content is zeros; the JSONL reader must not begin to read it."""

    def make(tmp: Path) -> None:
        path = tmp / "data/docvqa" / name
        path.parent.mkdir(parents=True)
        path.touch()
        os.truncate(path, 1 << 40)

    return make


def _two_parquet(second: dict[str, Any]) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        folder = tmp / "data/docvqa"
        write_parquet(folder / "validation-0.parquet", [{**p, "image": {"bytes": gray(0)}} for p in good(2)])
        write_parquet(folder / "validation-1.parquet", [second])

    return make


def _broken_parquet(change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        path = tmp / "data/docvqa/validation-0.parquet"
        write_parquet(path, [page(i, {"bytes": gray(i), "path": None}) for i in range(N)])
        path.write_bytes(change(path.read_bytes()))

    return make


def _saved(change: Callable[[Path], Any]) -> Callable[[Path], None]:
    def make(tmp: Path) -> None:
        import datasets

        folder = tmp / "data/docvqa"
        datasets.Dataset.from_list([page(i, {"bytes": gray(i), "path": None}) for i in range(N)]).save_to_disk(folder)
        change(folder)

    return make


def _saved_splits(tmp: Path) -> None:
    import datasets

    one = datasets.Dataset.from_list(good())
    datasets.DatasetDict({"train": one, "test": one}).save_to_disk(tmp / "data/docvqa")


def _empty_table(tmp: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp / "data/docvqa/validation-0.parquet"
    path.parent.mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist([page(0, {"bytes": gray(0)})]).slice(0, 0), path)


def _bytes_as_questions(tmp: Path) -> None:
    rows = [{**page(i, {"bytes": gray(i), "path": None}), "question": b"What?"} for i in range(2)]
    write_parquet(tmp / "data/docvqa/validation-0.parquet", rows)


def _first_of(pattern: str, folder: Path) -> Path:
    return sorted(folder.rglob(pattern))[0]


ROOTS: dict[str, tuple[Callable[[Path], Any], Expected]] = {
    "does not exist": (lambda tmp: None, Refused("--data-root .* is not a folder")),
    "is a file": (lambda tmp: (tmp / "data").write_text(""), Refused("is not a folder")),
    "is a link to nothing": (lambda tmp: (tmp / "data").symlink_to("gone"), Refused("is not a folder")),
    "is a link to itself": (lambda tmp: (tmp / "data").symlink_to("data"), Refused("is not a folder")),
    "is a pipe": (lambda tmp: os.mkfifo(tmp / "data"), Refused("is not a folder")),
    "is empty": (_folder("data"), Refused("no folder 'docvqa'; found: no folders")),
    "has another benchmark": (_folder("data/gqa"), Refused("no folder 'docvqa'; found: gqa")),
    "has the name in capitals": (_folder("data/DocVQA"), Refused("no folder 'docvqa'; found: DocVQA")),
    "has a file of the name": (lambda tmp: lines(tmp / "data/docvqa", good()), Refused("no folder 'docvqa'")),
    "has an empty folder": (_folder(), Refused("holds neither")),
    "has images alone": (_write("0.png", gray(0)), Refused("holds neither")),
    "has CSV alone": (_write("rows.csv", b"question\nWhat?\n"), Refused("holds neither")),
    "has a folder named like a file": (_folder("data/docvqa/rows.jsonl"), Refused("holds neither")),
    "has rows larger than the memory": (_giant("rows.jsonl"), Refused("more than 1073741824 bytes")),
    "has a pipe alone": (_fifo("rows.jsonl", False), Refused("holds neither")),
    "has a pipe beside its rows": (_fifo("pipe.jsonl", True), Handled()),
    "has a link to nothing beside its rows": (_link("gone", "gone.jsonl"), Handled()),
    "has a link to itself beside its rows": (_link("loop", "loop"), Handled()),
    "has a link to its own folder": (_link(".", "again"), Handled()),
    "has a link to /dev/zero beside its rows": (_link("/dev/zero", "zero.jsonl"), Handled()),
    "has the wrong split": (
        lambda tmp: write_parquet(tmp / "data/docvqa/train-0.parquet", good()),
        Refused("no file of split 'validation'; found splits: train"),
    ),
    "has an empty Parquet file": (_write("a.parquet", b""), Refused("a.parquet is not a readable Parquet file")),
    "has text as Parquet": (_write("a.parquet", b"PAR1 or not"), Refused("a.parquet is not a readable Parquet file")),
    "has JSONL as Parquet": (_write("a.parquet", json.dumps(good()[0]).encode()), Refused("not a readable Parquet")),
    "has a Parquet file without rows": (_empty_table, Refused("holds no rows")),
    "has a truncated Parquet file": (_broken_parquet(lambda b: b[: len(b) // 2]), Refused("not a readable Parquet")),
    "has a Parquet file without its end": (_broken_parquet(lambda b: b[:-4]), Refused("not a readable Parquet")),
    "has a Parquet file with a wrong footer": (
        _broken_parquet(lambda b: b[:-8] + b"\xff\xff\xff\x7fPAR1"),
        Refused("not a readable Parquet"),
    ),
    "has a Parquet file of zeros": (_broken_parquet(lambda b: bytes(len(b))), Refused("not a readable Parquet")),
    "has a Parquet file with other columns beside it": (
        _two_parquet({"question": "What?", "image": {"bytes": b""}}),
        Refused("other columns"),
    ),
    "has bytes as questions": (_bytes_as_questions, Refused("docvqa row 0.*question")),
    "has a saved dataset without state": (
        _saved(lambda f: (f / "state.json").write_text("{")),
        Refused("not a readable save_to_disk folder"),
    ),
    "has a saved dataset without information": (
        _saved(lambda f: (f / "dataset_info.json").unlink()),
        Refused("not a readable save_to_disk folder"),
    ),
    "has a saved dataset without data": (
        _saved(lambda f: _first_of("*.arrow", f).unlink()),
        Refused("not a readable save_to_disk folder"),
    ),
    "has a saved dataset of text": (
        _saved(lambda f: _first_of("*.arrow", f).write_text("not arrow")),
        Refused("not a readable save_to_disk folder"),
    ),
    "has an empty saved dataset": (
        _saved(lambda f: _first_of("*.arrow", f).write_bytes(b"")),
        Refused("not a readable save_to_disk folder"),
    ),
    "has a saved dataset whose state is a list": (
        _saved(lambda f: (f / "state.json").write_text("[]")),
        Refused("not a readable save_to_disk folder"),
    ),
    "has a saved dataset without the split": (_saved_splits, Refused("no split 'validation'; found: train, test")),
}


def table() -> list[Situation]:
    """The rows of this area."""
    found = _table_rows()
    for name, (change, expected) in FILES.items():
        found.append(Situation(f"rows {name}", partial(raw, change), expected))
    for name, (make, expected) in ROOTS.items():
        found.append(Situation(f"data root {name}", partial(root_is, make), expected))
    return found

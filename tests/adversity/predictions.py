"""Files of predictions for `import` and `grade`, in JSONL and CSV."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

from cambrian_eval.demo import miniature
from tests.adversity.situation import Expected, Handled, Refused, Seen, Situation, command

N = 4
DEEP = "[" * 100_000


@cache
def rows() -> tuple[dict[str, Any], ...]:
    """Rows of MMVP, without images."""
    return tuple({k: v for k, v in row.items() if k != "image"} for row in miniature.rows("mmvp", N))


def gold(row: dict[str, Any]) -> str:
    """The right letter, upper case."""
    return str(row["Correct Answer"]).strip("()").upper()


def right() -> list[dict[str, Any]]:
    """A right prediction for every sample: the score is 100."""
    return [{"id": str(row["Index"]), "response": gold(row)} for row in rows()]


def wrong(row: dict[str, Any]) -> str:
    return "B" if gold(row) == "A" else "A"


Lines = Sequence[Any]


def imported(make: Callable[[list[dict[str, Any]]], Lines | bytes], tmp: Path, *words: str) -> Seen:
    """`import` of a JSONL file with these lines."""
    made = make(right())
    path = tmp / "predictions.jsonl"
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        path.write_text("".join((one if isinstance(one, str) else json.dumps(one)) + "\n" for one in made))
    start = ("import", path, "--benchmark", "mmvp", "--data", f"mini:{N}", "--out", tmp / "run", "--json")
    seen = command(*start, *words)
    assert seen.code == 0 or not (tmp / "run/results.json").exists()
    return seen


def _edit(number: int, **values: Any) -> Callable[[list[dict[str, Any]]], Lines]:
    return lambda good: [{**one, **values} if i == number else one for i, one in enumerate(good)]


def _line(number: int, text: str) -> Callable[[list[dict[str, Any]]], Lines]:
    return lambda good: [*good[:number], text, *good[number + 1 :]]


def _dumped(good: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(one) + "\n" for one in good).encode()


IMPORTS: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], Expected]] = {
    # of MMVP's two pairs, one counts only if both of its questions are right
    "all right": (lambda good: good, Handled(100.0)),
    "in another order": (lambda good: good[::-1], Handled(100.0)),
    "with numbers as ids": (lambda good: [{**one, "id": int(one["id"])} for one in good], Handled(100.0)),
    "with keys besides": (_edit(1, model="x", deep=[{"a": [1]}]), Handled(100.0)),
    "with CRLF": (lambda good: _dumped(good).replace(b"\n", b"\r\n"), Handled(100.0)),
    "with a byte order mark": (lambda good: b"\xef\xbb\xbf" + _dumped(good), Handled(100.0)),
    "with empty lines": (lambda good: _dumped(good).replace(b"\n", b"\n\n"), Handled(100.0)),
    "with one empty response": (_edit(0, response=""), Handled(50.0)),
    "with empty responses": (lambda good: [{**one, "response": ""} for one in good], Handled(0.0)),
    "with a lone surrogate": (_edit(0, response="\ud83d"), Handled(50.0)),
    "with a lone surrogate behind the letter": (_edit(0, response=right()[0]["response"] + " \ud83d"), Handled()),
    "with NUL": (_edit(0, response="\0"), Handled(50.0)),
    "with terminal escapes": (_edit(0, response="\x1b]0;title\x07\x1b[2J"), Handled(50.0)),
    "with a response of a megabyte": (_edit(0, response="la " * 350_000), Handled(50.0)),
    "with a spreadsheet formula": (_edit(0, response='=HYPERLINK("http://x","A")'), Handled()),
    "with a thought that never ends": (_edit(0, response="<think>" + right()[0]["response"]), Handled(50.0)),
    "an empty file": (
        lambda good: b"",
        Refused("predictions.jsonl ends at line 0 without id '1' \\(4 of 4 missing\\)"),
    ),
    "without one id": (lambda good: good[1:], Refused("without id '1' \\(1 of 4 missing\\)")),
    "with an id twice": (lambda good: [*good, good[0]], Refused("line 5: id '1' is also on line 1; keep one")),
    "with an id twice, as a number": (
        lambda good: [*good, {**good[0], "id": 1}],
        Refused("line 5: id '1' is also on line 1"),
    ),
    "with a foreign id": (_edit(1, id="x"), Refused("line 2: id 'x' is not in the dataset")),
    "with blanks around an id": (_edit(1, id=" 2 "), Refused("line 2: id ' 2 ' is not in the dataset")),
    "with a fraction as id": (_edit(1, id=2.0), Refused("line 2: id '2.0' is not in the dataset")),
    "with true as id": (_edit(0, id=True), Refused("line 1")),
    "with null as id": (_edit(1, id=None), Refused("line 2")),
    "with a list as id": (_edit(1, id=[2]), Refused("line 2")),
    "with null as response": (_edit(1, response=None), Refused('line 2: "response" must be a string')),
    "with a number as response": (_edit(1, response=1), Refused('line 2: "response" must be a string')),
    "with a list as response": (_edit(1, response=["A"]), Refused('line 2: "response" must be a string')),
    "with prediction instead of response": (
        lambda good: [{"id": o["id"], "prediction": o["response"]} for o in good],
        Refused('line 1 has no "id" or no "response"'),
    ),
    "without an id": (_line(1, '{"response": "A"}'), Refused('line 2 has no "id"')),
    "with a key twice": (
        _line(1, '{"id": "2", "response": "A", "response": "B"}'),
        Refused("line 2.*'response' occurs twice"),
    ),
    "with a list as line": (_line(1, '["2", "A"]'), Refused("line 2 is not a JSON object")),
    "with null as line": (_line(1, "null"), Refused("line 2 is not a JSON object")),
    "with deep JSON": (_line(1, '{"id": "2", "response": ' + DEEP), Refused("line 2")),
    "with deep JSON in another key": (
        _line(1, '{"id": "2", "response": "A", "x": ' + "[" * 5_000 + "]" * 5_000 + "}"),
        Refused("line 2 is nested"),
    ),
    "with a broken line": (_line(1, '{"id": "2", "response": "A"'), Refused("line 2 is not valid JSON")),
    "as CSV": (lambda good: b"id,response\n1,A\n", Refused("line 1 is not valid JSON")),
    "as a JSON list": (lambda good: json.dumps(good).encode(), Refused("line 1 is not a JSON object")),
    "in UTF-16": (lambda good: _dumped(good).decode().encode("utf-16"), Refused("UTF-8")),
    "random bytes": (lambda good: bytes(range(256)), Refused("UTF-8|JSON")),
    "zeros": (lambda good: bytes(1000), Refused("line 1 is not valid JSON")),
}
IMPORT_WORDS = {
    "--limit 0": "--limit",
    "--vision blind": "unknown vision condition 'blind'",
    "--vision on,off": "on,off|unknown",
    "--scorer none": "unknown scorer",
    "--prompts mine": "prompt",
    "--set mmvp.odd=1": "odd",
    "--data-root .": "exclude each other",
}


def import_path(make: Callable[[Path], Any], tmp: Path) -> Seen:
    make(tmp / "predictions.jsonl")
    start = ("import", tmp / "predictions.jsonl", "--benchmark", "mmvp", "--data", f"mini:{N}")
    return command(*start, "--out", tmp / "run", "--json")


PATHS: dict[str, tuple[Callable[[Path], Any], str]] = {
    "is missing": (lambda p: None, "cannot be read|No such file"),
    "is a folder": (lambda p: p.mkdir(), "not a regular file"),
    "is a link to itself": (lambda p: p.symlink_to(p.name), "cannot be read|link"),
    "is a pipe": (os.mkfifo, "not a.*file"),
    "is larger than the memory": (lambda p: (p.touch(), os.truncate(p, 1 << 40)), "more than 1073741824 bytes"),
    "is /dev/zero": (lambda p: p.symlink_to("/dev/zero"), "not a.*file"),
}


def graded(content: str | bytes, name: str, tmp: Path, *words: str) -> Seen:
    """`grade` on a file of this content."""
    path = tmp / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
    return command("grade", path, "--benchmark", "mmvp", "--json", *words)


def grade_path(make: Callable[[Path], Any], tmp: Path) -> Seen:
    make(tmp / "rows.jsonl")
    return command("grade", tmp / "rows.jsonl", "--benchmark", "mmvp", "--json")


def _with_predictions(n_right: int = N, **values: Any) -> list[dict[str, Any]]:
    found = [{**row, "prediction": gold(row) if i < n_right else wrong(row)} for i, row in enumerate(rows())]
    found[1].update(values)
    return found


def _jsonl(made: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(one) + "\n" for one in made)


def _without(key: str) -> str:
    return _jsonl([{k: v for k, v in one.items() if k != key} for one in _with_predictions()])


def _csv(made: list[dict[str, Any]], **more: Any) -> str:
    out = io.StringIO()
    writer = csv.DictWriter(out, list(made[0]), **more)
    writer.writeheader()
    writer.writerows(made)
    return out.getvalue()


def grades() -> dict[str, tuple[str, str | bytes, Expected]]:
    """File name, content and what must come of it."""
    good, half = _with_predictions(), _with_predictions(2)
    return {
        "JSONL": ("a.jsonl", _jsonl(good), Handled(100.0)),
        "JSONL, half right": ("a.jsonl", _jsonl(half), Handled(50.0)),
        "JSONL with response": ("a.jsonl", _jsonl(good).replace('"prediction"', '"response"'), Handled(100.0)),
        "JSONL with a byte order mark": ("a.jsonl", "\ufeff" + _jsonl(good), Handled(100.0)),
        "JSONL of another name": ("a.txt", _jsonl(good), Handled(100.0)),
        "CSV": ("a.csv", _csv(good), Handled(100.0)),
        "CSV, half right": ("a.csv", _csv(half), Handled(50.0)),
        "CSV with a name in capitals": ("a.CSV", _csv(good), Handled(100.0)),
        "CSV with a byte order mark": ("a.csv", "\ufeff" + _csv(good), Handled(100.0)),
        "CSV with all cells quoted": ("a.csv", _csv(good, quoting=csv.QUOTE_ALL), Handled(100.0)),
        "CSV with LF": ("a.csv", _csv(good, lineterminator="\n"), Handled(100.0)),
        "CSV with CR": ("a.csv", _csv(good, lineterminator="\r"), Handled(100.0)),
        "CSV with a line break in a prediction": (
            "a.csv",
            _csv(_with_predictions(prediction=f"{gold(rows()[1])}\n")),
            Handled(100.0),
        ),
        "CSV with an empty prediction": ("a.csv", _csv(_with_predictions(prediction="")), Handled(50.0)),
        "JSONL with an empty prediction": ("a.jsonl", _jsonl(_with_predictions(prediction="")), Handled(50.0)),
        "an empty file": ("a.jsonl", "", Refused("a.jsonl holds no rows")),
        "an empty CSV": ("a.csv", "", Refused("a.csv holds no rows")),
        "a CSV of headings": ("a.csv", _csv(good).split("\n")[0] + "\n", Refused("a.csv holds no rows")),
        "a CSV with semicolons": ("a.csv", _csv(good, delimiter=";"), Refused("a.csv line 2")),
        "a CSV with more cells than headings": (
            "a.csv",
            _csv(good) + "1,2,3,4,5,6,7,8\r\n",
            Refused("more cells than the heading"),
        ),
        "a CSV with fewer cells than headings": ("a.csv", _csv(good) + "5\r\n", Refused("a.csv line 6")),
        "a CSV with NUL": ("a.csv", _csv(good) + "\0\0\r\n", Refused("a.csv line 6")),
        "a CSV with a heading twice": (
            "a.csv",
            _csv(good).replace("Index,", "prediction,", 1),
            Refused("prediction.*twice|twice.*prediction"),
        ),
        "a CSV without predictions": (
            "a.csv",
            _csv([{k: v for k, v in one.items() if k != "prediction"} for one in good]),
            Refused('line 2: the row has no "prediction"'),
        ),
        "a CSV in UTF-16": ("a.csv", _csv(good).encode("utf-16"), Refused("UTF-8")),
        "a CSV that is Excel": ("a.csv", b"PK\x03\x04" + bytes(range(128, 256)), Refused("UTF-8")),
        "a CSV with minus signs in brackets": (
            "a.csv",
            _csv(_with_predictions(Question="[" + "-" * 100_000 + "1]")),
            Handled(),
        ),
        "a CSV with deep brackets": ("a.csv", _csv(_with_predictions(Question="[" * 50_000 + "]" * 50_000)), Handled()),
        "a CSV with deep braces": ("a.csv", _csv(_with_predictions(Question="{" * 50_000 + "}" * 50_000)), Handled()),
        "JSONL without predictions": (
            "a.jsonl",
            _without("prediction"),
            Refused('line 1: the row has no "prediction"'),
        ),
        "JSONL without questions": ("a.jsonl", _without("Question"), Refused("line 1: mmvp row 0: column 'Question'")),
        "JSONL without answers": (
            "a.jsonl",
            _without("Correct Answer"),
            Refused("line 1: mmvp row 0: column 'Correct Answer'"),
        ),
        "JSONL without options": ("a.jsonl", _without("Options"), Refused("line 1: mmvp row 0: column 'Options'")),
        "JSONL with null as prediction": (
            "a.jsonl",
            _jsonl(_with_predictions(prediction=None)),
            Refused('line 2: "prediction" must be a string'),
        ),
        "JSONL with a number as prediction": (
            "a.jsonl",
            _jsonl(_with_predictions(prediction=1)),
            Refused('line 2: "prediction" must be a string'),
        ),
        "JSONL with a list as prediction": (
            "a.jsonl",
            _jsonl(_with_predictions(prediction=["A"])),
            Refused('line 2: "prediction" must be a string'),
        ),
        "JSONL with null as answer": (
            "a.jsonl",
            _jsonl(_with_predictions(**{"Correct Answer": None})),
            Refused("line 2: mmvp row 1"),
        ),
        "JSONL with a third answer": (
            "a.jsonl",
            _jsonl(_with_predictions(**{"Correct Answer": "(c)"})),
            Refused("line 2: mmvp row 1"),
        ),
        "JSONL with options as a list": (
            "a.jsonl",
            _jsonl(_with_predictions(Options=["a", "b"])),
            Refused("line 2: mmvp row 1"),
        ),
        "JSONL with text as index": ("a.jsonl", _jsonl(_with_predictions(Index="two")), Refused("line 2: mmvp row 1")),
        "JSONL with null as question": (
            "a.jsonl",
            _jsonl(_with_predictions(Question=None)),
            Refused("line 2: mmvp row 1"),
        ),
        "JSONL with a key twice": (
            "a.jsonl",
            '{"prediction": "A", "prediction": "B"}\n',
            Refused("line 1.*'prediction' occurs twice"),
        ),
        "JSONL that is nested deep": ("a.jsonl", DEEP, Refused("line 1")),
        "JSONL that is cut off": ("a.jsonl", _jsonl(good)[:-9], Refused("line 4 is not valid JSON")),
        "a JSON list": ("a.jsonl", json.dumps(good), Refused("line 1 is not a JSON object")),
        "random bytes": ("a.jsonl", bytes(range(128, 256)), Refused("UTF-8")),
    }


GRADE_WORDS = {
    "--scorer fuzy": "unknown scorer 'fuzy'; did you mean fuzzy",
    "--scorer fuzzy,official": "unknown scorer",
    "--scorer judge": "judge",
    "--set mmvp.odd=1": "odd",
    "--set odd": "benchmark.setting=value",
    "--out gone/verdicts.csv": "cannot be written",
    "--out .": "cannot be written",
}


def table() -> list[Situation]:
    """The rows of this area."""
    found = []
    for name, (make, expected) in IMPORTS.items():
        found.append(Situation(f"import {name}", partial(imported, make), expected))
    for words, says in IMPORT_WORDS.items():
        act = partial(_imported_with, words)
        found.append(Situation(f"import {words}", act, Refused(says)))
    for name, (make_file, says) in PATHS.items():
        found.append(Situation(f"import: the file {name}", partial(import_path, make_file), Refused(says)))
        found.append(Situation(f"grade: the file {name}", partial(grade_path, make_file), Refused(says)))
    for name, (file, content, expected) in grades().items():
        found.append(Situation(f"grade {name}", partial(graded, content, file), expected))
    for words, says in GRADE_WORDS.items():
        found.append(Situation(f"grade {words}", partial(_graded_with, words), Refused(says)))
    return found


def _imported_with(words: str, tmp: Path) -> Seen:
    return imported(lambda good: good, tmp, *words.split(" "))


def _graded_with(words: str, tmp: Path) -> Seen:
    return graded(_jsonl(_with_predictions()), "a.jsonl", tmp, *words.split(" "))

"""Numbers that are read again: CSV files of scores in `table`, stored results and verdicts, tables without images."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.adversity.run_folders import SAMPLES, VERDICTS, copied, cut, edit_json, edit_line, edit_lines, text
from tests.adversity.situation import Expected, Failed, Handled, Refused, Seen, Situation, ask, command, gray, page
from tests.conftest import write_parquet

HEAD = "model,mmvp,gqa,mme\n"
LONG = "model,benchmark,condition,scorer,score"

CSV: dict[str, tuple[str | bytes, tuple[str, ...], Expected]] = {
    "good": (HEAD + "A,50,60,1500\n", (), Handled(text=r"\| A .*50\.0")),
    "a thousands comma": (HEAD + 'A,50,60,"1,500.5"\n', (), Handled(text=r"1,500\.5")),
    "percent signs": (HEAD + "A,50%,60%,1500\n", (), Handled(text=r"50\.0")),
    "shares": ("model,mmvp\nA,0.5\n", (), Handled(text="no score is above 1")),
    "a decimal comma": (HEAD + 'A,"50,5",60,1500\n', (), Refused("'50,5', which is not a number")),
    "a number with an underscore": (HEAD + "A,5_0,60,1500\n", (), Refused("'5_0'")),
    "other digits": (HEAD + "A,\u0665\u0660,60,1500\n", (), Refused("not a number")),
    "a negative score": (HEAD + "A,-5,60,1500\n", (), Refused("not a score of mmvp .0 to 100")),
    "a score above 100": (HEAD + "A,150,60,1500\n", (), Refused("not a score of mmvp")),
    "MME above 2000": (HEAD + "A,50,60,2500\n", (), Refused("not a score of mme .0 to 2000")),
    "a huge score": (HEAD + "A,1e308,60,1500\n", (), Refused("not a score")),
    "text": (HEAD + "A,high,60,1500\n", (), Refused("line 2: column 'mmvp' holds 'high'")),
    "no models": ("mmvp,gqa\n1,2\n", (), Refused("no column names the models")),
    "a model twice": (HEAD + "A,1,2,3\nA,1,2,3\n", (), Refused("'A' occurs twice")),
    "a column twice": ("model,mmvp,MMVP\nA,1,2\n", (), Refused("occurs twice")),
    "two spellings of a benchmark": ("model,seed,SEED-I\nA,1,2\n", (), Refused("two columns mean seed")),
    "10,001 models": ("model,mmvp\n" + "".join(f"m{i},5\n" for i in range(10_001)), (), Refused("at most 10000")),
    "a field of a megabyte": (HEAD + "x" * 1_000_000 + ",1,2,3\n", (), Refused("field larger than")),
    "UTF-16": ((HEAD + "A,1,2,3\n").encode("utf-16"), (), Refused("UTF-8")),
    "a formula as name": (HEAD + "=1+1,1,2,3\n", ("--format", "csv"), Handled(text="'=1\\+1")),
    "escapes in a name": (HEAD + "\x1b[31mA,1,2,3\n", (), Handled(text=r"\?\[31mA")),
    "another scorer asked": (
        f"{LONG}\nA,mmvp,on,fuzzy,5\nA,mmvp,on,judge,6\n",
        ("--scorer", "judge"),
        Handled(text="6.0"),
    ),
    "a scorer that it lacks": (
        f"{LONG}\nA,mmvp,on,a,5\nA,mmvp,on,b,6\n",
        (),
        Refused("it has a, b: name one with --scorer"),
    ),
    "one scorer that was not asked": (f"{LONG}\nA,mmvp,on,judge,5\n", (), Handled(text="scores by 'judge'")),
    "another condition asked": (
        f"{LONG}\nA,mmvp,on,fuzzy,5\nA,mmvp,off,fuzzy,6\n",
        ("--vision", "off"),
        Handled(text="6.0"),
    ),
    "a condition that it lacks": (f"{LONG}\nA,mmvp,on,fuzzy,5\n", ("--vision", "off"), Refused("it has on")),
    "no condition, one asked": (HEAD + "A,1,2,3\n", ("--vision", "off"), Handled(text="does not say")),
    "two scores": (f"{LONG}\nA,mmvp,on,fuzzy,5\nA,mmvp,on,fuzzy,6\n", (), Refused("two scores for mmvp")),
    "bounds exchanged": (f"{LONG},low,high\nA,mmvp,on,fuzzy,5,9,1\n", (), Refused("low is above high")),
    "incomplete scores": (f"{LONG},complete\nA,mmvp,on,fuzzy,5,no\n", (), Handled(text="cover only some rows")),
}


def read_scores(content: str | bytes, words: tuple[str, ...], tmp: Path) -> Seen:
    """`table` over a CSV."""
    (tmp / "scores.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return command("table", "--scores", tmp / "scores.csv", *words)


STORED: dict[str, tuple[str, Callable[[Path], Any], dict[str, Expected]]] = {
    # name -> file, change, and what each reader does with it
    "nothing": ("run.json", lambda path: None, {r: Handled() for r in ("table", "compare", "agreement")}),
    "a verdict is another": (
        VERDICTS,
        edit_line(0, lambda v: v.update(value=0.5)),
        {r: Refused("its verdict file was changed") for r in ("table", "compare", "agreement")},
    ),
    "a verdict is 5": (
        VERDICTS,
        edit_line(0, lambda v: v.update(value=5)),
        {"compare": Refused("line 1: the value 5")},
    ),
    "a verdict is NaN": (
        VERDICTS,
        edit_line(0, lambda v: v.update(value=float("nan"))),
        {"agreement": Refused("line 1: the value nan")},
    ),
    "a verdict is there twice": (
        VERDICTS,
        edit_lines(lambda old: [*old, old[0]]),
        {"table": Refused("was changed"), "compare": Refused("has two 'fuzzy' verdicts")},
    ),
    "a verdict is gone": (
        VERDICTS,
        edit_lines(lambda old: old[1:]),
        {r: Refused("was changed") for r in ("table", "compare", "agreement")},
    ),
    "the verdict file is cut": (VERDICTS, cut, {"table": Refused("was changed"), "compare": Refused("line 4")}),
    "the verdicts are those of another scorer": (
        VERDICTS,
        lambda path: shutil.copy(path.with_name("docvqa.on.official.jsonl"), path),
        {r: Refused("was changed") for r in ("table", "compare", "agreement")},
    ),
    "the verdicts are those of another condition": (
        VERDICTS,
        lambda path: shutil.copy(path.with_name("docvqa.off.fuzzy.jsonl"), path),
        {"table": Refused("was changed"), "compare": Refused("other samples or responses")},
    ),
    "the responses are those of another condition": (
        "responses/docvqa.on.jsonl",
        lambda path: shutil.copy(path.with_name("docvqa.off.jsonl"), path),
        {"table": Refused("were changed"), "compare": Refused("other samples"), "agreement": Refused("other samples")},
    ),
    "an answer is another": (
        SAMPLES,
        edit_line(1, lambda v: v.update(answers=["x"])),
        {"table": Refused("were changed"), "compare": Refused("other samples"), "agreement": Refused("other samples")},
    ),
    "a score is another": (
        "results.json",
        edit_json(lambda v: v["results"][2].update(score=42.0)),
        {r: Refused("its numbers in results.json") for r in ("table", "compare", "agreement")},
    ),
    "a score is complete": (
        "results.json",
        edit_json(lambda v: v["results"][2].update(complete=True)),
        {"table": Refused("its numbers in results.json")},
    ),
    "a score without its basis": (
        "results.json",
        edit_json(lambda v: v["results"][2].update(score=42.0, basis=None)),
        {"table": Refused("results.json has 42, its verdicts give 100"), "compare": Refused("its verdicts give 100")},
    ),
    "an older version": (
        "results.json",
        edit_json(lambda v: [r.pop("basis") for r in v["results"]] and None),
        {"table": Handled(text="scored by a version that is not recorded"), "compare": Handled()},
    ),
    "the basis is a list": (
        "results.json",
        edit_json(lambda v: v["results"][2].update(basis=[])),
        {"table": Refused("basis")},
    ),
    "the score is infinite": (
        "results.json",
        edit_json(lambda v: v["results"][2].update(score=float("inf"))),
        {"table": Refused("has a number that is none")},
    ),
    "the verdicts are missing": (VERDICTS, Path.unlink, {"table": Handled(text="not checked")}),
    "the responses are missing": ("responses/docvqa.on.jsonl", Path.unlink, {"table": Handled(text="not checked")}),
    "results.json is empty": ("results.json", text(""), {"table": Refused("results.json")}),
}
READERS: dict[str, Callable[[Path], tuple[Any, ...]]] = {
    "table": lambda run: ("table", run),
    "compare": lambda run: ("compare", run, run),
    "agreement": lambda run: ("agreement", run, "--a", "fuzzy", "--b", "official"),
}


def read_stored(reader: str, file: str, change: Callable[[Path], Any], tmp: Path) -> Seen:
    """A command that reads results or verdicts after a change of one file."""
    run = copied(tmp)
    change(run / file)
    return command(*READERS[reader](run))


EMPTY = {"bytes": None, "path": None}
IMAGES: dict[str, tuple[Any, Any, Expected]] = {
    # name -> the cell of row 1, --max-failures, and the end
    "neither bytes nor path": (EMPTY, 0.01, Refused('neither "bytes" nor "path"')),
    "neither, some failures allowed": (EMPTY, 0.5, Failed(1, "neither", 75.0)),
    "a path to nothing": ({"bytes": None, "path": "gone.png"}, 0.01, Refused("'gone.png' does not exist")),
    "a path to the outside": ({"bytes": None, "path": "/etc/passwd"}, 0.01, Refused("leaves the data folder")),
    "null": (None, 0.01, Refused("the sample has no image")),
    "empty bytes": ({"bytes": b"", "path": None}, 0.5, Failed(1, "", 75.0)),
}


def parquet_cell(cell: Any, failures: float, listed: bool, tmp: Path) -> Seen:
    """A run over a Parquet table in which one row has this image cell."""
    rows = [page(i, {"bytes": gray(i), "path": None}) for i in range(4)]
    rows[1]["image"] = cell
    if listed:
        rows = [{**row, "image": [row["image"]]} for row in rows]
    write_parquet(tmp / "data/docvqa/validation-0.parquet", rows)
    return ask(tmp / "data", tmp / "run", max_failures=failures)


def graded(words: Callable[[Path], tuple[Any, ...]], tmp: Path) -> Seen:
    """`grade` of one row with further words."""
    row = {"questionId": "1", "question": "Which?", "answers": ["x"], "prediction": "x"}
    (tmp / "rows.jsonl").write_text(json.dumps(row) + "\n")
    return command("grade", tmp / "rows.jsonl", "--benchmark", "docvqa", *words(tmp))


def empty_configuration(tmp: Path) -> Seen:
    """`run` with a configuration that names no model."""
    (tmp / "run.toml").write_text("")
    return command("run", "--config", tmp / "run.toml", "--out", tmp / "run", "--quiet")


def table() -> list[Situation]:
    """The rows of this area."""
    found = [Situation(f"scores: {n}", partial(read_scores, c, w), e) for n, (c, w, e) in CSV.items()]
    for name, (file, change, ends) in STORED.items():
        for reader, expected in ends.items():
            found.append(Situation(f"{reader}: {name}", partial(read_stored, reader, file, change), expected))
    for name, (cell, failures, expected) in IMAGES.items():
        found.append(Situation(f"Parquet image: {name}", partial(parquet_cell, cell, failures, False), expected))
        if name not in ("null", "empty bytes"):
            found.append(Situation(f"Parquet list: {name}", partial(parquet_cell, cell, failures, True), expected))
    found += [
        Situation(
            "grade into its own file", partial(graded, lambda t: ("--out", t / "rows.jsonl")), Refused("choose another")
        ),
        Situation(
            "grade with settings of another",
            partial(graded, lambda t: ("--set", "mmvp.corrected=false")),
            Refused("mmvp"),
        ),
        Situation("run with an empty configuration", empty_configuration, Refused("no model named")),
        Situation(
            "show of 100 million drawn rows",
            lambda t: command("show", "mmvp", "--data", "mini:100000000"),
            Refused("at most"),
        ),
    ]
    return found

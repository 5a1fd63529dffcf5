"""Run folders in which a file is missing, empty, cut off, edited, or no file at all: `score`, resuming, and merging."""

from __future__ import annotations

import base64
import json
import os
import shutil
import tempfile
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import Any

from cambrian_eval.running.records import Cell, Record, encode
from cambrian_eval.running.store import Run, open_run
from tests.adversity.situation import (
    WORDS,
    Expected,
    Handled,
    Looking,
    Refused,
    Seen,
    Situation,
    ask,
    command,
    gray,
    lines,
    page,
)

N = 4


def write_data(root: Path, n: int = N, **edits: Any) -> Path:
    """A data root of `n` DocVQA pages; `edits` change the row 1."""
    rows = [page(i, base64.b64encode(gray(i)).decode()) for i in range(n)]
    rows[1].update(edits)
    lines(root / "docvqa/rows.jsonl", rows)
    return root


@cache
def _made() -> Path:
    """A finished run beside its data, made once: 100 with vision on, 0 with vision off."""
    folder = Path(tempfile.mkdtemp(prefix="adversity-"))
    write_data(folder / "data")
    seen = ask(folder / "data", folder / "run", vision=["on", "off"], scorers=["fuzzy", "official"])
    assert seen.score == 100.0
    return folder


def copied(tmp: Path) -> Path:
    """A copy of the finished run with its data; returns the run."""
    shutil.copytree(_made(), tmp, dirs_exist_ok=True)
    return tmp / "run"


Change = Callable[[Path], Any]


def scored(file: str, change: Change, tmp: Path) -> Seen:
    """`score` after a change of one file."""
    run = copied(tmp)
    change(run / file)
    return command("score", run, "--scorer", "fuzzy", "--json", "--quiet")


def resumed(file: str, change: Change, tmp: Path, **more: Any) -> Seen:
    """The same run once more after a change of one file."""
    run = copied(tmp)
    change(run / file)
    return ask(tmp / "data", run, **{"vision": ["on", "off"], **more})


def text(content: str | bytes) -> Change:
    raw = content.encode() if isinstance(content, str) else content
    return lambda path: path.write_bytes(raw)


def cut(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 10])


def fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def link(target: str) -> Change:
    def change(path: Path) -> None:
        path.unlink()
        path.symlink_to(target)

    return change


def elsewhere(path: Path) -> None:
    """The file is a link to a copy of itself outside the run."""
    other = path.parents[3] / f"kept-{path.name}"
    shutil.move(path, other)
    path.symlink_to(other)


def edit_json(change: Callable[[Any], Any]) -> Change:
    def edited(path: Path) -> None:
        value = json.loads(path.read_text())
        new = change(value)
        path.write_text(json.dumps(value if new is None else new))

    return edited


def edit_line(number: int, change: Callable[[dict[str, Any]], Any]) -> Change:
    def edited(path: Path) -> None:
        old = path.read_text().splitlines()
        value = json.loads(old[number])
        new = change(value)
        old[number] = json.dumps(value if new is None else new)
        path.write_text("\n".join(old) + "\n")

    return edited


def edit_lines(change: Callable[[list[bytes]], list[bytes]]) -> Change:
    return lambda path: path.write_bytes(b"".join(change(path.read_bytes().splitlines(keepends=True))))


BAD_JSON: dict[str, Change] = {
    "is empty": text(""),
    "is blank": text(" \n"),
    "is cut off": cut,
    "is random bytes": text(bytes(range(256))),
    "is zeros": text(bytes(500)),
    "is a list": text("[]"),
    "is null": text("null"),
    "is a number": text("17"),
    "is nested 100,000 deep": text("[" * 100_000),
    "is an object 5,000 deep": text('{"a":' * 5_000 + "1" + "}" * 5_000),
    "has a key twice": text('{"schema": 2, "schema": 2}'),
    "has other text behind it": lambda path: path.write_bytes(path.read_bytes() + b"{}"),
    "is an empty object": text("{}"),
}
SAME_JSON: dict[str, Change] = {
    "has a byte order mark": lambda path: path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes()),
    "is in UTF-16": lambda path: path.write_bytes(path.read_bytes().decode().encode("utf-16")),
    "is on one line": edit_json(lambda value: value),
    "has a key of another program": edit_json(lambda value: {**value, "note": [1, {"x": None}]}),
}
NO_FILE: dict[str, Change] = {
    "is missing": Path.unlink,
    "is a pipe": fifo,
    "is a folder": folder,
    "is a link to itself": lambda path: link(path.name)(path),
    "is a link to nothing": link("gone"),
    "is a link to /dev/zero": link("/dev/zero"),
}


def _set(value: Any, *keys: str) -> Change:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        content[keys[-1]] = value

    return edit_json(change)


def _del(*keys: str) -> Change:
    def change(content: Any) -> None:
        for key in keys[:-1]:
            content = content[key]
        del content[keys[-1]]

    return edit_json(change)


RUN_JSON: dict[str, Change] = {
    **{
        f"lacks {key}": _del(key)
        for key in ("schema", "model", "responses_depend_on", "conditions", "scorers", "benchmarks", "passes")
    },
    "is of a newer version": _set(99, "schema"),
    "has text as schema": _set("2", "schema"),
    "has a list as model": _set([], "model"),
    "has a number as the model's name": _set(7, "model", "name"),
    "lacks the fingerprint": _del("model", "fingerprint"),
    "has text as conditions": _set("on", "conditions"),
    "has numbers as conditions": _set([1], "conditions"),
    "has null as scorers": _set(None, "scorers"),
    "has text as benchmarks": _set("docvqa", "benchmarks"),
    "has an empty benchmark": _set({}, "benchmarks", "docvqa"),
    "has text as the number of samples": _set("4", "benchmarks", "docvqa", "samples"),
    "has null as data": _set(None, "benchmarks", "docvqa", "data"),
    "has a list as settings": _set([], "benchmarks", "docvqa", "settings"),
    "has numbers as warnings": _set([1], "benchmarks", "docvqa", "warnings"),
    "has an empty pass": _set([{}], "passes"),
    "has an object as passes": _set({}, "passes"),
    "has an unknown setting": _set({"split": "validation", "odd": 1}, "benchmarks", "docvqa", "settings"),
}
RESPONSES, SAMPLES, VERDICTS = "responses/docvqa.on.jsonl", "samples/docvqa.jsonl", "verdicts/docvqa.on.fuzzy.jsonl"


def _stranger(path: Path) -> None:
    """A response, with a correct checksum, to a sample that the run does not have."""
    run = Run(path.parents[1])
    record = next(iter(run.responses(Cell("docvqa", "on")).values()))
    made = Record(**{**{n: getattr(record, n) for n in Record.__struct_fields__}, "id": "stranger"})
    with path.open("ab") as file:
        file.write(encode(made))


REPAIRED: dict[str, Change] = {
    # damage of a response file: the affected samples are asked again and the score is that of the whole run
    "is empty": text(""),
    "is missing": Path.unlink,
    "is cut off": cut,
    "is random bytes": text(bytes(range(256))),
    "is zeros": text(bytes(500)),
    "is nested deep": text("[" * 100_000 + "\n"),
    "lacks a line": edit_lines(lambda old: old[1:]),
    "has a line twice": edit_lines(lambda old: [*old, old[0]]),
    "has its lines in another order": edit_lines(lambda old: old[::-1]),
    "has an empty line": edit_lines(lambda old: [old[0], b"\n", *old[1:]]),
    "has a line of another program": edit_lines(lambda old: [*old, b'{"id": "0"}\n']),
    "has CRLF": edit_lines(lambda old: [one[:-1] + b"\r\n" for one in old]),
    "has an edited response": edit_lines(lambda old: [old[0].replace(WORDS[0].encode(), b"forged00"), *old[1:]]),
    "has an edited key": edit_lines(lambda old: [old[0].replace(b'"key":"', b'"key":"0'), *old[1:]]),
    "has a line without its checksum": edit_line(0, lambda value: {k: v for k, v in value.items() if k != "sum"}),
    "has a line with a wrong checksum": edit_line(0, lambda value: {**value, "sum": "00000000"}),
    "has a flipped bit": lambda path: path.write_bytes(bytes([path.read_bytes()[0] ^ 1]) + path.read_bytes()[1:]),
    "ends with a torn line": lambda path: path.write_bytes(path.read_bytes() + b'{"id":"0","key":'),
    "has a response to a stranger": _stranger,
    "is a link to a file elsewhere": elsewhere,
}
BAD_SAMPLES: dict[str, Change] = {
    "lacks an id": edit_line(1, lambda v: v.pop("id") and None),
    "has a number as id": edit_line(1, lambda v: {**v, "id": 1}),
    "lacks a question": edit_line(1, lambda v: v.pop("question") and None),
    "has null as question": edit_line(1, lambda v: {**v, "question": None}),
    "has text as answers": edit_line(1, lambda v: {**v, "answers": "x"}),
    "has numbers as answers": edit_line(1, lambda v: {**v, "answers": [1]}),
    "has text as index": edit_line(1, lambda v: {**v, "index": "one"}),
    "has a list as tags": edit_line(1, lambda v: {**v, "tags": []}),
    "has a list as a row": edit_line(1, lambda v: [1]),
    "has a blank line": edit_lines(lambda old: [old[0], b" \n", *old[1:]]),
    "is cut off": cut,
    "is random bytes": text(bytes(range(256))),
    "is zeros": text(bytes(100)),
    "is nested deep": text("[" * 100_000),
    "has a sample twice": edit_lines(lambda old: [*old, old[0]]),
}


# -- resuming after changes outside the folder


def changed(edits: dict[str, Any], n: int, tmp: Path, **more: Any) -> Seen:
    """The same run over rows that were changed after it."""
    run = copied(tmp)
    write_data(tmp / "data", n, **edits)
    return ask(tmp / "data", run, **{"vision": ["on", "off"], **more})


class Other(Looking):
    """A model of another fingerprint."""

    fingerprint = "looking-2"


REFUSAL = Refused("--on-change ask")
CHANGES: dict[str, tuple[dict[str, Any], int, dict[str, Any], Expected]] = {
    "nothing": ({}, N, {}, Handled(100.0)),
    "an edited question": ({"question": "Another?"}, N, {}, REFUSAL),
    "an edited question, asked again": ({"question": "Another?"}, N, {"on_change": "ask"}, Handled(100.0)),
    "an edited question, kept": ({"question": "Another?"}, N, {"on_change": "reuse"}, Handled(100.0)),
    "an edited answer": ({"answers": ["nothing"]}, N, {}, REFUSAL),
    "an edited answer, asked again": ({"answers": ["nothing"]}, N, {"on_change": "ask"}, Handled(75.0)),
    "an edited answer, kept": ({"answers": ["nothing"]}, N, {"on_change": "reuse"}, Handled(75.0)),
    "another image": ({"image": base64.b64encode(gray(5)).decode()}, N, {}, REFUSAL),
    "another image, asked again": (
        {"image": base64.b64encode(gray(5)).decode()},
        N,
        {"on_change": "ask"},
        Handled(75.0),
    ),
    "another image, kept": ({"image": base64.b64encode(gray(5)).decode()}, N, {"on_change": "reuse"}, Handled(100.0)),
    "another id": ({"questionId": "new"}, N, {}, REFUSAL),
    "one row more": ({}, N + 1, {}, REFUSAL),
    "one row more, asked again": ({}, N + 1, {"on_change": "ask"}, Handled(100.0)),
    "one row less": ({}, N - 1, {}, REFUSAL),
    "the same image in other bytes": ({"image": base64.b64encode(gray(1, "BMP")).decode()}, N, {}, REFUSAL),
    "a column that is not used": ({"note": "later"}, N, {}, Handled(100.0)),
    "another seed": ({}, N, {"seed": 1}, Refused("seed: 0 -> 1")),
    "another seed, asked again": ({}, N, {"seed": 1, "on_change": "ask"}, Handled(100.0)),
    "another limit": ({}, N, {"limit": 2}, Refused("limit: none -> 2")),
    "another limit, although asked again": (
        {},
        N,
        {"limit": 2, "on_change": "ask"},
        Refused("limit: none -> 2"),
    ),
    "another token limit": ({}, N, {"max_new_tokens": 5}, Refused("max_new_tokens: none -> 5")),
    "another token limit, asked again": ({}, N, {"max_new_tokens": 5, "on_change": "ask"}, Handled(100.0)),
    "another prompt style": ({}, N, {"prompts": "paper"}, Refused("prompts: official -> paper")),
    "a shard of it": ({}, N, {"shard": "1/2"}, Refused("shard: none -> 1/2")),
    "another model": ({}, N, {"model": Other()}, Refused("its files, version or server are no longer the same")),
    "another model, although kept": (
        {},
        N,
        {"model": Other(), "on_change": "reuse"},
        Refused("are no longer the same"),
    ),
    "another limit of pixels": ({}, N, {"max_pixels": 1000}, Refused("max_pixels")),
    "another scorer": ({}, N, {"scorers": ["official"]}, Handled()),
    "another condition": ({}, N, {"vision": ["noise"]}, Handled()),
    "failed samples to be retried": ({}, N, {"retry_failed": True}, Handled(100.0)),
}


# -- merging


def _part(tmp: Path, name: str, shard: str | None, **more: Any) -> Path:
    model = more.pop("model", None)
    edits = more.pop("edits", {})
    write_data(tmp / f"data-{name}", N, **edits)
    seen = ask(tmp / f"data-{name}", tmp / name, model=model, shard=shard, **more)
    assert seen.code == 0, seen
    return tmp / name


def merged(prepare: Callable[[Path], list[Any]], tmp: Path) -> Seen:
    return command("merge", *prepare(tmp), "--out", tmp / "merged", "--json")


def halves(**second: Any) -> Callable[[Path], list[Any]]:
    return lambda tmp: [_part(tmp, "a", "1/2"), _part(tmp, "b", **{"shard": "2/2", **second})]


def _but(change: Callable[[Path], Any], **second: Any) -> Callable[[Path], list[Any]]:
    def prepare(tmp: Path) -> list[Any]:
        parts = halves(**second)(tmp)
        change(tmp)
        return parts

    return prepare


MERGES: dict[str, tuple[Callable[[Path], list[Any]], Expected]] = {
    "two halves": (halves(), Handled(100.0)),
    "two halves in the other order": (lambda t: halves()(t)[::-1], Handled(100.0)),
    "a half twice": (lambda t: [_part(t, "a", "1/2"), t / "a"], Refused("2 samples.*shards not named: 2/2")),
    "one half": (lambda t: [_part(t, "a", "1/2")], Refused("2 samples of docvqa.on.*shards not named: 2/2")),
    "one half, gaps allowed": (lambda t: [_part(t, "a", "1/2"), "--allow-gaps"], Handled(100.0, "partial: 2 of 4")),
    "one whole": (lambda t: [_part(t, "a", None)], Handled(100.0)),
    "a whole and a half": (halves(shard=None), Refused("overlap")),
    "the same half again": (lambda t: [_part(t, "a", "1/2"), _part(t, "b", "1/2")], Refused("overlap")),
    "halves of different shardings": (halves(shard="2/3"), Refused("")),
    "a half of another model": (halves(model=Other()), Refused("fingerprint")),
    "a half of another seed": (halves(seed=3), Refused("seed: 0 and 3")),
    "a half of another limit": (halves(limit=3), Refused("limit")),
    "a half of other prompts": (halves(prompts="paper"), Refused("prompts")),
    "a half of another token limit": (halves(max_new_tokens=3), Refused("max_new_tokens")),
    "a half with an edited question": (halves(edits={"question": "Another?"}), Refused("docvqa")),
    "a half with an edited answer": (halves(edits={"answers": ["other"]}), Refused("docvqa")),
    "a half with another image": (halves(edits={"image": base64.b64encode(gray(6)).decode()}), Refused("docvqa data")),
    "nothing": (lambda t: [], Refused("RUNS|runs|argument")),
    "a folder that is no run": (lambda t: [_part(t, "a", "1/2"), t], Refused("is not a run folder")),
    "a folder that does not exist": (lambda t: [_part(t, "a", "1/2"), t / "gone"], Refused("is not a run folder")),
    "a half with a torn response": (_but(lambda t: cut(t / "b" / RESPONSES)), Refused("1 samples of docvqa.on")),
    "a half without its samples": (_but(lambda t: (t / "b" / SAMPLES).unlink()), Refused("samples of 'docvqa'")),
    "a half with edited samples": (
        _but(lambda t: edit_line(0, lambda v: {**v, "answers": ["x"]})(t / "b" / SAMPLES)),
        Refused("different samples of docvqa"),
    ),
    "a half with a broken run.json": (_but(lambda t: cut(t / "b/run.json")), Refused("run.json")),
    "a half of an unknown benchmark": (
        _but(
            lambda t: edit_json(lambda v: v["benchmarks"].update({"../../x": v["benchmarks"]["docvqa"]}))(
                t / "b/run.json"
            )
        ),
        Refused("'../../x', which is not installed here"),
    ),
    "a half of an unknown condition": (
        _but(lambda t: edit_json(lambda v: v["conditions"].append("../x"))(t / "b/run.json")),
        Refused("unknown vision condition '../x'"),
    ),
    "a half with a response to a stranger": (_but(lambda t: _stranger(t / "b" / RESPONSES)), Refused("'stranger'")),
    "into another run": (_but(lambda t: shutil.copytree(t / "a", t / "merged")), Refused("not made by merge")),
    "into a file": (_but(lambda t: (t / "merged").write_text("")), Refused("is a file")),
    "into a folder of others": (_but(lambda t: lines(t / "merged/x", [])), Refused("is not a run folder")),
}


def _two_writers(lockless: bool, tmp: Path) -> Seen:
    """`score` while another process, here another handle, writes the run."""
    run = copied(tmp)
    with open_run(run).writing():
        if lockless:
            (run / "lock").unlink()
        return command("score", run, "--json", "--quiet")


def table() -> list[Situation]:
    """The rows of this area."""
    found: list[Situation] = []

    def both(file: str, name: str, change: Change, score: Expected, resume: Expected) -> None:
        found.append(Situation(f"score: {file} {name}", partial(scored, file, change), score))
        found.append(Situation(f"resume: {file} {name}", partial(resumed, file, change), resume))

    for name, change in {**BAD_JSON, **NO_FILE, **RUN_JSON}.items():
        both("run.json", name, change, Refused("run.json|odd"), Refused("run.json|odd|settings"))
    for file in ("run.json", "results.json"):
        for name, change in SAME_JSON.items():
            both(file, name, change, Handled(100.0), Handled(100.0))
    for name, change in BAD_JSON.items():
        both("results.json", name, change, Refused("results.json"), Refused("results.json"))
        both("progress.json", name, change, Handled(100.0), Handled(100.0))
        both(VERDICTS, name, change, Handled(100.0), Handled(100.0))
    for name, change in NO_FILE.items():
        if name != "is a folder":
            both("results.json", name, change, Handled(100.0), Handled(100.0))
            both("progress.json", name, change, Handled(100.0), Handled(100.0))
            both(VERDICTS, name, change, Handled(100.0), Handled(100.0))
            both("lock", name, change, Handled(100.0), Handled(100.0))
        if name not in ("is missing", "is a link to nothing"):
            both(RESPONSES, name, change, Refused(RESPONSES), Refused(RESPONSES))
        both(SAMPLES, name, change, Refused("samples"), Handled(100.0) if name != "is a folder" else Refused("samples"))
    for name, change in REPAIRED.items():
        found.append(Situation(f"resume: {RESPONSES} {name}", partial(resumed, RESPONSES, change), Handled(100.0)))
    for name, change in BAD_SAMPLES.items():
        both(SAMPLES, name, change, Refused("docvqa.jsonl"), Refused("docvqa.jsonl|--on-change ask"))
    for name, content in {"text": text("process 1 on elsewhere"), "random bytes": text(bytes(range(256)))}.items():
        both("lock", f"holds {name}", content, Handled(100.0), Handled(100.0))
    for name, (edits, n, more, expected) in CHANGES.items():
        found.append(Situation(f"resume after {name}", partial(changed, edits, n, **more), expected))
    for name, (prepare, expected) in MERGES.items():
        found.append(Situation(f"merge {name}", partial(merged, prepare), expected))
    found.append(Situation("two writers", partial(_two_writers, False), Refused("is being written by")))
    found.append(
        Situation("two writers, the lock removed", partial(_two_writers, True), Refused("is being written by"))
    )
    return found

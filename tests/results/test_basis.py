"""Stored results and verdicts are used only where they belong to the run's responses and to one version of a scorer."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from cambrian_eval import Request, Verdict, run
from cambrian_eval.registry import load_benchmark
from cambrian_eval.results import basis
from cambrian_eval.running.progress import Silent
from cambrian_eval.running.records import Cell, encode
from cambrian_eval.running.store import Run, open_run
from tests.command import call, refused
from tests.conftest import Scripted, docvqa_row, png, write_parquet
from tests.judge.chat_server import Act, ChatServer, Seen

VERDICTS = "verdicts/docvqa.on.{}.jsonl"
READERS = ("table", "compare", "agreement", "report")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    rows = [docvqa_row(i, png(i, (8, 8))) for i in range(6)]
    write_parquet(tmp_path / "data/docvqa/validation-0.parquet", rows)
    return tmp_path / "data"


class Says(Silent):
    """Keeps what a run says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def say(self, text: str) -> None:
        self.lines.append(text)


def answering(broken: tuple[str, ...] = ()) -> Scripted:
    """Answers even rows correctly; fails on the named ones."""

    def say(request: Request) -> str:
        if request.id in broken:
            raise ValueError("out of memory")
        return f"answer {request.id}" if int(request.id) % 2 == 0 else "something else"

    return Scripted(say)


def made(data: Path, folder: Path, broken: tuple[str, ...] = (), **more: Any) -> Run:
    return run(answering(broken), ["docvqa"], folder, data_root=data, max_failures=1.0, **more).run.stored


@pytest.fixture
def one(data: Path, tmp_path: Path) -> Path:
    return made(data, tmp_path / "one").path


def edited(path: Path, change: Callable[[dict[str, Any]], None], line: int = 0) -> None:
    """Changes a line of a JSONL file."""
    lines = path.read_text().splitlines()
    value = json.loads(lines[line])
    change(value)
    lines[line] = json.dumps(value)
    path.write_text("\n".join(lines) + "\n")


def words(reader: str, folder: Path, other: Path) -> tuple[str | Path, ...]:
    return {
        "table": ("table", folder, "--scorer", "fuzzy"),
        "compare": ("compare", other, folder, "--scorer", "fuzzy"),
        "agreement": ("agreement", folder, "--a", "fuzzy", "--b", "official"),
        "report": ("report", folder, "--out", folder.parent / "report", "--format", "svg"),
    }[reader]


def test_results_and_verdicts_name_the_version_of_the_scorer(one: Path) -> None:
    [fuzzy, official] = json.loads((one / "results.json").read_text())["results"]
    assert re.fullmatch(r"cambrian-eval \d+\.\d+\.\d+\+[0-9a-f]{8}", fuzzy["basis"]["rules"])
    assert official["basis"]["rules"] == fuzzy["basis"]["rules"]
    lines = [json.loads(line) for line in (one / VERDICTS.format("fuzzy")).read_text().splitlines()]
    assert {line["rules"] for line in lines} == {fuzzy["basis"]["rules"]} and len({x["inputs"] for x in lines}) == 6


def response(folder: Path) -> None:
    store, cell = open_run(folder), Cell("docvqa", "on")

    records = store.responses(cell)
    records["1"] = structs.replace(records["1"], text="answer 1")
    (folder / "responses/docvqa.on.jsonl").write_bytes(b"".join(map(encode, records.values())))


CHANGES: dict[str, tuple[Callable[[Path], None], tuple[str, ...]]] = {
    "another response": (response, READERS),
    "another gold answer": (
        lambda folder: edited(folder / "samples/docvqa.jsonl", lambda s: s.update(answers=["other"])),
        READERS,
    ),
    "another verdict": (
        lambda folder: edited(folder / VERDICTS.format("fuzzy"), lambda v: v.update(value=0.0)),
        ("table", "compare", "report"),
    ),
    "a verdict by another version": (
        lambda folder: edited(folder / VERDICTS.format("fuzzy"), lambda v: v.update(rules="cambrian-eval 0.0.1+00")),
        READERS,
    ),
    "another score": (
        lambda folder: (folder / "results.json").write_text(
            (folder / "results.json").read_text().replace('"score": 50.0', '"score": 75.0')
        ),
        ("table", "compare", "report"),
    ),
}


@pytest.mark.parametrize(
    ("name", "reader"), [(name, reader) for name, (_, readers) in CHANGES.items() for reader in readers]
)
def test_what_no_longer_belongs_to_the_run_is_refused(name: str, reader: str, one: Path, tmp_path: Path) -> None:
    two = Path(shutil.copytree(one, tmp_path / "two"))
    CHANGES[name][0](two)
    assert "cambrian-eval score" in refused(*words(reader, two, one))
    assert call("score", two, "--quiet").returncode == 0
    if reader not in ("compare", "agreement") or name == "another score":
        assert call(*words(reader, two, one)).returncode == 0


def judge(folder: Path) -> None:
    def verdict(seen: Seen, n: int) -> Act:
        return Act(json.dumps({"verdict": "CORRECT" if seen.case["response"].startswith("answer") else "INCORRECT"}))

    with ChatServer(verdict) as server:
        words = ("--scorer", "judge", "--judge-model", "j", "--judge-base-url", server.url)
        assert call("score", folder, *words, "--quiet").returncode == 0


@pytest.mark.slow
def test_a_judge_is_stale_after_a_retry_and_renewed_by_one_command(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test")
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    folder = made(data, tmp_path / "run", broken=("0", "2")).path
    judge(folder)
    assert call("table", folder, "--scorer", "judge").returncode == 0
    made(data, folder, retry_failed=True)
    scores = {r.scorer: (r.score, [n for n in r.notes if n.startswith("stale")]) for r in open_run(folder).results()}
    assert scores["fuzzy"] == (50.0, []) and scores["official"] == (50.0, [])
    assert scores["judge"][0] == pytest.approx(100 / 6) and len(scores["judge"][1]) == 1
    stored = json.loads((folder / "results.json").read_text())
    assert {a["scorer"] for a in stored["averages"]} == {"fuzzy", "official"}
    assert call("table", folder).returncode == 0
    for reader in (("table", folder, "--scorer", "judge"), ("agreement", folder), ("compare", folder, folder)):
        more = ("--scorer", "judge") if reader[0] == "compare" else ()
        assert "were changed" in (said := refused(*reader, *more)) or "other samples or responses" in said
    report = call("report", folder, "--out", tmp_path / "report", "--format", "svg")
    assert report.returncode == 0 and "the 'judge' score of docvqa.on cannot be used" in report.stdout
    judge(folder)
    assert call("table", folder, "--scorer", "judge").returncode == 0
    assert {r.score for r in open_run(folder).results()} == {50.0}


def test_scores_of_two_versions_do_not_stand_beside_each_other(
    one: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    two = Path(shutil.copytree(one, tmp_path / "two"))
    monkeypatch.setattr(basis, "our_version", lambda: "9.0.0+12345678")
    assert call("score", two, "--quiet").returncode == 0
    for command in ("table", "compare"):
        assert "9.0.0+12345678" in refused(command, one, two)
    said = call("report", one, two, "--out", tmp_path / "r", "--format", "svg")
    assert said.returncode == 2 and "different versions" in said.stderr
    assert call("score", one, "--quiet").returncode == 0
    assert call("compare", one, two).returncode == 0


def test_a_score_that_changes_with_the_rules_is_said(data: Path, one: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(basis, "our_version", lambda: "9.0.0+12345678")
    generous = lambda self, sample, reply: Verdict(1.0, "x", "everything is right")  # noqa: E731
    monkeypatch.setattr(type(load_benchmark("docvqa")), "fuzzy", generous)
    says = Says()
    made(data, one, progress=says)  # a resumed run scores again
    [said] = [text for text in says.lines if "the rules changed" in text]
    assert said.startswith("warning: docvqa.on.fuzzy: the rules changed: 50.0 by cambrian-eval") and "100.0 by" in said
    monkeypatch.undo()
    done = call("score", one, "--scorer", "fuzzy", "--quiet")
    assert "docvqa.on.fuzzy: the rules changed: 100.0 by cambrian-eval" in done.stderr and "50.0 by" in done.stderr


def test_a_run_of_an_older_version_opens_and_says_so(one: Path) -> None:
    edited_results = json.loads((one / "results.json").read_text())
    for r in edited_results["results"]:
        del r["basis"]
    (one / "results.json").write_text(json.dumps(edited_results))
    for scorer in ("fuzzy", "official"):
        path = one / VERDICTS.format(scorer)
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        kept = ({k: v for k, v in line.items() if k not in ("rules", "inputs")} for line in lines)
        path.write_text("".join(json.dumps(line) + "\n" for line in kept))
    done = call("table", one)
    assert done.returncode == 0 and "scored by a version that is not recorded" in done.stdout
    assert call("agreement", one, "--a", "fuzzy", "--b", "official").returncode == 0
    assert call("compare", one, one, "--vision-b", "on").returncode == 0


def test_responses_of_another_model_are_named_and_not_merged(data: Path, one: Path, tmp_path: Path) -> None:
    """The response file of another model, put into a run by hand."""

    model = Scripted(lambda request: "answer 0")
    model.fingerprint = "another"
    other = run(model, ["docvqa"], tmp_path / "other", data_root=data).run.stored
    shutil.copy(other.path / "responses/docvqa.on.jsonl", one / "responses/docvqa.on.jsonl")
    done = call("score", one, "--quiet")
    assert done.returncode == 0 and "6 responses were made for other requests" in done.stdout
    assert "made for other requests" in refused("merge", one, "--out", tmp_path / "merged")


def test_responses_that_are_kept_are_named_on_the_result(data: Path, one: Path) -> None:
    rows = [docvqa_row(i, png(i, (8, 8))) for i in range(6)]
    rows[3]["question"] = "Another?"
    write_parquet(data / "docvqa/validation-0.parquet", rows)
    [fuzzy, _] = run(answering(), ["docvqa"], one, data_root=data, on_change="reuse").results
    assert "kept, but made for other requests: docvqa.on: 1 responses (1 other prompt): '3'" in fuzzy.notes
    [fuzzy, _] = run(answering(), ["docvqa"], one, data_root=data, on_change="ask").results
    assert not any("kept" in note for note in fuzzy.notes)

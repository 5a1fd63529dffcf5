"""A run folder written by an earlier version (schema 1): it opens, scores, reports, compares and resumes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.running.records import Cell
from cambrian_eval.running.store import open_run
from tests.command import call, refused

STORED = Path(__file__).parent / "old_run"
"""`chance` over eight rows each of MMVP, CV-Bench 2D and MME, vision on and off, both scorers."""
RUN = ("run", "--model", "chance", "--benchmark", "mmvp,cvbench_2d,mme", "--data", "mini:8", "--vision", "on,off")
CELLS = [Cell(benchmark, condition) for benchmark in ("mmvp", "cvbench_2d", "mme") for condition in ("on", "off")]


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A copy of the folder, since every command may write to it."""
    return Path(shutil.copytree(STORED, tmp_path / "old"))


def scores(folder: Path) -> dict[tuple[str, str, str], Any]:
    """What results.json holds of every cell and scorer."""
    fields = ("score", "interval", "chance", "n", "n_failed", "n_unparsed", "breakdown", "complete")
    results = json.loads((folder / "results.json").read_text())["results"]
    return {(r["benchmark"], r["condition"], r["scorer"]): [r[f] for f in fields] for r in results}


def responses(folder: Path) -> dict[Cell, Any]:
    run = open_run(folder)
    return {cell: run.responses(cell) for cell in run.cells()}


def test_it_opens_with_all_it_holds(old: Path) -> None:
    run = open_run(old)
    assert run.cells() == CELLS
    assert len(run.results()) == 12
    record = run.responses(Cell("mmvp", "on"))["1"]
    assert record.text == "B" and record.key == "7d40f631caae94ac42f27ee7c44c2552"
    assert record.images == ("46295c0ef58e08aa12e53e02be279371a49bf26dff43a14e78fd34ea6e454efc",)
    sample = run.samples("mmvp")[0]
    assert (sample.id, sample.question, sample.answers) == ("1", "Which way is the car facing?", ("B",))


def test_its_verdicts_have_outcomes(old: Path) -> None:
    """It stored `parsed` and began the rule with the outcome."""
    path = old / "verdicts" / "mmvp.on.fuzzy.jsonl"
    rules = {
        "1": ("the response is one letter", True),
        "2": ("no option found", False),
        "3": ("failed: RuntimeError: no", False),
        "4": ("undecided: the judge said neither", False),
        "5": ("the answer is withheld", False),
    }
    lines = [
        {"id": i, "value": float(parsed), "extracted": None, "rule": rule, "parsed": parsed}
        for i, (rule, parsed) in rules.items()
    ]
    assert {v.outcome for v in open_run(old).verdicts(Cell("mmvp", "on"), "fuzzy").values()} == {"read"}
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    found = open_run(old).verdicts(Cell("mmvp", "on"), "fuzzy")
    assert [found[i].outcome for i in rules] == ["read", "unparsed", "failed", "undecided", "withheld"]


def test_scoring_again_gives_the_stored_scores(old: Path) -> None:
    done = call("score", old)
    assert done.returncode == 0, done.stderr
    assert scores(old) == scores(STORED)


def test_it_goes_through_table_compare_and_agreement(old: Path) -> None:
    table = call("table", old, "--format", "csv")
    assert table.returncode == 0, table.stderr
    stored = scores(STORED)
    for name in ("mmvp", "cvbench_2d", "mme"):
        assert f"{stored[name, 'on', 'fuzzy'][0]:.1f}" in table.stdout
    compared = json.loads(call("compare", old, old, "--vision", "on", "--vision-b", "off", "--json").stdout)
    for pair in compared["comparisons"]:
        name = pair["benchmark"]
        assert (pair["paired"]["a"], pair["paired"]["b"]) == pytest.approx(
            (stored[name, "on", "fuzzy"][0], stored[name, "off", "fuzzy"][0])
        )
    assert len(compared["comparisons"]) == 3
    done = call("agreement", old, "--a", "fuzzy", "--b", "official")
    assert done.returncode == 0 and "mmvp" in done.stdout, done.stderr


@pytest.mark.slow
def test_a_report_shows_its_scores(old: Path, tmp_path: Path) -> None:
    done = call("report", old, "--out", tmp_path / "report", "--format", "svg")
    assert done.returncode == 0, done.stderr
    assert "CV-Bench" in (tmp_path / "report" / "report.html").read_text()


def test_the_same_command_requests_nothing_again(old: Path) -> None:
    before = {path.name: path.read_bytes() for path in (old / "responses").iterdir()}
    done = call(*RUN, "--out", old, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert {path.name: path.read_bytes() for path in (old / "responses").iterdir()} == before
    assert scores(old) == scores(STORED)
    assert len(open_run(old).info["passes"]) == 2


@pytest.mark.parametrize(
    ("words", "reasons"),
    [
        (("--prompts", "paper"), ("prompts: official -> paper",)),
        (("--limit", "4"), ("limit: none -> 4",)),
        (("--data", "mini:6"), ("mmvp: 2 samples differ", "'7', '8'")),
        (("--set", "mmvp.corrected=true"), ("mmvp.corrected: false -> true",)),
    ],
)
def test_other_settings_are_refused_with_the_difference(
    old: Path, words: tuple[str, ...], reasons: tuple[str, ...]
) -> None:
    line = refused(*RUN, "--out", old, *words)
    assert all(reason in line for reason in (*reasons, "--out")), line
    assert scores(old) == scores(STORED)


def test_an_interrupted_one_is_resumed_and_ends_equal(old: Path) -> None:
    """Cut in the middle of a line, as when the machine stops; one whole file is missing too."""
    path = old / "responses" / "mme.on.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[:3]) + lines[3][:50])
    (old / "responses" / "mme.off.jsonl").unlink()
    for name in ("results.json", "progress.json"):
        (old / name).unlink()
    done = call(*RUN, "--out", old, "--quiet", "--json")
    assert done.returncode == 0, done.stderr
    assert responses(old) == responses(STORED)
    assert scores(old) == scores(STORED)


def test_a_newer_one_is_refused(old: Path) -> None:
    info = json.loads((old / "run.json").read_text())
    (old / "run.json").write_text(json.dumps({**info, "schema": 1000}))
    with pytest.raises(UserError, match=r"schema 1000, newer than .* update cambrian-eval"):
        open_run(old)
    assert "schema 1000" in refused("score", old)
    assert "schema 1000" in refused(*RUN, "--out", old)

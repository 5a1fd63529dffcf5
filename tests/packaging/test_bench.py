"""`tools/bench.py`: the tables of a page come from the figures of its JSON file, and goals are checked."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOOLS = ROOT / "tools"


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import bench_rows

    return bench_rows


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    import bench

    return bench


def figure(**more) -> dict:
    return {"what": "run: a sample", "ours": 300.0, "unit": "us"} | more


def part(*rows: dict, **more) -> dict:
    about = {"python": "3.11.7", "processors": 2, "load": 0.31, "loop_seconds": 0.217}
    return {"calibration": about, "wall_seconds": 1.0, "rows": list(rows)} | more


def test_a_page_gets_the_tables_that_its_comments_name(bench) -> None:
    found = {
        "one": part(figure(floor=200.0, goal=1.3, goal_of="floor", ratio=99.0)),
        "two": part(figure(what="a|b", ours=0.04567, unit="s", peer=2716.6, peer_name="Inspect")),
        "three": part(failed="it took more than 240 s"),
    }
    page = (
        "A\n<!-- bench: one two -->\nold\n<!-- end of bench -->\nB\n<!-- bench: three four -->\n<!-- end of bench -->\n"
    )
    lines = bench.written(page, found).splitlines()
    assert lines[0] == "A" and "B" in lines and "old" not in lines
    # 300 / 200, not the ratio that the file has; 1.5 is more than the goal of 1.3
    assert "| run: a sample | 300 us | 200 | 1.50 |  | 1.3 floors * |" in lines
    assert "| a\\|b | 0.0457 s |  |  | 2,717 Inspect |  |" in lines
    assert "Calibration: Python 3.11.7, 2 processors; load 0.3;" in lines
    assert "summing five million squares takes 0.22 s of processor time." in lines
    assert "Not measured: three (it took more than 240 s)." in lines
    assert "Not measured: `python tools/bench.py --only four --write`." in lines
    assert bench.written(bench.written(page, found), found) == bench.written(page, found)


@pytest.mark.parametrize(
    ("more", "missed"),
    [
        ({}, False),
        ({"goal": 300.0}, False),
        ({"goal": 299.0}, True),
        ({"floor": 200.0, "goal": 1.5, "goal_of": "floor"}, False),
        ({"floor": 200.0, "goal": 1.4, "goal_of": "floor"}, True),
        ({"peer": 1800.0, "goal": 6.0, "goal_of": "peer"}, False),  # six times less than the peer
        ({"peer": 1799.0, "goal": 6.0, "goal_of": "peer"}, True),
    ],
)
def test_goals_limit_ours_in_its_unit_or_beside_floor_or_peer(rows, more: dict, missed: bool) -> None:
    assert rows.Row(**figure(**more)).missed is missed


def test_a_goal_beside_a_missing_floor_is_an_error(rows) -> None:
    with pytest.raises(ValueError, match="refers to a floor, which is missing"):
        rows.Row(**figure(goal=1.3, goal_of="floor"))


def test_figures_measured_before_are_printed_and_checked(tmp_path: Path) -> None:
    stored = tmp_path / "bench.json"
    stored.write_text(json.dumps({"one": part(figure(goal=200.0))}))
    command = [sys.executable, str(TOOLS / "bench.py"), "--read", str(stored)]
    shown = subprocess.run(command, capture_output=True, text=True)
    assert shown.returncode == 0 and "run: a sample 300 us" in shown.stdout
    checked = subprocess.run([*command, "--check"], capture_output=True, text=True)
    assert checked.returncode == 1 and checked.stderr == "not reached: run: a sample\n"


def test_a_part_is_measured_and_its_figures_are_kept(tmp_path: Path) -> None:
    command = [sys.executable, str(TOOLS / "bench.py"), "--only", "bootstrap", "--json", str(tmp_path / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads((tmp_path / "found.json").read_text())["bootstrap"]
    time, memory = found["rows"]
    assert (time["unit"], memory["unit"], memory["goal"]) == ("s", "MiB", 60.0)
    # all of it runs in processes of the part, which also start and import
    assert 0 < time["ours"] + time["floor"] < found["processor_seconds"]
    assert time["what"] in done.stdout and memory["what"] in done.stdout


def test_more_requests_in_flight_may_cost_a_tenth_more_beside_their_floor(bench) -> None:
    from bench_parts import in_flight

    one, two, three = in_flight(
        [("judge", 16, 300.0, 100.0, None), ("judge", 256, 440.0, 130.0, None), ("text", 256, 9.0, 1.0, 90.0)]
    )
    # 300 / 100 = 3 floors at 16; 440 / 130 = 3.38 is more than 3.3
    assert (one.goal, one.missed, two.missed) == (None, False, True) and two.goal == pytest.approx(3.3)
    assert (three.goal, three.peer_name) == (None, "openai")


def test_every_table_of_the_page_names_parts_that_exist_and_each_part_has_one(bench) -> None:
    named = [name for _, names, _ in bench.BLOCK.findall(bench.PAGE.read_text()) for name in names.split()]
    assert sorted(named) == sorted([*(part.name for part in bench.PARTS), "peers"])


def test_the_tables_of_the_page_are_those_of_its_figures(bench) -> None:
    page = bench.PAGE.read_text()
    assert page == bench.written(page, json.loads(bench.KEPT.read_text()))
    assert len(bench.BLOCK.findall(page)) >= 1

"""Several processes: the same bytes as one, clear errors, and nothing left behind when the work is ended."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from contextlib import suppress
from itertools import chain
from pathlib import Path

import pytest

from cambrian_eval.errors import UserError
from cambrian_eval.processes import LARGE, in_processes, processes_for

from ..command import call

ROOT = Path(__file__).parents[2]


def square(number: int) -> int:
    return number * number


def process_of(_: object) -> int:
    time.sleep(0.05)
    return os.getpid()


def refuse_negative(number: int) -> int:
    if number < 0:
        raise UserError(f"{number} is negative", ["the end of a log"])
    return number


def warn_of(number: int) -> int:
    warnings.warn(f"{number} is odd", UserWarning, stacklevel=1)
    return number


def die(_: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def nap(folder: Path, seconds: float, number: int) -> None:
    (folder / f"{number}.{os.getpid()}").touch()
    time.sleep(seconds)


@pytest.mark.parametrize("processes", [1, 3])
def test_results_come_in_the_order_of_the_pieces(processes: int) -> None:
    with in_processes(processes) as each:
        assert list(each(square, range(20))) == [n * n for n in range(20)]
        assert list(each(pow, [2, 3, 4], [3, 2, 1])) == [8, 9, 4]


def test_pieces_run_in_other_processes_at_the_same_time() -> None:
    with in_processes(2) as each:
        used = set(each(process_of, range(20)))
    assert len(used) == 2 and os.getpid() not in used


@pytest.mark.parametrize("processes", [1, 2])
def test_an_error_of_a_piece_is_the_error_of_the_work(processes: int) -> None:
    with pytest.raises(UserError, match="-3 is negative") as error, in_processes(processes) as each:
        list(each(refuse_negative, [1, 2, -3, 4]))
    assert error.value.details == ("the end of a log",)


@pytest.mark.parametrize("processes", [1, 2])
def test_warnings_of_pieces_are_given_where_the_work_began(processes: int) -> None:
    with pytest.warns(UserWarning) as given, in_processes(processes) as each:
        assert list(each(warn_of, [1, 3])) == [1, 3]
    assert [str(warning.message) for warning in given] == ["1 is odd", "3 is odd"]


def test_a_process_that_is_killed_is_one_clear_error() -> None:
    with pytest.raises(UserError, match=r"a process was killed.*--processes 1"), in_processes(2) as each:
        list(each(die, [1, 2]))


def test_no_processes_are_refused() -> None:
    with pytest.raises(UserError, match="number of processes is 0"), in_processes(0):
        pass


def test_small_runs_use_one_process() -> None:
    assert processes_for(LARGE - 1) == 1
    assert 1 <= processes_for(LARGE) <= (os.cpu_count() or 1)


SCRIPT = """
import sys
from functools import partial
from pathlib import Path
from cambrian_eval.processes import in_processes
from tests.reports.test_processes import nap

folder, seconds = Path(sys.argv[1]), float(sys.argv[2])
try:
    with in_processes(2) as each:
        results = each(partial(nap, folder, seconds), range(8))
        print("started", flush=True)
        list(results)
except KeyboardInterrupt:
    print("interrupted")
"""


def started(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """A script with work for two processes; it is in a process group of its own, as a command of a shell is."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), str(seconds)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=0,
    )


def begun(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """The script when its two processes sleep."""
    script = started(folder, seconds)
    until = time.monotonic() + 60
    while len(list(folder.iterdir())) < 2:
        assert script.poll() is None and time.monotonic() < until, script.communicate()
        time.sleep(0.01)
    return script


def alive(folder: Path) -> set[int]:
    """The processes that have begun to nap and run still; one that ended may wait for its parent, as a zombie."""
    found = set()
    for path in folder.iterdir():
        pid = int(path.suffix[1:])
        with suppress(OSError):
            if "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text():
                found.add(pid)
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="looks for processes in /proc")
def test_no_process_outlives_one_that_is_killed(tmp_path: Path) -> None:
    script = begun(tmp_path, 300)
    assert len(alive(tmp_path)) == 2
    script.kill()
    script.wait()
    until = time.monotonic() + 60
    while alive(tmp_path):
        assert time.monotonic() < until, "processes are left that nobody waits for"
        time.sleep(0.05)


def test_ctrl_c_ends_the_work_without_a_traceback(tmp_path: Path) -> None:
    script = begun(tmp_path, 300)
    os.killpg(script.pid, signal.SIGINT)  # as a terminal does: all processes of the group get it
    out, err = script.communicate(timeout=60)
    assert (script.returncode, out, err) == (0, "started\ninterrupted\n", "")
    assert len(list(tmp_path.iterdir())) == 2 and alive(tmp_path) == set()


def test_ctrl_c_while_the_processes_start_shows_nothing_of_them(tmp_path: Path) -> None:
    script = started(tmp_path, 300)
    assert script.stdout is not None and script.stdout.readline() == "started\n"
    os.killpg(script.pid, signal.SIGINT)  # the processes are still importing
    out, err = script.communicate(timeout=60)
    assert (script.returncode, out, err) == (0, "interrupted\n", "")


def test_ctrl_c_ends_a_command_with_one_word(runs: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: object, **more: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cambrian_eval.results.grading.score_cell", interrupted)
    done = call("score", runs[0])
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def files(folder: Path) -> dict[str, bytes]:
    paths = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): p.read_bytes() for p in paths}


def test_scores_are_equal_byte_for_byte(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = []
    for processes in (1, 3):
        folder = tmp_path / "run"  # of one name: results have it in their notes
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(runs[0], folder)
        for path in chain(folder.glob("verdicts/*"), [folder / "results.json"]):
            path.unlink()
        done = call("score", folder, "--processes", processes)
        assert done.returncode == 0, done.stderr
        found.append((done.stdout, files(folder)))
    assert found[0] == found[1]
    assert len(list((tmp_path / "run" / "verdicts").iterdir())) > 4


def test_comparisons_are_equal_byte_for_byte(runs: tuple[Path, Path]) -> None:
    one, three = (call("compare", *runs, "--json", "--processes", n) for n in (1, 3))
    assert one.returncode == 0 and len(one.stdout) > 1000
    assert one == three


def test_reports_are_equal_byte_for_byte(runs: tuple[Path, Path], tmp_path: Path) -> None:
    found = []
    for processes in (1, 3):
        done = call("report", runs[0], "--out", tmp_path / "report", "--processes", processes)
        assert done.returncode == 0, done.stderr
        without_count = {
            name: content.replace(b"--processes 1", b"").replace(b"--processes 3", b"")
            for name, content in files(tmp_path / "report").items()
        }
        found.append((done.stdout, without_count))
        shutil.rmtree(tmp_path / "report")
    assert found[0] == found[1]
    assert any(name.startswith("figures/") and name.endswith(".pdf") for name in found[0][1])


def test_a_refusal_in_another_process_is_one_line(runs: tuple[Path, Path], tmp_path: Path) -> None:
    shutil.copytree(runs[0], tmp_path / "run")
    path = next((tmp_path / "run" / "samples").glob("*.jsonl"))
    path.write_text("no JSON\n")
    done = call("score", tmp_path / "run", "--processes", 2)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.count("\n") == 1 and str(path) in done.stderr and "line 1" in done.stderr

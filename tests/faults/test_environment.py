"""Full disk, read-only folder, wrong clock, slow disk: a one-line error, and nothing that was written is lost."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cambrian_eval.running.store import open_run
from tests.faults.children import (
    Ended,
    as_nobody,
    child,
    on_slow_disk,
    ordinary,
    with_file_limit,
    with_wrong_clock,
)
from tests.faults.conftest import CleanRun
from tests.faults.test_kills import killed_somewhere


class Disk:
    """A small file system in memory, if this machine allows mounting one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir()
        self.mounted = self._mount("-t", "tmpfs", "-o", "size=64m", "none", str(path))

    def _mount(self, *words: str) -> bool:
        try:
            return subprocess.run(["mount", *words], capture_output=True, check=False).returncode == 0
        except OSError:
            return False

    def options(self, text: str) -> None:
        assert self._mount("-o", f"remount,{text}", str(self.path))

    def close(self) -> None:
        if self.mounted:
            subprocess.run(["umount", "-l", str(self.path)], check=False)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.close()


PARTS = ("run.json", "samples", "responses", "verdicts", "results")


def kilobytes(path: Path) -> int:
    return sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) // 1024


@pytest.mark.slow
def test_a_disk_that_becomes_full_at_any_moment(clean_run: CleanRun, disk: Disk, count: Counter[str]) -> None:
    whole = kilobytes(clean_run.path)
    met = set()
    for number, room in enumerate([1, 8, 24, 32, 40, 48, 64, 80, 96, 112]):
        out = disk.path / str(number)
        if disk.mounted:
            used = shutil.disk_usage(disk.path).used // 1024
            disk.options(f"size={used + 4 * -(-room // 4)}k")
            found = child(ordinary, clean_run.root, out)
            count["disks full (tmpfs)"] += found.error is not None
        else:
            found = child(with_file_limit, clean_run.root, out, room * 256)
            count["disks full (file size limit: nothing can be mounted here)"] += found.error is not None
        if found.error is not None:
            assert found.code == 0 and found.error.startswith("UserError: ")
            assert "the disk is full" in found.error or not disk.mounted
            assert "nothing written so far is lost" in found.error and "\n" not in found.error
            met.add(
                next(
                    p for p in ("run.json", "samples", "responses", "verdicts", "results", str(out)) if p in found.error
                )
            )
        if disk.mounted:
            disk.options("size=64m")
        if (out / "run.json").is_file():
            open_run(out)
        clean_run.resume(out)
    assert "responses" in met and len(met) >= 2, (met, whole)


def test_a_folder_that_cannot_be_written(clean_run: CleanRun, disk: Disk, count: Counter[str]) -> None:
    out = disk.path / "run"
    assert child(ordinary, clean_run.root, out) == Ended(0, None)
    responses = out / "responses" / "docvqa.shuffled.jsonl"
    responses.write_bytes(responses.read_bytes()[:4000])
    before = {p: p.read_bytes() for p in out.rglob("*") if p.is_file()}
    if disk.mounted:
        disk.options("ro")
        found = child(ordinary, clean_run.root, out)
        fresh = child(ordinary, clean_run.root, disk.path / "new")
        disk.options("rw")
        count["read-only folders (file system remounted)"] += 2
    else:
        found, fresh = _without_rights(clean_run, out, disk.path)
        count["read-only folders (permissions: nothing can be mounted here)"] += 2
    for one in (found, fresh):
        assert one.code == 0 and one.error is not None and "is not writable" in one.error and "\n" not in one.error
    assert {p: p.read_bytes() for p in out.rglob("*") if p.is_file()} == before
    clean_run.resume(out)


def _without_rights(clean_run: CleanRun, out: Path, parent: Path) -> tuple[Ended, Ended]:
    """Removes write permissions; a child of root runs as nobody, because root may write anywhere."""
    folders = [parent, *(p for p in parent.rglob("*") if p.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    outer = [
        p
        for p in (parent, *parent.parents, clean_run.root, *clean_run.root.parents)
        if str(p).startswith(tempfile.gettempdir())
    ]
    modes = {p: p.stat().st_mode for p in outer}
    for p in outer:
        p.chmod(modes[p] | 0o055)
    work = as_nobody if os.geteuid() == 0 else ordinary
    try:
        return child(work, clean_run.root, out), child(work, clean_run.root, parent / "new")
    finally:
        for p, mode in modes.items():
            p.chmod(mode)
        for folder in folders:
            folder.chmod(0o755)


@pytest.mark.parametrize("seed", range(3))
def test_a_clock_that_jumps(clean_run: CleanRun, tmp_path: Path, count: Counter[str], seed: int) -> None:
    """The clock of the child process is replaced, because a test cannot set that of the machine."""
    out = tmp_path / "run"
    found = killed_somewhere(random.Random(seed), out, with_wrong_clock, clean_run.root, out, seed)
    assert found.error is None
    assert child(with_wrong_clock, clean_run.root, out, seed + 100) == Ended(0, None)
    count["runs under a clock that jumps by years"] += 1
    clean_run.check(out)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_a_slow_disk_with_partial_writes(clean_run: CleanRun, tmp_path: Path, count: Counter[str], seed: int) -> None:
    out, rng = tmp_path / "run", random.Random(seed)
    for _ in range(2):
        killed_somewhere(rng, out, on_slow_disk, clean_run.root, out, seed)
    count["kills on a slow disk with partial writes"] += 2
    assert child(on_slow_disk, clean_run.root, out, seed) == Ended(0, None)
    clean_run.check(out)

"""Fingerprints follow the content of files, and the cache of hashes never changes an answer."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from cambrian_eval.data.fingerprints import folder_fingerprint
from cambrian_eval.file_hashes import file_hashes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CAMBRIAN_EVAL_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def old(path: Path, content: bytes, seconds: int = 1_000_000_000) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (seconds, seconds))
    return path


def test_hashes_are_right_with_and_without_the_cache(tmp_path: Path) -> None:
    paths = [old(tmp_path / f"data/{i}.bin", bytes([i]) * (i * 1000)) for i in range(20)]
    expected = {p: hashlib.sha256(p.read_bytes()).hexdigest() for p in paths}
    assert file_hashes(paths) == expected
    assert file_hashes(paths) == expected
    assert file_hashes(paths, rehash=True) == expected


def test_a_byte_in_the_middle_of_a_large_file_changes_the_fingerprint(tmp_path: Path) -> None:
    content = bytearray(18 << 20)
    path = old(tmp_path / "data/rows.jsonl", bytes(content))
    before = folder_fingerprint(tmp_path / "data")
    content[9 << 20] = 1
    old(path, bytes(content), seconds=1_000_000_001)
    assert folder_fingerprint(tmp_path / "data") != before


def test_a_file_with_an_old_time_is_found_by_rehash(tmp_path: Path) -> None:
    path = old(tmp_path / "data/rows.jsonl", b"a" * 100)
    before = folder_fingerprint(tmp_path / "data")
    with path.open("r+b") as file:  # the same file, size and time: only its content tells
        file.write(b"b")
    os.utime(path, (1_000_000_000, 1_000_000_000))
    assert folder_fingerprint(tmp_path / "data", rehash=True) != before


def test_a_file_changed_just_now_is_not_remembered(tmp_path: Path) -> None:
    path = tmp_path / "data/rows.jsonl"
    path.parent.mkdir()
    path.write_bytes(b"a" * 100)
    about = path.stat()
    before = file_hashes([path])
    with path.open("r+b") as file:
        file.write(b"b")
    os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert file_hashes([path]) != before


@pytest.mark.parametrize("content", [b"not a database", None])
def test_a_broken_cache_costs_only_time(content: bytes | None, cache: Path, tmp_path: Path) -> None:
    path = old(tmp_path / "data/a", b"a")
    if content is None:
        cache.write_text("a file where the folder should be")
    else:
        old(cache / "hashes/files.sqlite", content)
    assert file_hashes([path]) == {path: hashlib.sha256(b"a").hexdigest()}

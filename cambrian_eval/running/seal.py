"""Sealed runs: `RUN/seal.json` has the SHA-256 of every file, versions and hardware, and one root hash over all of it.

The root hash is what a paper prints: who has the run can check that no byte of it has changed since.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object
from cambrian_eval.running.manifest import now, surroundings
from cambrian_eval.running.store import Run

SEAL = "seal.json"
"""Name of the manifest in a run folder."""
OUTSIDE = frozenset((SEAL, "lock", "progress.json"))
"""Files that are no part of what a run states."""


@dataclass(frozen=True, slots=True)
class SealCheck:
    """A seal against the files of today."""

    root: str
    """The root hash of the manifest."""
    n: int
    """Files in it."""
    problems: tuple[str, ...]
    """What has changed since, a line each; empty where nothing has."""


def seal(run: Run) -> SealCheck:
    """Writes the manifest of a run; a run that is being written cannot be sealed."""
    with run.writing():
        files = _hashes(run.path)
        body = {"schema": 1, "sealed": now(), **surroundings(), "files": files}
        run.save_file(SEAL, json.dumps({**body, "root": root_hash(body)}, indent=2, ensure_ascii=False) + "\n")
    return SealCheck(root_hash(body), len(files), ())


def check_seal(run: Run) -> SealCheck | None:
    """The seal of a run against its files; None where it has none."""
    path = run.path / SEAL
    if not path.is_file():
        return None
    found = read_object(path, "another program has changed the file")
    files = found.get("files")
    if not isinstance(files, dict) or not isinstance(found.get("root"), str):
        raise UserError(f"{path} has no files or no root hash; another program has changed the file")
    root = found.pop("root")
    problems = [] if root_hash(found) == root else [f"{SEAL} has changed: its root hash does not fit its content"]
    today = _hashes(run.path)
    problems += [f"{name} has changed" for name in files if name in today and today[name] != files[name]]
    problems += [f"{name} is missing" for name in files if name not in today]
    problems += [f"{name} was added" for name in today if name not in files]
    return SealCheck(root, len(files), tuple(problems))


def root_hash(body: Mapping[str, Any]) -> str:
    """SHA-256 over a manifest without its root hash, as JSON with sorted keys and no blanks."""
    text = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _hashes(folder: Path) -> dict[str, str]:
    found = {}
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        name = path.relative_to(folder).as_posix()
        if name in OUTSIDE or name.endswith(".tmp"):
            continue
        digest = hashlib.sha256()
        try:
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise UserError(f"{path} cannot be read: {error.strerror}") from error
        found[name] = digest.hexdigest()
    return found

"""A hash that identifies a checkpoint: the content of every file that can change a response.

Weights, tokenizer files of every name, chat templates, processor and generation configuration, and code of the
checkpoint's own count, with their names. Documentation, training records and version control do not. Hashes of files
are computed in threads and remembered (`cambrian_eval.file_hashes`), so that a second start reads no weights for it.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

from cambrian_eval.file_hashes import file_hashes

_PICKLED = (".bin", ".pt", ".pth")
_READ = frozenset((".safetensors", *_PICKLED, ".json", ".model", ".txt", ".jinja", ".py", ".tiktoken", ".vocab"))
_IN_SUBFOLDERS = frozenset((".py", ".jinja"))
_WITHOUT_EFFECT = frozenset(
    (
        *("trainer_state.json", "training_args.json", "training_args.bin", "all_results.json", "train_results.json"),
        *("eval_results.json", "optimizer.pt", "optimizer.bin", "scheduler.pt", "rng_state.pth", "model_index.json"),
    )
)
_DOCUMENTS = ("readme", "license", "licence", "notice", "requirements", "use_policy", "changelog")


class ContentHash:
    """The hash of a checkpoint's files, computed in the background while the model loads.

    Use it in a `with` statement, so that hashing ends when loading fails.
    """

    def __init__(self, folders: Iterable[Path | None], rehash: bool = False) -> None:
        self._stop = threading.Event()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="hashes")
        found = [folder for folder in folders if folder is not None]
        self._hash = self._pool.submit(content_hash, found, rehash, self._stop)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._pool.shutdown(wait=True)

    def identity(self, kind: str, settings: Mapping[str, Any]) -> str:
        """The fingerprint of the files with the settings that responses depend on; waits for the hash."""
        text = json.dumps([self._hash.result(), dict(settings)], sort_keys=True)
        return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:24]}"


def content_hash(folders: Iterable[Path], rehash: bool = False, stop: threading.Event | None = None) -> str:
    """A hash of the names and contents of the files that count in each folder; where the folders are does not."""
    listed = [(folder, counted_files(folder)) for folder in folders]
    hashes = file_hashes(sorted({path for _, paths in listed for path in paths}), rehash, stop)
    digest = hashlib.sha256()
    for folder, paths in listed:
        digest.update(b"\0folder\0")
        for path in paths:
            digest.update(f"{path.relative_to(folder).as_posix()}\0{hashes[path]}\0".encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def counted_files(folder: Path) -> list[Path]:
    """The files of a checkpoint or tower folder that can change a response, sorted by name.

    Pickled weights count only where there are no safetensors, which are read before them.
    """
    here = [path for path in folder.iterdir() if path.suffix.lower() in _READ]
    deeper = [path for end in sorted(_IN_SUBFOLDERS) for path in folder.glob(f"*/**/*{end}")]
    found = [path for path in {*here, *deeper} if _counts(path.relative_to(folder)) and path.is_file()]
    if any(path.suffix == ".safetensors" for path in found):
        found = [path for path in found if path.suffix not in _PICKLED]
    return sorted(found)


def _counts(path: Path) -> bool:
    name = path.name.lower()
    hidden = any(part.startswith(".") for part in path.parts)
    return not hidden and name not in _WITHOUT_EFFECT and not name.startswith(_DOCUMENTS)

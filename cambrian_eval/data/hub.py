"""Downloads from the Hub: datasets through `datasets`, plain files through `huggingface_hub`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.data.files import from_dataset
from cambrian_eval.data.table import Table
from cambrian_eval.errors import UserError


def go_offline() -> None:
    """Makes every later use of the hub's libraries in this process read the cache alone."""
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE", "TRANSFORMERS_OFFLINE"):
        os.environ[name] = "1"


def resolved_revision(repo: str, revision: str, offline: bool) -> str:
    """The commit a revision stands for; offline, what the cache recorded for it."""
    if len(revision) == 40 and all(c in "0123456789abcdef" for c in revision):
        return revision
    if offline:
        return _cached_revision(repo, revision)
    from huggingface_hub import HfApi

    try:
        return str(HfApi().dataset_info(repo, revision=revision).sha)
    except Exception as error:
        cached = _cached_revision(repo, revision)
        if cached != revision:
            return cached
        raise _unreachable(repo, error) from error


def _cached_revision(repo: str, revision: str) -> str:
    from huggingface_hub.constants import HF_HUB_CACHE

    ref = Path(HF_HUB_CACHE) / f"datasets--{repo.replace('/', '--')}" / "refs" / revision
    return ref.read_text().strip() if ref.is_file() else revision


def load_table(repo: str, config: str | None, split: str, revision: str, offline: bool) -> Table:
    """One split of one config as a table, from the cache where it is there."""
    if offline:
        go_offline()
    import datasets
    from huggingface_hub.constants import HF_HUB_CACHE

    caches = (Path(datasets.config.HF_DATASETS_CACHE), Path(HF_HUB_CACHE))
    try:
        return from_dataset(datasets.load_dataset(repo, config, split=split, revision=revision), caches)
    except Exception as error:
        raise _unreachable(repo, error) from error


def load_files(repo: str, patterns: Sequence[str], revision: str, offline: bool) -> Path:
    """The folder of a snapshot that holds the files of the patterns."""
    from huggingface_hub import snapshot_download

    try:
        found: Any = snapshot_download(
            repo,
            repo_type="dataset",
            revision=revision,
            allow_patterns=list(patterns),
            local_files_only=offline,
        )
    except Exception as error:
        raise _unreachable(repo, error) from error
    return Path(found)


def _unreachable(repo: str, error: Exception) -> UserError:
    """One line for the many ways in which a download can fail."""
    first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return UserError(
        f"dataset {repo} could not be downloaded from the Hub or read from its cache "
        f"({type(error).__name__}: {first}); "
        "fetch it on a machine with network (cambrian-eval fetch) or give --data-root"
    )

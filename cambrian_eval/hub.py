"""The only room that talks to the hub: data sets through `datasets`, plain files through `huggingface_hub`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.rows import Table


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

    from cambrian_eval.tables import from_dataset

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
    """One line for the many ways in which the hub cannot be used."""
    first = str(error).strip().splitlines()[0][:200] if str(error).strip() else type(error).__name__
    return UserError(
        f"data set {repo} cannot be loaded from the hub or its cache ({type(error).__name__}: {first}); "
        "fetch it on a machine with network (cambrian-eval fetch) or give --data-root"
    )


def fetch_model(repo: str) -> list[str]:
    """A model's files into the cache, vision towers of a Cambrian checkpoint included; says where they lie."""
    from huggingface_hub import snapshot_download

    from cambrian_eval.model import locate

    try:
        if locate(repo)[0].name != "cambrian":
            return [f"{repo}: {snapshot_download(repo)}"]
        return _fetch_cambrian(repo)
    except UserError:
        raise
    except Exception as error:
        raise UserError(
            f"model {repo} cannot be fetched ({type(error).__name__}); check the name and the network"
        ) from error


def _fetch_cambrian(name: str) -> list[str]:
    """The checkpoint first, because its config names the towers; of each repository one form of the weights."""
    from fnmatch import fnmatch

    from huggingface_hub import HfApi, snapshot_download

    from cambrian_eval.models.cambrian.inspect import needed_repositories

    said: dict[str, str] = {}
    while pending := [r for r in needed_repositories(name) if not r.present and r.hub_id not in said]:
        for repository in pending:
            files = HfApi().list_repo_files(repository.hub_id)
            weights = next((w for w in repository.weights if any(fnmatch(f, w) for f in files)), None)
            if weights is None:
                raise UserError(f"{repository.hub_id} holds none of the weight files {', '.join(repository.weights)}")
            folder = snapshot_download(repository.hub_id, allow_patterns=[*repository.patterns, weights])
            said[repository.hub_id] = f"{repository.hub_id}: {folder}"
    return list(said.values()) or [f"{name}: everything it needs is in the cache"]

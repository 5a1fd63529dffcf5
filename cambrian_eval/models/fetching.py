"""Downloads a model from the Hub ahead of a run."""

from __future__ import annotations

from cambrian_eval.errors import UserError


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

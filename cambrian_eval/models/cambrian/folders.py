"""Folders of checkpoints and towers on this machine: copies in the Hub cache. Opens no connection."""

from __future__ import annotations

from pathlib import Path


def cached_snapshot(hub_id: str, *, with_weights: bool = True) -> Path | None:
    """The Hub cache's copy of a repository, if it has weights (without `with_weights`, if it has a config.json)."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        folder = Path(snapshot_download(hub_id, local_files_only=True))
    except (LocalEntryNotFoundError, HFValidationError, HfHubHTTPError):
        return None
    usable = _has_weights(folder) if with_weights else (folder / "config.json").is_file()
    return folder if usable else None


def _has_weights(folder: Path) -> bool:
    return any(any(folder.glob(pattern)) for pattern in ("*.safetensors", "*.bin"))

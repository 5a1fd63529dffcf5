"""Folders of checkpoints and towers on this machine: copies in the Hub cache, and JSON files. Opens no connection."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """The object in an existing JSON file."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # neither JSON nor, perhaps, UTF-8
        raise UserError(f"{path} is not valid JSON ({error}); download or copy the file again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must be one JSON object")
    return content


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

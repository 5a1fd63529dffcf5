"""Folders of checkpoints and towers on this machine: the hub cache's copy, and the JSON files in a folder.

Opens no socket and no weights. What the JSON means is left to `checkpoint` and `tower_specs`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file that is there."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # no JSON, or no UTF-8
        raise UserError(f"{path} is not valid JSON ({error}); fetch or copy the file again") from None
    if not isinstance(content, dict):
        raise UserError(f"{path} must hold one JSON object")
    return content


def cached_snapshot(hub_id: str, *, with_weights: bool = True) -> Path | None:
    """The hub cache's local copy of a repository, if there is one that holds weights (or, if not, a config)."""
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

"""Reading what other versions wrote: builds with earlier key names, and rows that do not carry their class names."""

from __future__ import annotations

from typing import Any

from cvbench_builder.tasks import task_named

_EARLIER, _NOW = "picture", "image"
"""Earlier versions named keys `picture_sha256`, `pictures`, `per_picture` and the like."""


def current_row(row: dict[str, Any]) -> dict[str, Any]:
    """A row with the present keys; published rows and those of earlier builds get the column `classes`."""
    row = {_current(name): value for name, value in row.items()}
    if not row.get("classes"):
        row["classes"] = task_named(row["task"]).classes_in(row)
    return row


def current_record(value: Any) -> Any:
    """`build.json` or `funnel.json` with the present keys, at every depth."""
    if isinstance(value, dict):
        return {_current(name): current_record(item) for name, item in value.items()}
    return [current_record(item) for item in value] if isinstance(value, list) else value


def _current(name: str) -> str:
    return name.replace(_EARLIER, _NOW)

"""`--config run.toml`: every option of a command by its own name; options on the command line win."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from cambrian_eval.errors import UserError, unknown


def defaults(path: Path, command: Any) -> dict[str, Any]:
    """The file's values as defaults for a command's parameters; unknown keys name the nearest option."""
    import tomllib

    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UserError(f"--config {path} cannot be read: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"--config {path} is no TOML: {error}") from None
    options = {o.lstrip("-").replace("-", "_"): p for p in command.params for o in p.opts if o.startswith("--")}
    options.pop("config", None)
    found: dict[str, Any] = {}
    for key, value in content.items():
        name = key.replace("-", "_")
        if name not in options:
            raise unknown(f"key in {path}", key, [o.replace("_", "-") for o in options])
        found[options[name].name] = _plain(value, name)
    return found


def _plain(value: Any, name: str) -> Any:
    """TOML lists and tables as the command line would have them."""
    if name == "set":
        if not isinstance(value, dict):
            raise UserError(f"config key {name!r} must be a table such as [set.textvqa] with ocr_tokens = false")
        return [f"{b}.{k}={_word(v)}" for b, inner in value.items() for k, v in dict(inner).items()]
    if isinstance(value, list):
        return ",".join(map(str, value))
    return value


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)

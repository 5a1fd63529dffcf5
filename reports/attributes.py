"""Attributes of models that figures can draw scores against: their names, titles and other spellings."""

from __future__ import annotations

from collections.abc import Mapping

ATTRIBUTES: Mapping[str, str] = {
    "visual_tokens": "visual tokens",
    "resolution": "image resolution (pixels)",
    "params": "parameters (billions)",
}
"""Attribute -> how figures write it."""
_SPELLINGS = {
    "n_visual_tokens": "visual_tokens",
    "tokens": "visual_tokens",
    "parameters": "params",
    "n_params": "params",
    "param (b)": "params",
    "params (b)": "params",
    "#params (b)": "params",
    "parameters (b)": "params",
}


def attribute_named(text: str) -> str | None:
    """The attribute that a column head or an option means, or None."""
    key = text.lower().replace("-", "_")
    key = _SPELLINGS.get(key, key)
    return key if key in ATTRIBUTES else None

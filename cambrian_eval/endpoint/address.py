"""Where an endpoint is, and its key. Keys come from the environment only and addresses hold none."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from urllib.parse import urlsplit

from cambrian_eval.errors import UserError


def place_of(base_url: str | None) -> str:
    """The address of a public service; "local" for servers of one's own, whose ports and hosts change."""
    parts = urlsplit(base_url or "https://api.openai.com/v1")
    host = parts.hostname or ""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        return "local" if address.is_private or address.is_loopback else f"{host}{parts.path.rstrip('/')}"
    if "." not in host or host.endswith((".local", ".internal", ".lan")):
        return "local"
    return f"{host}{parts.path.rstrip('/')}"


def is_azure(base_url: str) -> bool:
    """Whether the host is one of Azure's, which want another client and an API version."""
    return (urlsplit(base_url).hostname or "").endswith((".openai.azure.com", ".cognitiveservices.azure.com"))


def checked_url(url: str | None) -> str | None:
    """The URL unchanged if it may be stored: http(s), with a host, without user, password or query. None stays None."""
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UserError(f"base URL {url.split('@')[-1]!r} is not an http(s) address, such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UserError(
            "the base URL must hold no user, password or query, because it is stored with the run; "
            "give the key in OPENAI_API_KEY"
        )
    return url


def key_for(base_url: str | None) -> tuple[str, str]:
    """The name of the variable that holds the key, and the key (empty where an own server needs none)."""
    azure = base_url is not None and is_azure(base_url)
    name = "AZURE_OPENAI_API_KEY" if azure and os.environ.get("AZURE_OPENAI_API_KEY") else "OPENAI_API_KEY"
    key = os.environ.get(name, "").strip()
    if not key and (base_url is None or azure):
        raise UserError(f"no key for the endpoint; set {name} in the environment")
    if not key.isascii() or not key.isprintable():
        raise UserError(f"{name} holds characters that no key has; set it again")
    return name, key

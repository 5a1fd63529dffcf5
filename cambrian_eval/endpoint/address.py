"""Base URL and API key of an endpoint. Keys are read from the environment alone; a base URL may contain none."""

from __future__ import annotations

import ipaddress
import os
from contextlib import suppress
from urllib.parse import urlsplit

from cambrian_eval.errors import UserError, one_line


def place_of(base_url: str | None) -> str:
    """Host and path of a public service; "local" for private servers, whose hosts and ports change."""
    parts = urlsplit(base_url or "https://api.openai.com/v1")
    host = parts.hostname or ""
    with suppress(ValueError):
        address = ipaddress.ip_address(host)
        return "local" if address.is_private or address.is_loopback else f"{host}{parts.path.rstrip('/')}"
    if "." not in host or host.endswith((".local", ".internal", ".lan")):
        return "local"
    return f"{host}{parts.path.rstrip('/')}"


def is_azure(base_url: str) -> bool:
    """Whether the host belongs to Azure, which requires its own client and an API version."""
    return (urlsplit(base_url).hostname or "").endswith((".openai.azure.com", ".cognitiveservices.azure.com"))


def is_openai(base_url: str | None) -> bool:
    """Whether the provider is OpenAI, whose rules for counting the tokens of an image are known."""
    return base_url is None or is_azure(base_url) or urlsplit(base_url).hostname == "api.openai.com"


def checked_url(url: str | None) -> str | None:
    """The URL unchanged; an error unless it is http(s) with a host and without user, password and query."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:  # no valid port (such as one above 65535), brackets or name
        usable = False
    if not usable or not url.isprintable() or " " in url:
        shown = one_line(url.split("@")[-1].split("?")[0], 100)
        raise UserError(f"base URL {shown!r} is not an http(s) address, such as http://localhost:8000/v1")
    if parts.username or parts.password or parts.query:
        raise UserError(
            "the base URL must not contain a user, a password or a query, because it is stored with the run; "
            "set the key in OPENAI_API_KEY"
        )
    return url


def key_for(base_url: str | None) -> tuple[str, str]:
    """The name of the environment variable with the key, and the key (empty for a private server without one)."""
    azure = base_url is not None and is_azure(base_url)
    name = "AZURE_OPENAI_API_KEY" if azure and os.environ.get("AZURE_OPENAI_API_KEY") else "OPENAI_API_KEY"
    key = os.environ.get(name, "").strip()
    if not key and (base_url is None or azure):
        raise UserError(f"the endpoint needs an API key; set {name} in the environment")
    if not key.isascii() or not key.isprintable():
        raise UserError(f"{name} contains characters that are not valid in a key; set it again")
    return name, key

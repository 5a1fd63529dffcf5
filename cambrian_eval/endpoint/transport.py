"""The connections to one endpoint: POST requests with aiohttp, bodies of bounded size, no redirect to another host.

Where a request goes and with which headers is asked of the `openai` client, which users configure (base URL, keys,
organization, Azure); it builds one request, and those that follow are sent like it. aiohttp sends them because the
`openai` client takes many times its processor time. Imported only where requests are sent.
"""

from __future__ import annotations

import io
import ipaddress
import os
import ssl
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
import openai
from yarl import URL

from cambrian_eval.errors import UserError, one_line

MAX_BODY = 1 << 23
"""The most bytes of a response, before and after decompression."""
MAX_REDIRECTS = 5
KEEP_ALIVE = 4.0
"""Seconds that an idle connection is kept; common servers close theirs after 5."""
_REDIRECTS = (301, 302, 303, 307, 308)
_OWN_HEADERS = (
    "accept",
    "accept-encoding",
    "connection",
    "content-length",
    "content-type",
    "host",
    "transfer-encoding",
)
"""Headers that belong to one request or connection."""


_HEADERS = {"Accept": "application/json", "Accept-Encoding": "gzip, deflate", "Content-Type": "application/json"}
_PLAIN = 1 << 20
"""The largest body in bytes that is given to the connection in one piece."""


class BadBody(Exception):
    """A response that cannot be read: too large, or with a compression that is not known."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where chat completions are sent."""

    url: str
    headers: Mapping[str, str]
    """The headers of the `openai` client, with the API key."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What came back: its status, headers (names in any case) and decompressed body."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class Recorder(openai.DefaultAsyncHttpxClient):
    """An HTTP client that sends nothing and keeps the request that it was given."""

    sent: Any = None

    async def send(self, request: Any, **how: Any) -> Any:
        """Keeps the request."""
        self.sent = request
        raise ConnectionAbortedError


async def target_of(client: openai.AsyncOpenAI, recorder: Recorder, model: str) -> Target:
    """Where and how the `openai` client, which was made with the recorder, sends chat completions."""
    with suppress(openai.APIConnectionError, ConnectionAbortedError):
        await client.chat.completions.create(model=model, messages=[])
    headers = {
        name: value
        for name, value in recorder.sent.headers.items()
        if name.lower() not in _OWN_HEADERS and not name.lower().startswith("x-stainless-")
    }
    return Target(str(recorder.sent.url), headers)


class Connections:
    """Connections to one endpoint, for one event loop."""

    def __init__(self, target: Target, timeout: float) -> None:
        secure = urlsplit(target.url).scheme == "https"
        self._url = URL(target.url, encoded=True)
        self._proxy = proxy_for(target.url)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=_trusted() if secure else True, keepalive_timeout=KEEP_ALIVE),
            timeout=aiohttp.ClientTimeout(total=timeout),
            headers={**target.headers, **_HEADERS},
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def post(self, body: bytes) -> Reply:
        """The reply to a JSON body; redirects are followed on the same host only."""
        url = self._url
        for _ in range(MAX_REDIRECTS):
            data = body if len(body) <= _PLAIN else io.BytesIO(body)
            async with self._session.post(url, data=data, allow_redirects=False, proxy=self._proxy) as response:
                location = response.headers.get("Location") if response.status in _REDIRECTS else None
                if location is None:
                    return Reply(response.status, response.headers, await _read(response))
            following = _joined(url, location)
            if not _same_place(url, following):
                raise UserError(
                    f"the endpoint {url.scheme}://{url.authority} redirects to another host, {following.authority}; "
                    "prompts and images are not sent there; give the address that is meant as the base URL"
                )
            url = following
        raise BadBody(f"the endpoint redirects more than {MAX_REDIRECTS} times")

    async def close(self) -> None:
        """Closes all connections."""
        await self._session.close()


def proxy_for(url: str) -> str | None:
    """The HTTP proxy that the environment names for an address; an error where it is not usable."""
    parts = urlsplit(url)
    if _is_loopback(parts.hostname or ""):
        return None  # a server on this machine
    found = getproxies()
    proxy = found.get(parts.scheme) or found.get("all")
    if not proxy or proxy_bypass(parts.netloc):
        return None
    proxy = proxy if "://" in proxy else f"http://{proxy}"
    try:
        made = urlsplit(proxy)
        usable = made.scheme in ("http", "https") and bool(made.hostname) and made.port != 0
    except ValueError:  # a port that is none
        usable = False
    if usable:
        return proxy
    shown = one_line(proxy.rpartition("@")[2], 100)
    raise UserError(
        f"a proxy in the environment is not usable ({shown}: only http:// and https:// proxies are); "
        "see `cambrian-eval doctor` for the proxy variables that are set"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    with suppress(ValueError):
        return ipaddress.ip_address(host).is_loopback
    return False


def _trusted() -> ssl.SSLContext:
    """The certificates of the system or those that SSL_CERT_FILE and SSL_CERT_DIR name; else those of certifi."""
    context = ssl.create_default_context()
    if not os.environ.get("SSL_CERT_FILE") and not os.environ.get("SSL_CERT_DIR"):
        with suppress(ImportError):
            import certifi

            context.load_verify_locations(certifi.where())
    return context


def _joined(here: URL, location: str) -> URL:
    try:
        return here.join(URL(location))
    except ValueError:
        raise BadBody(f"the endpoint redirects to {one_line(location, 100)!r}, which is not an address") from None


def _same_place(here: URL, there: URL) -> bool:
    """Whether a redirect stays at the same host and port; from http to https is allowed."""
    if here.host != there.host:
        return False
    upgraded = (here.scheme, there.scheme) == ("http", "https") and (here.port, there.port) == (80, 443)
    return upgraded or (here.scheme == there.scheme and here.port == there.port)


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body as the endpoint meant it."""
    chunks = []
    size = 0
    while chunk := await response.content.readany():
        chunks.append(chunk)
        size += len(chunk)
        if size > MAX_BODY:
            raise BadBody(f"the response has more than {MAX_BODY} bytes")
    return _decompressed(b"".join(chunks), response.headers.get("Content-Encoding", "").strip().lower())


def _decompressed(raw: bytes, encoding: str) -> bytes:
    if encoding in ("", "identity") or not raw:
        return raw
    if encoding not in ("gzip", "x-gzip", "deflate"):
        raise BadBody(f"the response has the compression {encoding[:40]!r}, which was not asked for")
    try:
        unpacker = zlib.decompressobj(wbits=47)
        body = unpacker.decompress(raw, MAX_BODY + 1)
    except zlib.error:
        raise BadBody("the response is not valid gzip data") from None
    if len(body) > MAX_BODY:
        raise BadBody(f"the response unfolds to more than {MAX_BODY} bytes")
    return body

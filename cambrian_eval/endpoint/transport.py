"""What is read from an endpoint's connection: bodies of bounded size, and no redirect to another host.

Imported only where a client is made, because it imports the `openai` package.
"""

from __future__ import annotations

import zlib
from typing import Any

import openai

from cambrian_eval.errors import UserError

MAX_BODY = 1 << 23
"""The most bytes of a response, before and after decompression."""
MAX_REDIRECTS = 5


class BadBody(Exception):
    """A response that cannot be read: too large, or with a compression that is not known."""


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """The HTTP client of `openai` with bounded bodies; redirects are followed on the same host only."""

    async def send(self, request: Any, **how: Any) -> Any:
        """The response, read completely."""
        how = {**how, "stream": True, "follow_redirects": False}
        for _ in range(MAX_REDIRECTS):
            response = await super().send(request, **how)
            try:
                following = response.next_request if response.has_redirect_location else None
                if following is None:
                    return await _read(response)
            finally:
                await response.aclose()
            if not _same_place(request.url, following.url):
                raise UserError(
                    f"the endpoint {request.url.scheme}://{request.url.netloc.decode()} redirects to another host, "
                    f"{following.url.netloc.decode()}; prompts and images are not sent there; "
                    "give the address that is meant as the base URL"
                )
            request = following
        raise BadBody(f"the endpoint redirects more than {MAX_REDIRECTS} times")


def _same_place(here: Any, there: Any) -> bool:
    """Whether a redirect stays at the same host and port; from http to https is allowed."""
    if here.host != there.host:
        return False
    default = {"http": 80, "https": 443}
    ports = [url.port or default.get(url.scheme) for url in (here, there)]
    upgraded = (here.scheme, there.scheme) == ("http", "https") and ports == [80, 443]
    return upgraded or (here.scheme == there.scheme and ports[0] == ports[1])


async def _read(response: Any) -> Any:
    """A response that is read completely, with its body as the endpoint meant it."""
    raw = bytearray()
    async for chunk in response.aiter_raw():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise BadBody(f"the response has more than {MAX_BODY} bytes")
    body = _decompressed(bytes(raw), response.headers.get("content-encoding", "identity").strip().lower())
    dropped = ("content-encoding", "content-length", "transfer-encoding")
    headers = [(name, value) for name, value in response.headers.multi_items() if name.lower() not in dropped]
    return type(response)(response.status_code, headers=headers, content=body, request=response.request)


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

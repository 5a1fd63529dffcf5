"""What goes wrong with a request: the kinds of errors, and what an error of a connection or an HTTP status means.

The API key is removed from every text that leaves this module.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

import orjson

from cambrian_eval.endpoint.budget import Reservation
from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.errors import UserError, describe, one_line
from cambrian_eval.json_input import parse

if TYPE_CHECKING:
    from cambrian_eval.endpoint.transport import Reply

T = TypeVar("T")

ErrorKind = Literal["rate_limit", "down", "server", "invalid", "timeout", "filtered", "rejected"]
DOWN = (502, 503, 504, 520, 521, 522, 523, 524, 529)
"""HTTP statuses of an endpoint that is not available, whatever the request."""
FILTER_WORDS = ("content_filter", "content_policy", "responsibleaipolicy", "content management policy")
"""Words of an error that means that the prompt was filtered."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a response, and the reason in one line."""

    reason: str
    outage: bool = False
    """Whether the endpoint was the cause and not the request, so that the request is worth another try later."""


@dataclass(frozen=True, slots=True)
class FinishedRequest(Generic[T]):
    """The outcome of one request, with the caller's tag for it."""

    tag: T
    outcome: ChatResponse | Failure


class RequestError(Exception):
    """One failed try: kind of error, message, and the seconds that the endpoint asks to wait."""

    sent: Mapping[str, Any]

    def __init__(
        self, kind: ErrorKind, reason: str, wait: float | None = None, status: int = 0, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.wait, self.status, self.unreachable = kind, reason, wait, status, unreachable


class Abandoned(Exception):
    """The requests end, and this one has no response yet."""


class ErrorReader:
    """Explains the errors of one endpoint."""

    def __init__(self, model: str, base_url: str | None, key_name: str, key: str, timeout: float) -> None:
        self._model, self._base_url, self._timeout = model, base_url, timeout
        self._key_name, self._key = key_name, key
        self.responded = False
        """Whether the endpoint has ever responded; until then some errors are about its address."""

    @property
    def address(self) -> str:
        """The endpoint in words."""
        parts = urlsplit(self._base_url or "https://api.openai.com/v1")
        return f"the endpoint {parts.scheme}://{parts.netloc}{parts.path}"

    def redact(self, text: str) -> str:
        """The text without the API key."""
        return text.replace(self._key, "[key]") if len(self._key) >= 6 else text

    def line(self, text: str) -> str:
        """A text from outside on one line of at most 400 characters, without the API key."""
        return self.redact(one_line(text))[:400]

    def explain(self, error: Exception, reservation: Reservation) -> Exception:
        """What an error of the connection means; where nothing can have been billed, nothing is in transit."""
        import aiohttp

        from cambrian_eval.endpoint.transport import BadBody

        if isinstance(error, TimeoutError):
            return RequestError("timeout", f"no response within {self._timeout:g} seconds")
        if isinstance(error, UserError):
            reservation.in_transit = False
            return error
        if isinstance(error, BadBody):
            return RequestError("invalid", self.line(str(error)))
        unreachable = isinstance(error, aiohttp.ClientConnectorError)
        reservation.in_transit = not unreachable
        reason = self.line(f"{'no connection' if unreachable else 'connection lost'}: {describe(error)}")
        return RequestError("down", reason, unreachable=unreachable)

    def of_status(self, reply: Reply, sent: Mapping[str, Any]) -> RequestError:
        """The error of an HTTP status; one that concerns every request is raised as `UserError` at once."""
        from cambrian_eval.endpoint.rate_limit import retry_after

        status = reply.status
        message = self._message(reply.body)
        reason = f"HTTP {status}: {message}" if message else f"HTTP {status}"
        wait = retry_after(reply.headers)
        text = message.lower()
        if status == 401:
            remedy = f"set {self._key_name} to a valid key" if self._key else f"set {self._key_name}"
            raise UserError(f"{self.address} does not accept the API key (HTTP 401); {remedy}")
        if status == 402 or "insufficient_quota" in text:
            raise UserError(f"{self.address} reports that the account has no credit left ({reason})")
        if status in (400, 403, 422) and any(w in text for w in FILTER_WORDS):
            return RequestError("filtered", reason)
        if status in (403, 404) and not self.responded:
            hint = "" if "/v1" in (self._base_url or "/v1") else "; such base URLs usually end with /v1"
            raise UserError(f"{self.address} does not serve the model {self._model!r} ({reason}){hint}")
        if status == 429:
            return RequestError("rate_limit", reason, wait)
        if status in DOWN:
            return RequestError("down", reason, wait, status)
        if status in (408, 409, 425) or (status >= 500 and status != 501):
            return RequestError("server", reason, wait, status)
        found = RequestError("rejected", reason, status=status)
        found.sent = sent
        return found

    def _message(self, body: bytes) -> str:
        """The message of an error body with its code, in one line without the API key."""
        try:
            found = parse(body, "the error")
        except UserError:
            return self.line(body[:2000].decode("utf-8", "replace"))
        inner = found.get("error", found) if isinstance(found, dict) else found
        if not isinstance(inner, dict):
            return self.line("" if inner is None else str(inner))
        nested, detail = inner.get("innererror"), inner.get("detail")  # FastAPI names the latter
        parts = [inner.get("code"), inner.get("param"), inner.get("message")]
        parts += [detail] if isinstance(detail, str) else [orjson.dumps(detail).decode()] if detail else []
        parts += [nested.get("code")] if isinstance(nested, dict) else []
        return self.line(" ".join(str(p) for p in parts if p))

"""Client for OpenAI-compatible chat endpoints: concurrent requests, retries, timeouts, rate limit and budget.

What is sent and what a response means is decided by the callers, the LLM judge and the `openai:` model. Retries are
done here and not by the `openai` client, because backoff, rate limit and budget depend on each other. The API key is
removed from every text that leaves this module.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
import time
from collections.abc import Coroutine, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from cambrian_eval.endpoint.address import checked_url, is_azure, key_for, place_of
from cambrian_eval.endpoint.budget import Budget, BudgetReached, Price
from cambrian_eval.endpoint.parameters import ChatRequest, SupportedParameters
from cambrian_eval.endpoint.rate_limit import MAX_RETRY_AFTER, ConcurrencyLimit, backoff, retry_after
from cambrian_eval.endpoint.responses import ChatResponse, parse_response
from cambrian_eval.errors import UserError, one_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

ErrorKind = Literal["rate_limit", "server", "timeout", "connection", "unreachable", "filtered", "rejected"]
MAX_TRIES: Mapping[ErrorKind, int] = {"rate_limit": 12, "server": 6, "unreachable": 6, "timeout": 3, "connection": 4}
"""Tries of one request by kind of error; `connection` includes responses that are not valid."""
MAX_UNREACHABLE = 4
"""Tries before an endpoint that has never responded is reported as unreachable."""
MAX_PARAMETER_CHANGES = 6
"""Retries of one request with other parameters."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request without a response, and the reason in one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class FinishedRequest(Generic[T]):
    """The outcome of one request, with the caller's tag for it."""

    tag: T
    outcome: ChatResponse | Failure


class _RequestError(Exception):
    """One failed try: kind of error, message, and the seconds that the endpoint asks to wait."""

    sent: Mapping[str, Any]

    def __init__(self, kind: ErrorKind, reason: str, wait: float | None = None, status: int = 0) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.wait, self.status = kind, reason, wait, status


class Endpoint:
    """One model at one base URL."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        concurrency: int = 16,
        timeout: float = 120.0,
        price: Price | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.model = model
        self.base_url = checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or None)
        self.concurrency, self.timeout, self.price, self.budget = concurrency, timeout, price, budget
        self._parameters = SupportedParameters(model)
        self._limit = ConcurrencyLimit(concurrency)
        self._ever_responded = False
        self._failed_in_a_row = 0
        self._key_name, self._key = key_for(self.base_url)

    @property
    def place(self) -> str:
        """Host and path of a public service, or "local": the part of the address that identifies the model."""
        return place_of(self.base_url)

    def redact(self, text: str) -> str:
        """The text without the API key."""
        return text.replace(self._key, "[key]") if len(self._key) >= 6 else text

    def send(
        self, requests: Iterable[tuple[T, ChatRequest]], stop: threading.Event | None = None
    ) -> Iterator[FinishedRequest[T]]:
        """Sends tagged requests and yields their outcomes as they arrive; requests are pulled as slots become free.

        Ends early when `stop` is set, after the in-flight requests have finished. Raises `BudgetReached` when the next
        request does not fit into the budget, after the outcomes of all in-flight requests have been yielded.
        """
        source = iter(requests)
        waiting: tuple[T, ChatRequest] | None = None
        ended = False
        in_flight = 0
        loop = _EventLoop(self)
        try:
            while True:
                ended = ended or (stop is not None and stop.is_set())
                while in_flight < self.concurrency and not ended and loop.finished.empty():
                    waiting = waiting or next(source, None)
                    if waiting is None:
                        ended = True
                        break
                    amount = self._reserve(waiting[1], in_flight)
                    if amount is None:
                        break
                    loop.submit(waiting[0], self._request(loop.client, waiting[1], amount))
                    waiting, in_flight = None, in_flight + 1
                if not in_flight:
                    if waiting is not None and not ended and self.budget is not None:
                        raise self.budget.error()
                    return
                tag, outcome = loop.next()
                in_flight -= 1
                if isinstance(outcome, BudgetReached):
                    yield from self._drain(loop, in_flight)
                    raise outcome
                if isinstance(outcome, BaseException):
                    raise outcome
                yield FinishedRequest(tag, outcome)
        finally:
            loop.close()

    def _drain(self, loop: _EventLoop, in_flight: int) -> Iterator[FinishedRequest[Any]]:
        for _ in range(in_flight):
            tag, outcome = loop.next()
            if not isinstance(outcome, BaseException):
                yield FinishedRequest(tag, outcome)

    def _reserve(self, request: ChatRequest, in_flight: int) -> float | None:
        """The amount reserved for a request; None where it has to wait for others or does not fit at all."""
        if self.budget is None:
            return 0.0
        if self.budget.n_finished == 0 and in_flight:
            return None
        return self.budget.reserve(request.prompt_tokens, self._parameters.token_limit(request))

    # -- one request, in the event loop

    async def _request(self, client: AsyncOpenAI, request: ChatRequest, amount: float) -> ChatResponse | Failure:
        """Sends one request with retries."""
        tries: dict[ErrorKind, int] = {}
        has_schema = request.schema is not None
        while True:
            sent_at = time.monotonic()
            try:
                async with self._limit.slot():
                    sent_at = time.monotonic()
                    response = await self._try(client, request)
            except _RequestError as error:
                outcome = await self._after_error(error, request, amount, tries, sent_at)
                if isinstance(outcome, ChatRequest):
                    request = outcome
                    continue
                if outcome is not None:
                    return outcome
                continue
            self._limit.succeeded()
            self._ever_responded, self._failed_in_a_row = True, 0
            self._parameters.succeeded(request, schema_dropped=has_schema and request.schema is None)
            return self._charged(response, request, amount, time.monotonic() - sent_at, sum(tries.values()) + 1)

    def _charged(
        self, response: ChatResponse, request: ChatRequest, amount: float, seconds: float, tries: int
    ) -> ChatResponse:
        """The response with its cost, charged to the budget."""
        if not response.counted:
            estimate = len(response.text) // 4 + 1
            response = replace(response, prompt_tokens=request.prompt_tokens, new_tokens=estimate)
        if self.budget is not None:
            self.budget.charge(amount, request.prompt_tokens, response.prompt_tokens, response.new_tokens)
        cost = None if self.price is None else self.price.cost(response.prompt_tokens, response.new_tokens)
        return replace(response, text=self.redact(response.text), seconds=seconds, cost=cost, tries=tries)

    async def _after_error(
        self, error: _RequestError, request: ChatRequest, amount: float, tries: dict[ErrorKind, int], sent_at: float
    ) -> ChatResponse | Failure | ChatRequest | None:
        """What follows a failed try: a retry (None, or a changed request), an outcome, or an error for all requests."""
        kind = error.kind
        tries[kind] = tries.get(kind, 0) + 1
        if kind == "filtered":
            self._release(amount)
            return ChatResponse("", "filtered", notes={"endpoint": error.reason})
        if kind == "rejected":
            if tries[kind] <= MAX_PARAMETER_CHANGES and self._parameters.learn(error.reason, error.sent):
                return None
            if self._parameters.schema_unconfirmed(request):
                return replace(request, schema=None)
            return self._failure(error, amount)
        if kind == "rate_limit":
            self._limit.rate_limited(sent_at, error.wait)
        if kind in ("timeout", "connection") and self.budget is not None and not self.budget.charge_lost(amount):
            self._release(amount)
            raise self.budget.error()
        if kind == "server" and tries[kind] == 2 and error.status and self._parameters.schema_unconfirmed(request):
            return replace(request, schema=None)  # some servers crash on a schema instead of rejecting it
        if kind == "unreachable" and not self._ever_responded and tries[kind] >= MAX_UNREACHABLE:
            raise UserError(
                f"{self._address()} cannot be reached ({error.reason}); check the base URL and that the server runs"
            )
        if tries[kind] >= MAX_TRIES[kind] or (error.wait or 0.0) > MAX_RETRY_AFTER:
            return self._failure(error, amount)
        wait = backoff(tries[kind])
        await asyncio.sleep(wait if error.wait is None else error.wait + 0.1 * wait)
        return None

    def _release(self, amount: float) -> None:
        if self.budget is not None:
            self.budget.release(amount)

    def _failure(self, error: _RequestError, amount: float) -> Failure:
        """The failure of one request; an error for the whole run after many failures in a row."""
        self._release(amount)
        if error.kind == "rejected":
            self._failed_in_a_row = 0
            return Failure(error.reason)
        self._failed_in_a_row += 1
        limit = max(32, 2 * self.concurrency)
        if self._failed_in_a_row >= limit:
            raise UserError(
                f"{self._address()} failed {limit} requests in a row, the last with: {error.reason}; "
                "responses so far are stored; run again to resume"
            )
        return Failure(error.reason)

    async def _try(self, client: AsyncOpenAI, request: ChatRequest) -> ChatResponse:
        """One try; every error becomes a `_RequestError` or a `UserError`."""
        import openai

        sent = self._parameters.arguments(request)
        try:
            raw = await asyncio.wait_for(client.chat.completions.with_raw_response.create(**sent), self.timeout)
            body = raw.http_response.content
        except (TimeoutError, openai.APITimeoutError):
            raise _RequestError("timeout", f"no response within {self.timeout:g} seconds") from None
        except openai.APIStatusError as error:
            found = self._status_error(error)
            found.sent = sent
            raise found from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else type(error).__name__
            kind: ErrorKind = "unreachable" if cause == "ConnectError" else "connection"
            text = self._line(str(error.__cause__ or error))
            raise _RequestError(kind, f"connection lost: {cause}: {text}") from None
        except openai.OpenAIError as error:
            raise _RequestError("connection", self._line(f"{type(error).__name__}: {error}")) from None
        response = parse_response(body)
        if isinstance(response, str):
            raise _RequestError("connection", self._line(response))
        return response

    def _status_error(self, error: Any) -> _RequestError:
        """The error of an HTTP status; one that concerns every request is raised as `UserError` at once."""
        status = int(error.status_code)
        message = self._message(error)
        reason = f"HTTP {status}: {message}" if message else f"HTTP {status}"
        wait = retry_after(error.response.headers)
        text = message.lower()
        if status == 401:
            remedy = f"set {self._key_name} to a valid key" if self._key else f"set {self._key_name}"
            raise UserError(f"{self._address()} does not accept the API key (HTTP 401); {remedy}")
        if status == 402 or "insufficient_quota" in text:
            raise UserError(f"{self._address()} reports that the account has no credit left ({reason})")
        if status in (400, 403, 422) and any(w in text for w in _FILTER_WORDS):
            return _RequestError("filtered", reason)
        if status in (403, 404) and not self._ever_responded:
            hint = "" if "/v1" in (self.base_url or "/v1") else "; such base URLs usually end with /v1"
            raise UserError(f"{self._address()} does not serve the model {self.model!r} ({reason}){hint}")
        if status == 429:
            return _RequestError("rate_limit", reason, wait)
        if status in (408, 409, 425) or (status >= 500 and status != 501):
            return _RequestError("server", reason, wait, status)
        return _RequestError("rejected", reason, status=status)

    def _message(self, error: Any) -> str:
        """The message of an error body with its code, in one line without the API key."""
        body = error.body
        if isinstance(body, dict):
            inner = body.get("error", body)
            if isinstance(inner, dict):
                parts = [inner.get("code"), inner.get("param"), inner.get("message")]
                nested = inner.get("innererror")
                parts += [nested.get("code")] if isinstance(nested, dict) else []
                return self._line(" ".join(str(p) for p in parts if p))
            return self._line(str(inner))
        return self._line("" if body is None else str(body))

    def _line(self, text: str) -> str:
        return self.redact(one_line(text))[:400]

    def _address(self) -> str:
        parts = urlsplit(self.base_url or "https://api.openai.com/v1")
        return f"the endpoint {parts.scheme}://{parts.netloc}{parts.path}"

    def client(self) -> AsyncOpenAI:
        """An `openai` client for one event loop; older Azure addresses need their own kind."""
        import openai

        common: dict[str, Any] = {"max_retries": 0, "timeout": self.timeout}
        if self.base_url and is_azure(self.base_url) and "/openai/v1" not in self.base_url:
            version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url, api_key=self._key, api_version=version, **common
            )
        return openai.AsyncOpenAI(api_key=self._key or "no key", base_url=self.base_url, **common)


_FILTER_WORDS = ("content_filter", "content_policy", "responsibleaipolicy", "content management policy")


class _EventLoop:
    """An event loop in its own thread, which runs requests while the caller waits for outcomes."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.finished: queue.SimpleQueue[tuple[Any, ChatResponse | Failure | BaseException]] = queue.SimpleQueue()
        self.client = endpoint.client()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        endpoint._limit.start()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()

    def submit(self, tag: Any, work: Coroutine[Any, Any, ChatResponse | Failure]) -> None:
        def start() -> None:
            task = self._loop.create_task(self._run(tag, work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(start)

    async def _run(self, tag: Any, work: Coroutine[Any, Any, ChatResponse | Failure]) -> None:
        try:
            self.finished.put((tag, await work))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.finished.put((tag, error))

    def next(self) -> tuple[Any, ChatResponse | Failure | BaseException]:
        return self.finished.get()

    def close(self) -> None:
        """Cancels in-flight requests and closes connections."""

        async def end() -> None:
            tasks = list(self._tasks)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            with suppress(Exception):
                await self.client.close()

        with suppress(Exception):
            asyncio.run_coroutine_threadsafe(end(), self._loop).result(timeout=5)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=5)
        if not self._thread.is_alive():
            self._loop.close()

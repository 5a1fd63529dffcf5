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
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies

from cambrian_eval.endpoint.address import checked_url, is_azure, key_for, place_of
from cambrian_eval.endpoint.budget import Budget, Price, Reservation
from cambrian_eval.endpoint.outage import CircuitBreaker, log
from cambrian_eval.endpoint.parameters import ChatRequest, SupportedParameters
from cambrian_eval.endpoint.rate_limit import MAX_RETRY_AFTER, ConcurrencyLimit, backoff, retry_after
from cambrian_eval.endpoint.responses import ChatResponse, parse_response
from cambrian_eval.errors import UserError, one_line

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

ErrorKind = Literal["rate_limit", "down", "server", "invalid", "timeout", "filtered", "rejected"]
MAX_TRIES: Mapping[ErrorKind, int] = {"down": 6, "server": 6, "invalid": 4, "timeout": 3}
"""Tries of one request by kind of error; where the endpoint is down for all requests, time is the limit instead."""
MAX_UNREACHABLE = 4
"""Tries before an endpoint that has never responded is reported as unreachable."""
MAX_PARAMETER_CHANGES = 6
"""Retries of one request with other parameters."""
OUTAGE = 600.0
"""Seconds that requests wait for an endpoint that does not respond, or that rejects them for their rate."""
STOP_GRACE = 10.0
"""Seconds that requests which have been sent may still take after an interruption."""
POLL = 0.1
"""Seconds between two looks at whether the run was interrupted."""


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


class _RequestError(Exception):
    """One failed try: kind of error, message, and the seconds that the endpoint asks to wait."""

    sent: Mapping[str, Any]

    def __init__(
        self, kind: ErrorKind, reason: str, wait: float | None = None, status: int = 0, unreachable: bool = False
    ) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.wait, self.status, self.unreachable = kind, reason, wait, status, unreachable


class _Abandoned(Exception):
    """The requests end, and this one has no response yet."""


class Endpoint:
    """One model at one base URL."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        *,
        concurrency: int = 16,
        timeout: float = 120.0,
        outage: float = OUTAGE,
        max_retry_after: float = MAX_RETRY_AFTER,
        price: Price | None = None,
        budget: Budget | None = None,
    ) -> None:
        self.model = model
        self.base_url = checked_url(base_url or os.environ.get("OPENAI_BASE_URL") or None)
        self.concurrency, self.timeout, self.price = concurrency, timeout, price
        self.outage, self.max_retry_after = outage, min(max_retry_after, outage)
        self.budget = budget or Budget(None, price)
        self._parameters = SupportedParameters(model)
        self._limit = ConcurrencyLimit(concurrency)
        self._breaker = CircuitBreaker(outage, self._address())
        self._ever_responded = self._gave_up = self._said_capped = False
        self._failed_in_a_row = self._n_active = 0
        self._ending = False
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

        Ends early when `stop` is set: requests that have been sent get `STOP_GRACE` seconds, those that wait for a
        retry have no outcome. An error that concerns every request is raised after the outcomes of all requests in
        flight have been yielded, and so is `BudgetReached` where the next request does not fit into the budget.
        """
        source = iter(requests)
        waiting: tuple[T, ChatRequest] | None = None
        fatal: BaseException | None = None
        ended = interrupted = False
        in_flight = 0
        self._ending = False
        loop = _EventLoop(self)
        try:
            while True:
                if not interrupted and stop is not None and stop.is_set():
                    ended = interrupted = True
                    loop.end(STOP_GRACE)
                while in_flight < self.concurrency and not ended and loop.finished.empty():
                    waiting = waiting or next(source, None)
                    if waiting is None:
                        ended = True
                        break
                    if not self.budget.may_be_sent(waiting[1], in_flight):
                        break
                    reservation = self.budget.reserve(waiting[1], self._parameters.token_limit(waiting[1]))
                    if reservation is None:
                        break
                    loop.submit(waiting[0], self._request(loop.client, waiting[1], reservation), reservation)
                    waiting, in_flight = None, in_flight + 1
                if not in_flight:
                    if fatal is not None:
                        raise fatal
                    if waiting is not None and not ended:
                        raise self.budget.error()
                    return
                finished = loop.next(None if interrupted else stop)
                if finished is None:
                    continue
                tag, outcome = finished
                in_flight -= 1
                if isinstance(outcome, _Abandoned):
                    continue
                if isinstance(outcome, BaseException):
                    if fatal is None:
                        fatal, ended = outcome, True
                        loop.end(self.timeout)
                    continue
                yield FinishedRequest(tag, outcome)
        finally:
            loop.close()

    # -- one request, in the event loop

    async def _request(
        self, client: AsyncOpenAI, request: ChatRequest, reservation: Reservation
    ) -> ChatResponse | Failure:
        """Sends one request with retries."""
        state = _Tries(time.monotonic())
        has_schema = request.schema is not None
        self._n_active += 1
        try:
            while True:
                if self._ending:
                    raise _Abandoned
                try:
                    async with self._breaker.admitted(backoff), self._limit.slot():
                        state.sent_at = time.monotonic()
                        response = await self._try(client, request, reservation)
                except _RequestError as error:
                    outcome = await self._after_error(error, request, reservation, state)
                    if isinstance(outcome, ChatRequest):
                        request = outcome
                        continue
                    if outcome is not None:
                        return outcome
                    continue
                self._limit.succeeded()
                self._breaker.succeeded()
                self._ever_responded, self._failed_in_a_row, self._gave_up = True, 0, False
                self._parameters.succeeded(request, schema_dropped=has_schema and request.schema is None)
                return self._charged(response, request, reservation, state)
        finally:
            self._n_active -= 1

    def _charged(
        self, response: ChatResponse, request: ChatRequest, reservation: Reservation, state: _Tries
    ) -> ChatResponse:
        """The response with its cost, charged to the budget."""
        if not response.counted:
            estimate = len(response.text) // 4 + 1
            response = replace(response, prompt_tokens=request.prompt_tokens, new_tokens=estimate)
        cost = self.budget.charge(reservation, request, response)
        return replace(
            response,
            text=self.redact(response.text),
            served_by=None if response.served_by is None else self._line(response.served_by),
            seconds=time.monotonic() - state.sent_at,
            cost=cost,
            tries=state.total + 1,
        )

    async def _after_error(
        self, error: _RequestError, request: ChatRequest, reservation: Reservation, state: _Tries
    ) -> ChatResponse | Failure | ChatRequest | None:
        """What follows a failed try: a retry (None, or a changed request), an outcome, or an error for all requests."""
        kind = error.kind
        if kind == "filtered":
            self.budget.end(reservation)
            return ChatResponse("", "filtered", notes={"endpoint": error.reason})
        state.total += 1
        if kind == "rejected":
            state.changes += 1
            if state.changes <= MAX_PARAMETER_CHANGES and self._parameters.learn(error.reason, error.sent):
                return None
            if self._parameters.schema_unconfirmed(request):
                return replace(request, schema=None)
            return self._failure(error, reservation)
        if reservation.in_transit and not self.budget.charge_lost(reservation):
            raise self.budget.error()
        if self._ending:
            raise _Abandoned
        wait = error.wait
        if wait is not None and wait > self.max_retry_after:
            wait = self._capped(wait)
        if kind == "rate_limit":
            return await self._rate_limited(error, wait, reservation, state)
        if kind == "down":
            return await self._down(error, wait, reservation, state)
        state.count(kind)
        if kind == "server" and state.tries[kind] == 2 and self._parameters.schema_unconfirmed(request):
            return replace(request, schema=None)  # some servers crash on a schema instead of rejecting it
        if state.tries[kind] >= MAX_TRIES[kind]:
            return self._failure(error, reservation)
        await asyncio.sleep(max(wait or 0.0, backoff(state.tries[kind])))
        return None

    def _capped(self, asked: float) -> float:
        if not self._said_capped:
            self._said_capped = True
            log.warning(
                "%s asks to wait %.6g s (Retry-After); such a request waits %g s, and the others go on",
                self._address(),
                asked,
                self.max_retry_after,
            )
        return self.max_retry_after

    async def _rate_limited(
        self, error: _RequestError, wait: float | None, reservation: Reservation, state: _Tries
    ) -> Failure | None:
        """After HTTP 429: fewer requests at a time, and another try until `outage` seconds have passed."""
        capped = error.wait is not None and error.wait > self.max_retry_after
        self._limit.rate_limited(state.sent_at, None if capped else wait)
        state.count("rate_limit")
        now = time.monotonic()
        state.limited_since = state.limited_since or now
        left = state.limited_since + self.outage - now
        if left <= 0:
            if self._n_active > 1 and now - self._breaker.last_success >= self.outage:
                raise self._given_up(error)
            return self._failure(error, reservation)
        pause = backoff(state.tries["rate_limit"])
        await asyncio.sleep(min(left, pause if wait is None else wait + 0.1 * pause))
        return None

    async def _down(
        self, error: _RequestError, wait: float | None, reservation: Reservation, state: _Tries
    ) -> Failure | None:
        """After a failure that concerns all requests: they wait together until the endpoint responds again.

        Only where other requests succeed in the meantime is it the fault of this request, and its tries are counted.
        """
        alone = self._breaker.last_success > state.failed_at
        state.failed_at = time.monotonic()
        self._breaker.failed(error.reason, wait)
        state.unreachable += error.unreachable
        tries = max(state.unreachable, self._breaker.probes)
        if error.unreachable and not self._ever_responded and tries >= MAX_UNREACHABLE:
            proxied = ", and the proxy variables that `cambrian-eval doctor` shows" if getproxies() else ""
            raise UserError(
                f"{self._address()} cannot be reached ({error.reason}); "
                f"check the base URL and that the server runs{proxied}"
            )
        if alone:
            state.count("down")
            if state.tries["down"] >= MAX_TRIES["down"]:
                return self._failure(error, reservation)
        if self._breaker.expired or (self._gave_up and self._breaker.is_open):
            if self._n_active > 1 or self._gave_up:
                raise self._given_up(error)
            self._gave_up = True  # it may be the only request that the endpoint does not survive
            self._breaker.reset()
            return self._failure(error, reservation)
        if not self._breaker.is_open:
            await asyncio.sleep(max(wait or 0.0, backoff(state.total)))
        return None

    def _given_up(self, error: _RequestError) -> UserError:
        return UserError(
            f"{self._address()} was not available for {self.outage:g} seconds, the last time with: {error.reason}; "
            "responses so far are stored; run again to resume"
        )

    def _failure(self, error: _RequestError, reservation: Reservation) -> Failure:
        """The failure of one request; an error for the whole run after many failures in a row."""
        self.budget.end(reservation)
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
        return Failure(error.reason, outage=error.kind != "invalid")

    async def _try(self, client: AsyncOpenAI, request: ChatRequest, reservation: Reservation) -> ChatResponse:
        """One try; every error becomes a `_RequestError` or a `UserError`.

        The reservation is in transit while a response may be on its way, and afterwards where it was lost.
        """
        import openai

        from cambrian_eval.endpoint.transport import BadBody

        sent = self._parameters.arguments(request)
        body, caught = b"", None
        reservation.in_transit = True
        try:
            raw = await asyncio.wait_for(client.chat.completions.with_raw_response.create(**sent), self.timeout)
            body = raw.http_response.content
        except (TimeoutError, openai.OpenAIError, BadBody, UserError) as error:
            caught = error
        if caught is not None:  # raised here and not above, because a traceback would show the original with the key
            raise self._reason(caught, sent, reservation)
        response = parse_response(body)
        if isinstance(response, str):
            raise _RequestError("invalid", self._line(response))
        facts = {name: sent[name] for name in (self._parameters.limit_name, "temperature") if name in sent}
        return replace(response, sent=facts)

    def _reason(self, error: Exception, sent: Mapping[str, Any], reservation: Reservation) -> Exception:
        """What an exception of the client means; where nothing can have been billed, nothing is in transit."""
        import openai

        from cambrian_eval.endpoint.transport import BadBody

        if isinstance(error, (TimeoutError, openai.APITimeoutError)):
            return _RequestError("timeout", f"no response within {self.timeout:g} seconds")
        if isinstance(error, openai.APIStatusError):
            reservation.in_transit = False
            found = self._status_error(error)
            found.sent = sent
            return found
        cause = error
        if isinstance(error, openai.APIConnectionError) and isinstance(error.__cause__, Exception):
            cause = error.__cause__
        if isinstance(cause, UserError):
            reservation.in_transit = False
            return cause
        if isinstance(cause, BadBody):
            return _RequestError("invalid", self._line(str(cause)))
        name = type(cause).__name__
        if not isinstance(error, openai.APIConnectionError):
            return _RequestError("invalid", self._line(f"{name}: {cause}"))
        reservation.in_transit = name != "ConnectError"
        reason = self._line(f"connection lost: {name}: {cause}")
        return _RequestError("down", reason, unreachable=name == "ConnectError")

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
        if status in _DOWN:
            return _RequestError("down", reason, wait, status)
        if status in (408, 409, 425) or (status >= 500 and status != 501):
            return _RequestError("server", reason, wait, status)
        return _RequestError("rejected", reason, status=status)

    def _message(self, error: Any) -> str:
        """The message of an error body with its code, in one line without the API key."""
        body = error.body
        try:
            if not isinstance(body, dict):
                return self._line("" if body is None else str(body))
            inner = body.get("error", body)
            if not isinstance(inner, dict):
                return self._line(str(inner))
            nested = inner.get("innererror")
            parts = [inner.get("code"), inner.get("param"), inner.get("message")]
            parts += [nested.get("code")] if isinstance(nested, dict) else []
            return self._line(" ".join(str(p) for p in parts if p))
        except RecursionError:  # an error that is nested thousands of levels deep
            return ""

    def _line(self, text: str) -> str:
        return self.redact(one_line(text))[:400]

    def _address(self) -> str:
        parts = urlsplit(self.base_url or "https://api.openai.com/v1")
        return f"the endpoint {parts.scheme}://{parts.netloc}{parts.path}"

    def client(self) -> AsyncOpenAI:
        """An `openai` client for one event loop; older Azure addresses need their own kind."""
        import openai

        from cambrian_eval.endpoint.transport import BoundedClient

        try:
            http_client = BoundedClient()
        except Exception as error:  # many kinds, all of them about proxy variables
            raise UserError(
                f"a proxy in the environment is not usable ({one_line(error, 160)}); "
                "see `cambrian-eval doctor` for the proxy variables that are set"
            ) from None
        common: dict[str, Any] = {"max_retries": 0, "timeout": self.timeout, "http_client": http_client}
        if self.base_url and is_azure(self.base_url) and "/openai/v1" not in self.base_url:
            version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url, api_key=self._key, api_version=version, **common
            )
        return openai.AsyncOpenAI(api_key=self._key or "no key", base_url=self.base_url, **common)


_DOWN = (502, 503, 504, 520, 521, 522, 523, 524, 529)
"""HTTP statuses of an endpoint that is not available, whatever the request."""
_FILTER_WORDS = ("content_filter", "content_policy", "responsibleaipolicy", "content management policy")


@dataclass(slots=True)
class _Tries:
    """The tries of one request so far."""

    failed_at: float
    """Time of the last try for which the endpoint was down; at first, when the request began."""
    sent_at: float = 0.0
    limited_since: float | None = None
    total: int = 0
    changes: int = 0
    unreachable: int = 0
    tries: dict[ErrorKind, int] = field(default_factory=dict)

    def count(self, kind: ErrorKind) -> None:
        """Counts one try of this kind."""
        self.tries[kind] = self.tries.get(kind, 0) + 1


class _EventLoop:
    """An event loop in its own thread, which runs requests while the caller waits for outcomes."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.finished: queue.SimpleQueue[tuple[Any, ChatResponse | Failure | BaseException]] = queue.SimpleQueue()
        self.client = endpoint.client()
        self._endpoint = endpoint
        self._loop = asyncio.new_event_loop()
        self._tasks: dict[asyncio.Task[ChatResponse | Failure], Reservation] = {}
        endpoint._limit.start()
        endpoint._breaker.start()
        endpoint._n_active = 0
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()

    def submit(self, tag: Any, work: Coroutine[Any, Any, ChatResponse | Failure], reservation: Reservation) -> None:
        def start() -> None:
            task = self._loop.create_task(work)
            self._tasks[task] = reservation
            task.add_done_callback(done)

        def done(task: asyncio.Task[ChatResponse | Failure]) -> None:
            del self._tasks[task]
            error = _Abandoned() if task.cancelled() else task.exception()
            if error is not None:
                with suppress(UserError):  # a full disk: another error says so
                    self._endpoint.budget.end(reservation)
            self.finished.put((tag, error or task.result()))

        self._loop.call_soon_threadsafe(start)

    def next(self, stop: threading.Event | None) -> tuple[Any, ChatResponse | Failure | BaseException] | None:
        """The next outcome; None where `stop` is set before there is one."""
        while True:
            try:
                return self.finished.get(timeout=None if stop is None else POLL)
            except queue.Empty:
                if stop is not None and stop.is_set():
                    return None

    def end(self, grace: float) -> None:
        """Abandons the requests that wait; those that have been sent get so many seconds, and no retry."""

        def abandon(all_of_them: bool) -> None:
            for task, reservation in list(self._tasks.items()):
                if all_of_them or not reservation.in_transit:
                    task.cancel()

        def begin() -> None:
            self._endpoint._ending = True
            abandon(False)
            self._loop.call_later(grace, abandon, True)

        self._loop.call_soon_threadsafe(begin)

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

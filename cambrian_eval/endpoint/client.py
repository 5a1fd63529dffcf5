"""Client for OpenAI-compatible chat endpoints: concurrent requests, retries, timeouts, rate limit and budget.

What is sent and what a response means is decided by the callers, the LLM judge and the `openai:` model. The `openai`
client says where and with which headers (see `transport`); retries are done here, because backoff, rate limit and
budget depend on each other. The API key is removed from every text that leaves this module.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.request import getproxies

import orjson

from cambrian_eval.endpoint.address import checked_url, is_azure, key_for, place_of
from cambrian_eval.endpoint.budget import Budget, Price, Reservation
from cambrian_eval.endpoint.event_loop import EventLoop
from cambrian_eval.endpoint.failures import Abandoned, ErrorKind, ErrorReader, Failure, FinishedRequest, RequestError
from cambrian_eval.endpoint.outage import CircuitBreaker, log
from cambrian_eval.endpoint.parameters import ChatRequest, SupportedParameters, body_of
from cambrian_eval.endpoint.rate_limit import MAX_RETRY_AFTER, ConcurrencyLimit, backoff
from cambrian_eval.endpoint.responses import ChatResponse, parse_response
from cambrian_eval.errors import UserError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from cambrian_eval.endpoint.transport import Connections, Target

T = TypeVar("T")

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
        self.parameters = SupportedParameters(model)
        self._limit = ConcurrencyLimit(concurrency)
        key_name, self._key = key_for(self.base_url)
        self.errors = ErrorReader(model, self.base_url, key_name, self._key, timeout)
        self._breaker = CircuitBreaker(outage, self.errors.address)
        self._gave_up = self._said_capped = self._said_thinks = False
        self._failed_in_a_row = self._n_active = self._asleep = 0
        self._look_again: Callable[[], None] = lambda: None
        self._ending = False
        self._target: Target | None = None

    @property
    def place(self) -> str:
        """Host and path of a public service, or "local": the part of the address that identifies the model."""
        return place_of(self.base_url)

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
        loop = EventLoop(self.connect, self.budget, self._begin, self._end)
        self._look_again = loop.look_again
        try:
            while True:
                if not interrupted and stop is not None and stop.is_set():
                    ended = interrupted = True
                    loop.end(STOP_GRACE)
                while in_flight < self._places() and not ended and loop.finished.empty():
                    waiting = waiting or next(source, None)
                    if waiting is None:
                        ended = True
                        break
                    if not self.budget.may_be_sent(waiting[1], in_flight):
                        break
                    reservation = self.budget.reserve(waiting[1], self.parameters.token_limit(waiting[1]))
                    if reservation is None:
                        break
                    loop.submit(waiting[0], self._request(loop.connections, waiting[1], reservation), reservation)
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
                if isinstance(outcome, Abandoned):
                    continue
                if isinstance(outcome, BaseException):
                    if fatal is None:
                        fatal, ended = outcome, True
                        loop.end(self.timeout)
                    continue
                yield FinishedRequest(tag, outcome)
        finally:
            loop.close()

    def _begin(self) -> None:
        """Called before requests run in a new event loop."""
        self._limit.start()
        self._breaker.start()
        self._n_active, self._ending = 0, False

    def _end(self) -> None:
        """Called when requests end early: none is tried again."""
        self._ending = True

    # -- one request, in the event loop

    async def _request(
        self, connections: Connections, request: ChatRequest, reservation: Reservation
    ) -> ChatResponse | Failure:
        """Sends one request with retries."""
        state = _Tries(time.monotonic())
        has_schema = request.schema is not None
        self._n_active += 1
        try:
            while True:
                if self._ending:
                    raise Abandoned
                try:
                    async with self._breaker.admitted(backoff), self._limit.slot():
                        state.sent_at, limit = time.monotonic(), self.parameters.token_limit(request)
                        response = await self._try(connections, request, reservation)
                except RequestError as error:
                    outcome = await self._after_error(error, request, reservation, state)
                    if isinstance(outcome, ChatRequest):
                        request = outcome
                        continue
                    if outcome is not None:
                        return outcome
                    continue
                self._limit.succeeded(time.monotonic() - state.sent_at)
                self._breaker.succeeded()
                self.errors.responded, self._failed_in_a_row, self._gave_up = True, 0, False
                self.parameters.succeeded(request, schema_dropped=has_schema and request.schema is None)
                # A response that costs something is not thrown away.
                if self.price is None and self.parameters.cut_in_thought(response, request, limit):
                    state.total += 1
                    self._say_thinks(request)
                    continue
                return self._charged(response, request, reservation, state)
        finally:
            self._n_active -= 1

    def _say_thinks(self, request: ChatRequest) -> None:
        if not self._said_thinks:
            self._said_thinks = True
            log.warning(
                "%s thinks before it answers; requests get %d more tokens for that (--thinking-budget)",
                self.model,
                request.thinking.limit,
            )

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
            text=self.errors.redact(response.text),
            served_by=None if response.served_by is None else self.errors.line(response.served_by),
            seconds=time.monotonic() - state.sent_at,
            cost=cost,
            tries=state.total + 1,
        )

    async def _after_error(
        self, error: RequestError, request: ChatRequest, reservation: Reservation, state: _Tries
    ) -> ChatResponse | Failure | ChatRequest | None:
        """What follows a failed try: a retry (None, or a changed request), an outcome, or an error for all requests."""
        kind = error.kind
        if kind == "filtered":
            self.budget.end(reservation)
            return ChatResponse("", "filtered", notes={"endpoint": error.reason})
        state.total += 1
        if kind == "rejected":
            state.changes += 1
            if (option := self.parameters.refused(error.reason, error.sent, request)) is not None:
                raise UserError(f"{self.errors.address} rejects {option} ({error.reason}); leave it out")
            if state.changes <= MAX_PARAMETER_CHANGES and self.parameters.learn(error.reason, error.sent):
                return None
            if self.parameters.schema_unconfirmed(request):
                return replace(request, schema=None)
            return self._failure(error, reservation)
        if reservation.in_transit and not self.budget.charge_lost(reservation):
            raise self.budget.error()
        if self._ending:
            raise Abandoned
        wait = error.wait
        if wait is not None and wait > self.max_retry_after:
            wait = self._capped(wait)
        if kind == "rate_limit":
            return await self._rate_limited(error, wait, reservation, state)
        if kind == "down":
            return await self._down(error, wait, reservation, state)
        state.count(kind)
        if kind == "timeout":
            self._limit.overloaded(state.sent_at)
        if kind == "server" and state.tries[kind] == 2 and self.parameters.schema_unconfirmed(request):
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
                self.errors.address,
                asked,
                self.max_retry_after,
            )
        return self.max_retry_after

    async def _rate_limited(
        self, error: RequestError, wait: float | None, reservation: Reservation, state: _Tries
    ) -> Failure | None:
        """After HTTP 429: fewer requests at a time, and another try until `outage` seconds have passed."""
        capped = error.wait is not None and error.wait > self.max_retry_after
        self._limit.overloaded(state.sent_at, None if capped else wait)
        state.count("rate_limit")
        now = time.monotonic()
        state.limited_since = state.limited_since or now
        left = state.limited_since + self.outage - now
        if left <= 0:
            if self._n_active > 1 and now - self._breaker.last_success >= self.outage:
                raise self._given_up(error)
            return self._failure(error, reservation)
        pause = min(left, backoff(state.tries["rate_limit"]) * (1.0 if wait is None else 0.1) + (wait or 0.0))
        self._asleep += capped  # it waits alone: others take its place
        if capped:
            self._look_again()
        try:
            await asyncio.sleep(pause)
        finally:
            self._asleep -= capped
        return None

    def _places(self) -> int:
        """How many requests may have been begun and not ended."""
        return min(self._limit.maximum, self._limit.allowed + self._asleep)

    async def _down(
        self, error: RequestError, wait: float | None, reservation: Reservation, state: _Tries
    ) -> Failure | None:
        """After a failure that concerns all requests: they wait together until the endpoint responds again.

        Only where other requests succeed in the meantime is it the fault of this request, and its tries are counted.
        """
        alone = self._breaker.last_success > state.failed_at
        state.failed_at = time.monotonic()
        self._breaker.failed(error.reason, wait)
        state.unreachable += error.unreachable
        tries = max(state.unreachable, self._breaker.probes)
        never = error.unreachable and not self.errors.responded
        if never and (tries >= MAX_UNREACHABLE or self._breaker.expired):
            proxied = ", and the proxy variables that `cambrian-eval doctor` shows" if getproxies() else ""
            raise UserError(
                f"{self.errors.address} cannot be reached ({error.reason}); "
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

    def _given_up(self, error: RequestError) -> UserError:
        return UserError(
            f"{self.errors.address} was not available for {self.outage:g} seconds, "
            f"the last time with: {error.reason}; responses so far are stored; run again to resume"
        )

    def _failure(self, error: RequestError, reservation: Reservation) -> Failure:
        """The failure of one request; an error for the whole run after many failures in a row."""
        self.budget.end(reservation)
        if error.kind == "rejected":
            self._failed_in_a_row = 0
            return Failure(error.reason)
        self._failed_in_a_row += 1
        limit = max(32, 2 * self.concurrency)
        if self._failed_in_a_row >= limit:
            raise UserError(
                f"{self.errors.address} failed {limit} requests in a row, the last with: {error.reason}; "
                "responses so far are stored; run again to resume"
            )
        return Failure(error.reason, outage=error.kind != "invalid")

    async def _try(self, connections: Connections, request: ChatRequest, reservation: Reservation) -> ChatResponse:
        """One try; every error becomes a `RequestError` or a `UserError`.

        The reservation is in transit while a response may be on its way, and afterwards where it was lost.
        """
        import aiohttp

        from cambrian_eval.endpoint.transport import BadBody

        sent = self.parameters.arguments(request)
        caught = None
        reservation.in_transit = True
        try:
            reply = await connections.post(orjson.dumps(body_of(sent)))
        except (aiohttp.ClientError, OSError, BadBody, UserError) as error:  # a timeout is an OSError
            caught = error
        if caught is not None:  # raised here and not above, because a traceback would show the original with the key
            raise self.errors.explain(caught, reservation)
        if not 200 <= reply.status < 300:
            reservation.in_transit = False
            raise self.errors.of_status(reply, sent)
        response = parse_response(reply.body)
        if isinstance(response, str):
            raise RequestError("invalid", self.errors.line(response))
        return replace(response, sent=self.parameters.facts(sent, request))

    async def connect(self) -> Connections:
        """New connections to the endpoint, for the running event loop."""
        from cambrian_eval.endpoint.transport import Connections, Recorder, target_of

        if self._target is None:
            recorder = Recorder(trust_env=False, verify=False)  # it opens no connection
            self._target = await target_of(self.client(recorder), recorder, self.model)
        return Connections(self._target, self.timeout)

    def client(self, http_client: Any = None) -> AsyncOpenAI:
        """The `openai` client with the address and the key; older Azure addresses need their own kind."""
        import openai

        common: dict[str, Any] = {"max_retries": 0, "http_client": http_client}
        if self.base_url and is_azure(self.base_url) and "/openai/v1" not in self.base_url:
            version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url, api_key=self._key, api_version=version, **common
            )
        return openai.AsyncOpenAI(api_key=self._key or "no key", base_url=self.base_url, **common)


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

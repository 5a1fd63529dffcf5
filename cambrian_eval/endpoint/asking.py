"""Asks an OpenAI-compatible chat endpoint many requests at a time and survives what endpoints do.

Owns retries, time-outs and the sorting of refusals; the key is cut out of every text that leaves here. Which words
are sent and what a reply means belong to the callers: the judge and the API model. Retrying is done here and not by
the client, because waiting, pace and budget belong together.
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
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import urlsplit

from cambrian_eval.endpoint.address import checked_url, is_azure, key_for, place_of
from cambrian_eval.endpoint.manner import Chat, Manner
from cambrian_eval.endpoint.pace import LONGEST_WAIT, Pace, backoff, retry_after
from cambrian_eval.endpoint.replies import Reply, reply_of
from cambrian_eval.endpoint.spending import Budget, BudgetReached, Price
from cambrian_eval.errors import UserError

if TYPE_CHECKING:
    from openai import AsyncOpenAI

T = TypeVar("T")

PATIENCE = {"busy": 12, "down": 6, "late": 3, "broken": 4}
"""Tries by kind of trouble: too many requests, server or connection, time-out, a reply that is no reply."""
UNREACHABLE_AFTER = 4
MOST_MANNERS = 6
"""Times one request is asked in another manner."""


@dataclass(frozen=True, slots=True)
class Failure:
    """A request that got no reply, and why, in one line."""

    reason: str


@dataclass(frozen=True, slots=True)
class Answered(Generic[T]):
    """What came of one request."""

    tag: T
    outcome: Reply | Failure


class _Trouble(Exception):
    """A try that failed: of what kind, what was said, and how long the endpoint asked to wait."""

    sent: Mapping[str, Any]

    def __init__(self, kind: str, reason: str, wait: float | None = None, status: int = 0) -> None:
        super().__init__(reason)
        self.kind, self.reason, self.wait, self.status = kind, reason, wait, status


class Endpoint:
    """One model behind one address."""

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
        self._manner = Manner(model)
        self._pace = Pace(concurrency)
        self._answered_ever = False
        self._failed_in_a_row = 0
        self._key_name, self._key = key_for(self.base_url)

    @property
    def place(self) -> str:
        """Where the model is, as far as it says which model it is: an own server's address does not."""
        return place_of(self.base_url)

    def redact(self, text: str) -> str:
        """The text without the key."""
        return text.replace(self._key, "[key]") if len(self._key) >= 6 else text

    def answers(self, asked: Iterable[tuple[T, Chat]], stop: threading.Event | None = None) -> Iterator[Answered[T]]:
        """Replies in the order in which they come; requests are pulled as there is room for them.

        Ends early when `stop` is set (what is in flight is still answered) and raises `BudgetReached` when the next
        request does not fit, after everything in flight has been handed out.
        """
        source = iter(asked)
        waiting: tuple[T, Chat] | None = None
        ended = False
        in_flight = 0
        crew = _Crew(self)
        try:
            while True:
                ended = ended or (stop is not None and stop.is_set())
                while in_flight < self.concurrency and not ended and crew.done.empty():
                    waiting = waiting or next(source, None)
                    if waiting is None:
                        ended = True
                        break
                    amount = self._reserve(waiting[1], in_flight)
                    if amount is None:
                        break
                    crew.submit(waiting[0], self._ask(crew.client, waiting[1], amount))
                    waiting, in_flight = None, in_flight + 1
                if not in_flight:
                    if waiting is not None and not ended and self.budget is not None:
                        raise self.budget.reached()
                    return
                tag, outcome = crew.next()
                in_flight -= 1
                if isinstance(outcome, BudgetReached):
                    ended = True
                    if in_flight == 0:
                        raise outcome
                    in_flight, pending = 0, in_flight
                    yield from self._drain(crew, pending)
                    raise outcome
                if isinstance(outcome, BaseException):
                    raise outcome
                yield Answered(tag, outcome)
        finally:
            crew.close()

    def _drain(self, crew: _Crew, pending: int) -> Iterator[Answered[Any]]:
        for _ in range(pending):
            tag, outcome = crew.next()
            if not isinstance(outcome, BaseException):
                yield Answered(tag, outcome)

    def _reserve(self, chat: Chat, in_flight: int) -> float | None:
        """Money set aside for a request; None where it has to wait for others or does not fit at all."""
        if self.budget is None:
            return 0.0
        if self.budget.seen == 0 and in_flight:
            return None
        return self.budget.reserve(chat.prompt_tokens, self._manner.limit(chat))

    # -- one request, in the event loop

    async def _ask(self, client: AsyncOpenAI, chat: Chat, amount: float) -> Reply | Failure:
        """A reply, or a failure when patience is at its end."""
        tries: dict[str, int] = {}
        wanted = chat.schema
        while True:
            sent_at = time.monotonic()
            try:
                async with self._pace.turn():
                    sent_at = time.monotonic()
                    reply = await self._once(client, chat)
            except _Trouble as trouble:
                outcome = await self._after(trouble, chat, amount, tries, sent_at)
                if isinstance(outcome, Chat):
                    chat = outcome
                    continue
                if outcome is not None:
                    return outcome
                continue
            self._pace.succeeded()
            self._answered_ever, self._failed_in_a_row = True, 0
            self._manner.worked(chat, dropped=wanted is not None and chat.schema is None)
            return self._settled(reply, chat, amount, time.monotonic() - sent_at, sum(tries.values()) + 1)

    def _settled(self, reply: Reply, chat: Chat, amount: float, seconds: float, tries: int) -> Reply:
        """The reply with its price; the budget learns what it cost."""
        if not reply.counted:
            guess = len(reply.text) // 4 + 1
            reply = replace(reply, prompt_tokens=chat.prompt_tokens, new_tokens=guess)
        if self.budget is not None:
            self.budget.settle(amount, chat.prompt_tokens, reply.prompt_tokens, reply.new_tokens)
        cost = None if self.price is None else self.price.cost(reply.prompt_tokens, reply.new_tokens)
        return replace(reply, text=self.redact(reply.text), seconds=seconds, cost=cost, tries=tries)

    async def _after(
        self, trouble: _Trouble, chat: Chat, amount: float, tries: dict[str, int], sent_at: float
    ) -> Reply | Failure | Chat | None:
        """What follows a try that failed: another try (None, or a changed chat), a failure, or an error for all."""
        kind = trouble.kind
        tries[kind] = tries.get(kind, 0) + 1
        if kind == "filtered":
            self._release(amount)
            return Reply("", "filtered", notes={"endpoint": trouble.reason})
        if kind == "wrong":
            if tries[kind] <= MOST_MANNERS and self._manner.learn(trouble.reason, trouble.sent):
                return None
            if self._manner.unproven(chat):
                return replace(chat, schema=None)
            return self._give_up(trouble, amount)
        if kind == "busy":
            self._pace.too_many(sent_at, trouble.wait)
        if kind in ("late", "broken") and self.budget is not None and not self.budget.lost(amount):
            self._release(amount)
            raise self.budget.reached()
        if kind == "down" and tries[kind] == 2 and trouble.status and self._manner.unproven(chat):
            return replace(chat, schema=None)  # some servers break on a schema instead of refusing it
        if kind == "unreachable" and not self._answered_ever and tries[kind] >= UNREACHABLE_AFTER:
            raise UserError(
                f"{self._where()} cannot be reached ({trouble.reason}); check the base URL and that the server runs"
            )
        if tries[kind] >= PATIENCE.get(kind, PATIENCE["down"]) or (trouble.wait or 0.0) > LONGEST_WAIT:
            return self._give_up(trouble, amount)
        wait = backoff(tries[kind])
        await asyncio.sleep(wait if trouble.wait is None else trouble.wait + 0.1 * wait)
        return None

    def _release(self, amount: float) -> None:
        if self.budget is not None:
            self.budget.release(amount)

    def _give_up(self, trouble: _Trouble, amount: float) -> Failure:
        """A failure; an error when the endpoint has failed everybody for long."""
        self._release(amount)
        if trouble.kind == "wrong":
            self._failed_in_a_row = 0
            return Failure(trouble.reason)
        self._failed_in_a_row += 1
        most = max(32, 2 * self.concurrency)
        if self._failed_in_a_row >= most:
            raise UserError(
                f"{self._where()} failed {most} requests in a row, the last with: {trouble.reason}; "
                "what was answered is stored: run again to go on"
            )
        return Failure(trouble.reason)

    async def _once(self, client: AsyncOpenAI, chat: Chat) -> Reply:
        """One try; everything that can go wrong becomes a `_Trouble` or a `UserError`."""
        import openai

        sent = self._manner.arguments(chat)
        try:
            raw = await asyncio.wait_for(client.chat.completions.with_raw_response.create(**sent), self.timeout)
            body = raw.http_response.content
        except (TimeoutError, openai.APITimeoutError):
            raise _Trouble("late", f"no reply within {self.timeout:g} seconds") from None
        except openai.APIStatusError as error:
            trouble = self._status(error)
            trouble.sent = sent
            raise trouble from None
        except openai.APIConnectionError as error:
            cause = type(error.__cause__).__name__ if error.__cause__ else type(error).__name__
            kind = "unreachable" if cause == "ConnectError" else "broken"
            text = self._line(str(error.__cause__ or error))
            raise _Trouble(kind, f"connection lost: {cause}: {text}") from None
        except openai.OpenAIError as error:
            raise _Trouble("broken", self._line(f"{type(error).__name__}: {error}")) from None
        reply = reply_of(body)
        if isinstance(reply, str):
            raise _Trouble("broken", self._line(reply))
        return reply

    def _status(self, error: Any) -> _Trouble:
        """A refusal by its status. What no other request could survive is raised at once."""
        status = int(error.status_code)
        said = self._said(error)
        reason = f"HTTP {status}: {said}" if said else f"HTTP {status}"
        wait = retry_after(error.response.headers)
        low = said.lower()
        if status == 401:
            remedy = f"set {self._key_name} to a valid key" if self._key else f"set {self._key_name}"
            raise UserError(f"{self._where()} refuses the key (HTTP 401); {remedy}")
        if status == 402 or "insufficient_quota" in low:
            raise UserError(f"{self._where()} says that the account has no credit left ({reason})")
        if status in (400, 403, 422) and any(w in low for w in _FILTER_WORDS):
            return _Trouble("filtered", reason)
        if status in (403, 404) and not self._answered_ever:
            hint = "" if "/v1" in (self.base_url or "/v1") else "; such addresses usually end with /v1"
            raise UserError(f"{self._where()} does not serve the model {self.model!r} to you ({reason}){hint}")
        if status == 429:
            return _Trouble("busy", reason, wait)
        if status in (408, 409, 425) or (status >= 500 and status != 501):
            return _Trouble("down", reason, wait, status)
        return _Trouble("wrong", reason, status=status)

    def _said(self, error: Any) -> str:
        """The message of an error body with its code, in one line without the key."""
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
        return self.redact(" ".join(text.split()))[:400]

    def _where(self) -> str:
        parts = urlsplit(self.base_url or "https://api.openai.com/v1")
        return f"the endpoint {parts.scheme}://{parts.netloc}{parts.path}"

    def client(self) -> AsyncOpenAI:
        """A client for one event loop. Azure's older addresses need their own."""
        import openai

        common: dict[str, Any] = {"max_retries": 0, "timeout": self.timeout}
        if self.base_url and is_azure(self.base_url) and "/openai/v1" not in self.base_url:
            version = os.environ.get("OPENAI_API_VERSION", "2024-10-21")
            return openai.AsyncAzureOpenAI(
                azure_endpoint=self.base_url, api_key=self._key, api_version=version, **common
            )
        return openai.AsyncOpenAI(api_key=self._key or "no key", base_url=self.base_url, **common)


_FILTER_WORDS = ("content_filter", "content_policy", "responsibleaipolicy", "content management policy")


class _Crew:
    """An event loop in a thread of its own that works on requests while the caller waits."""

    def __init__(self, endpoint: Endpoint) -> None:
        self.done: queue.SimpleQueue[tuple[Any, Reply | Failure | BaseException]] = queue.SimpleQueue()
        self.client = endpoint.client()
        self._loop = asyncio.new_event_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        endpoint._pace.begin()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()

    def submit(self, tag: Any, work: Coroutine[Any, Any, Reply | Failure]) -> None:
        def start() -> None:
            task = self._loop.create_task(self._finish(tag, work))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        self._loop.call_soon_threadsafe(start)

    async def _finish(self, tag: Any, work: Coroutine[Any, Any, Reply | Failure]) -> None:
        try:
            self.done.put((tag, await work))
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            self.done.put((tag, error))

    def next(self) -> tuple[Any, Reply | Failure | BaseException]:
        return self.done.get()

    def close(self) -> None:
        """Ends what is still under way; connections are closed, nothing is waited for."""

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

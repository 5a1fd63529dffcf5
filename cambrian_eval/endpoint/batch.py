"""The batch API of a provider: requests are uploaded as a file, answered within hours, and cost about half.

Batches and their requests (by request key) are recorded in the run folder before they are sent, so that a run that was
killed at any point finds its batches again and pays for none twice. Requests that fail or expire in a batch are sent
again in the next one.
"""

from __future__ import annotations

import threading
import uuid
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Generic, TypeVar

import orjson

from cambrian_eval.endpoint.address import is_azure
from cambrian_eval.endpoint.batch_log import Batch, BatchLog
from cambrian_eval.endpoint.batch_provider import Provider
from cambrian_eval.endpoint.budget import Reservation
from cambrian_eval.endpoint.client import Endpoint
from cambrian_eval.endpoint.failures import Abandoned, Failure, FinishedRequest, RequestError
from cambrian_eval.endpoint.outage import log
from cambrian_eval.endpoint.parameters import ChatRequest, body_of
from cambrian_eval.endpoint.responses import ChatResponse, parse_response
from cambrian_eval.errors import UserError

T = TypeVar("T")

PRICE = 0.5
"""The price of a request in a batch, as a share of the list price."""
MAX_REQUESTS = 50_000
MAX_BYTES = 180_000_000
"""The largest file; providers accept 200 MB."""
MAX_OPEN = 4
"""Batches at the provider at a time."""
MAX_TRIES = 3
"""Batches in which one request is sent."""
ENDED = ("completed", "expired", "cancelled", "failed")


class BatchEndpoint(Endpoint):
    """An endpoint whose requests are sent through the provider's batch API."""

    poll: float = 30.0
    """Seconds between two questions about a batch."""
    folder: Path | None = None
    """Where batches are recorded."""

    def __init__(self, *arguments: Any, **more: Any) -> None:
        super().__init__(*arguments, **more)
        if self.base_url is not None and is_azure(self.base_url) and "/openai/v1" not in self.base_url:
            raise UserError("the batch API of Azure needs the address that ends with /openai/v1; give it as --base-url")
        self.held: dict[str, Reservation] = {}
        """The reservations of open batches, by our name of the batch."""

    def send(
        self, requests: Iterable[tuple[T, ChatRequest]], stop: threading.Event | None = None
    ) -> Iterator[FinishedRequest[T]]:
        """Sends tagged requests in batches and yields their outcomes; ends early when `stop` is set.

        Batches go on at the provider then, and the next call collects them.
        """
        if self.folder is None:
            raise UserError("--batch-api records its batches in the run folder and needs --engine local")
        sender: _Sender[T] = _Sender(self, self.folder, iter(requests), stop)
        with suppress(Abandoned):
            yield from sender.outcomes()


class _Sender(Generic[T]):
    """The batches of one call of `send`."""

    def __init__(
        self, endpoint: BatchEndpoint, folder: Path, source: Iterator[tuple[T, ChatRequest]], stop: Any
    ) -> None:
        self.endpoint, self.folder, self.source = endpoint, folder, source
        self.stop: threading.Event = stop or threading.Event()
        self.log = BatchLog(folder / "batches.jsonl")
        for left in folder.glob("*.input"):
            left.unlink()
        self.provider = Provider(endpoint, self.stop)
        self.waiting: dict[str, list[tuple[T, ChatRequest]]] = {}
        """Requests without an outcome, by key; equal requests are sent once."""
        self.again: deque[str] = deque()
        """Keys to be sent in the next batch."""
        self.tries: Counter[str] = Counter()
        self.mine: list[Batch] = []
        """Batches at the provider that hold requests of this call."""
        self.exhausted = self.over_budget = False
        self.said: dict[str, str] = {}

    def outcomes(self) -> Iterator[FinishedRequest[T]]:
        """Every request's outcome."""
        for batch in list(self.log.open):
            self._adopt(batch)
        elsewhere = {key: batch for batch in self.log.open for key in batch.keys}
        while True:
            while len(self.mine) < MAX_OPEN and self._begin(elsewhere):
                pass
            if not self.mine:
                if self.over_budget:
                    raise self.endpoint.budget.error()
                return
            for batch in list(self.mine):
                if self.stop.is_set():
                    return
                if (found := self._ended(batch)) is not None:
                    yield from self._collect(batch, found)
            if self.mine and self.stop.wait(self.endpoint.poll):
                return

    # -- sending

    def _adopt(self, batch: Batch) -> None:
        """Finds out what became of a batch of an earlier command."""
        if batch.name not in self.endpoint.held:
            self.endpoint.held[batch.name] = self.endpoint.budget.adopt(batch.reserved, batch.amount)
        if batch.id is None and batch.file is None:
            self._end(batch, "it was never sent")
        elif batch.id is None:
            assert batch.file is not None
            self.log.created(batch, self.provider.find(batch.name) or self.provider.create(batch.file, batch.name))

    def _begin(self, elsewhere: dict[str, Batch]) -> bool:
        """Uploads the next batch; False where there is nothing to send now."""
        name = uuid.uuid4().hex[:16]
        path = self.folder / f"{name}.input"
        keys: list[str] = []
        amount = size = 0.0
        sent: dict[str, Any] = {}
        prompts = 0
        self.over_budget = False
        with path.open("wb") as file:
            while len(keys) < MAX_REQUESTS:
                key = self._next(elsewhere)
                if key is None:
                    break
                request = self.waiting[key][0][1]
                parameters = self.endpoint.parameters
                most = self.endpoint.budget.most(request, parameters.token_limit(request))
                arguments = parameters.arguments(request)
                line = orjson.dumps(
                    {
                        "custom_id": key,
                        "method": "POST",
                        "url": "/v1/chat/completions",
                        "body": body_of(arguments),
                    },
                    option=orjson.OPT_APPEND_NEWLINE,
                )
                self.over_budget = not self.endpoint.budget.fits(amount + most)
                if self.over_budget or (keys and size + len(line) > MAX_BYTES):
                    self.again.appendleft(key)
                    break
                file.write(line)
                keys.append(key)
                amount, size, prompts = amount + most, size + len(line), prompts + request.prompt_tokens
                sent = sent or parameters.facts(arguments, request)
        if not keys or self.stop.is_set():
            path.unlink()
            return False
        reservation = self.endpoint.budget.hold(amount)
        batch = Batch(name, frozenset(keys), sent, reservation.id, amount)
        self.endpoint.held[name] = reservation
        self.log.begin(batch)
        self._say(batch, f"{len(keys):,} requests, {size / 1e6:.1f} MB{self._estimate(prompts, amount)}")
        self.tries.update(keys)
        try:
            self.log.uploaded(batch, file_id := self.provider.upload(path))
        finally:
            path.unlink()
        self.log.created(batch, self.provider.create(file_id, name))
        self.mine.append(batch)
        return True

    def _next(self, elsewhere: dict[str, Batch]) -> str | None:
        """The key of the next request to send."""
        if self.again:
            return self.again.popleft()
        while not self.exhausted and not self.stop.is_set():
            found = next(self.source, None)
            if found is None:
                self.exhausted = True
                break
            key = found[1].key
            known = key in self.waiting
            self.waiting.setdefault(key, []).append(found)
            batch = elsewhere.get(key)
            if batch is not None and batch.ended is None and batch not in self.mine:
                self.mine.append(batch)
            if not known and (batch is None or batch.ended is not None):
                return key
        return None

    # -- results

    def _ended(self, batch: Batch) -> Any:
        """The provider's facts about a batch that has ended; None where it goes on."""
        assert batch.id is not None
        found = self.provider.state(batch.id)
        counts = found.request_counts
        done = "" if counts is None else f", {counts.completed + counts.failed:,} of {counts.total:,} requests done"
        self._say(batch, f"{found.status}{done}")
        return found if found.status in ENDED else None

    def _collect(self, batch: Batch, found: Any) -> Iterator[FinishedRequest[T]]:
        """The outcomes of a batch; what it did not answer is sent again, or has failed."""
        if found.status == "failed":
            self._end(batch, "failed")
            errors = [] if found.errors is None else found.errors.data or []
            reason = "; ".join(str(e.message) for e in errors[:3]) or "no reason given"
            raise UserError(
                f"{self.endpoint.errors.address} refused the batch {found.id}: {self.endpoint.errors.line(reason)}; "
                "responses so far are stored; run again to send it anew"
            )
        self.endpoint.errors.responded = True
        reasons: dict[str, str] = {}
        for file in (found.output_file_id, found.error_file_id):
            for key, outcome in self._results(batch, file):
                if key not in self.waiting:
                    continue  # stored by an earlier command, or a second line about it
                if isinstance(outcome, str):
                    reasons[key] = outcome
                    continue
                for tag, _ in self.waiting.pop(key):
                    yield FinishedRequest(tag, outcome)
        left = [key for key in batch.keys if key in self.waiting]
        for key in left:
            if self.tries[key] < MAX_TRIES:
                self.again.append(key)
                continue
            reason = reasons.get(key, f"the batch has no result for it ({found.status})")
            for tag, _ in self.waiting.pop(key):
                yield FinishedRequest(tag, Failure(reason, outage=True))
        self._end(batch, found.status)
        if found.status == "cancelled" and left:
            raise UserError(
                f"the batch {found.id} was cancelled; responses so far are stored; run again to send the rest"
            )

    def _results(self, batch: Batch, file: str | None) -> Iterator[tuple[str, ChatResponse | Failure | str]]:
        """Key and outcome of each line; a text is the reason why the request is sent again."""
        if not file:
            return
        path = self.folder / f"{batch.name}.output"
        self.provider.download(file, path)
        try:
            with path.open("rb") as lines:
                for line in lines:
                    try:
                        found = orjson.loads(line)
                        key = found["custom_id"]
                        answer, problem = found.get("response"), found.get("error")
                        known = key in batch.keys and key in self.waiting
                    except (ValueError, KeyError, TypeError, AttributeError):
                        continue  # such a request counts as not answered
                    if known:
                        yield key, self._outcome(batch, key, answer, problem)
        finally:
            path.unlink(missing_ok=True)

    def _outcome(self, batch: Batch, key: str, answer: Any, problem: Any) -> ChatResponse | Failure | str:
        request = self.waiting[key][0][1]
        errors = self.endpoint.errors
        if not isinstance(answer, dict):
            return errors.line(orjson.dumps(problem).decode())
        status = answer.get("status_code")
        body = orjson.dumps(answer.get("body"))
        if status == 200:
            found = parse_response(body)
            if isinstance(found, str):
                return errors.line(found)
            self.endpoint.parameters.succeeded(request, schema_dropped=False)
            return self._charged(batch, request, found)
        from cambrian_eval.endpoint.transport import Reply

        sent = {**batch.sent, "messages": request.messages}
        try:
            raise errors.of_status(Reply(status if isinstance(status, int) else 500, {}, body), sent)
        except RequestError as error:
            if error.kind == "filtered":
                return ChatResponse("", "filtered", notes={"endpoint": error.reason})
            if error.kind != "rejected":
                return error.reason
            if (setting := self.endpoint.parameters.refused(error.reason, sent, request)) is not None:
                raise UserError(f"{errors.address} rejects {setting} ({error.reason}); leave it out") from None
            return error.reason if self.endpoint.parameters.learn(error.reason, sent) else Failure(error.reason)

    def _charged(self, batch: Batch, request: ChatRequest, found: ChatResponse) -> ChatResponse:
        if not found.counted:
            found = replace(found, prompt_tokens=request.prompt_tokens, new_tokens=len(found.text) // 4 + 1)
        cost = self.endpoint.budget.spend(request, found)
        errors = self.endpoint.errors
        return replace(
            found,
            text=errors.redact(found.text),
            served_by=None if found.served_by is None else errors.line(found.served_by),
            cost=cost,
            sent=batch.sent,
            notes={"batch": batch.id},
        )

    # -- small things

    def _end(self, batch: Batch, reason: str) -> None:
        self.log.end(batch, reason)
        self.endpoint.budget.end(self.endpoint.held.pop(batch.name))
        if batch in self.mine:
            self.mine.remove(batch)

    def _estimate(self, prompt_tokens: int, most: float) -> str:
        price = self.endpoint.price
        if price is None:
            return ""
        return f"; about ${price.cost(prompt_tokens, 0):.2f} for prompts, ${most:.2f} at most, at the batch price"

    def _say(self, batch: Batch, text: str) -> None:
        if self.said.get(batch.name) != text:
            self.said[batch.name] = text
            log.warning("batch %s: %s", batch.id or batch.name, text)

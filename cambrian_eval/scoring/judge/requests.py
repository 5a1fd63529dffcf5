"""Sends the judge requests that are not cached, with one retry where a response contains no verdict."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.endpoint.budget import BudgetReached
from cambrian_eval.endpoint.client import OUTAGE, Endpoint
from cambrian_eval.endpoint.failures import FinishedRequest
from cambrian_eval.endpoint.parameters import ChatRequest
from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.scoring.judge.cache import CachedResponse, ResponseCache
from cambrian_eval.scoring.judge.prompt import cache_key, has_verdict, judge_request

RETRY_MAX_NEW_TOKENS = 4096
"""Token limit of the retry where the first response was cut off at its limit."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """The judge model and how it is called."""

    model: str
    """Name of the judge model at its endpoint."""
    base_url: str | None = None
    """Base URL of the endpoint; None = `OPENAI_BASE_URL`, else OpenAI's."""
    concurrency: int = 16
    """Number of in-flight requests."""
    budget: float | None = None
    """The most US dollars to spend on the judge for this run, earlier scorings included."""
    price: str | None = None
    """`INPUT,OUTPUT` in dollars per million tokens, where the built-in price is missing or outdated."""
    timeout: float = 60.0
    """Seconds to wait for one response."""
    outage: float = OUTAGE
    """Seconds to wait for an endpoint that is not available."""
    max_new_tokens: int = 64
    """Token limit of a response."""
    only_unclear: bool = False
    """Whether responses that exact matching decides are not sent to the judge."""
    retry_undecided: bool = False
    """Whether requests whose cached response contains no verdict are sent again."""
    cache: Path | None = None
    """Folder of cached responses; None = the user's cache folder."""


@dataclass
class JudgeProgress:
    """Live counts, for a progress display."""

    total: int = 0
    done: int = 0
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    cost: float = 0.0


class JudgeRequests:
    """Sends requests to a judge through its cache, and gives access to the responses."""

    def __init__(
        self,
        endpoint: Endpoint,
        cache: ResponseCache,
        settings: JudgeSettings,
        on_progress: Callable[[JudgeProgress], None],
        stop: threading.Event | None,
    ) -> None:
        self.endpoint, self.cache, self.settings = endpoint, cache, settings
        self.on_progress, self.stop = on_progress, stop
        self.progress = JudgeProgress()
        self.cached = 0
        self.failures: dict[str, str] = {}
        self.stopped: str | None = None

    def send(self, inputs: Mapping[str, Mapping[str, Any]]) -> None:
        """Sends every input (by its cache key) that is not cached, then a retry for each response without verdict."""
        limit = self.settings.max_new_tokens
        missing = [k for k, values in inputs.items() if must_send(values, self.cache.get(k), self.settings)]
        self.cached = len(inputs) - len(missing)
        self.progress.total, self.progress.done = len(inputs), self.cached
        self._send({k: judge_request(inputs[k], limit) for k in missing})
        retries = {}
        for key, judge_input in inputs.items():
            response = self.cache.get(key)
            if response is None or has_verdict(judge_input, response.text):
                continue
            retry_key = self._key(judge_input, retry=True)
            if must_send(judge_input, self.cache.get(retry_key), self.settings):
                most = (
                    max(limit, RETRY_MAX_NEW_TOKENS) if response.finish in ("length", "unfinished_thought") else limit
                )
                retries[retry_key] = judge_request(judge_input, most, retry=True)
        self.progress.total += len(retries)
        self._send(retries)

    def responses(self, judge_input: Mapping[str, Any]) -> list[CachedResponse]:
        """The responses to an input: none, one, or one without verdict followed by that of the retry."""
        found = []
        for retry in (False, True):
            response = self.cache.get(self._key(judge_input, retry))
            if response is None:
                break
            found.append(response)
            if has_verdict(judge_input, response.text):
                break
        return found

    def failure(self, judge_input: Mapping[str, Any]) -> str | None:
        """Why the last request for an input failed; None where it did not."""
        keys = (self._key(judge_input, retry) for retry in (True, False))
        return next((self.failures[k] for k in keys if k in self.failures), None)

    def _key(self, judge_input: Mapping[str, Any], retry: bool) -> str:
        return cache_key(self.endpoint.model, self.endpoint.place, judge_input, retry)

    def _send(self, requests: dict[str, ChatRequest]) -> None:
        if self.stopped is not None or not requests:
            return
        try:
            for finished in self.endpoint.send(requests.items(), self.stop):
                self._store(finished)
        except BudgetReached as error:
            self.stopped = str(error)
        if self.stop is not None and self.stop.is_set():
            self.stopped = "interrupted; run the same command again to resume"

    def _store(self, finished: FinishedRequest[str]) -> None:
        progress, outcome = self.progress, finished.outcome
        progress.done += 1
        if isinstance(outcome, ChatResponse):
            cached = CachedResponse(
                outcome.text, outcome.finish, outcome.prompt_tokens, outcome.new_tokens, outcome.served_by
            )
            self.cache.put(finished.tag, cached)
            progress.requests += 1
            progress.prompt_tokens += outcome.prompt_tokens
            progress.new_tokens += outcome.new_tokens
            progress.cost += outcome.cost or 0.0
        else:
            progress.failed += 1
            self.failures[finished.tag] = outcome.reason
        self.on_progress(progress)


def must_send(values: Mapping[str, Any], cached: CachedResponse | None, settings: JudgeSettings) -> bool:
    """Whether a request is sent: it is not cached, or has no verdict and undecided requests are to be retried."""
    return cached is None or (settings.retry_undecided and not has_verdict(values, cached.text))

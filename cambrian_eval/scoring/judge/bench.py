"""Where cases are heard: asks what no cache knows, once more where the reply is no verdict, and keeps every reply."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cambrian_eval.endpoint.asking import Answered, Endpoint
from cambrian_eval.endpoint.manner import Chat
from cambrian_eval.endpoint.replies import Reply
from cambrian_eval.endpoint.spending import BudgetReached
from cambrian_eval.scoring.judge.cache import KeptReply, ReplyCache
from cambrian_eval.scoring.judge.ledger import Ledger
from cambrian_eval.scoring.judge.prompt import chat_of, key_of, verdict_in

ROOM_FOR_THOUGHT = 4096
"""Tokens for the second try of a reply that the first limit cut off."""


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """Who judges, and how."""

    model: str
    """The judge's name at its endpoint."""
    base_url: str | None = None
    """Address of the endpoint; None = `OPENAI_BASE_URL`, else OpenAI's."""
    concurrency: int = 16
    """Requests at a time."""
    budget: float | None = None
    """The most US dollars the run may spend on it, earlier scorings included."""
    price: str | None = None
    """`IN,OUT` in dollars for a million tokens, where the table does not know or is wrong."""
    timeout: float = 60.0
    """Seconds to wait for one reply."""
    max_new_tokens: int = 64
    """The most tokens of a reply."""
    only_unclear: bool = False
    """Whether answers that fuzzy matching settles are left to it."""
    retry_undecided: bool = False
    """Whether a kept reply that was no verdict is asked for again."""
    cache: Path | None = None
    """Folder of the kept replies; None = the user's cache folder."""


@dataclass
class Tally:
    """Counted live, for whoever watches."""

    total: int = 0
    done: int = 0
    requests: int = 0
    failed: int = 0
    prompt_tokens: int = 0
    new_tokens: int = 0
    cost: float = 0.0


class Bench:
    """Where cases are heard: asks what the cache does not know, once more where the reply is no verdict."""

    def __init__(
        self,
        endpoint: Endpoint,
        cache: ReplyCache,
        ledger: Ledger,
        settings: JudgeSettings,
        watch: Callable[[Tally], None],
        stop: threading.Event | None,
    ) -> None:
        self.endpoint, self.cache, self.ledger, self.settings = endpoint, cache, ledger, settings
        self.watch, self.stop = watch, stop
        self.tally = Tally()
        self.cached = self.undecided = 0
        self.failures: dict[str, str] = {}
        self.stopped: str | None = None

    def judge(self, cases: dict[str, dict[str, Any]]) -> None:
        """Two rounds: every case, then those whose reply was no verdict."""
        limit = self.settings.max_new_tokens
        known = {k: self.cache.get(k) for k in cases}
        self.cached = sum(not missing(reply, self.settings) for reply in known.values())
        self.tally.total, self.tally.done = len(cases), self.cached
        self._ask({k: chat_of(c, limit) for k, c in cases.items() if missing(known[k], self.settings)})
        again = {}
        for key, case in cases.items():
            reply = self.cache.get(key)
            if reply is None or verdict_in(reply.text) is not None:
                continue
            second = key_of(self.endpoint.model, self.endpoint.place, case, again=True)
            if missing(self.cache.get(second), self.settings):
                room = max(limit, ROOM_FOR_THOUGHT) if reply.finish == "length" else limit
                again[second] = chat_of(case, room, again=True)
        self.tally.total += len(again)
        self._ask(again)

    def replies(self, case: dict[str, Any]) -> list[KeptReply]:
        """The replies to a case: none, one, or an unreadable one and its successor."""
        found = []
        for again in (False, True):
            reply = self.cache.get(key_of(self.endpoint.model, self.endpoint.place, case, again))
            if reply is None:
                break
            found.append(reply)
            if verdict_in(reply.text) is not None:
                break
        return found

    def reason(self, case: dict[str, Any]) -> str | None:
        """Why a case has no reply although it was asked."""
        keys = (key_of(self.endpoint.model, self.endpoint.place, case, again) for again in (True, False))
        return next((self.failures[k] for k in keys if k in self.failures), None)

    def _ask(self, chats: dict[str, Chat]) -> None:
        if self.stopped is not None or not chats:
            return
        try:
            for answered_ in self.endpoint.answers(iter(chats.items()), self.stop):
                self._keep(answered_)
        except BudgetReached as reached:
            self.stopped = str(reached)
        if self.stop is not None and self.stop.is_set():
            self.stopped = "interrupted; run the same command again to go on"

    def _keep(self, answer: Answered[str]) -> None:
        tally, outcome = self.tally, answer.outcome
        tally.done += 1
        if isinstance(outcome, Reply):
            kept = KeptReply(outcome.text, outcome.finish, outcome.prompt_tokens, outcome.new_tokens)
            self.cache.put(answer.tag, kept)
            self.ledger.add(answer.tag, self.endpoint.model, outcome)
            tally.requests += 1
            tally.prompt_tokens += outcome.prompt_tokens
            tally.new_tokens += outcome.new_tokens
            tally.cost += outcome.cost or 0.0
        else:
            tally.failed += 1
            self.failures[answer.tag] = outcome.reason
        self.watch(tally)


def missing(reply: KeptReply | None, settings: JudgeSettings) -> bool:
    """Whether a request is to be sent."""
    return reply is None or (settings.retry_undecided and verdict_in(reply.text) is None)

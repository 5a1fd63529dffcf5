"""Files and batches at a provider, through the `openai` client; calls are tried again while it is not available."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from cambrian_eval.endpoint.client import Endpoint
from cambrian_eval.endpoint.failures import Abandoned
from cambrian_eval.endpoint.rate_limit import backoff
from cambrian_eval.errors import UserError

if TYPE_CHECKING:
    from openai import OpenAI

R = TypeVar("R")

MAX_OUTPUT = 1 << 31
"""The most bytes of results that are read."""
MARK = "cambrian_eval"
"""The name of our mark in the metadata of a batch."""
NO_BATCHES = "has no batch API; leave out --batch-api"


class Provider:
    """The batch API of one endpoint. Its calls raise `Abandoned` once `stop` is set."""

    def __init__(self, endpoint: Endpoint, stop: threading.Event) -> None:
        self._endpoint, self._stop = endpoint, stop
        self._client = _client(endpoint)

    def upload(self, path: Path) -> str:
        """The id of the uploaded file."""

        def upload() -> str:
            with path.open("rb") as content:
                return self._client.files.create(file=(f"{path.stem}.jsonl", content), purpose="batch").id

        return self._call(upload, NO_BATCHES)

    def create(self, file: str, name: str) -> str:
        """The id of the batch of a file; made once, also where the reply to an earlier try was lost."""
        tries = 0

        def create() -> str:
            nonlocal tries
            tries += 1
            if tries > 1 and (existing := self._marked(name)) is not None:
                return existing
            made = self._client.batches.create(
                input_file_id=file,
                endpoint="/v1/chat/completions",
                completion_window="24h",
                metadata={MARK: name},
            )
            return made.id

        return self._call(create, NO_BATCHES)

    def find(self, name: str) -> str | None:
        """The id of the batch with our mark; None where there is none."""
        return self._call(lambda: self._marked(name))

    def state(self, batch: str) -> Any:
        """The provider's facts about a batch."""
        unknown = f"does not know the batch {batch} of this run; use the key of its account, or another --out"
        return self._call(lambda: self._client.batches.retrieve(batch), unknown)

    def download(self, file: str, path: Path) -> None:
        """Writes a file of the provider to disk."""

        def download() -> None:
            with self._client.files.with_streaming_response.content(file) as response, path.open("wb") as out:
                size = 0
                for chunk in response.iter_bytes():
                    size += len(chunk)
                    if size > MAX_OUTPUT:
                        raise UserError(f"the results of a batch have more than {MAX_OUTPUT} bytes")
                    out.write(chunk)

        self._call(download)

    def _marked(self, name: str) -> str | None:
        for one in self._client.batches.list(limit=100):
            if (one.metadata or {}).get(MARK) == name:
                return one.id
        return None

    def _call(self, work: Callable[[], R], unknown: str = "") -> R:
        """The result of a call; `unknown` is what it means where its path does not exist."""
        import openai

        errors, outage = self._endpoint.errors, self._endpoint.outage
        begun, tries = time.monotonic(), 0
        while True:
            tries += 1
            fatal = None
            try:
                return work()
            except openai.APIStatusError as error:
                status, caught = error.status_code, errors.line(f"HTTP {error.status_code}: {error.message}")
                if status == 401:
                    fatal = "does not accept the API key (HTTP 401)"
                elif unknown and status in (404, 405, 501):
                    fatal = f"{unknown} (HTTP {status})"
                elif status < 500 and status not in (408, 409, 429):
                    fatal = f"does not accept the batch ({caught})"
            except openai.OpenAIError as error:
                caught = errors.line(f"{type(error).__name__}: {error}")
            if fatal is not None:  # raised here, because a traceback would show the original with the key
                raise UserError(f"{errors.address} {fatal}")
            if time.monotonic() - begun > outage:
                raise UserError(
                    f"{errors.address} was not available for {outage:g} seconds, the last time with: {caught}; "
                    "responses so far are stored; run again to resume"
                )
            if self._stop.wait(backoff(tries)):
                raise Abandoned


def _client(endpoint: Endpoint) -> OpenAI:
    """A client that follows no redirect."""
    import openai

    like = endpoint.client()
    return openai.OpenAI(
        api_key=like.api_key,
        base_url=like.base_url,
        max_retries=0,
        timeout=endpoint.timeout,
        http_client=openai.DefaultHttpxClient(follow_redirects=False),
    )

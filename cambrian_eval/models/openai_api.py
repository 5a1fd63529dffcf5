"""`openai:NAME`: any OpenAI-compatible multimodal chat endpoint as a model.

OpenAI, Azure, vLLM, SGLang, Ollama and others, through the official client. Turns a request into a chat message
(images first, as data URLs) and what comes back into a `Response`; `endpoint` does retries, rate limits, budget and
key.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambrian_eval import interleave
from cambrian_eval.endpoint.address import is_openai
from cambrian_eval.endpoint.budget import (
    PRICES_FILE,
    Budget,
    estimated_tokens,
    image_tokens,
    most_image_tokens,
    price_of,
)
from cambrian_eval.endpoint.client import Endpoint
from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.endpoint.failures import Failure
from cambrian_eval.endpoint.parameters import REASONING_ALLOWANCE, ChatRequest
from cambrian_eval.endpoint.responses import ChatResponse, printable
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import text_of
from cambrian_eval.model import Adapter, Model, option
from cambrian_eval.sample import Request, Response

if TYPE_CHECKING:
    from PIL import Image

ACCEPTED = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MOST_BYTES = 15_000_000
"""Size of the largest image that is sent unchanged; as base64 it stays under the usual limit of 20 MB."""
_PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_VERSION = 1
"""Part of the fingerprint: increased whenever the same request would be sent in another form."""


class ApiModel:
    """A model behind an endpoint. Decodes greedily as far as the endpoint allows (temperature 0)."""

    max_images: int | None = None

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._stop: threading.Event | None = None
        self.name = endpoint.model
        identity = [_VERSION, endpoint.model, endpoint.place, "temperature 0", REASONING_ALLOWANCE, MOST_BYTES]
        self.fingerprint = "openai-" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """As many requests at a time as the concurrency allows; responses in the order of arrival."""
        counted_as = self.endpoint.model if is_openai(self.endpoint.base_url) else ""
        made = ((r, chat_of(r, counted_as)) for r in requests)
        chats = ((_InFlight(r.id, notes), chat) for r, (chat, notes) in made)
        for finished in self.endpoint.send(chats, self._stop):
            yield _response(finished.tag, finished.outcome)

    def stop_on(self, stop: threading.Event) -> None:
        """Once the event is set, requests that wait for the endpoint are left without a response."""
        self._stop = stop

    def record_costs(self, path: Path) -> None:
        """Counts what earlier commands have spent on a run, and records further costs in the same file."""
        if self.endpoint.price is not None:
            limit = self.endpoint.budget.limit
            log = CostLog(path, self.endpoint.model, strict=limit is not None)
            self.endpoint.budget = Budget(limit, self.endpoint.price, log=log)

    def describe(self) -> Mapping[str, Any]:
        """The endpoint without its key, the temperature, the tokens allowed for reasoning, and the list price."""
        price = self.endpoint.price
        return {
            "kind": "OpenAI-compatible chat endpoint",
            "model": self.endpoint.model,
            "place": self.endpoint.place,
            "temperature": 0,
            "reasoning_allowance": REASONING_ALLOWANCE,
            "price_per_million_tokens": None if price is None else [price.input, price.output],
        }


@dataclass(frozen=True, slots=True)
class _InFlight:
    """A request in flight: its id, and what was done to its images."""

    id: str
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class OpenAIOptions:
    """Options of `openai`."""

    base_url: str | None = option(None, help="Address of the endpoint. [default: OPENAI_BASE_URL, else api.openai.com]")
    concurrency: int = option(16, minimum=1, help="Maximum number of requests in flight.")
    timeout: float = option(120.0, minimum=0.1, help="Seconds to wait for one response.")
    outage: float = option(600.0, minimum=0, help="Seconds to wait for an endpoint that is not available.")
    max_retry_after: float = option(300.0, minimum=0, help="Longest Retry-After in seconds that is waited for.")
    budget: float | None = option(None, minimum=0, help="Maximum cost of the run in US dollars, over all commands.")
    offline: bool = option(False, help="The run's own (--offline); refused, because the endpoint needs a connection.")


class OpenAIAdapter(Adapter):
    """`openai:NAME`."""

    name = "openai"
    summary = "any OpenAI-compatible chat endpoint: openai:gpt-4o, or openai:NAME with --base-url"
    Options = OpenAIOptions
    paid = True

    def create(self, rest: str, options: OpenAIOptions) -> Model:
        """The model `rest` at the endpoint `base_url`, or at the one that OPENAI_BASE_URL names."""
        if not rest:
            raise UserError("openai: no model named; write for example openai:gpt-4o")
        if options.offline:
            raise UserError(f"openai:{rest} needs a connection; leave --offline out")
        price = price_of(rest)
        if options.budget is not None and price is None:
            raise UserError(
                f'no price is known for {rest!r}, so budget cannot be kept; put {{"{rest}": [input, output]}} '
                f"(US dollars per million tokens) into a JSON file and name it in {PRICES_FILE}"
            )
        endpoint = Endpoint(
            rest,
            options.base_url,
            concurrency=options.concurrency,
            timeout=options.timeout,
            outage=options.outage,
            max_retry_after=options.max_retry_after,
            price=price,
            budget=None if options.budget is None or price is None else Budget(options.budget, price),
        )
        return ApiModel(endpoint)


def chat_of(request: Request, counted_as: str = "") -> tuple[ChatRequest, dict[str, Any]]:
    """The chat message of a request, and what was changed in its images.

    `counted_as` is the model whose rule for the tokens of an image applies; empty where no rule is known.
    """
    prompt = printable(text_of(request))
    tokens = estimated_tokens(prompt) + 8
    if not request.images:
        return ChatRequest(({"role": "user", "content": prompt},), request.max_new_tokens, tokens), {}
    parts: list[dict[str, Any]] = []
    reencoded = []
    most = tokens
    shown = 0
    for part in interleave.parts(request):
        if isinstance(part, str):
            parts.append({"type": "text", "text": printable(part)})
            continue
        image, shown = part, shown + 1
        mime, data, note = encoded(image)
        url = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
        tokens += image_tokens(*image.load().size)
        most += most_image_tokens(counted_as, *image.load().size)
        reencoded += [note] if note else []
    messages = ({"role": "user", "content": parts},)
    chat = ChatRequest(messages, request.max_new_tokens, tokens, most, shown)
    return chat, {"reencoded": reencoded} if reencoded else {}


def encoded(image: LazyImage, most: int = MOST_BYTES) -> tuple[str, bytes, str | None]:
    """MIME type and bytes of an image as it is sent, and what was changed where they are not the original bytes."""
    from PIL import Image

    data = image.data()
    try:
        with Image.open(io.BytesIO(data)) as opened:
            kind, mode, moving = opened.format or "unknown", opened.mode, getattr(opened, "n_frames", 1) > 1
    except OSError:
        kind, mode, moving = "unknown", "", False
    if kind in ACCEPTED and mode in _PLAIN_MODES and not moving and len(data) <= most:
        return ACCEPTED[kind], data, None
    pixels = image.load()
    png = _saved(pixels, "PNG")
    if len(png) <= most:
        return "image/png", png, f"{kind} as PNG"
    jpeg = _saved(pixels, "JPEG", quality=95)
    while len(jpeg) > most and min(pixels.size) > 64:
        pixels = pixels.resize((pixels.width * 3 // 4, pixels.height * 3 // 4), Image.Resampling.LANCZOS)
        jpeg = _saved(pixels, "JPEG", quality=95)
    return "image/jpeg", jpeg, f"{kind} as JPEG of {pixels.width} x {pixels.height} pixels"


def _saved(image: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=kind, **settings)
    return buffer.getvalue()


def _response(request: _InFlight, outcome: ChatResponse | Failure) -> Response:
    """The response to store; its notes say what was sent and which model answered."""
    if isinstance(outcome, Failure):
        cause = {"outage": True} if outcome.outage else {}
        return Response(request.id, "", finish="failed", error=outcome.reason, notes={**request.notes, **cause})
    notes: dict[str, Any] = {**request.notes, **outcome.notes}
    for name, value in (("cost", outcome.cost), ("reasoning_tokens", outcome.reasoning_tokens or None)):
        if value is not None:
            notes[name] = value
    if outcome.tries > 1:
        notes["tries"] = outcome.tries
    if not outcome.counted and outcome.finish != "filtered":
        notes["tokens_estimated"] = True
    if outcome.sent:
        notes["sent"] = dict(outcome.sent)
    if outcome.served_by:
        notes["served_by"] = outcome.served_by
    return Response(
        request.id,
        outcome.text,
        finish=outcome.finish,
        prompt_tokens=outcome.prompt_tokens,
        new_tokens=outcome.new_tokens,
        seconds=round(outcome.seconds, 4),
        notes=notes,
    )

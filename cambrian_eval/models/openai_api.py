"""`openai:NAME`: any OpenAI-compatible multimodal chat endpoint as a model.

OpenAI, Azure, vLLM, SGLang, Ollama and their like, through the official client. Owns how a request becomes a chat
message (images first, as data URLs) and a reply a `Response`; retries, pace, budget and key are the endpoint's.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from cambrian_eval.endpoint.budget import PRICES_FILE, Budget, estimated_tokens, image_tokens, price_of
from cambrian_eval.endpoint.client import Endpoint, Failure
from cambrian_eval.endpoint.parameters import REASONING_ALLOWANCE, ChatRequest
from cambrian_eval.endpoint.responses import ChatResponse, printable
from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.model import Model, ModelOptions
from cambrian_eval.sample import Request, Response

if TYPE_CHECKING:
    from PIL import Image

ACCEPTED = {"PNG": "image/png", "JPEG": "image/jpeg", "WEBP": "image/webp"}
MOST_BYTES = 15_000_000
"""Largest image that is sent as it is; as base64 it stays under the 20 MB that endpoints commonly allow."""
_PLAIN_MODES = {"1", "L", "LA", "P", "RGB", "RGBA"}
_VERSION = 1
"""Part of the fingerprint: raised whenever the same request would be sent in other words."""


class ApiModel:
    """A model behind an endpoint. Decodes greedily as far as the endpoint lets it (temperature 0)."""

    max_images: int | None = None

    def __init__(self, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self.name = endpoint.model
        identity = [_VERSION, endpoint.model, endpoint.place, "temperature 0", REASONING_ALLOWANCE, MOST_BYTES]
        self.fingerprint = "openai-" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """As many requests at a time as the concurrency allows; answers as they come."""
        asked = ((_Asked(r.id, notes), chat) for r, (chat, notes) in ((r, chat_of(r)) for r in requests))
        for finished in self.endpoint.send(asked):
            yield _response(finished.tag, finished.outcome, self.endpoint.model)

    def describe(self) -> Mapping[str, Any]:
        """The endpoint without its key, and what it was asked for: temperature, allowance for reasoning, list price."""
        price = self.endpoint.price
        return {
            "kind": "OpenAI-compatible chat endpoint",
            "model": self.endpoint.model,
            "place": self.endpoint.place,
            "temperature": 0,
            "reasoning_allowance": REASONING_ALLOWANCE,
            "price_per_million_tokens": None if price is None else [price.input, price.output],
        }


class _Asked:
    """A request under way: its id, and what was done to its images."""

    __slots__ = ("id", "notes")

    def __init__(self, id: str, notes: Mapping[str, Any]) -> None:
        self.id, self.notes = id, notes


def create(rest: str, options: ModelOptions) -> Model:
    """`openai:NAME`, at `--base-url` or where OPENAI_BASE_URL says."""
    if not rest:
        raise UserError("openai: names no model; write for example openai:gpt-4o")
    for flag, value in (
        ("--quantize", options.quantize),
        ("--device-map", options.device_map),
        ("--dtype", options.dtype),
        ("--device", options.device),
        ("--template", options.template),
        ("--attention", options.attention),
    ):
        if value is not None:
            raise UserError(f"{flag} {value} is decided by the endpoint of openai:{rest}; leave it out")
    if options.offline:
        raise UserError(f"openai:{rest} needs a connection; leave --offline out")
    price = price_of(rest)
    budget = None
    if options.budget is not None:
        if price is None:
            raise UserError(
                f'no price is known for {rest!r}, so --budget cannot hold; put {{"{rest}": [input, output]}} '
                f"(dollars for a million tokens) into a JSON file and name it in {PRICES_FILE}"
            )
        budget = Budget(options.budget, price)
    endpoint = Endpoint(
        rest,
        options.base_url,
        concurrency=options.concurrency,
        timeout=options.timeout,
        price=price,
        budget=budget,
    )
    return ApiModel(endpoint)


def chat_of(request: Request) -> tuple[ChatRequest, dict[str, Any]]:
    """The chat message of a request, and what had to be done to its images."""
    prompt = printable(request.prompt)
    tokens = estimated_tokens(prompt) + 8
    if not request.images:
        return ChatRequest(({"role": "user", "content": prompt},), request.max_new_tokens, tokens), {}
    parts: list[dict[str, Any]] = []
    reencoded = []
    for image in request.images:
        mime, data, note = encoded(image)
        url = f"data:{mime};base64,{base64.b64encode(data).decode('ascii')}"
        parts.append({"type": "image_url", "image_url": {"url": url}})
        tokens += image_tokens(*image.load().size)
        reencoded += [note] if note else []
    parts.append({"type": "text", "text": prompt})
    chat = ChatRequest(({"role": "user", "content": parts},), request.max_new_tokens, tokens)
    return chat, {"reencoded": reencoded} if reencoded else {}


def encoded(image: LazyImage, most: int = MOST_BYTES) -> tuple[str, bytes, str | None]:
    """MIME type and bytes of an image as it is sent, and what was done where they are not the original bytes."""
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


def _response(asked: _Asked, outcome: ChatResponse | Failure, model: str) -> Response:
    if isinstance(outcome, Failure):
        return Response(asked.id, "", finish="failed", error=outcome.reason, notes=asked.notes)
    notes: dict[str, Any] = {**asked.notes, **outcome.notes}
    for name, value in (("cost", outcome.cost), ("reasoning_tokens", outcome.reasoning_tokens or None)):
        if value is not None:
            notes[name] = value
    if outcome.tries > 1:
        notes["tries"] = outcome.tries
    if not outcome.counted and outcome.finish != "filtered":
        notes["tokens_estimated"] = True
    if outcome.served_by and outcome.served_by != model:
        notes["served_by"] = outcome.served_by
    return Response(
        asked.id,
        outcome.text,
        finish=outcome.finish,
        prompt_tokens=outcome.prompt_tokens,
        new_tokens=outcome.new_tokens,
        seconds=round(outcome.seconds, 4),
        notes=notes,
    )

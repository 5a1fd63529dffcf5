"""`openai:NAME`: any OpenAI-compatible multimodal chat endpoint as a model.

OpenAI, Azure, vLLM, SGLang, Ollama and others. Turns a request into a chat message (images as data URLs, before the
text unless a recipe says otherwise) and what comes back into a `Response`; `endpoint` does retries, rate limits, budget
and key.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from cambrian_eval import interleave
from cambrian_eval.endpoint.address import is_openai
from cambrian_eval.endpoint.budget import (
    PRICES_FILE,
    Budget,
    Price,
    estimated_tokens,
    image_tokens,
    most_image_tokens,
    price_of,
)
from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.endpoint.failures import Failure
from cambrian_eval.endpoint.parameters import DECODING, EXTENSIONS, REASONING_ALLOWANCE, ChatRequest, thinking_modes
from cambrian_eval.endpoint.responses import ChatResponse, printable
from cambrian_eval.errors import UserError
from cambrian_eval.interleave import text_of
from cambrian_eval.model import Adapter, Model, option
from cambrian_eval.models.image_parts import MOST_BYTES, ImageParts
from cambrian_eval.models.transformers_vlm.processor_settings import parse
from cambrian_eval.sample import Finish, Request, Response, failed_response
from cambrian_eval.scoring.thoughts import bare, split

if TYPE_CHECKING:
    from cambrian_eval.endpoint.client import Endpoint

_VERSION = 1
"""Part of the fingerprint: increased whenever the same request would be sent in another form."""


class ApiModel:
    """A model behind an endpoint. Greedy decoding is temperature 0, as far as the endpoint allows it."""

    max_images: int | None = None
    reads_pixels = False

    def __init__(self, endpoint: Endpoint, processor: Mapping[str, Any] | None = None) -> None:
        openai = is_openai(endpoint.base_url)
        modes, reason = thinking_modes(endpoint.model, openai)
        self.decodes = (
            frozenset((*DECODING, *(() if openai else EXTENSIONS), "system", "thinking_budget", "text_first")) | modes
        )
        self.declines = {
            **dict.fromkeys(EXTENSIONS, "OpenAI's own endpoints have no such setting"),
            **dict.fromkeys(("thinking_on", "thinking_off"), reason),
            "num_beams": "chat endpoints have no beam search",
        }
        self.endpoint = endpoint
        self.processor = dict(processor or {})
        self._parts = ImageParts()
        self._stop: threading.Event | None = None
        self.name = endpoint.model
        identity = [_VERSION, endpoint.model, endpoint.place, "temperature 0", REASONING_ALLOWANCE, MOST_BYTES]
        identity += [self.processor] if self.processor else []
        self.fingerprint = "openai-" + hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """As many requests at a time as the concurrency allows; responses in the order of arrival."""
        failed: deque[Response] = deque()
        for finished in self.endpoint.send(self._chats(requests, failed), self._stop):
            while failed:
                yield failed.popleft()
            yield _response(finished.tag, finished.outcome)
        yield from failed

    def _chats(self, requests: Iterator[Request], failed: deque[Response]) -> Iterator[tuple[_InFlight, ChatRequest]]:
        """The requests as chats; those whose images cannot be sent are `failed`."""
        counted_as = self.endpoint.model if is_openai(self.endpoint.base_url) else ""
        for request in requests:
            try:
                chat, notes = chat_of(request, self._parts, counted_as, self.processor)
            except Exception as error:  # Pillow raises many kinds for damaged images
                failed.append(failed_response(request.id, error))
            else:
                yield _InFlight(request.id, notes), chat

    def stop_on(self, stop: threading.Event) -> None:
        """Once the event is set, requests that wait for the endpoint are left without a response."""
        self._stop = stop

    def record_costs(self, path: Path) -> None:
        """Counts what earlier commands have spent on a run, and records further costs in the same file."""
        if self.endpoint.price is not None:
            limit = self.endpoint.budget.limit
            log = CostLog(path, self.endpoint.model, strict=limit is not None)
            self.endpoint.budget = Budget(limit, self.endpoint.price, log=log)

    def keep_in(self, folder: Path) -> None:
        """Where a batch endpoint records its batches."""
        from cambrian_eval.endpoint.batch import BatchEndpoint

        if isinstance(self.endpoint, BatchEndpoint):
            self.endpoint.folder = folder

    def describe(self) -> Mapping[str, Any]:
        """The endpoint without its key, the temperature, the tokens allowed for reasoning, and the list price."""
        from cambrian_eval.endpoint.batch import BatchEndpoint

        price = self.endpoint.price
        return {
            "kind": "OpenAI-compatible chat endpoint",
            "model": self.endpoint.model,
            "place": self.endpoint.place,
            "reasoning_allowance": REASONING_ALLOWANCE,
            **({"batch_api": True} if isinstance(self.endpoint, BatchEndpoint) else {}),
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

    base_url: str | None = option(
        None,
        help="Address of the endpoint, or of several replicas, separated by commas. "
        "[default: OPENAI_BASE_URL, else api.openai.com]",
    )
    concurrency: int = option(16, minimum=1, help="Maximum number of requests in flight at each address.")
    timeout: float = option(120.0, minimum=0.1, help="Seconds to wait for one response.")
    outage: float = option(600.0, minimum=0, help="Seconds to wait for an endpoint that is not available.")
    max_retry_after: float = option(300.0, minimum=0, help="Longest Retry-After in seconds that is waited for.")
    processor: str | None = option(
        None, help="Settings of the model's image processor, for servers such as vLLM; -P sets them one by one."
    )
    budget: float | None = option(None, minimum=0, help="Maximum cost of the run in US dollars, over all commands.")
    batch_api: bool = option(False, help="Send requests through the provider's batch API: hours, at half the price.")
    batch_poll: float = option(30.0, minimum=0.01, help="Seconds between two questions about a batch.")
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
        if price is not None and options.batch_api:
            from cambrian_eval.endpoint.batch import PRICE

            price = Price(PRICE * price.input, PRICE * price.output)
        if options.budget is not None and price is None:
            raise UserError(
                f'no price is known for {rest!r}, so budget cannot be kept; put {{"{rest}": [input, output]}} '
                f"(US dollars per million tokens) into a JSON file and name it in {PRICES_FILE}"
            )
        addresses = [None] if options.base_url is None else [a.strip() for a in options.base_url.split(",")]
        if options.budget is not None and len(addresses) > 1:
            raise UserError("a budget holds for one address; leave out --budget, or give one base URL")
        members = [self._at(address, rest, options, price) for address in addresses]
        if options.batch_api and len(members) > 1:
            raise UserError("--batch-api sends to one address; give one base URL")
        if len(members) == 1:
            return members[0]
        from cambrian_eval.models.spread import SpreadModel

        return SpreadModel(members)

    def _at(self, address: str | None, name: str, options: OpenAIOptions, price: Price | None) -> ApiModel:
        from cambrian_eval.endpoint.batch import BatchEndpoint
        from cambrian_eval.endpoint.client import Endpoint

        kind = BatchEndpoint if options.batch_api else Endpoint
        endpoint = kind(
            name,
            address,
            concurrency=options.concurrency,
            timeout=options.timeout,
            outage=options.outage,
            max_retry_after=options.max_retry_after,
            price=price,
            budget=None if options.budget is None or price is None else Budget(options.budget, price),
        )
        if isinstance(endpoint, BatchEndpoint):
            endpoint.poll = options.batch_poll
        processor = parse(options.processor or "")
        if processor and is_openai(endpoint.base_url):
            named = ", ".join(processor)
            raise UserError(f"openai:{name}: OpenAI's own endpoints take no settings of an image processor ({named})")
        return ApiModel(endpoint, processor)

    def written(self, rest: str, options: OpenAIOptions, request: Request) -> str:
        """The messages as they are sent, with the data of images left out."""
        chat, _ = chat_of(request, ImageParts())
        shown = orjson.loads(orjson.dumps(chat.messages))
        for part in (p for message in shown if isinstance(message["content"], list) for p in message["content"]):
            if "image_url" in part:
                head, _, data = part["image_url"]["url"].partition(",")
                part["image_url"]["url"] = f"{head},({len(data) * 3 // 4:,} bytes)"
        return json.dumps(shown, ensure_ascii=False, indent=2)


def chat_of(
    request: Request, parts: ImageParts, counted_as: str = "", processor: Mapping[str, Any] | None = None
) -> tuple[ChatRequest, dict[str, Any]]:
    """The chat message of a request, and what was changed in its images.

    `counted_as` is the model whose rule for the tokens of an image applies; empty where no rule is known.
    """
    prompt = printable(text_of(request))
    tokens = estimated_tokens(prompt) + 8
    first: tuple[Mapping[str, Any], ...] = ()
    if request.system is not None:
        system = printable(request.system)
        first, tokens = ({"role": "system", "content": system},), tokens + estimated_tokens(system) + 4

    def chat(content: Any, most: int = 0, images: int = 0) -> ChatRequest:
        return ChatRequest(
            (*first, {"role": "user", "content": content}),
            request.max_new_tokens,
            tokens,
            most,
            images,
            decoding=request.decoding,
            thinking=request.thinking,
            repeat=request.repeat,
            processor=processor or {},
            key=request.key,
        )

    if not request.images:
        return chat(prompt), {}
    content: list[Any] = []
    reencoded, most, shown = [], tokens, 0
    for piece in interleave.parts(request):
        if isinstance(piece, str):
            content.append({"type": "text", "text": printable(piece)})
            continue
        image = parts.of(piece)
        content.append(image.part)
        most += most_image_tokens(counted_as, *image.size)
        tokens += image_tokens(*image.size)
        reencoded += [image.note] if image.note else []
        shown += 1
    return chat(content, most, shown), {"reencoded": reencoded} if reencoded else {}


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
    text, thoughts, finish = _apart(outcome)
    new_tokens, thought_tokens = outcome.new_tokens, outcome.reasoning_tokens or None
    if thought_tokens is None and thoughts:
        # Not counted by the endpoint: by their part of the text.
        thought_tokens = round(new_tokens * len(thoughts) / (len(thoughts) + len(text)))
        notes["thought_tokens_estimated"] = True
    return Response(
        request.id,
        text,
        finish=finish,
        prompt_tokens=outcome.prompt_tokens,
        new_tokens=max(0, new_tokens - (thought_tokens or 0)),
        seconds=round(outcome.seconds, 4),
        notes=notes,
        thoughts=thoughts,
        thought_tokens=thought_tokens,
    )


def _apart(outcome: ChatResponse) -> tuple[str, str, Finish]:
    """Answer, thoughts and finish; servers without a parser for thoughts return them in the text."""
    if outcome.thoughts:
        return outcome.text, outcome.thoughts, outcome.finish
    parts = split(outcome.text)
    if parts.unfinished:
        return "", bare(parts.thoughts), "unfinished_thought"
    if not parts.thoughts:
        return outcome.text, "", outcome.finish
    return outcome.text[parts.start : parts.end], bare(parts.thoughts), outcome.finish

"""Which request parameters an endpoint accepts; learned from the errors it returns.

Reasoning models count their thoughts against the token limit and accept no temperature, some servers support no JSON
schema, some models no system role. The first request uses the parameters that fit the model's name. An error that
names a parameter changes it for all requests that follow, but only before the first success: once a request has
succeeded, the parameters of a model are known, and an error is about its own request alone. What a user has asked for
is never left out: `refused` names it instead.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from cambrian_eval.decoding import AUTO, GREEDY, THOUGHT_TOKENS, Decoding, Mode, Thinking
from cambrian_eval.endpoint.responses import ChatResponse

REASONING_ALLOWANCE = THOUGHT_TOKENS
"""Additional tokens for a reasoning model, because its thoughts count against the limit of the response."""
_REASONING = re.compile(r"(?:o[1-9](?:$|-)|gpt-5(?!.*chat)|gpt-oss)")
_UNKNOWN = (
    "unsupported|not support|unrecognized|unknown|unexpected|extra|instead|not permitted|not allowed|only the default"
)
_THINKING = "chat_template_kwargs|enable_thinking|reasoning_effort|thinking"
DECODING = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "seed", "stop")
"""Decoding settings that the protocol has."""
EXTENSIONS = ("top_k", "min_p", "repetition_penalty")
"""Decoding settings that servers such as vLLM and SGLang add to it."""
PROCESSOR = "mm_processor_kwargs"
"""Where vLLM takes settings of the image processor."""
_FORMAT = "response_format|json_schema|json_object|json mode|json schema|guided|structured"
_NO_SYSTEM = r"system\b.*(role|message)|role.*system"


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request to a chat endpoint."""

    messages: tuple[Mapping[str, Any], ...]
    """Messages as the protocol has them."""
    max_new_tokens: int
    """The largest number of tokens of the response, thoughts not counted."""
    prompt_tokens: int
    """An estimate, for budgets and for endpoints that report no token counts."""
    most_prompt_tokens: int = 0
    """The most tokens that the provider may count, for budgets; images cost more at some providers than estimated."""
    n_images: int = 0
    """Number of images."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema of the response, for endpoints that support one."""
    decoding: Decoding = GREEDY
    """How tokens are chosen."""
    thinking: Thinking = AUTO
    """Whether and how long the model thinks; the budget is added to the token limit."""
    repeat: int = 0
    """Which response this is; added to the seed."""
    processor: Mapping[str, Any] = field(default_factory=dict)
    """Settings of the model's image processor, as vLLM takes them (`mm_processor_kwargs`)."""
    key: str = ""
    """The request key, for what outlives a process; empty where nothing does."""


def effort(model: str, mode: Mode) -> str | None:
    """The `reasoning_effort` that makes an OpenAI reasoning model think, or not think; None where there is none."""
    name = model.rsplit("/", 1)[-1].lower()
    if mode == "on":
        return "medium"
    if re.match(r"gpt-5\.\d", name):
        return "none"
    return "minimal" if name.startswith("gpt-5") else None


def thinking_modes(model: str, openai: bool) -> tuple[frozenset[str], str]:
    """Which of `thinking_on` and `thinking_off` can be asked for, and why not the other."""
    if _REASONING.match(model.rsplit("/", 1)[-1].lower()):
        on = {"thinking_on"} | ({"thinking_off"} if effort(model, "off") else set())
        return frozenset(on), f"{model} always thinks"
    if openai:
        return frozenset({"thinking_off"}), f"{model} does not think"
    return frozenset({"thinking_on", "thinking_off"}), ""


def wanted(model: str, request: ChatRequest) -> dict[str, Any]:
    """The arguments for the decoding and the thinking that a user has asked for."""
    asked = request.decoding.as_dict()
    found = {name: asked[name] for name in DECODING if name in asked}
    if "seed" in found:
        found["seed"] += request.repeat
    extra = {name: asked[name] for name in EXTENSIONS if name in asked}
    if request.processor:
        extra[PROCESSOR] = dict(request.processor)
    if request.thinking.mode != "auto":
        think = request.thinking.mode == "on"
        if not _REASONING.match(model.rsplit("/", 1)[-1].lower()):
            # Templates read one of the two; a variable that a template does not read has no effect.
            extra["chat_template_kwargs"] = {"enable_thinking": think, "thinking": think}
        elif (level := effort(model, request.thinking.mode)) is not None:
            found["reasoning_effort"] = level
    return found | ({"extra_body": extra} if extra else {})


class SupportedParameters:
    """The parameters that requests to one model are sent with."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.reasoning = bool(_REASONING.match(model.rsplit("/", 1)[-1].lower()))
        self.limit_name = "max_completion_tokens" if self.reasoning else "max_tokens"
        self.temperature = not self.reasoning
        self.schema = self.system = True
        self.schema_confirmed = self.confirmed = False
        self.thinks = False
        """Whether a response has shown that the model thinks, so that its thoughts need tokens of their own."""
        self._rejected: set[str] = set()

    def token_limit(self, request: ChatRequest) -> int:
        """The token limit that is sent."""
        thinking = request.thinking
        known = self.reasoning or thinking.mode == "on" or thinking.budget is not None
        if known or (self.thinks and thinking.mode == "auto"):
            return request.max_new_tokens + thinking.limit
        return request.max_new_tokens

    def cut_in_thought(self, response: ChatResponse, request: ChatRequest, limit: int) -> bool:
        """Whether a response ended inside a thought because its limit had no room for one; later ones have it.

        `limit` is the token limit that it was sent with.
        """
        inside = response.text.lstrip()[:7].lower() == "<think>" and "</think>" not in response.text.lower()
        cut = response.finish == "unfinished_thought" or (response.finish == "length" and inside)
        self.thinks = self.thinks or (cut and request.thinking.mode == "auto")
        return cut and limit < self.token_limit(request)

    def arguments(self, request: ChatRequest) -> dict[str, Any]:
        """The arguments of the client's call."""
        messages = list(request.messages) if self.system else _without_system(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        arguments[self.limit_name] = self.token_limit(request)
        if self.temperature and not request.decoding.samples:
            arguments["temperature"] = 0
        arguments |= wanted(self.model, request)
        if request.schema is not None and self.schema:
            form = {"name": "reply", "strict": True, "schema": dict(request.schema)}
            arguments["response_format"] = {"type": "json_schema", "json_schema": form}
        return arguments

    def learn(self, message: str, sent: Mapping[str, Any]) -> bool:
        """Adapts the parameters to an error message; True where a retry with other parameters may succeed.

        The message is compared with the arguments that were sent, not with the present parameters: requests that were
        in flight when the first error arrived fail for the same reason.
        """
        text = message.lower()
        if self.confirmed and self._unchanged(sent):
            return False
        for name, other in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
            if name in sent and name in text and re.search(_UNKNOWN, text):
                if self.limit_name == name and other not in self._rejected:
                    self._rejected.add(name)
                    self.limit_name = other
                    self.reasoning = self.reasoning or other == "max_completion_tokens"
                return self.limit_name != name
        if "temperature" in sent and "temperature" in text and re.search(_UNKNOWN, text):
            self.temperature = False
            return True
        if "response_format" in sent and re.search(_FORMAT, text):
            self.schema = False
            return True
        if sent["messages"][0]["role"] == "system" and re.search(_NO_SYSTEM, text):
            self.system = False
            return True
        return False

    def refused(self, message: str, sent: Mapping[str, Any], request: ChatRequest) -> str | None:
        """What a user asked for that an error message names, as it is typed; None where there is nothing.

        Once a request has succeeded, its settings are accepted, and an error is about something else.
        """
        text = message.lower()
        if self.confirmed:
            return None
        for name in request.decoding.as_dict():
            if name in {**sent, **sent.get("extra_body", {})} and re.search(rf"\b{name}\b", text):
                return f"-G {name}={getattr(request.decoding, name)}"
        if request.processor and any(name in text for name in (PROCESSOR, *request.processor)):
            return " ".join(f"-P {name}={value}" for name, value in request.processor.items())
        if request.thinking.mode != "auto" and re.search(_THINKING, text):
            return f"--thinking {request.thinking.mode}"
        return None

    def facts(self, sent: Mapping[str, Any], request: ChatRequest) -> dict[str, Any]:
        """What responses record of the arguments: token limit, decoding and thinking, but not the seed of a repeat.

        Where room for thoughts was found out to be needed, the limit is that of the answer: it is equal for all.
        """
        if self.thinks:
            sent = {**sent, self.limit_name: request.max_new_tokens}
        more = sent.get("extra_body", {})
        names = (self.limit_name, *(n for n in DECODING if n != "seed"), "reasoning_effort")
        return {name: sent[name] for name in names if name in sent} | {
            name: value for name, value in more.items() if name != "chat_template_kwargs"
        }

    def _unchanged(self, sent: Mapping[str, Any]) -> bool:
        """Whether a request would be sent with the same parameters again."""
        system = sent["messages"][0]["role"] == "system"
        return (
            self.limit_name in sent
            and self.temperature == ("temperature" in sent)
            and (self.schema or "response_format" not in sent)
            and (self.system or not system)
        )

    def schema_unconfirmed(self, request: ChatRequest) -> bool:
        """Whether the request is sent with a schema although none has succeeded at this endpoint."""
        return request.schema is not None and self.schema and not self.schema_confirmed

    def succeeded(self, request: ChatRequest, schema_dropped: bool) -> None:
        """Records a successful request; `schema_dropped` where it succeeded only without its schema."""
        self.confirmed = True
        if schema_dropped and not self.schema_confirmed:
            self.schema = False
        self.schema_confirmed = self.schema_confirmed or (request.schema is not None and self.schema)


def body_of(sent: Mapping[str, Any]) -> dict[str, Any]:
    """The body of a request with these arguments: what only some servers know stands beside the others."""
    return {**{name: value for name, value in sent.items() if name != "extra_body"}, **sent.get("extra_body", {})}


def _without_system(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The messages with the system text at the start of the first user message, for models without a system role."""
    system = "\n\n".join(str(m["content"]) for m in messages if m["role"] == "system")
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if system and rest:
        content = rest[0]["content"]
        rest[0]["content"] = (
            f"{system}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": system}, *content]
        )
    return list(rest)

"""Parsing of response bodies of chat endpoints: a body gives a response, or the reason why it is not valid."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cambrian_eval.errors import UserError
from cambrian_eval.json_input import parse_object

MAX_TOKENS = 10**9
"""More tokens than this in one response are not believed."""
FinishReason = Literal["stop", "length", "unfinished_thought", "refused", "filtered"]


@dataclass(frozen=True, slots=True)
class ChatResponse:
    """One response of a chat endpoint."""

    text: str
    finish: FinishReason
    prompt_tokens: int = 0
    new_tokens: int = 0
    reasoning_tokens: int = 0
    counted: bool = False
    """Whether the endpoint reported token counts; otherwise they are estimates."""
    served_by: str | None = None
    """The name of the model as the endpoint reports it."""
    seconds: float = 0.0
    """Duration of the last try."""
    cost: float | None = None
    """US dollars; None where the price is not known."""
    tries: int = 1
    sent: Mapping[str, Any] = field(default_factory=dict)
    """The parameters that the request was sent with: the token limit, and what decoding and thinking were asked for."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    thoughts: str = ""
    """What the model thought, where the endpoint returns it in a field of its own."""


def parse_response(body: bytes) -> ChatResponse | str:
    """The response in a body, or the reason why the body is not valid."""
    try:
        found = parse_object(body, "the response", "the endpoint must send a chat completion")
    except UserError as problem:
        return str(problem)
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        error = found.get("error")
        text = error.get("message") if isinstance(error, dict) else error
        return f"the endpoint reports: {text}" if text else "the response contains no choices"
    message = choices[0].get("message")
    if not isinstance(message, dict):
        return "the response contains no message"
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("completion_tokens_details")
    details = details if isinstance(details, dict) else {}
    if any(_count(values, name) > MAX_TOKENS for values in (usage, details) for name in _COUNTS):
        return f"the response reports more than {MAX_TOKENS} tokens"
    text, finish = _content(message, choices[0].get("finish_reason"))
    thoughts = next((t for name in _THOUGHTS if isinstance(t := message.get(name), str) and t), "")
    reasoning = _count(details, "reasoning_tokens")
    if finish == "length" and not text.strip() and (thoughts or reasoning):
        finish = "unfinished_thought"
    counted = _count(usage, "prompt_tokens") > 0
    return ChatResponse(
        text=text,
        finish=finish,
        prompt_tokens=_count(usage, "prompt_tokens"),
        new_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=reasoning,
        counted=counted,
        served_by=found.get("model") if isinstance(found.get("model"), str) else None,
        thoughts=thoughts,
    )


_THOUGHTS = ("reasoning_content", "reasoning")
"""Fields of a message in which servers return thoughts: vLLM, SGLang and DeepSeek; vLLM since 0.12, OpenRouter."""
_COUNTS = ("prompt_tokens", "completion_tokens", "reasoning_tokens")


def _content(message: Mapping[str, Any], reason: Any) -> tuple[str, FinishReason]:
    """The text of a message and its finish reason."""
    text = _text(message.get("content"))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return text or refusal, "refused"
    if reason == "content_filter":
        return text, "filtered"
    return text, "length" if reason == "length" else "stop"


def _text(content: Any) -> str:
    """The content as text; some endpoints return a list of parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(p.get("text", "")) for p in content if isinstance(p, dict) and p.get("type") == "text")
    return ""


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def printable(text: str) -> str:
    """The text with lone surrogates, which UTF-8 cannot encode, replaced by `?`."""
    return text.encode("utf-8", "replace").decode("utf-8")

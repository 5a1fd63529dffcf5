"""What a chat endpoint sent back, read strictly: a body is a reply or it is said what is wrong with it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Ending = Literal["stop", "length", "refused", "filtered"]


@dataclass(frozen=True, slots=True)
class Reply:
    """One reply of an endpoint."""

    text: str
    finish: Ending
    prompt_tokens: int = 0
    new_tokens: int = 0
    reasoning_tokens: int = 0
    counted: bool = False
    """Whether the endpoint counted the tokens; else they are estimates."""
    served_by: str | None = None
    """The model's name as the endpoint gives it."""
    seconds: float = 0.0
    cost: float | None = None
    tries: int = 1
    notes: Mapping[str, Any] = field(default_factory=dict)


def reply_of(body: bytes) -> Reply | str:
    """The reply in a body, or what is wrong with it."""
    try:
        found = json.loads(body)
    except ValueError:
        return "the reply is no JSON"
    if not isinstance(found, dict):
        return "the reply is no JSON object"
    choices = found.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        error = found.get("error")
        said = error.get("message") if isinstance(error, dict) else error
        return f"the endpoint reports: {said}" if said else "the reply holds no choices"
    message = choices[0].get("message")
    if not isinstance(message, dict):
        return "the reply holds no message"
    usage = found.get("usage")
    usage = usage if isinstance(usage, dict) else {}
    details = usage.get("completion_tokens_details")
    text, finish = _ending(message, choices[0].get("finish_reason"))
    counted = _count(usage, "prompt_tokens") > 0
    return Reply(
        text=text,
        finish=finish,
        prompt_tokens=_count(usage, "prompt_tokens"),
        new_tokens=_count(usage, "completion_tokens"),
        reasoning_tokens=_count(details, "reasoning_tokens") if isinstance(details, dict) else 0,
        counted=counted,
        served_by=found.get("model") if isinstance(found.get("model"), str) else None,
    )


def _ending(message: Mapping[str, Any], reason: Any) -> tuple[str, Ending]:
    """The text of a message and how it ended."""
    text = _text(message.get("content"))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        return text or refusal, "refused"
    if reason == "content_filter":
        return text, "filtered"
    return text, "length" if reason == "length" else "stop"


def _text(content: Any) -> str:
    """The content as text; some endpoints send it in parts."""
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        return "".join(str(p.get("text", "")) for p in content if isinstance(p, dict) and p.get("type") == "text")
    return ""


def _count(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0


def printable(text: str) -> str:
    """Text that a UTF-8 body can hold: lone surrogates, which no UTF-8 has, become the replacement mark."""
    return text.encode("utf-8", "replace").decode("utf-8")

"""Which request parameters an endpoint accepts; learned from the errors it returns.

Reasoning models count their thoughts against the token limit and accept no temperature, some servers support no JSON
schema, some models no system role. The first request uses the parameters that fit the model's name. An error that
names a parameter changes it for all requests that follow, but only before the first success: once a request has
succeeded, the parameters of a model are known, and an error is about its own request alone.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REASONING_ALLOWANCE = 4096
"""Additional tokens for a reasoning model, because its thoughts count against the limit of the response."""
_REASONING = re.compile(r"(?:o[1-9](?:$|-)|gpt-5(?!.*chat)|gpt-oss)")
_UNKNOWN = (
    "unsupported|not support|unrecognized|unknown|unexpected|extra|instead|not permitted|not allowed|only the default"
)
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


class SupportedParameters:
    """The parameters that requests to one model are sent with."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.reasoning = bool(_REASONING.match(model.rsplit("/", 1)[-1].lower()))
        self.limit_name = "max_completion_tokens" if self.reasoning else "max_tokens"
        self.temperature = not self.reasoning
        self.schema = self.system = True
        self.schema_confirmed = self.confirmed = False
        self._rejected: set[str] = set()

    def token_limit(self, request: ChatRequest) -> int:
        """The token limit that is sent."""
        return request.max_new_tokens + (REASONING_ALLOWANCE if self.reasoning else 0)

    def arguments(self, request: ChatRequest) -> dict[str, Any]:
        """The arguments of the client's call."""
        messages = list(request.messages) if self.system else _without_system(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        arguments[self.limit_name] = self.token_limit(request)
        if self.temperature:
            arguments["temperature"] = 0
        if request.schema is not None and self.schema:
            wanted = {"name": "reply", "strict": True, "schema": dict(request.schema)}
            arguments["response_format"] = {"type": "json_schema", "json_schema": wanted}
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

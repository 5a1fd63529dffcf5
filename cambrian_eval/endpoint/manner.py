"""What a request must look like for the model at hand; learned from what the endpoint refuses.

Reasoning models count their thoughts against the limit and take no temperature, some servers know no JSON schema,
some models no system role. The first request is made in the likely manner, and a refusal that names the reason
changes it for all that follow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

REASONING_ALLOWANCE = 4096
"""Tokens a reasoning model gets on top, because its thoughts count against the limit of the answer."""
_REASONING = re.compile(r"(?:o[1-9](?:$|-)|gpt-5(?!.*chat)|gpt-oss)")
_UNKNOWN = "unsupported|not supported|unrecognized|unknown|unexpected|extra|instead|not permitted"
_FORMAT = "response_format|json_schema|json_object|json mode|json schema|guided|structured"


@dataclass(frozen=True, slots=True)
class Chat:
    """One request: messages in the form of the protocol."""

    messages: tuple[Mapping[str, Any], ...]
    max_new_tokens: int
    prompt_tokens: int
    """An estimate, for budgets and for endpoints that do not count."""
    schema: Mapping[str, Any] | None = None
    """The JSON schema the reply should follow where the endpoint can do that."""


class Manner:
    """How an endpoint wants to be asked."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.reasoning = bool(_REASONING.match(model.rsplit("/", 1)[-1].lower()))
        self.limit_name = "max_completion_tokens" if self.reasoning else "max_tokens"
        self.temperature = not self.reasoning
        self.schema = self.system = True
        self.schema_proven = False
        self._refused: set[str] = set()

    def limit(self, chat: Chat) -> int:
        """The token limit that is sent."""
        return chat.max_new_tokens + (REASONING_ALLOWANCE if self.reasoning else 0)

    def arguments(self, chat: Chat) -> dict[str, Any]:
        """The request as the client takes it."""
        messages = list(chat.messages) if self.system else _without_system(chat.messages)
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        arguments[self.limit_name] = self.limit(chat)
        if self.temperature:
            arguments["temperature"] = 0
        if chat.schema is not None and self.schema:
            wanted = {"name": "reply", "strict": True, "schema": dict(chat.schema)}
            arguments["response_format"] = {"type": "json_schema", "json_schema": wanted}
        return arguments

    def learn(self, reason: str, sent: Mapping[str, Any]) -> bool:
        """Takes a refusal in; True where asking again in another manner may help.

        What was sent is compared, not what is known now: requests that were under way when the first was refused
        are refused for the same reason.
        """
        text = reason.lower()
        for name, other in (("max_tokens", "max_completion_tokens"), ("max_completion_tokens", "max_tokens")):
            if name in sent and name in text and re.search(_UNKNOWN, text):
                if self.limit_name == name and other not in self._refused:
                    self._refused.add(name)
                    self.limit_name = other
                    self.reasoning = self.reasoning or other == "max_completion_tokens"
                return self.limit_name != name
        if "temperature" in sent and "temperature" in text:
            self.temperature = False
            return True
        if "response_format" in sent and re.search(_FORMAT, text):
            self.schema = False
            return True
        knows_system = sent["messages"][0]["role"] != "system" or not re.search(
            r"system\b.*(role|message)|role.*system", text
        )
        if not knows_system:
            self.system = False
        return not knows_system

    def unproven(self, chat: Chat) -> bool:
        """Whether the schema of a request is something this endpoint has never managed."""
        return chat.schema is not None and self.schema and not self.schema_proven

    def worked(self, chat: Chat, dropped: bool) -> None:
        """A request was answered; `dropped` where that took leaving its schema out."""
        if dropped and not self.schema_proven:
            self.schema = False
        self.schema_proven = self.schema_proven or (chat.schema is not None and self.schema)


def _without_system(messages: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The system text at the head of the first user message, for models that know no system role."""
    system = "\n\n".join(str(m["content"]) for m in messages if m["role"] == "system")
    rest = [dict(m) for m in messages if m["role"] != "system"]
    if system and rest:
        content = rest[0]["content"]
        rest[0]["content"] = (
            f"{system}\n\n{content}" if isinstance(content, str) else [{"type": "text", "text": system}, *content]
        )
    return list(rest)

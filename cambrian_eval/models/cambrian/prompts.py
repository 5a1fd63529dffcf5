"""The four conversation templates of Cambrian-1, exact to the character, and the choice between them.

Each checkpoint was trained on exactly one of these; a wrong one degrades quality without an error, which is why the
choice looks at everything that a checkpoint states about itself. Tokenization is in `tokens`.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError, unknown

IMAGE_MARK = "<image>"

_SENTENCES = (
    "You are Cambrian, a highly intelligent multimodal AI trained by NYU Vision X.",
    "As a multimodal AI, you have the ability to process and analyze images. Whenever an image is present in the "
    "conversation, very carefully examine it and consider its content when formulating your response.",
    "You should give concise responses to very simple questions, but provide thorough responses to more complex and "
    "open-ended questions.",
)
# The 8B was trained with the line breaks and indentation of a triple-quoted string, and a space before each.
_SYSTEM_8B = f"{_SENTENCES[0]} \n    {_SENTENCES[1]}\n    {_SENTENCES[2]} "
_SYSTEM_34B = " ".join(_SENTENCES)
_SYSTEM_VICUNA = (
    "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, "
    "and polite answers to the user's questions."
)
_SYSTEM_PHI3 = "You are a helpful AI assistant."


@dataclass(frozen=True)
class Template:
    """A conversation as text: what surrounds the system text, each question and each answer.

    `opens_answer` is the assistant's header; `always_opens` marks the one template that ends with it even where no
    answer is requested.
    """

    name: str
    system: str
    system_parts: tuple[str, str]
    question_parts: tuple[str, str]
    opens_answer: str
    answer_parts: tuple[str, str]
    always_opens: bool = False

    def render(
        self, messages: Sequence[tuple[str, str]], add_generation_prompt: bool, system: str | None = None
    ) -> str:
        """Text of a dialogue of ("user" | "assistant", text) turns."""
        text = (self.system if system is None else system).join(self.system_parts)
        for role, content in messages:
            if role == "user":
                text += content.join(self.question_parts)
            else:
                text += self.opens_answer + content.join(self.answer_parts)
        return text + self.opens_answer if add_generation_prompt or self.always_opens else text


_HEADER = "<|start_header_id|>{}<|end_header_id|>"

TEMPLATES: Mapping[str, Template] = {
    template.name: template
    for template in (
        Template(
            "llama_3",
            _SYSTEM_8B,
            ("<|begin_of_text|>" + _HEADER.format("system"), "<|eot_id|>"),
            (_HEADER.format("user"), "<|eot_id|>"),
            _HEADER.format("assistant"),
            ("", "<|eot_id|>"),
            always_opens=True,
        ),
        Template("vicuna_v1", _SYSTEM_VICUNA, ("", " "), ("USER: ", " "), "ASSISTANT:", (" ", "</s>")),
        Template(
            "chatml_direct",
            _SYSTEM_34B,
            ("<|im_start|>system\n", "<|im_end|>"),
            ("<|im_start|>user\n", "<|im_end|>"),
            "<|im_start|>assistant\n",
            ("", "<|im_end|>"),
        ),
        Template(
            "phi3",
            _SYSTEM_PHI3,
            ("<|system|>\n", "<|end|>\n"),
            ("<|user|>\n", "<|end|>\n"),
            "<|assistant|>\n",
            ("", "<|end|>\n"),
        ),
    )
}

_ALIASES = {"cambrian_chatml": "chatml_direct"}


def template(name: str) -> Template:
    """A template by name."""
    found = TEMPLATES.get(_ALIASES.get(name, name))
    if found is None:
        raise unknown("conversation template", name, [*TEMPLATES, *_ALIASES])
    return found


def render_chat(chosen: Template, chat: Sequence[Mapping[str, Any]], add_generation_prompt: bool) -> str:
    """A chat in transformers' message format as the prompt the checkpoint was trained on."""
    system: str | None = None
    turns: list[tuple[str, str]] = []
    for message in chat:
        role, text = message.get("role"), message_text(message.get("content", ""))
        if role == "system" and not turns and system is None:
            system = text
        elif role in ("user", "assistant"):
            turns.append((str(role), text))
        else:
            raise UserError(f"chat: role {role!r} is not supported; use system (first), user and assistant")
    return chosen.render(turns, add_generation_prompt, system)


def message_text(content: str | Sequence[Mapping[str, Any]]) -> str:
    """A message as text: an image is its mark and a line break, before the question as in training."""
    if isinstance(content, str):
        return content
    text = ""
    for part in content:
        kind = part.get("type")
        if kind == "image":
            text += IMAGE_MARK + "\n"
        elif kind == "text":
            text += str(part["text"])
        else:
            raise UserError(f"chat: a part of type {kind!r} is not supported; use text or image")
    return text


_NAMES = (
    (r"phi-?3", "phi3"),
    (r"34b|hermes|\byi\b", "chatml_direct"),
    (r"13b|vicuna", "vicuna_v1"),
    (r"8b|llama-?3", "llama_3"),
)
_MARKERS = (
    ("<|start_header_id|>", "llama_3"),
    ("<|im_start|>", "chatml_direct"),
    ("<|assistant|>", "phi3"),
)
_POSITIONS = {91: "llama_3", 35: "vicuna_v1", 87: "chatml_direct", 13: "phi3"}


def choose_template(
    own_names: Sequence[str],
    base_name: str,
    phi3_base: bool,
    vocabulary: Collection[str],
    image_position: int | None,
) -> Template:
    """The template of a checkpoint: by its name, its base model, its tokenizer, then its `image_position`.

    `own_names` are its names (Hub id, folder); they count only where they contain "cambrian", since any folder may
    have an "8b" in its name. `base_name` is the model it was trained from, where config.json states it.
    """
    names = [name for name in (_last_part(own) for own in own_names) if "cambrian" in name]
    for name in (*names, _last_part(base_name)):
        for pattern, chosen in _NAMES:
            if re.search(pattern, name):
                return TEMPLATES[chosen]
    if phi3_base:
        return TEMPLATES["phi3"]
    for marker, chosen in _MARKERS:
        if marker in vocabulary:
            return TEMPLATES[chosen]
    return TEMPLATES[_POSITIONS.get(image_position or 0, "vicuna_v1")]


def _last_part(name: str) -> str:
    return name.lower().rstrip("/").split("/")[-1]

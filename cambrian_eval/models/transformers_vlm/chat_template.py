"""A checkpoint's chat template: foreign code that writes the prompt, so its time is bounded and its result checked."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from cambrian_eval.errors import UserError, one_line

SECONDS = 10.0
"""How long rendering one prompt may take; real templates need a thousandth of a second."""
TODAY = datetime(2024, 7, 26)
"""The date that templates are told which print today's date: prompts must not differ from day to day."""
_PROBE = "x1y2"

T = TypeVar("T")


def set_template(processor: Any, template: str | None) -> None:
    """Sets the chat template: the one the user names, else the processor's, else the tokenizer's."""
    if template is not None:
        path = Path(template).expanduser()
        try:
            if path.exists() and not path.is_file():
                raise UserError(f"--template {template} is not a file; name a file with a Jinja chat template")
            processor.chat_template = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
            raise UserError(
                f"--template {template} cannot be read ({reason}); name a file with a Jinja chat template"
            ) from None
    own = processor.chat_template or getattr(processor.tokenizer, "chat_template", None)
    chosen = own.get("default") if isinstance(own, dict) else own
    processor.chat_template = chosen if chosen is None or not prints_date(chosen) else _with_fixed_date(chosen)


def prints_date(template: str | None) -> bool:
    """Whether a template asks for the current date."""
    return template is not None and "strftime_now" in template


def render(
    processor: Any,
    content: str | Sequence[dict[str, Any]],
    system: str | Sequence[dict[str, Any]] | None = None,
    variables: Mapping[str, Any] | None = None,
) -> str:
    """A user's message in the template, with the beginning of the response, after a system prompt if there is one.

    `variables` are further variables of the template. Raises `UserError` where the template takes too long, and what
    it raises itself.
    """
    chat: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
    chat.append({"role": "user", "content": content})
    more = dict(variables or {})
    return bounded(
        lambda: str(processor.apply_chat_template(chat, add_generation_prompt=True, tokenize=False, **more)), SECONDS
    )


def system_forms(processor: Any, content: str | Sequence[dict[str, Any]]) -> bool | None:
    """Whether the template takes a system prompt as a list of parts (True) or as text (False); None for neither."""
    if processor.chat_template is None:
        return None
    for parts in (isinstance(content, str) is False, isinstance(content, str)):
        try:
            text = render(processor, content, system_content(_PROBE, parts))
        except UserError:
            raise
        except Exception:  # many templates raise an error of their own for a role that they do not know
            continue
        if _PROBE in text and "'type'" not in text and '"type"' not in text:
            return parts
    return None


def system_content(text: str, parts: bool) -> str | list[dict[str, Any]]:
    """A system prompt in the form that a template takes."""
    return [{"type": "text", "text": text}] if parts else text


def probe(processor: Any) -> tuple[str, bool]:
    """A chat of one word in the model's template (empty where there is none), and whether it takes parts."""
    if processor.chat_template is None:
        return "", True
    reason = "it does not show the text it is given"
    for content in ([{"type": "text", "text": _PROBE}], _PROBE):
        try:
            text = render(processor, content)
            shown = [{"type": "image"}, *content] if isinstance(content, list) else content
            with_image = render(processor, shown)
        except UserError:  # it took too long
            raise
        except Exception as error:
            reason = one_line(error, 200)
            continue
        if "'type'" in text or '"type"' in text:
            continue
        if _PROBE in text and _PROBE in with_image:
            return text, isinstance(content, list)
        reason = "it does not show the text it is given"
    raise UserError(f"the model's chat template cannot be used ({reason}); name another with --template FILE")


def require_text(prompt: str, text: str) -> None:
    """Refuses a prompt that does not contain the question it was made from; only spaces may differ."""
    if "".join(text.split()) not in "".join(prompt.split()):
        raise UserError("the chat template left out the question, or a part of it; name another with --template FILE")


def bounded(work: Callable[[], T], seconds: float) -> T:
    """The result of work that is written in Python, and an error if it takes too long; it is then ended."""
    found: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            found.append(work())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=run, name="chat-template", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(SystemExit))
        raise UserError(f"the chat template did not end within {seconds:g} seconds; name another with --template FILE")
    if errors:
        raise errors[0]
    return found[0]


def _with_fixed_date(template: str) -> str:
    """The template with a function of its own for the date, in place of the one that transformers offers."""
    value = "format"
    for letter in "aAwdbBmyYHIpMSjUWcxX":
        for flag in ("", "-"):
            written = TODAY.strftime(f"%{letter}")
            written = written.lstrip("0") or "0" if flag else written
            value += f" | replace('%{flag}{letter}', '{written}')"
    # The line break belongs to the tag before it, so that the template itself begins on a line of its own.
    return f"{{% macro strftime_now(format) %}}{{{{ {value} }}}}{{% endmacro %}}\n{template}"

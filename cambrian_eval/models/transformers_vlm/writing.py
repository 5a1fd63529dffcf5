"""A request as the text that a transformers model is given: its chat template, or PaliGemma's task format.

Needs the processor alone, so that `cambrian-eval show` can print the exact prompt without loading weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import parts
from cambrian_eval.models.checkpoint_files import read_json
from cambrian_eval.models.transformers_vlm.chat_template import (
    probe,
    render,
    require_text,
    set_template,
    system_content,
    system_forms,
)
from cambrian_eval.models.transformers_vlm.checkpoint import find_folder, load_processor
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.models.transformers_vlm.thinking import Switch, may_think, switch_of
from cambrian_eval.sample import Request


@dataclass(frozen=True)
class Writer:
    """Writes requests for one processor, and knows what its template honours."""

    processor: Any
    takes_parts: bool
    """Whether the template reads a message as a list of images and text; else it takes plain text."""
    system_parts: bool | None
    """The form in which it takes a system prompt; None = it takes none."""
    switch: Switch
    """Its switch for thinking."""
    text_first: bool
    """Whether it writes images where they stand in the message."""
    thinks: bool
    """Whether the model may think before it answers."""

    @classmethod
    def of(cls, processor: Any, takes_parts: bool) -> Writer:
        """Tries the processor's template out on messages of one word."""
        if processor.chat_template is None:
            return cls(processor, takes_parts, None, Switch({}, "it has no chat template"), False, may_think(processor))
        words: Any = [{"type": "text", "text": "?"}] if takes_parts else "?"
        return cls(
            processor,
            takes_parts,
            system_forms(processor, words),
            switch_of(processor, words),
            not takes_parts or _follows_order(processor),
            may_think(processor),
        )

    @property
    def decodes(self) -> frozenset[str]:
        """What the template honours, see `model.honours`."""
        found = set(self.switch.honoured)
        found |= {"thinking_budget"} if self.thinks else set()
        found |= {"system"} if self.system_parts is not None else set()
        return frozenset(found | ({"text_first"} if self.text_first else set()))

    @property
    def declines(self) -> Mapping[str, str]:
        """Why it does not honour the rest."""
        return {
            "system": "its chat template takes no system prompt",
            "thinking_on": self.switch.reason,
            "thinking_off": self.switch.reason,
            "thinking_budget": "neither its chat template nor its vocabulary has the mark of a thought",
            "text_first": "its prompt has the images before the text in any case",
        }

    def write(self, request: Request) -> tuple[str, dict[str, Any], tuple[LazyImage, ...]]:
        """The prompt, what was done to the request's text (an image mark of the model in it is removed), and the
        images in the order of the prompt; one that is placed twice is there twice."""
        ordered, notes = parts(request), dict[str, Any]()
        mark = getattr(self.processor, "image_token", None) or "<image>"
        if marks := sum(part.count(mark) for part in ordered if isinstance(part, str)):
            # The processor would take the mark for a further image.
            ordered = [part.replace(mark, "") if isinstance(part, str) else part for part in ordered]
            notes = {"image_marks_removed": marks}
        shown = tuple(part for part in ordered if not isinstance(part, str))
        texts = [part for part in ordered if isinstance(part, str)]
        if self.processor.chat_template is None:
            return self._untemplated("".join(texts), len(shown), mark), notes, shown
        pieces = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in ordered]
        after = f"\n{mark}" if request.order == "text_first" and not request.places_images else f"{mark}\n"
        plain = "".join(p if isinstance(p, str) else after for p in ordered)
        system = None
        if request.system is not None:
            system = system_content(request.system.replace(mark, ""), bool(self.system_parts))
        switch = self.switch.variables(request.thinking)
        written = render(self.processor, pieces if self.takes_parts else plain, system, switch)
        for text in texts:
            require_text(written, text)
        return written, notes, shown

    def _untemplated(self, text: str, images: int, mark: str) -> str:
        """The prompt of a model without a chat template. PaliGemma expects a task word before the question."""
        if is_paligemma(self.processor):
            if not images:
                return f"{self.processor.tokenizer.bos_token}answer en {text}\n"
            return f"{mark * images}answer en {text}"
        return f"{mark * images}{text}"


def is_paligemma(processor: Any) -> bool:
    """Whether prompts follow PaliGemma's task format, which has no chat template."""
    return "paligemma" in type(processor).__name__.lower()


def _follows_order(processor: Any) -> bool:
    """Whether the order of image and text in a message is the one in the prompt."""
    image, text = {"type": "image"}, {"type": "text", "text": "?"}
    return render(processor, [image, text]) != render(processor, [text, image])


def written(rest: str, options: TransformersOptions, request: Request) -> str:
    """The prompt of a request, from the files of a checkpoint without its weights."""
    folder = find_folder(rest, options)
    processor = load_processor(folder, read_json(folder / "config.json"), options)
    set_template(processor, options.template)
    writer = Writer.of(processor, probe(processor)[1])
    needed = {"system"} if request.system is not None else set()
    needed |= {f"thinking_{request.thinking.mode}"} if request.thinking.mode != "auto" else set()
    needed |= {"text_first"} if request.order == "text_first" else set()
    for name in sorted(needed - writer.decodes):
        raise UserError(f"model {rest} cannot be run with {name}: {writer.declines[name]}")
    return writer.write(request)[0]

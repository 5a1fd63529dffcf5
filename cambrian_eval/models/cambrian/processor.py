"""Chats and images to the tensors the network takes, and its ids back to text.

Chooses the template, pads ids to a batch, and matches images to prompts. The text of the templates is in `prompts`,
preprocessing in `preprocess`.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import BatchFeature

from cambrian_eval.errors import UserError

from . import prompts
from .checkpoint import Checkpoint
from .config import IMAGE_TOKEN_ID, CambrianConfig
from .geometry import visual_tokens
from .preprocess import as_rgb, tower_pixels
from .splice import Side, warn_of_position
from .tokens import load_tokenizer, prompt_ids
from .towers.kind import TowerSpec
from .towers.specs import resolve_towers

Chat = Sequence[Mapping[str, Any]]


class CambrianProcessor:
    """Tokenizer, conversation template and the towers' preprocessing of one checkpoint."""

    def __init__(
        self,
        tokenizer: Any,
        towers: Sequence[TowerSpec],
        config: CambrianConfig,
        template: prompts.Template,
        padding_side: Side | None = None,
    ) -> None:
        self.tokenizer = tokenizer
        self.towers = tuple(towers)
        self.config = config
        self.template = template
        self.padding_side: Side = padding_side or ("left" if config.tokenizer_padding_side == "left" else "right")

    @classmethod
    def from_pretrained(
        cls,
        name: str | Path | Checkpoint,
        *,
        template: str | None = None,
        towers_root: str | Path | None = None,
        padding_side: Side | None = None,
        allow_pickle: bool = True,
    ) -> CambrianProcessor:
        """Load from a local folder or the Hub cache; `template` replaces the checkpoint's own."""
        checkpoint = Checkpoint.open(name)
        config = checkpoint.config()
        root = None if towers_root is None else Path(towers_root)
        entries = config.mm_vision_tower_aux_list or []
        towers = resolve_towers(entries, checkpoint.folder, root, allow_pickle=allow_pickle)
        tokenizer = load_tokenizer(checkpoint.folder)
        own = checkpoint.template(config, tokenizer.get_vocab())
        chosen = own if template is None else prompts.template(template)
        made = cls(tokenizer, towers, config, chosen, padding_side)
        made._warn_of_template()
        return made

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the tokenizer; the rest of the processor is in the checkpoint's config.json."""
        self.tokenizer.save_pretrained(str(folder))

    def apply_chat_template(
        self,
        chat: Chat | Sequence[Chat],
        add_generation_prompt: bool = False,
        tokenize: bool = False,
        *,
        template: str | None = None,
        **kwargs: Any,
    ) -> Any:
        """A chat (or a list of chats) as prompt text; with `tokenize` as model inputs, images from the chat.

        `template` names another conversation template for this call. `llama_3` always ends with the assistant's
        header, as in training.
        """
        chosen = self.template if template is None else prompts.template(template)
        several = bool(chat) and not isinstance(chat[0], Mapping)
        chats: list[Chat] = list(chat) if several else [chat]  # type: ignore[arg-type, list-item]
        texts = [prompts.render_chat(chosen, one, add_generation_prompt) for one in chats]
        if not tokenize:
            return texts if several else texts[0]
        return self(text=texts, images=[_chat_images(one) for one in chats], **_known(kwargs))

    def __call__(
        self,
        text: str | Sequence[str] | None = None,
        images: Any = None,
        *,
        return_tensors: str = "pt",
        padding_side: Side | None = None,
        padding: Any = True,
    ) -> BatchFeature:
        """Ready prompts, each with at most one `<image>`, and their images as one batch.

        `images` is one image, a list of the images in the order of the prompts that have one, or a list with one entry
        per prompt (None or an empty list where there is no image). The result has `input_ids` (the image as -200),
        `attention_mask`, and with images `pixel_values` (a tensor [P, 3, s, s] per tower) and `image_sizes` [P, 2] of
        (width, height).
        """
        if text is None:
            raise UserError("the processor needs text: a prompt, or a list of prompts")
        if return_tensors != "pt":
            raise UserError(f"return_tensors={return_tensors!r} is not supported; use 'pt'")
        texts = [text] if isinstance(text, str) else list(text)
        rows = [self.token_ids(prompt) for prompt in texts]
        shown = _match_images(texts, images)
        lengths = {len(row) for row in rows}
        if not padding and len(lengths) > 1:
            raise UserError("prompts of different lengths need padding to form a batch; pass padding=True")
        data = self._pad(rows, padding_side or self.padding_side)
        if shown:
            data["pixel_values"] = self.pixels(shown)
            data["image_sizes"] = torch.tensor([image.size for image in shown])
        return BatchFeature(data)

    def token_ids(self, prompt: str) -> list[int]:
        """Ids of one prompt, -200 for its image; warns where the image has another position than in training."""
        marks = prompt.count(prompts.IMAGE_MARK)
        if marks > 1:
            raise UserError(
                f"a prompt has {marks} {prompts.IMAGE_MARK} marks; Cambrian-1 takes at most one image per prompt"
            )
        ids = prompt_ids(prompt, self.tokenizer)
        if marks and self.config.image_position is not None:
            place = ids.index(IMAGE_TOKEN_ID)
            if place != self.config.image_position:
                warn_of_position(place, self.config.image_position)
        return ids

    def pixels(self, images: Sequence[Image.Image]) -> list[torch.Tensor]:
        """Per tower, the pixels of all images: float32 [P, 3, side, side]."""
        return [torch.from_numpy(np.stack([tower_pixels(image, spec) for image in images])) for spec in self.towers]

    def visual_tokens(self, size: tuple[int, int]) -> int:
        """How many positions an image of (width, height) takes in the sequence."""
        return visual_tokens(size, self.config.grid_side)

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        """Ids of one row as text, stripped as the authors' evaluation does."""
        return str(self.tokenizer.decode(ids, skip_special_tokens=skip_special_tokens)).strip()

    def batch_decode(self, rows: Any, skip_special_tokens: bool = True) -> list[str]:
        """Every row's ids as text, each stripped as `decode` does."""
        return [self.decode(row, skip_special_tokens) for row in rows]

    def _pad(self, rows: Sequence[Sequence[int]], side: Side) -> dict[str, Any]:
        length = max((len(row) for row in rows), default=0)
        filler = self.tokenizer.pad_token_id
        ids = torch.full((len(rows), length), 0 if filler is None else int(filler), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for index, row in enumerate(rows):
            start = length - len(row) if side == "left" else 0
            ids[index, start : start + len(row)] = torch.tensor(row, dtype=torch.long)
            mask[index, start : start + len(row)] = 1
        return {"input_ids": ids, "attention_mask": mask}

    def _warn_of_template(self) -> None:
        """Warn where the template puts an image at another position than in training."""
        trained = self.config.image_position
        if trained is None:
            return
        text = self.template.render([("user", prompts.IMAGE_MARK + "\n")], add_generation_prompt=True)
        place = prompt_ids(text, self.tokenizer).index(IMAGE_TOKEN_ID)
        if place != trained:
            warnings.warn(
                f"the template {self.template.name} puts the image at position {place}, but image_position in "
                f"config.json is {trained}; is it the template this checkpoint was trained with?",
                stacklevel=3,
            )


def _known(kwargs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: kwargs[key] for key in ("padding_side", "padding", "return_tensors") if key in kwargs}


def _chat_images(chat: Chat) -> list[Any]:
    parts = [part for message in chat if not isinstance(message["content"], str) for part in message["content"]]
    return [part["image"] for part in parts if part.get("type") == "image" and part.get("image") is not None]


def _match_images(texts: Sequence[str], images: Any) -> list[Image.Image]:
    """The images in the order of the prompts that have one; counts must agree exactly."""
    if images is None:
        given: list[Any] = []
    elif isinstance(images, (list, tuple)):
        given = list(images)
    else:
        given = [images]
    nested = any(one is None or isinstance(one, (list, tuple)) for one in given)
    if nested:
        if len(given) != len(texts):
            raise UserError(f"images has {len(given)} entries for {len(texts)} prompts; give one entry per prompt")
        each = [[] if one is None else list(one) if isinstance(one, (list, tuple)) else [one] for one in given]
        for index, (prompt, shown) in enumerate(zip(texts, each, strict=True)):
            _agree(prompt.count(prompts.IMAGE_MARK), len(shown), f"prompt {index}")
        given = [one for shown in each for one in shown]
    else:
        _agree(sum(prompt.count(prompts.IMAGE_MARK) for prompt in texts), len(given), "the batch")
    return [_image(one) for one in given]


def _agree(marks: int, images: int, where: str) -> None:
    if marks != images:
        raise UserError(
            f"{where} has {marks} {prompts.IMAGE_MARK} mark(s) but {images} image(s) were given; they must agree"
        )


def _image(value: Any) -> Image.Image:
    if isinstance(value, np.ndarray):
        value = Image.fromarray(value)
    if not isinstance(value, Image.Image):
        raise UserError(f"images has a {type(value).__name__}; give Pillow images (or uint8 arrays)")
    return as_rgb(value)

"""One question by itself, with `generate`: every shared response must equal this one.

Sums in another order change a float32 logit by about a millionth of the largest. Where the two best ids are no
further apart than that, or where a draw falls next to the border of its token, the choice would depend on the other
questions of the batch; such a response, one in some thousands of tokens, is computed again here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch

from cambrian_eval.models.sampling import Choice, needed

from .questions import Question

if TYPE_CHECKING:
    from PIL.Image import Image


@torch.inference_mode()
def ask_alone(model: Any, processor: Any, question: Question) -> tuple[int, ...]:
    """The new ids of one question, including the stop id where there was one; nothing is shared or batched."""
    settings: dict[str, Any] = {"do_sample": False}
    if needed(question.decoding):
        # Responses begin at 0: the network's `generate` works on embeddings and returns new ids alone.
        chosen = Choice(question.decoding, [question.stream], [question.ids], 0, question.limit)
        settings["logits_processor"] = [chosen]
    image = None if question.image is None else question.image.load()
    new = model.generate(
        **inputs_alone(model, processor, question.ids, image),
        max_new_tokens=question.limit,
        **settings,
        pad_token_id=0,
    )
    return tuple(new[0].tolist())


def inputs_alone(model: Any, processor: Any, ids: Sequence[int], image: Image | None) -> dict[str, Any]:
    """What the network needs for one prompt, on its device."""
    device = model.get_input_embeddings().weight.device
    tokens = torch.tensor([list(ids)], device=device)
    inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if image is not None:
        inputs["pixel_values"] = [pixels.to(device) for pixels in processor.pixels([image])]
        inputs["image_sizes"] = [image.size]
    return inputs

"""One question by itself, with `generate`: every shared response must equal this one.

Sums in another order change a float32 logit by about a millionth of the largest. Where the two best ids are no
further apart than that, the choice between them would depend on the other questions of the batch; such a response,
one in some thousands of tokens, is computed again here.
"""

from __future__ import annotations

from typing import Any

import torch

from .questions import Question


@torch.inference_mode()
def ask_alone(model: Any, processor: Any, question: Question) -> tuple[int, ...]:
    """The new ids of one question, including the stop id where there was one; nothing is shared or batched."""
    device = model.get_input_embeddings().weight.device
    extra: dict[str, Any] = {}
    if question.image is not None:
        image = question.image.load()
        extra["pixel_values"] = [pixels.to(device) for pixels in processor.pixels([image])]
        extra["image_sizes"] = [image.size]
    ids = torch.tensor([question.ids], device=device)
    new = model.generate(
        input_ids=ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=question.limit,
        do_sample=False,
        pad_token_id=0,
        **extra,
    )
    return tuple(new[0].tolist())

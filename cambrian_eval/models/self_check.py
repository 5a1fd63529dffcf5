"""A check of a model after loading, before its first batch: does it compute numbers, and do they depend on the image?

A model that fails it would answer all requests with the same tokens, and score.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import CambrianEvalError, UserError, describe

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

QUESTION = "Which color is in the middle of this image? Answer with one word."
OFF = "-M self_check=false runs it nevertheless"

Logits = Callable[[str, "Image | None"], "Tensor"]
"""The logits of the first new token for a question and an image."""


def self_check(name: str, logits: Logits, tokenizer: Any) -> dict[str, Any]:
    """Facts for run.json: finite logits, logits that change with the image, a tokenizer that returns the prompt.

    Raises `UserError` where one of these does not hold.
    """
    _check_tokenizer(name, tokenizer)
    first, second = probe_images()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = {
            what: _finite(name, what, logits, image)
            for what, image in (("an image", first), ("another image", second), ("text alone", None))
        }
    if bool((found["an image"] == found["another image"]).all()):
        raise UserError(
            f"{name}: self-check: two different images give exactly the same logits, so the model does not see them; "
            f"the vision weights or the configuration are wrong; {OFF}"
        )
    return {"logits": "finite", "image_changes_logits": True, "tokenizer_round_trip": True}


def check_vocabulary(name: str, tokenizer: Any, rows: int, generation: Any) -> None:
    """Refuses the tokenizer of another model: pieces without an embedding, or other first and last tokens.

    `rows` is the number of embeddings, `generation` the model's generation configuration.
    """
    vocabulary, added = tokenizer.get_vocab(), tokenizer.get_added_vocab()
    if not vocabulary:
        raise UserError(f"{name}: the tokenizer is empty; download the checkpoint again")
    # Added tokens may be more than the model knows: some checkpoints name tokens that they never use.
    largest = max((index for token, index in vocabulary.items() if token not in added), default=-1)
    if largest >= rows:
        raise UserError(
            f"{name}: the tokenizer has ids up to {largest:,}, but the model has {rows:,} embeddings; it is the "
            f"tokenizer of another model; {OFF}"
        )
    bos, stops = generation.bos_token_id, generation.eos_token_id
    own_bos, own_eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    if None in (bos, stops, own_bos, own_eos):
        return
    if bos != own_bos and own_eos not in (stops if isinstance(stops, list) else [stops]):
        raise UserError(
            f"{name}: the model begins a text with token {bos} and ends it with {stops}, the tokenizer with {own_bos} "
            f"and {own_eos}; it is the tokenizer of another model; {OFF}"
        )


def probe_images() -> tuple[Image, Image]:
    """Two images of equal size that differ everywhere."""
    import numpy as np
    from PIL import Image as images

    x, y = np.meshgrid(np.arange(96), np.arange(64))
    pixels = np.stack([x * 255 // 95, y * 255 // 63, ((x // 12 + y // 8) % 2) * 200], axis=-1).astype(np.uint8)
    return images.fromarray(pixels), images.fromarray(255 - pixels)


def _check_tokenizer(name: str, tokenizer: Any) -> None:
    ids = list(tokenizer(QUESTION)["input_ids"])
    back = str(tokenizer.decode(ids, skip_special_tokens=True))
    # Some tokenizers change the case, or add spaces.
    if "".join(QUESTION.split()).casefold() not in "".join(back.split()).casefold():
        raise UserError(
            f"{name}: self-check: the tokenizer turns {QUESTION!r} into {back[:100]!r}; its files are damaged or those "
            f"of another model; {OFF}"
        )


def _finite(name: str, what: str, logits: Logits, image: Image | None) -> Tensor:
    try:
        found = logits(QUESTION, image).detach().float().flatten().cpu()
    except CambrianEvalError:
        raise
    except Exception as error:
        raise UserError(
            f"{name}: self-check: the model cannot process {what}: {describe(error)}; "
            f"checkpoint and processor do not fit; {OFF}"
        ) from error
    if not bool(found.isfinite().all()):
        raise UserError(
            f"{name}: self-check: the logits for {what} contain NaN or infinite values; the weights are damaged, "
            f"or the dtype is too narrow (try --dtype bfloat16 or float32); {OFF}"
        )
    if bool((found == found[0]).all()):
        raise UserError(
            f"{name}: self-check: all logits for {what} are equal, so the model says nothing; the weights are damaged; "
            f"{OFF}"
        )
    return found

"""Choosing the next token on a device: penalties, and draws that depend on nothing but their own request.

Each request has a stream of uniform numbers, made from its key and repeat. The t-th token is the one at which the
cumulative distribution of the t-th step passes the t-th number, so neither the batch nor its order plays a part.
The order of the steps is that of transformers: penalties, temperature, top_k, top_p, min_p.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from cambrian_eval.decoding import Decoding
from cambrian_eval.sample import Request

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

HONOURED = frozenset(
    (
        *("temperature", "top_p", "top_k", "min_p", "seed", "stop"),
        *("repetition_penalty", "presence_penalty", "frequency_penalty"),
    )
)
"""The decoding settings that this module, together with `cut_at_stop`, carries out."""
CLOSE = 4e-6
"""Two float32 logits that differ by less than this fraction of the largest count as equal."""


def stream_of(request: Request) -> str:
    """What names a request's stream of numbers; the key already depends on seed and repeat in a run."""
    return f"{request.key}\0{request.decoding.seed}\0{request.repeat}"


def uniforms(stream: str, count: int) -> npt.NDArray[np.float64]:
    """The first numbers of a stream, each in [0, 1)."""
    import numpy as np

    key = int.from_bytes(hashlib.sha256(stream.encode("utf-8", "surrogatepass")).digest()[:16], "big")
    return np.random.Generator(np.random.Philox(key=key)).random(count)


def needed(decoding: Decoding) -> bool:
    """Whether a token is not simply the one with the largest logit."""
    return decoding.samples or penalizes(decoding)


def penalizes(decoding: Decoding) -> bool:
    """Whether logits depend on the tokens before them."""
    return (decoding.repetition_penalty or 1.0) != 1.0 or bool(decoding.presence_penalty or decoding.frequency_penalty)


def penalized(logits: Tensor, decoding: Decoding, prompt: Tensor | None, counts: Tensor) -> Tensor:
    """Logits [..., V] after the penalties.

    `prompt` marks the tokens of the prompt, which only the repetition penalty looks at; `counts` says how often each
    token is in the response.
    """
    if (decoding.repetition_penalty or 1.0) != 1.0:
        seen = counts > 0 if prompt is None else (counts > 0) | prompt
        factor = float(decoding.repetition_penalty or 1.0)
        logits = torch.where(seen, torch.where(logits > 0, logits / factor, logits * factor), logits)
    if decoding.presence_penalty:
        logits = logits - decoding.presence_penalty * (counts > 0)
    if decoding.frequency_penalty:
        logits = logits - decoding.frequency_penalty * counts
    return logits


@dataclass(frozen=True)
class Chosen:
    """The next tokens [...], and where rounding could have changed them."""

    ids: Tensor
    close: Tensor


def choose(logits: Tensor, decoding: Decoding, numbers: Tensor) -> Chosen:
    """The next tokens for float32 logits [..., V] and one number in [0, 1) for each row."""
    margin = CLOSE * logits.abs().amax(dim=-1)
    if not decoding.samples:
        first, second = logits.topk(2, dim=-1).values.unbind(-1)
        return Chosen(logits.argmax(dim=-1), first - second < margin)
    # Differences of logits become relative differences of probabilities.
    margin = 2 * margin / decoding.temperature
    logits = logits / decoding.temperature
    close = torch.zeros_like(margin, dtype=torch.bool)
    probabilities = torch.softmax(logits - logits.amax(dim=-1, keepdim=True), dim=-1, dtype=torch.float32)
    if decoding.top_k is not None and decoding.top_k < logits.shape[-1]:
        best = torch.sort(probabilities, dim=-1, descending=True, stable=True)
        last, after = best.values[..., decoding.top_k - 1], best.values[..., decoding.top_k]
        close |= last - after < margin * last
        probabilities = _only(probabilities, best.indices[..., : decoding.top_k])
    if decoding.top_p is not None and decoding.top_p < 1:
        best = torch.sort(probabilities, dim=-1, descending=True, stable=True)
        shares = best.values.double() / probabilities.double().sum(dim=-1, keepdim=True)
        before = shares.cumsum(dim=-1) - shares
        kept = before < decoding.top_p
        close |= ((before - decoding.top_p).abs() < margin[..., None]).logical_and(shares > 0).any(dim=-1)
        probabilities = torch.zeros_like(probabilities).scatter(-1, best.indices, best.values * kept)
    if decoding.min_p is not None and decoding.min_p > 0:
        least = decoding.min_p * probabilities.amax(dim=-1, keepdim=True)
        close |= ((probabilities - least).abs() < margin[..., None] * least).any(dim=-1)
        probabilities = probabilities * (probabilities >= least)
    ends = probabilities.double().cumsum(dim=-1)
    total = ends[..., -1:]
    wanted = numbers.double()[..., None] * total
    ids = torch.searchsorted(ends, wanted, right=True)
    # A number next to 1 may pass the end by rounding: the last token that can be drawn.
    last_id = probabilities.shape[-1] - 1 - (probabilities > 0).flip(-1).to(torch.uint8).argmax(dim=-1, keepdim=True)
    ids = torch.minimum(ids, last_id)
    end = ends.gather(-1, ids)
    begin = end - probabilities.gather(-1, ids).double()
    near = torch.minimum((end - wanted).abs(), (wanted - begin).abs()) < margin[..., None] * total
    return Chosen(ids.squeeze(-1), close | near.squeeze(-1))


def _only(probabilities: Tensor, kept: Tensor) -> Tensor:
    return torch.zeros_like(probabilities).scatter(-1, kept, probabilities.gather(-1, kept))


class Choice:
    """A logits processor of transformers: leaves only the token that `choose` chooses for each row.

    `prompts` are the ids of each row's prompt, without padding; `start` is where responses begin in `input_ids`.
    With `beams` there are no draws, and rows belong to any request.
    """

    def __init__(
        self, decoding: Decoding, streams: Sequence[str], prompts: Sequence[Sequence[int]], start: int, limit: int
    ) -> None:
        self.decoding, self.prompts, self.start = decoding, prompts, start
        self.numbers = torch.zeros(0)
        if decoding.samples:
            self.numbers = torch.stack([torch.from_numpy(uniforms(stream, limit)) for stream in streams])
        self.prompt: Tensor | None = None

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """The scores of the next token; all but one are minus infinity where tokens are drawn."""
        scores = scores.float()
        if penalizes(self.decoding):
            scores = penalized(scores, self.decoding, self._prompt(scores), self._counts(input_ids, scores))
        if not self.decoding.samples:
            return scores
        step = input_ids.shape[1] - self.start
        ids = choose(scores, self.decoding, self.numbers[:, step].to(scores.device)).ids
        return torch.full_like(scores, float("-inf")).scatter(-1, ids[:, None], 0.0)

    def _counts(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        new = input_ids[:, self.start :].to(scores.device)
        return torch.zeros(scores.shape, dtype=torch.int32, device=scores.device).scatter_add(
            -1, new, torch.ones_like(new, dtype=torch.int32)
        )

    def _prompt(self, scores: Tensor) -> Tensor | None:
        """The mask of the prompts' tokens; the rows of one request are neighbours where there are beams."""
        if (self.decoding.repetition_penalty or 1.0) == 1.0:
            return None
        if self.prompt is None:
            self.prompt = prompt_mask(self.prompts, scores.shape[-1]).to(scores.device)
        return self.prompt.repeat_interleave(scores.shape[0] // self.prompt.shape[0], dim=0)


def prompt_mask(prompts: Sequence[Sequence[int]], size: int) -> Tensor:
    """Which of `size` tokens are in each prompt; marks of images, which are no tokens, are left out."""
    mask = torch.zeros(len(prompts), size, dtype=torch.bool)
    for row, ids in enumerate(prompts):
        mask[row, [i for i in set(ids) if 0 <= i < size]] = True
    return mask


def cut_at_stop(text: str, stops: Sequence[str]) -> int | None:
    """Where the first of the stop texts begins in a text; None where there is none."""
    places = [at for stop in stops if (at := text.find(stop)) >= 0]
    return min(places, default=None)


def tokens_up_to(ids: Sequence[int], stops: Sequence[str], decode: Any) -> int:
    """How many first ids it takes until their text contains a stop text."""
    low, high = 1, len(ids)
    while low < high:
        middle = (low + high) // 2
        if cut_at_stop(decode(list(ids[:middle])), stops) is None:
            low = middle + 1
        else:
            high = middle
    return low

"""The language models: transformers' own Llama and Phi-3, with samplers after some of their decoder layers.

An in-LLM sampler reads and rewrites the hidden states of an image. It runs only where the caller passes
`image_states`, which marks a prefill explicitly; the length of the input plays no part.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, LlamaModel
from transformers.models.phi3.modeling_phi3 import Phi3DecoderLayer, Phi3Model

from .config import CambrianConfig
from .connector import Connector
from .sva import Windows

AfterLayer = Callable[[int, Tensor], Tensor]


@dataclass(frozen=True)
class ImageStates:
    """Where the images of a prefill lie in its hidden states, and what the samplers read for them.

    State n is at `rows[n]`, `columns[n]` of the decoder's batch and reads window n. Newline states and states cut off
    by the length limit are not listed.
    """

    rows: Tensor
    columns: Tensor
    windows: Windows

    def between(self, start: int, stop: int) -> ImageStates | None:
        """The states in columns `start` to `stop`, counted from `start`: those of one chunk of a prefill."""
        index = ((self.columns >= start) & (self.columns < stop)).nonzero().flatten()
        if len(index) == 0:
            return None
        return ImageStates(self.rows[index], self.columns[index] - start, self.windows.select(index))

    def repeated(self, times: int) -> ImageStates:
        """The states when every row of the batch is repeated `times` in place, as beams are."""
        count = len(self.rows)
        index = torch.arange(count, device=self.rows.device).repeat_interleave(times)
        offset = torch.arange(times, device=self.rows.device).repeat(count)
        return ImageStates(self.rows[index] * times + offset, self.columns[index], self.windows.select(index))


class _AggregatingLayer(nn.Module):
    """A decoder layer whose output the caller may change before the next layer reads it."""

    def __init__(self, config: Any, layer_idx: int) -> None:
        super().__init__(config, layer_idx)
        self.layer_idx = layer_idx

    def forward(
        self, hidden_states: Tensor, *args: Any, after_layer: AfterLayer | None = None, **kwargs: Any
    ) -> Tensor:
        output: Tensor = super().forward(hidden_states, *args, **kwargs)
        return output if after_layer is None else after_layer(self.layer_idx, output)


class CambrianLlamaDecoderLayer(_AggregatingLayer, LlamaDecoderLayer):  # type: ignore[misc]
    """Llama's layer, optionally with a sampler after it."""


class CambrianPhi3DecoderLayer(_AggregatingLayer, Phi3DecoderLayer):  # type: ignore[misc]
    """Phi-3's layer, optionally with a sampler after it."""


class _AggregatingModel(Connector):
    """The part common to both bases: the connector's weights and the samplers between decoder layers."""

    layer_class: type[_AggregatingLayer]

    def __init__(self, config: CambrianConfig, tower_widths: Sequence[int]) -> None:
        language = config.language_config()
        # The caller's choice of attention is stored in the outer configuration; the base must use the same.
        language._attn_implementation = config._attn_implementation
        super().__init__(language)
        layers = range(language.num_hidden_layers)
        self.layers = nn.ModuleList(self.layer_class(language, layer) for layer in layers)
        self.build_connector(config, tower_widths)
        self.post_init()  # type: ignore[operator]

    def forward(self, *args: Any, image_states: ImageStates | None = None, **kwargs: Any) -> Any:
        """The base model's own forward; with `image_states` the samplers run between its layers."""
        if image_states is not None and self.vision.sampler_layers:

            def after_layer(layer: int, hidden: Tensor) -> Tensor:
                return self.aggregate(layer, hidden, image_states)

            kwargs["after_layer"] = after_layer
        return super().forward(*args, **kwargs)

    def aggregate(self, layer: int, hidden: Tensor, states: ImageStates) -> Tensor:
        """Run the sampler that belongs after decoder layer `layer`, if one does, on the image's states."""
        if layer not in self.vision.sampler_layers:
            return hidden
        sampler = self.vision_sampler_layers[self.vision.sampler_layers.index(layer)]
        place = (states.rows.to(hidden.device), states.columns.to(hidden.device))
        queries = hidden[place]
        changed = sampler(queries, states.windows.to(hidden.device, hidden.dtype))
        return hidden.index_put(place, changed.to(hidden.device))


class CambrianLlamaModel(_AggregatingModel, LlamaModel):  # type: ignore[misc]
    """Llama with the connector's weights."""

    layer_class = CambrianLlamaDecoderLayer


class CambrianPhi3Model(_AggregatingModel, Phi3Model):  # type: ignore[misc]
    """Phi-3 with the connector's weights."""

    layer_class = CambrianPhi3DecoderLayer

"""The network as an ordinary transformers model: encode images, splice, prefill, decode, generate.

`forward` and `generate` are what users call. `encode_images`, `prepare`, `prefill` and `decode` are the same steps one
by one, with everything passed as arguments and no state on the model, so that `fast` can encode an image once, share a
prefix, and form batches. Loading is in `loading`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from transformers import DynamicCache, GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

from cambrian_eval.errors import UserError

from .config import CambrianConfig, CambrianLlavaLlamaConfig, CambrianPhi3Config
from .connector import EncodedImage, Size
from .language import CambrianLlamaModel, CambrianPhi3Model, ImageStates
from .loading import CheckpointModel
from .splice import Side, SplicedBatch, image_index, padded_side, splice, text_rows, warn_of_position
from .towers.kind import TowerSpec
from .towers.network import Tower
from .towers.specs import resolve_towers


@dataclass
class CambrianOutput(CausalLMOutputWithPast):  # type: ignore[misc]
    """Logits over the spliced sequence; `attention_mask` [B, T] says which of its positions are real."""

    attention_mask: Tensor | None = None


class CambrianForConditionalGeneration(CheckpointModel, GenerationMixin):  # type: ignore[misc]
    """A Cambrian-1 model on either base. `from_pretrained` returns the class of the checkpoint's base."""

    config_class = CambrianConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_attention_backend = True
    _no_split_modules: ClassVar[list[str]] = [
        "CambrianLlamaDecoderLayer",
        "CambrianPhi3DecoderLayer",
        "VisionSampler",
        "Tower",
    ]
    _tied_weights_keys: ClassVar[dict[str, str]] = {"lm_head.weight": "model.embed_tokens.weight"}
    _skip_keys_device_placement: ClassVar[list[str]] = ["past_key_values"]

    def __init__(self, config: CambrianConfig) -> None:
        super().__init__(config)
        widths = config.mm_vision_tower_aux_width_list
        if widths is None:
            widths = [spec.width for spec in resolve_towers(config.mm_vision_tower_aux_list or [], None)]
            config.mm_vision_tower_aux_width_list = widths
        base = CambrianPhi3Model if config.language_type == "phi3" else CambrianLlamaModel
        self.model = base(config, widths)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        self.vocab_size = config.vocab_size
        self.vision_towers = nn.ModuleList()
        self.post_init()

    @classmethod
    def class_for(cls, config: CambrianConfig) -> type[CheckpointModel]:
        """The class for a configuration's base model."""
        return model_class(config)

    def get_input_embeddings(self) -> nn.Module:
        """The token embedding, under the name transformers asks for."""
        embedding = self.model.embed_tokens
        assert isinstance(embedding, nn.Module)
        return embedding

    def set_input_embeddings(self, value: nn.Module) -> None:
        """Replaces the token embedding; transformers calls it after resizing or tying."""
        self.model.embed_tokens = value

    def get_output_embeddings(self) -> nn.Module:
        """The head, which transformers ties to the embedding where the configuration says so."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replaces the head; transformers calls it after resizing."""
        self.lm_head = value

    @property
    def tower_specs(self) -> tuple[TowerSpec, ...]:
        """The towers that are loaded, in the checkpoint's order; none for a model built from a configuration."""
        return tuple(tower.spec for tower in self.vision_towers if isinstance(tower, Tower))

    def run_towers(self, pixel_values: Sequence[Tensor]) -> list[Tensor]:
        """Per tower, pixels [P, 3, s, s] -> tokens [P, s_i * s_i, D_i]."""
        if not self.vision_towers:
            raise UserError("this model was built without vision towers; load it with from_pretrained to use images")
        if len(pixel_values) != len(self.vision_towers):
            raise UserError(
                f"pixel_values has {len(pixel_values)} tensors for {len(self.vision_towers)} towers; "
                "use this checkpoint's own processor"
            )
        with torch.no_grad():
            return [tower(pixels) for tower, pixels in zip(self.vision_towers, pixel_values, strict=True)]

    def encode_images(self, pixel_values: Sequence[Tensor], image_sizes: Any) -> list[EncodedImage]:
        """What the language model needs of each image; depends on the images alone."""
        sizes: list[Size] = [(int(width), int(height)) for width, height in torch.as_tensor(image_sizes).tolist()]
        if any(len(pixels) != len(sizes) for pixels in pixel_values):
            raise UserError("pixel_values and image_sizes have different numbers of images")
        return self.model.encode_features(self.run_towers(pixel_values), sizes)

    def prepare(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        images: Sequence[EncodedImage] = (),
        *,
        padding_side: Side = "left",
        labels: Tensor | None = None,
        past: int = 0,
    ) -> SplicedBatch:
        """Embed prompts and put encoded images in the places of their marks, in the rows' order.

        `past` is the length of the sequence that a cache already has; only the position warning uses it.
        """
        rows = text_rows(input_ids, attention_mask)
        self._warn_of_positions(rows, past)
        return splice(
            rows,
            images,
            self._embed,
            token_limit=self.config.token_limit,
            padding_side=padding_side,
            labels=None if labels is None else text_rows(labels, attention_mask),
        )

    def prefill(
        self,
        batch: SplicedBatch,
        past_key_values: Any = None,
        *,
        chunk_size: int | None = None,
        logits_to_keep: int = 1,
    ) -> CambrianOutput:
        """Run prompts through the decoder into a cache, samplers included, whole or in chunks of columns."""
        cache = DynamicCache(config=self.model.config) if past_key_values is None else past_key_values
        length = batch.inputs_embeds.shape[1]
        past = batch.attention_mask.shape[1] - length
        step = chunk_size or length
        output: CambrianOutput | None = None
        for start in range(0, length, step):
            stop = min(start + step, length)
            states = batch.image_states
            output = self(
                inputs_embeds=batch.inputs_embeds[:, start:stop],
                attention_mask=batch.attention_mask[:, : past + stop],
                position_ids=batch.position_ids[:, start:stop],
                image_states=None if states is None else states.between(start, stop),
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=logits_to_keep,
            )
        if output is None:
            raise UserError("a prompt without tokens cannot be prefilled")
        return output

    def decode(self, input_ids: Tensor, attention_mask: Tensor, past_key_values: Any) -> CambrianOutput:
        """One step (or several tokens) after a prefill: `attention_mask` covers the cache and the new ids."""
        output: CambrianOutput = self(
            input_ids=input_ids,
            attention_mask=attention_mask,
            past_key_values=past_key_values,
            use_cache=True,
        )
        return output

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Any = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Sequence[Tensor] | None = None,
        image_sizes: Any = None,
        images: Sequence[EncodedImage] | None = None,
        image_states: ImageStates | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int | Tensor = 0,
        padding_side: Side | None = None,
        **kwargs: Any,
    ) -> CambrianOutput:
        """Logits over the spliced sequence.

        With images (`pixel_values` and `image_sizes`, or `images` already encoded) the ids are spliced and the
        samplers run. A batch is padded on the side its ids are padded on, else on the checkpoint's own side; the
        output's `attention_mask` shows which. With `inputs_embeds`, samplers run exactly where `image_states` says.
        """
        if inputs_embeds is None:
            if input_ids is None:
                raise UserError("forward needs input_ids or inputs_embeds")
            if images is None:
                images = () if pixel_values is None else self.encode_images(pixel_values, image_sizes)
            if images or bool((input_ids < 0).any()):
                batch = self._splice_for_forward(
                    input_ids, attention_mask, images, labels, padding_side, past_key_values
                )
                inputs_embeds, image_states, labels = (
                    batch.inputs_embeds,
                    batch.image_states,
                    batch.labels,
                )
                attention_mask, position_ids = batch.attention_mask, batch.position_ids
            else:
                inputs_embeds = self._embed(input_ids)
        if position_ids is None and attention_mask is not None and attention_mask.ndim == 2:
            position_ids = (attention_mask.long().cumsum(-1) - 1).clamp(min=0)[:, -inputs_embeds.shape[1] :]
        kwargs.pop("return_dict", None)
        base = self.model(
            inputs_embeds=inputs_embeds,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=past_key_values,
            use_cache=use_cache,
            image_states=image_states,
            **kwargs,
        )
        hidden = base.last_hidden_state
        kept = slice(-logits_to_keep, None) if isinstance(logits_to_keep, int) else logits_to_keep
        logits = self.lm_head(hidden[:, kept, :])
        loss = None
        if labels is not None:
            loss = self.loss_function(logits=logits, labels=labels, vocab_size=self.config.vocab_size)
        return CambrianOutput(
            loss=loss,
            logits=logits,
            past_key_values=base.past_key_values,
            hidden_states=base.hidden_states,
            attentions=base.attentions,
            attention_mask=attention_mask,
        )

    @torch.no_grad()
    def generate(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Sequence[Tensor] | None = None,
        image_sizes: Any = None,
        images: Sequence[EncodedImage] | None = None,
        **kwargs: Any,
    ) -> Any:
        """New ids only, by transformers' own generation: greedy, sampling or beams.

        Rows may differ in length, in their image's shape, and in having one: prompts are padded on the left.
        """
        if input_ids is None:
            input_ids = kwargs.pop("inputs", None)
        if input_ids is None:
            raise UserError("generate needs input_ids, as the processor returns them")
        if kwargs.get("use_cache") is False:
            raise UserError("generate always uses the key-value cache: the samplers run once, on the prompt")
        if images is None:
            images = () if pixel_values is None else self.encode_images(pixel_values, image_sizes)
        batch = self.prepare(input_ids, attention_mask, images)
        if self.generation_config.pad_token_id is None and "pad_token_id" not in kwargs:
            kwargs["pad_token_id"] = self._filler(kwargs.get("eos_token_id"))
        return super().generate(
            inputs_embeds=batch.inputs_embeds,
            attention_mask=batch.attention_mask,
            image_states=batch.image_states,
            **kwargs,
        )

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        inputs_embeds: Tensor | None = None,
        is_first_iteration: bool = False,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pass the samplers' states on in the prefill alone."""
        states = kwargs.pop("image_states", None)
        inputs: dict[str, Any] = super().prepare_inputs_for_generation(
            input_ids, inputs_embeds=inputs_embeds, is_first_iteration=is_first_iteration, **kwargs
        )
        inputs["image_states"] = states if is_first_iteration else None
        return inputs

    def _prefill(
        self, input_ids: Tensor, generation_config: Any, model_kwargs: dict[str, Any], *args: Any, **kw: Any
    ) -> Any:
        """Chunked prefill of embeddings; transformers' own splits ids, of which a spliced prompt has none."""
        embeds = model_kwargs.get("inputs_embeds")
        if generation_config.prefill_chunk_size is None or embeds is None:
            return super()._prefill(input_ids, generation_config, model_kwargs, *args, **kw)
        mask = model_kwargs["attention_mask"]
        positions = (mask.long().cumsum(-1) - 1).clamp(min=0)
        batch = SplicedBatch(embeds, mask, positions, model_kwargs.get("image_states"))
        return self.prefill(batch, model_kwargs["past_key_values"], chunk_size=generation_config.prefill_chunk_size)

    def _expand_inputs_for_generation(self, expand_size: int = 1, **kwargs: Any) -> Any:
        """Repeat the rows for beams or several samples; the samplers' states follow their rows."""
        states = kwargs.pop("image_states", None)
        ids, expanded = super()._expand_inputs_for_generation(expand_size=expand_size, **kwargs)
        expanded["image_states"] = states if states is None or expand_size == 1 else states.repeated(expand_size)
        return ids, expanded

    def _embed(self, ids: Tensor) -> Tensor:
        embedding = self.get_input_embeddings()
        hidden: Tensor = embedding(ids)
        return hidden

    def _filler(self, eos: Any) -> int:
        """The id that fills rows which ended early: the checkpoint's padding id, else its first stop id."""
        if self.config.pad_token_id is not None:
            return int(self.config.pad_token_id)
        stop = eos if eos is not None else self.generation_config.eos_token_id
        first = stop[0] if isinstance(stop, (list, tuple)) else stop
        return int(first) if first is not None else 0

    def _splice_for_forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None,
        images: Sequence[EncodedImage],
        labels: Tensor | None,
        padding_side: Side | None,
        past_key_values: Any,
    ) -> SplicedBatch:
        past = 0 if past_key_values is None else int(past_key_values.get_seq_length())
        if past:
            attention_mask = None if attention_mask is None else attention_mask[:, -input_ids.shape[1] :]
        own: Side = "left" if self.config.tokenizer_padding_side == "left" else "right"
        side = padding_side or padded_side(attention_mask) or own
        batch = self.prepare(input_ids, attention_mask, images, padding_side=side, labels=labels, past=past)
        if not past:
            return batch
        if not bool(batch.attention_mask.all()):
            raise UserError("rows of different lengths cannot follow a cache; continue them one by one, or use prefill")
        before = batch.attention_mask.new_ones(len(batch.attention_mask), past)
        return SplicedBatch(
            batch.inputs_embeds,
            torch.cat([before, batch.attention_mask], dim=1),
            batch.position_ids + past,
            batch.image_states,
            batch.labels,
        )

    def _warn_of_positions(self, rows: Sequence[Tensor], past: int) -> None:
        trained = self.config.image_position
        places = [past + place for place in map(image_index, rows) if place is not None]
        elsewhere = [place for place in places if place != trained]
        if trained is not None and elsewhere:
            warn_of_position(min(elsewhere), trained)


class CambrianLlamaForCausalLM(CambrianForConditionalGeneration):
    """Cambrian-1 on a Llama base, under the name its checkpoints give the architecture."""

    config_class = CambrianConfig


class CambrianPhi3ForCausalLM(CambrianForConditionalGeneration):
    """Cambrian-1 on a Phi-3 base."""

    config_class = CambrianPhi3Config


class CambrianLlavaLlamaForCausalLM(CambrianForConditionalGeneration):
    """The early 8B and 13B files, which call themselves `llava_llama`."""

    config_class = CambrianLlavaLlamaConfig


def model_class(config: CambrianConfig) -> type[CambrianForConditionalGeneration]:
    """The class for a configuration."""
    classes: Sequence[type[CambrianForConditionalGeneration]] = (
        CambrianPhi3ForCausalLM,
        CambrianLlavaLlamaForCausalLM,
    )
    return next((found for found in classes if type(config) is found.config_class), CambrianLlamaForCausalLM)

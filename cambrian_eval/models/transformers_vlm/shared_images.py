"""Questions about the same images share the work on them: preprocessing, vision features, and the prompt's beginning.

The unit is the images of one request, because some architectures treat several images of a prompt together. Features
are made by the model's own `get_image_features` and given to `generate` as `mm_encoder_outputs`, which is what
`generate` does itself. Where the attention is causal over the images, the keys and values of the prompt up to its last
image are also computed once for all questions of a batch. `architectures` says for which model types this is exact.
"""

from __future__ import annotations

import copy
import inspect
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from cambrian_eval.errors import describe
from cambrian_eval.image import LazyImage
from cambrian_eval.models.self_check import QUESTION, probe_images
from cambrian_eval.models.transformers_vlm.architectures import SHARED, sharing_of
from cambrian_eval.models.transformers_vlm.batching import FEWEST_ROWS
from cambrian_eval.models.transformers_vlm.checkpoint import Checkpoint
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.sample import Request

CPU_BYTES = 1 << 30
GPU_SHARE = 0.05
"""Memory for features where the user names none: bytes on a CPU, a share of the device's memory on a GPU."""
LARGEST_GAP = {True: 1e-3, False: 0.05}
"""Largest difference of logits in the check after loading, as a share of the largest logit: float32, and others."""
_PIXELS = frozenset(("pixel_values", "pixel_values_images", "image_patches"))
_KEPT = ("pooler_output", "deepstack_features")
"""What the models read of the vision tower's output."""


class _Unit:
    """The images of a request: how the processor laid them out, and once encoded, their features."""

    def __init__(self) -> None:
        self.layout: dict[str, Any] | None = None
        """The image processor's output without its pixels, for the texts of further questions."""
        self.pending: dict[str, Any] | None = None
        """Arguments of the vision tower until it has run."""
        self.features: Any = None
        self.prefix: _Prefix | None = None
        self.lock = threading.Lock()

    @property
    def bytes(self) -> int:
        return 0 if self.features is None else sum(map(_size, self.features.values()))


@dataclass(frozen=True)
class _Prefix:
    """Keys and values of a prompt up to its last image, and Qwen's offset of the positions behind it."""

    ids: Tensor
    cache: Any
    offset: Tensor | None


@dataclass(frozen=True)
class _Batch:
    """What a batch needs beside its tokens."""

    units: tuple[_Unit, ...]
    prefix: Mapping[str, Tensor] | None
    """The inputs of the shared beginning, if it is computed once."""


class _ImageProcessor:
    """An image processor that does its work once for each unit; without a unit it is the wrapped one."""

    def __init__(self, wrapped: Any) -> None:
        self.wrapped = wrapped
        self._active = threading.local()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        unit: _Unit | None = getattr(self._active, "unit", None)
        if unit is None:
            return self.wrapped(*args, **kwargs)
        if unit.layout is not None:
            from transformers import BatchFeature

            return BatchFeature(dict(unit.layout))
        made = self.wrapped(*args, **kwargs)
        # A view of one zero has the shape of the pixels, which some processors read, and none of their memory.
        unit.layout = {k: torch.zeros(()).expand(v.shape) if _is_pixels(k, v) else v for k, v in made.items()}
        return made

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        return getattr(self.wrapped, name)

    @contextmanager
    def of(self, unit: _Unit) -> Iterator[None]:
        """Within it, calls of this thread are for a unit."""
        self._active.unit = unit
        try:
            yield
        finally:
            self._active.unit = None


class SharedImages:
    """Prepares batches in which the work on images is shared, and keeps the features of the latest images."""

    def __init__(self, model: Any, processor: Any, prompts: bool, limit: int | None = None) -> None:
        self.model, self.processor, self.prompts = model, processor, prompts
        self._limit = _default_limit(model.device) if limit is None else limit
        self._arguments = [
            n for n in inspect.signature(model.base_model.get_image_features).parameters if n != "kwargs"
        ]
        self._images = _ImageProcessor(processor.image_processor)
        processor.image_processor = self._images
        self._units: OrderedDict[tuple[str, ...], _Unit] = OrderedDict()
        self._latest: _Unit | None = None
        self._lock = threading.Lock()

    def close(self) -> None:
        """Gives the processor its own image processor back."""
        self.processor.image_processor = self._images.wrapped

    def inputs(
        self, texts: Sequence[str], images: Sequence[Sequence[LazyImage]], special: bool, *, prompt: bool
    ) -> dict[str, Any]:
        """The padded inputs of a batch of rows with images; `encode` makes them ready for `generate`.

        With `prompt`, rows about the same images share the beginning of their prompt.
        """
        units = [self._unit(tuple(image.sha256 for image in shown)) for shown in images]
        rows = [self._row(*row, special) for row in zip(texts, images, units, strict=True)]
        prefix = self._shared_prefix(rows, units) if prompt and self.prompts else None
        length = 0 if prefix is None else prefix["input_ids"].shape[1]
        batch = _padded(rows, int(self.processor.tokenizer.pad_token_id), length)
        device = self.model.device
        made = {name: tensor.to(device) for name, tensor in batch.items()}
        if prefix is not None:
            prefix = {name: tensor.to(device) for name, tensor in prefix.items()}
        return made | {"shared": _Batch(tuple(units), prefix)}

    @torch.inference_mode()
    def encode(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The inputs with the features of their images, or with the keys and values of their shared beginning."""
        rest = dict(inputs)
        batch: _Batch | None = rest.pop("shared", None)
        if batch is None:
            return rest
        for unit in batch.units:
            self._encode(unit)
        self._forget()
        if batch.prefix is None:
            return rest | {"mm_encoder_outputs": {"image": _joined([unit.features for unit in batch.units])}}
        prefix = self._prefix(batch.units[0], batch.prefix)
        if prefix.offset is not None:
            self.model.base_model.rope_deltas = prefix.offset
        cache = copy.deepcopy(prefix.cache)
        cache.batch_repeat_interleave(len(batch.units))
        return rest | {"past_key_values": cache}

    def _unit(self, key: tuple[str, ...]) -> _Unit:
        with self._lock:
            unit = self._units.setdefault(key, _Unit())
            self._units.move_to_end(key)
            return unit

    def _row(self, text: str, images: Sequence[LazyImage], unit: _Unit, special: bool) -> dict[str, Tensor]:
        """The processor's output for one row, without what belongs to the vision tower."""
        shown = [image.load() for image in images]
        with unit.lock, self._images.of(unit):
            first = unit.layout is None
            made = self.processor(text=[text], images=[shown], return_tensors="pt", add_special_tokens=special)
            if first:
                unit.pending = {name: made[name] for name in self._arguments if name in made}
        made.pop("labels", None)  # PaliGemma's processor makes them for training
        # Positions follow from the grid; all other arguments of the tower end here.
        dropped = {*self._arguments, *_PIXELS} - {"image_grid_thw"}
        return {name: value for name, value in made.items() if name not in dropped}

    def _shared_prefix(self, rows: Sequence[Mapping[str, Tensor]], units: Sequence[_Unit]) -> dict[str, Tensor] | None:
        """The inputs up to the last image, if all rows are about the same images."""
        if any(unit is not units[0] for unit in units):
            return None
        ids = rows[0]["input_ids"][0]
        places = (ids == self.model.config.image_token_id).nonzero()
        length = int(places[-1]) + 1
        if any(not torch.equal(row["input_ids"][0, :length], ids[:length]) for row in rows):
            return None
        whole = len(ids)
        return {n: t[:, :length] if t.ndim == 2 and t.shape == (1, whole) else t for n, t in rows[0].items()}

    def _encode(self, unit: _Unit) -> None:
        if unit.features is not None:
            return
        assert unit.pending is not None
        model = self.model
        given = {name: _moved(value, model.device, model.dtype) for name, value in unit.pending.items()}
        made = model.base_model.get_image_features(**given, return_dict=True)
        unit.features = {name: made[name] for name in _KEPT if made.get(name) is not None}
        unit.pending = None

    def _prefix(self, unit: _Unit, inputs: Mapping[str, Tensor]) -> _Prefix:
        ids = inputs["input_ids"]
        if unit.prefix is None or not torch.equal(unit.prefix.ids, ids):
            if self._latest is not None:
                self._latest.prefix = None  # those of one unit are kept, which may have hundreds of megabytes
            base = self.model.base_model
            made = self.model.generate(
                **inputs,
                mm_encoder_outputs={"image": _joined([unit.features])},
                max_new_tokens=1,
                do_sample=False,
                num_beams=1,
                repetition_penalty=1.0,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self.processor.tokenizer.pad_token_id,
                return_dict_in_generate=True,
            )
            unit.prefix = _Prefix(ids, made.past_key_values, getattr(base, "rope_deltas", None))
            self._latest = unit
        return unit.prefix

    def _forget(self) -> None:
        """Drops the features that were not used for the longest time until the rest fits."""
        with self._lock:
            held = sum(unit.bytes for unit in self._units.values())
            for key in list(self._units):
                if held <= self._limit:
                    return
                held -= self._units.pop(key).bytes


def choose(
    checkpoint: Checkpoint,
    options: TransformersOptions,
    first_logits: Callable[[Sequence[Request], SharedImages | None], Tensor],
) -> tuple[SharedImages | None, str]:
    """The sharing for a loaded checkpoint, and what run.json says of it.

    The table of architectures decides; with the self-check, the first logits of a batch must also be those of the plain
    way on this checkpoint.
    """
    model, given = checkpoint.model, options.vision_cache_gb
    if given == 0:
        return None, "off: vision_cache_gb is 0"
    if (kind := sharing_of(type(model), model.config)) is None:
        return None, "off: not known to be exact for this architecture"
    if options.deterministic or (options.batch_size or FEWEST_ROWS) < FEWEST_ROWS:
        kind = "features"
    limit = None if given is None else int(given * 1e9)
    if not options.self_check:
        return SharedImages(model, checkpoint.processor, kind == "prompt", limit), SHARED[kind]
    images = (LazyImage.from_image(probe_images()[0]),)
    asked = [Request("self-check", "", "", QUESTION * n, images, 0, 1, "") for n in range(1, FEWEST_ROWS + 1)]
    shared = None
    try:
        plain = first_logits(asked, None)
        shared = SharedImages(model, checkpoint.processor, kind == "prompt", limit)
        gap = float((first_logits(asked, shared) - plain).abs().max() / plain.abs().max())
    except Exception as error:  # of transformers with ready features, or because several rows need too much memory
        if shared is not None:
            shared.close()
        return None, f"off: {describe(error)}"
    if not gap <= LARGEST_GAP[checkpoint.dtype == "float32"]:
        shared.close()
        return None, f"off: the logits of the self-check differ by {gap:.2g} of the largest"
    return shared, SHARED[kind]


class _Output(dict[str, Any]):
    """Features under the names that the models read as attributes."""

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(name) from None


def _joined(features: Sequence[Mapping[str, Any]]) -> Any:
    """The features of several units in the form in which one call of the vision tower returns them."""
    found: dict[str, Any] = {"pooler_output": _together([each["pooler_output"] for each in features])}
    if "deepstack_features" in features[0]:
        layers = zip(*(each["deepstack_features"] for each in features), strict=True)
        found["deepstack_features"] = [_together(list(layer)) for layer in layers]
    return _Output(found)


def _together(parts: Sequence[Any]) -> Any:
    if isinstance(parts[0], Tensor):
        return torch.cat(list(parts))
    return [tensor for part in parts for tensor in part]


def _padded(rows: Sequence[Mapping[str, Tensor]], pad: int, prefix: int) -> dict[str, Tensor]:
    """Rows of token ids, masks and types padded on the left, or between a shared beginning and the rest."""
    longest = max(row["input_ids"].shape[1] for row in rows)
    made = {}
    for name in rows[0]:
        parts = []
        for row in rows:
            tensor, own = row[name], row["input_ids"].shape
            if tensor.shape == own:
                filler = tensor.new_full((1, longest - own[1]), pad if name == "input_ids" else 0)
                tensor = torch.cat([tensor[:, :prefix], filler, tensor[:, prefix:]], dim=1)
            parts.append(tensor)
        made[name] = torch.cat(parts)
    return made


def _is_pixels(name: str, value: Any) -> bool:
    return name in _PIXELS and isinstance(value, Tensor)


def _moved(value: Any, device: Any, dtype: Any) -> Any:
    if not isinstance(value, Tensor):
        return value
    return value.to(device, dtype if value.is_floating_point() else None)


def _size(value: Any) -> int:
    if isinstance(value, Tensor):
        return value.nbytes
    return sum(_size(part) for part in value) if isinstance(value, Iterable) else 0


def _default_limit(device: Any) -> int:
    if device.type != "cuda":
        return CPU_BYTES
    return int(torch.cuda.get_device_properties(device).total_memory * GPU_SHARE)

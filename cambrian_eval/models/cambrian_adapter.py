"""`cambrian:PATH`: the adapter for Cambrian-1 checkpoints, and such a checkpoint as a model.

Turns a request into a prompt in the checkpoint's template and generated ids into a `Response`, and decides what the
fingerprint depends on. The network is in `cambrian`, batching in `cambrian.fast`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError
from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import text_of
from cambrian_eval.model import Adapter, Claim, Model, option
from cambrian_eval.models.local import LocalOptions, device_of, display_name, loading
from cambrian_eval.sample import Request, Response, failed_response

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

    from .cambrian.checkpoint import Checkpoint
    from .cambrian.fast import Driver, Generated, Question

BATCHES_DIFFER = (
    "below float32 a response may in rare cases depend on the other requests of its batch; --deterministic computes "
    "each by itself"
)
ALONE = (
    "every request is computed in passes whose shapes depend on it alone: responses do not depend on batches, but may "
    "differ between devices and library versions"
)


MARGIN = 10
"""Black pixels between images that are joined."""


@dataclass(frozen=True)
class _Tag:
    """What a response needs of its request; the request itself keeps decoded pixels in memory."""

    id: str
    notes: Mapping[str, Any]
    stops: tuple[str, ...]


class CambrianModel:
    """A loaded checkpoint that answers requests in batches, with each image encoded once."""

    max_images: int | None
    decodes = frozenset(
        (
            *("temperature", "top_p", "top_k", "min_p", "seed", "stop", "system", "thinking_off"),
            *("repetition_penalty", "presence_penalty", "frequency_penalty"),
        )
    )
    declines: Mapping[str, str] = {
        "num_beams": "its batches have no beam search; leave it out",
        "thinking_on": "Cambrian-1 does not think before it answers",
        "thinking_budget": "Cambrian-1 does not think before it answers",
        "text_first": "Cambrian-1 was trained with the image before the question",
    }

    def __init__(
        self,
        name: str,
        fingerprint: str,
        processor: Any,
        driver: Driver,
        facts: Mapping[str, Any],
        join_images: bool = False,
    ) -> None:
        self.name = name
        self.max_images = None if join_images else 1
        self.fingerprint = fingerprint
        self.processor = processor
        self.driver = driver
        self._facts = dict(facts)

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Responses in the order in which batches finish; pulls only the requests that the next batches need."""
        from .cambrian.fast import Failure

        refused: list[Response] = []
        began = time.perf_counter()
        for results in self.driver.batches(self._questions(requests, refused)):
            seconds = (time.perf_counter() - began) / max(1, len(results))
            for result in results:
                if isinstance(result, Failure):
                    yield failed_response(result.tag.id, result.error, result.tag.notes)
                else:
                    yield self._response(result, seconds)
            yield from _drained(refused)
            began = time.perf_counter()
        yield from _drained(refused)

    def describe(self) -> Mapping[str, Any]:
        """Facts for run.json."""
        return self._facts

    def prompt(self, text: str, has_image: bool, system: str | None = None) -> str:
        """A question in the checkpoint's template, after its image; `system` replaces the template's own prompt."""
        return str(self.processor.apply_chat_template(_chat(text, has_image, system), add_generation_prompt=True))

    def _questions(self, requests: Iterator[Request], refused: list[Response]) -> Iterator[Question]:
        for request in requests:
            try:
                yield self._question(request)
            except Exception as error:
                refused.append(failed_response(request.id, error))

    def _question(self, request: Request) -> Question:
        from .cambrian.fast import ImageSource, Question
        from .cambrian.prompts import IMAGE_MARK
        from .sampling import stream_of

        if len(request.images) > 1 and self.max_images == 1:
            raise UserError(f"request {request.id!r} has {len(request.images)} images; Cambrian-1 takes one")
        text, notes = text_of(request), dict[str, Any]()
        if marks := text.count(IMAGE_MARK):
            # The network would take the mark for a second image.
            text, notes = text.replace(IMAGE_MARK, ""), {"image_marks_removed": marks}
        if len(request.images) > 1:
            notes["images_joined"] = len(request.images)
        source = None
        if request.images:
            name, pixels = joined(request.images)
            source = ImageSource(name, pixels.size, lambda: pixels)
        system = None if request.system is None else request.system.replace(IMAGE_MARK, "")
        ids = self.processor.token_ids(self.prompt(text, source is not None, system))
        tag = _Tag(request.id, notes, request.decoding.stop)
        return Question(
            tag, tuple(ids), request.max_new_tokens, source, replace(request.decoding, stop=()), stream_of(request)
        )

    def _text(self, ids: list[int]) -> str:
        return str(self.processor.tokenizer.decode(ids, skip_special_tokens=True))

    def _response(self, result: Generated, seconds: float) -> Response:
        from .sampling import cut_at_stop, tokens_up_to

        ids, stops = list(result.ids), result.tag.stops
        text, stopped = self._text(ids), result.stopped
        if stops and (end := cut_at_stop(text, stops)) is not None:
            ids = ids[: tokens_up_to(ids, stops, self._text)]
            text, stopped = text[:end], True
        return Response(
            result.tag.id,
            text.strip(),
            finish="stop" if stopped else "length",
            prompt_tokens=result.prompt_tokens,
            new_tokens=len(ids),
            seconds=round(seconds, 6),
            notes=result.tag.notes,
        )


def joined(images: Sequence[LazyImage]) -> tuple[str, Image]:
    """The image, or several side by side in one, with a name that is equal for equal images."""
    shown = [image.load() for image in images]
    if len(shown) == 1:
        return images[0].sha256, shown[0]
    from PIL import Image as pillow

    width = sum(image.width for image in shown) + MARGIN * (len(shown) - 1)
    whole = pillow.new("RGB", (width, max(image.height for image in shown)))
    left = 0
    for image in shown:
        whole.paste(image, (left, 0))
        left += image.width + MARGIN
    return "+".join(image.sha256 for image in images), whole


@dataclass(frozen=True)
class CambrianOptions(LocalOptions):
    """Options of `cambrian`."""

    images: str = option(
        "first",
        choices=("first", "join"),
        help="Of several images in a question, the first alone, or all side by side in one.",
    )
    attention: str | None = option(
        None,
        choices=("sdpa", "flash_attention_2", "eager"),
        help="Attention implementation. [default: sdpa]",
    )
    template: str | None = option(None, help="Conversation template instead of the checkpoint's own.")
    towers_root: str | None = option(None, help="Folder with local weights of the vision towers.")


class CambrianAdapter(Adapter):
    """`cambrian:FOLDER` or `cambrian:HUB_ID`."""

    name = "cambrian"
    summary = "Cambrian-1 checkpoints: cambrian:FOLDER or cambrian:HUB_ID"
    Options = CambrianOptions

    def recognizes(self, name: str, config: Mapping[str, Any] | None) -> Claim:
        """A folder by its config.json, a Hub id by its name."""
        if config is None:
            return Claim.OWN if name.split("/")[-1].lower().startswith("cambrian") else Claim.NONE
        types = {"cambrian_llama", "cambrian_phi3", "cambrian"}
        is_cambrian = config.get("model_type") in types or "mm_vision_tower_aux_list" in config
        return Claim.OWN if is_cambrian else Claim.NONE

    def create(self, rest: str, options: CambrianOptions) -> Model:
        """The checkpoint on the device the options name."""
        if not rest:
            raise UserError("cambrian: no checkpoint named; write cambrian:FOLDER or cambrian:nyu-visionx/cambrian-8b")
        device = device_of(options)
        dtype = options.dtype or ("float32" if device == "cpu" else "bfloat16")

        from transformers.utils import logging

        from .adapters import apply_adapter, find_adapter
        from .cambrian import CambrianForConditionalGeneration, CambrianProcessor
        from .cambrian.checkpoint import Checkpoint
        from .cambrian.fast import Driver
        from .checkpoint_identity import ContentHash

        adapter = find_adapter(options.adapter)
        logging.disable_progress_bar()  # a run has progress bars of its own
        checkpoint = Checkpoint.open(rest)
        _set_arithmetic(dtype, options.deterministic)
        with loading(rest):
            processor = CambrianProcessor.from_pretrained(
                checkpoint,
                template=options.template,
                towers_root=options.towers_root,
                allow_pickle=options.allow_pickle,
            )
            folders = [checkpoint.folder, *(spec.folder for spec in processor.towers), adapter]
            with ContentHash(folders, options.rehash) as content:
                model = CambrianForConditionalGeneration.from_pretrained(
                    checkpoint,
                    dtype=dtype,
                    device_map=options.device_map or {"": device},
                    attn_implementation=options.attention,
                    quantize=options.quantize,
                    towers_root=options.towers_root,
                    allow_pickle=options.allow_pickle,
                    allow_missing=options.allow_missing,
                )
                more = {}
                if adapter is not None:
                    merge = options.quantize is None
                    applied = apply_adapter(model, adapter, merge=merge, allow_pickle=options.allow_pickle)
                    more = {"adapter": applied}
                driver = Driver(
                    model,
                    processor,
                    batch_size=options.batch_size,
                    vision_cache_bytes=None if options.vision_cache_gb is None else int(options.vision_cache_gb * 1e9),
                    deterministic=options.deterministic,
                )
                checked = _self_check(rest, checkpoint, driver, processor) if options.self_check else "off"
                settings = {
                    "dtype": str(model.dtype).removeprefix("torch."),
                    "template": processor.template.name,
                    "attention": options.attention or "sdpa",
                    "quantize": options.quantize,
                }
                join = options.images == "join"
                settings |= {"images": "joined"} if join else {}
                fingerprint = content.identity("cambrian", {**settings, "allow_missing": options.allow_missing})
        facts = _facts(driver, settings, options) | more | {"self_check": checked}
        return CambrianModel(display_name(rest, options.adapter), fingerprint, processor, driver, facts, join)

    def written(self, rest: str, options: CambrianOptions, request: Request) -> str:
        """The prompt in the checkpoint's conversation template; needs its configuration and tokenizer alone."""
        from .cambrian import prompts
        from .cambrian.checkpoint import Checkpoint
        from .cambrian.tokens import load_tokenizer

        if request.order != "image_first":
            raise UserError(f"model {rest} cannot be run with text_first: {CambrianModel.declines['text_first']}")
        checkpoint = Checkpoint.open(rest)
        own = checkpoint.template(checkpoint.config(), load_tokenizer(checkpoint.folder).get_vocab())
        chosen = own if options.template is None else prompts.template(options.template)
        return prompts.render_chat(chosen, _chat(text_of(request), bool(request.images), request.system), True)

    def fetch(self, rest: str) -> list[str]:
        """The checkpoint first, because its config names the towers; of each repository one form of the weights."""
        from fnmatch import fnmatch

        from huggingface_hub import HfApi, snapshot_download

        from .cambrian.inspect import needed_repositories

        done: dict[str, str] = {}
        while pending := [r for r in needed_repositories(rest) if not r.present and r.hub_id not in done]:
            for repository in pending:
                files = HfApi().list_repo_files(repository.hub_id)
                weights = next((w for w in repository.weights if any(fnmatch(f, w) for f in files)), None)
                if weights is None:
                    raise UserError(f"{repository.hub_id} has none of the weight files {', '.join(repository.weights)}")
                folder = snapshot_download(repository.hub_id, allow_patterns=[*repository.patterns, weights])
                done[repository.hub_id] = f"{repository.hub_id}: {folder}"
        return list(done.values()) or [f"{rest}: everything it needs is in the cache"]


def _chat(text: str, has_image: bool, system: str | None) -> list[dict[str, Any]]:
    """A question as a chat: after its image, and after a system prompt where one is set."""
    content: list[dict[str, str]] = [{"type": "image"}] if has_image else []
    content.append({"type": "text", "text": text})
    chat: list[dict[str, Any]] = [] if system is None else [{"role": "system", "content": system}]
    return [*chat, {"role": "user", "content": content}]


def _self_check(name: str, checkpoint: Checkpoint, driver: Driver, processor: Any) -> dict[str, Any]:
    """The check after loading, with the network's own `generate`."""
    import torch

    from .cambrian.fast.alone import inputs_alone
    from .checkpoint_files import check_stop_ids
    from .self_check import check_vocabulary, self_check

    model, rows = driver.model, int(driver.model.config.vocab_size)
    stated = checkpoint.folder / "generation_config.json"
    check_stop_ids(model.generation_config.eos_token_id, rows, stated if stated.is_file() else checkpoint.folder)
    stored = checkpoint.raw.get("vocab_size")
    check_vocabulary(name, processor.tokenizer, rows, model.generation_config, stored)

    def logits(question: str, image: Image | None) -> Tensor:
        content: list[dict[str, str]] = [{"type": "image"}] if image is not None else []
        chat = [{"role": "user", "content": [*content, {"type": "text", "text": question}]}]
        prompt = processor.apply_chat_template(chat, add_generation_prompt=True)
        with torch.inference_mode():
            inputs = inputs_alone(model, processor, processor.token_ids(prompt), image)
            found: Tensor = model(**inputs, logits_to_keep=1).logits
        return found[0, -1]

    return self_check(name, logits, processor.tokenizer)


def _facts(driver: Driver, settings: Mapping[str, Any], options: CambrianOptions) -> dict[str, Any]:
    """What run.json states of the model: settings, sizes, versions, and what responses may depend on."""
    import torch
    import transformers

    model, config = driver.model, driver.model.config
    exact = settings["dtype"] == "float32"
    facts: dict[str, Any] = {
        "kind": "Cambrian-1",
        **settings,
        "device": str(driver.device),
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "towers": [spec.entry for spec in model.tower_specs],
        "batch_size": options.batch_size or "auto",
        "vision_cache_gb": "auto" if options.vision_cache_gb is None else options.vision_cache_gb,
        "image_position": config.image_position,
        "deterministic": options.deterministic,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if options.deterministic or not exact:
        facts["note"] = ALONE if options.deterministic else BATCHES_DIFFER
    return facts


def _set_arithmetic(dtype: str, deterministic: bool) -> None:
    """No TF32 where the dtype is float32; with `deterministic` the same kernels every time."""
    import torch

    if not torch.cuda.is_available():
        return
    if dtype == "float32":
        # Convolutions would otherwise round the mantissa of their inputs to ten bits.
        torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def _drained(responses: list[Response]) -> Iterator[Response]:
    while responses:
        yield responses.pop(0)

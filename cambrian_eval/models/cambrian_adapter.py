"""`cambrian:PATH`: a Cambrian-1 checkpoint as a model of the harness.

Owns how a request becomes a prompt in the checkpoint's template and an answer a `Response`, what of a
checkpoint makes up its fingerprint, and the meaning of the command line's options. The network is in
`cambrian`, batching and sharing in `cambrian.fast`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Model, ModelOptions
from cambrian_eval.models.placement import batch_size_of, device_of
from cambrian_eval.sample import Request, Response, failed_response

if TYPE_CHECKING:
    from .cambrian.fast import Answer, Driver, Question

IMAGE_MARK = "<image>"

BATCHES_DIFFER = (
    "below float32 a request's answer may differ in rare cases with the requests it is computed beside; "
    "--deterministic computes each by itself"
)
ALONE = (
    "every request is computed in passes whose shapes depend on it alone: answers do not depend on batches, "
    "but may differ between devices and library versions"
)


@dataclass(frozen=True)
class _Asked:
    """What an answer has to remember of its request; the request itself holds decoded pixels."""

    id: str
    notes: Mapping[str, Any]


class CambrianModel:
    """A loaded checkpoint that answers requests greedily, batched, each image encoded once."""

    max_images: int | None = 1

    def __init__(self, name: str, fingerprint: str, processor: Any, driver: Driver, facts: Mapping[str, Any]) -> None:
        self.name = name
        self.fingerprint = fingerprint
        self.processor = processor
        self.driver = driver
        self._facts = dict(facts)

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Answers in the order in which waves are done; pulls only what the next waves need."""
        from .cambrian.fast import Failure

        refused: list[Response] = []
        began = time.perf_counter()
        for answers in self.driver.waves(self._questions(requests, refused)):
            share = (time.perf_counter() - began) / max(1, len(answers))
            for answer in answers:
                if isinstance(answer, Failure):
                    yield failed_response(answer.tag.id, answer.error, answer.tag.notes)
                else:
                    yield self._response(answer, share)
            yield from _drained(refused)
            began = time.perf_counter()
        yield from _drained(refused)

    def describe(self) -> Mapping[str, Any]:
        """Facts for the run's record."""
        return self._facts

    def prompt(self, text: str, shown: bool) -> str:
        """A question in the checkpoint's template, its image in front."""
        content: list[dict[str, str]] = [{"type": "image"}] if shown else []
        content.append({"type": "text", "text": text})
        chat = [{"role": "user", "content": content}]
        return str(self.processor.apply_chat_template(chat, add_generation_prompt=True))

    def _questions(self, requests: Iterator[Request], refused: list[Response]) -> Iterator[Question]:
        for request in requests:
            try:
                yield self._question(request)
            except Exception as error:
                refused.append(failed_response(request.id, error))

    def _question(self, request: Request) -> Question:
        from .cambrian.fast import Question, Shown

        if len(request.images) > 1:
            raise UserError(f"request {request.id!r} has {len(request.images)} images; Cambrian-1 takes one")
        text, notes = request.prompt, dict[str, Any]()
        if marks := text.count(IMAGE_MARK):
            # Left in, the mark would stand for a second image.
            text, notes = text.replace(IMAGE_MARK, ""), {"image_marks_removed": marks}
        shown = None
        if request.images:
            image = request.images[0]
            pixels = image.load()
            shown = Shown(image.sha256, pixels.size, lambda: pixels)
        ids = self.processor.token_ids(self.prompt(text, shown is not None))
        return Question(_Asked(request.id, notes), tuple(ids), request.max_new_tokens, shown)

    def _response(self, answer: Answer, seconds: float) -> Response:
        return Response(
            answer.tag.id,
            self.processor.decode(list(answer.ids)),
            finish="stop" if answer.stopped else "length",
            prompt_tokens=answer.prompt_tokens,
            new_tokens=len(answer.ids),
            seconds=round(seconds, 6),
            notes=answer.tag.notes,
        )


def create(rest: str, options: ModelOptions) -> Model:
    """`cambrian:PATH` or `cambrian:HUB_ID`, loaded on the device the options name."""
    if not rest:
        raise UserError("cambrian: names no checkpoint; write cambrian:FOLDER or cambrian:nyu-visionx/cambrian-8b")
    for flag, value in (("--base-url", options.base_url), ("--budget", options.budget)):
        if value is not None:
            raise UserError(f"{flag} {value} is for models behind an API; leave it out with cambrian:{rest}")
    batch_size = batch_size_of(options)
    device = device_of(options)
    dtype = options.dtype or ("float32" if device == "cpu" else "bfloat16")

    from transformers.utils import logging

    from .cambrian import CambrianForConditionalGeneration, CambrianProcessor
    from .cambrian.checkpoint import locate
    from .cambrian.fast import Driver
    from .cambrian.tensor_files import pickles
    from .checkpoint_identity import identity

    logging.disable_progress_bar()  # ours are the bars of a run
    folder = locate(rest)
    _settle_arithmetic(dtype, options.deterministic)
    with pickles(options.allow_pickle):
        processor = CambrianProcessor.from_pretrained(rest, template=options.template, towers_root=options.towers_root)
        model = CambrianForConditionalGeneration.from_pretrained(
            rest,
            dtype=dtype,
            device_map=options.device_map or {"": device},
            attn_implementation=options.attention,
            quantize=options.quantize,
            towers_root=options.towers_root,
        )
    driver = Driver(
        model,
        processor,
        batch_size=batch_size,
        vision_cache_bytes=None if options.vision_cache_gb is None else int(options.vision_cache_gb * 1e9),
        deterministic=options.deterministic,
    )
    settings = {
        "dtype": str(model.dtype).removeprefix("torch."),
        "template": processor.template.name,
        "attention": options.attention or "sdpa",
        "quantize": options.quantize,
    }
    fingerprint = identity(folder, [spec.folder for spec in processor.towers], settings)
    return CambrianModel(_name(rest, folder), fingerprint, processor, driver, _facts(driver, settings, options))


def _facts(driver: Driver, settings: Mapping[str, Any], options: ModelOptions) -> dict[str, Any]:
    """What the run's record says of the model: settings, sizes, versions, and what may differ."""
    import torch
    import transformers

    model, config = driver.model, driver.model.config
    exact = settings["dtype"] == "float32"
    facts: dict[str, Any] = {
        "kind": "Cambrian-1",
        **settings,
        "device": str(driver.device),
        "decoding": "greedy",
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "towers": [spec.entry for spec in model.tower_specs],
        "batch_size": options.batch_size,
        "vision_cache_gb": "auto" if options.vision_cache_gb is None else options.vision_cache_gb,
        "image_position": config.image_position,
        "deterministic": options.deterministic,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
    }
    if options.deterministic or not exact:
        facts["note"] = ALONE if options.deterministic else BATCHES_DIFFER
    return facts


def _settle_arithmetic(dtype: str, deterministic: bool) -> None:
    """Float32 means float32 on a GPU too; and with `--deterministic` the same kernels every time."""
    import torch

    if not torch.cuda.is_available():
        return
    if dtype == "float32":
        # Convolutions would otherwise round their inputs to ten bits.
        torch.backends.cudnn.allow_tf32 = False
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
        torch.use_deterministic_algorithms(True, warn_only=True)


def _name(rest: str, folder: Path) -> str:
    """What results call the model: the hub id as given, a folder by its name."""
    return folder.resolve().name if Path(rest).expanduser().is_dir() else rest


def _drained(responses: list[Response]) -> Iterator[Response]:
    while responses:
        yield responses.pop(0)

"""A transformers model that answers requests, through its processor and chat template.

Turns a request into a prompt, groups requests into batches (left padding; rows of one batch have the same number of
images, the same limit and the same decoding; those about the same images are neighbours and share the work on them)
and turns generated tokens into a `Response`.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from cambrian_eval.image import LazyImage
from cambrian_eval.models.checkpoint_identity import ContentHash
from cambrian_eval.models.sampling import HONOURED, Choice, cut_at_stop, needed, stream_of
from cambrian_eval.models.self_check import check_vocabulary, self_check
from cambrian_eval.models.transformers_vlm.batching import MOST_ROWS, next_batch, ordered, share_beginning
from cambrian_eval.models.transformers_vlm.chat_template import TODAY
from cambrian_eval.models.transformers_vlm.checkpoint import Checkpoint, embedding_rows
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
from cambrian_eval.models.transformers_vlm.shared_images import SharedImages, choose
from cambrian_eval.models.transformers_vlm.thinking import Limits, Progress, opened_by
from cambrian_eval.models.transformers_vlm.writing import Writer
from cambrian_eval.sample import Finish, Request, Response, failed_response

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image

WINDOW = 8
"""How many batches of requests are sorted by length at a time."""
MOST_HELD = 128
"""The most requests that are sorted at a time, because each keeps its decoded images in memory."""
FIRST_BATCH = {"cuda": 8, "cpu": 2}
LARGEST_BATCH = 64


@dataclass(frozen=True, slots=True)
class _Row:
    """A request in the model's chat template."""

    request: Request
    text: str
    notes: Mapping[str, Any]
    shown: tuple[LazyImage, ...]
    """In the order of the prompt; one that is placed twice is there twice."""

    @property
    def kind(self) -> tuple[int, int, str]:
        """Number of images, limits and decoding; equal in all rows of a batch."""
        asked = self.request
        return len(self.shown), asked.max_new_tokens, repr((asked.decoding, asked.thinking))

    @property
    def images(self) -> tuple[str, ...]:
        """The content of its images; equal in rows that share the work on them."""
        return tuple(image.sha256 for image in self.shown)

    @property
    def size(self) -> int:
        pixels = sum(w * h for w, h in (p.load().size for p in self.shown))
        return len(self.text) + pixels // 256


class TransformersModel:
    """A loaded checkpoint that answers in batches."""

    max_images: int | None = None

    def __init__(
        self,
        name: str,
        checkpoint: Checkpoint,
        options: TransformersOptions,
        content: ContentHash,
        facts: Mapping[str, Any],
    ) -> None:
        self.name = name
        self._facts = dict(facts)
        self.checkpoint = checkpoint
        # A batch of one is the only one whose arithmetic depends on its request alone.
        self._fixed = 1 if options.deterministic else options.batch_size
        self._batch = self._fixed or FIRST_BATCH.get(checkpoint.device.split(":")[0], 2)
        self._most = self._fixed or LARGEST_BATCH
        self._ends = _ends(checkpoint)
        self._settings = {
            "dtype": checkpoint.dtype,
            "template": checkpoint.processor.chat_template,
            "attention": options.attention or "default",
            "quantize": options.quantize,
            "images": type(checkpoint.processor.image_processor).__name__,
        }
        if options.processor is not None:
            self._settings["processor_settings"] = options.processor
        self._options = options
        self._shared: SharedImages | None = None
        self._penalty = checkpoint.model.generation_config.repetition_penalty
        self._writer = Writer.of(checkpoint.processor, checkpoint.takes_parts)
        self._thinks = self._writer.thinks
        self.decodes = HONOURED | {"num_beams"} | self._writer.decodes
        self.declines = self._writer.declines
        self._self_check = self._check() if options.self_check else "off"
        self._shared, self._sharing = choose(checkpoint, options, self._logits_of)
        more = {"class": type(checkpoint.model).__name__, "allow_missing": options.allow_missing}
        # Decoding is part of every request key; the fingerprint states the default, as it always has.
        self.fingerprint = content.identity("hf", {**self._settings, "decoding": "greedy", **more})

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """Reads a window of requests, answers it batch by batch, then reads the next."""
        source = iter(requests)
        while window := list(islice(source, max(self._batch, min(WINDOW * self._batch, MOST_HELD)))):
            rows: list[_Row] = []
            for request in window:
                try:
                    rows.append(self._row(request))
                except Exception as error:
                    yield failed_response(request.id, error)
            yield from self._in_batches(ordered(rows))

    def describe(self) -> Mapping[str, Any]:
        """Model class, processor, device, batch size, and the versions that responses depend on."""
        import torch
        import transformers

        model = self.checkpoint.model
        facts = self._facts if self.checkpoint.note is None else self._facts | {"note": self.checkpoint.note}
        if self.checkpoint.fixed_date:
            facts = facts | {"date_in_prompts": f"fixed: {TODAY:%Y-%m-%d}"}
        if self._penalty not in (None, 1.0):
            text = f"{self._penalty} (generation_config.json), unless -G sets another"
            facts = facts | {"repetition_penalty": text}
        if self._thinks:
            honoured = ", ".join(sorted(self._writer.switch.honoured))
            facts = facts | {"thinking": honoured or "as the model does; no switch"}
        return {
            "kind": f"transformers {type(model).__name__}",
            **self._settings,
            "device": self.checkpoint.device,
            "device_map": self._options.device_map,
            "batch_size": self._options.batch_size or "auto",
            "parameters": sum(p.numel() for p in model.parameters()),
            "processor": type(self.checkpoint.processor).__name__,
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "self_check": self._self_check,
            "shared_images": self._sharing,
            **facts,
        }

    def _check(self) -> dict[str, Any]:
        """The check after loading, with the first step of the same generation as for responses."""
        processor, model = self.checkpoint.processor, self.checkpoint.model
        rows = embedding_rows(model)
        if rows is not None:
            check_vocabulary(self.name, processor.tokenizer, rows, model.generation_config)

        def logits(question: str, image: Image | None) -> torch.Tensor:
            shown = () if image is None else (LazyImage.from_image(image),)
            row = self._row(Request("self-check", "", "", question, shown, 0, 1, ""))
            return self._first_logits(self._inputs([row]))

        return self_check(self.name, logits, processor.tokenizer)

    def _logits_of(self, requests: Sequence[Request], shared: SharedImages | None) -> torch.Tensor:
        """The first logits of a batch with this sharing of work on images."""
        self._shared = shared
        return self._first_logits(self._inputs([self._row(request) for request in requests]))

    def _first_logits(self, inputs: Any) -> torch.Tensor:
        made = self._generated(inputs, 1, output_logits=True, return_dict_in_generate=True)
        found: torch.Tensor = made.logits[0]
        return found.float()

    # -- a request in the model's chat template

    def _row(self, request: Request) -> _Row:
        """The request's prompt in the chat template, with its images."""
        text, notes, shown = self._writer.write(request)
        return _Row(request, text, notes, shown)

    def _inputs(self, rows: Sequence[_Row]) -> Any:
        """The tensors of a batch on the model's device. Rows without images need the tokenizer alone."""
        processor = self.checkpoint.processor
        special = not self.checkpoint.bos_in_template
        texts = [row.text for row in rows]
        if not rows[0].shown:
            made = processor.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=special)
            if "token_type_ids" in processor.model_input_names:
                made["token_type_ids"] = made["input_ids"].new_zeros(made["input_ids"].shape)
        elif self._shared is not None:
            shown = [row.shown for row in rows]
            return self._shared.inputs(texts, shown, special, prompt=share_beginning(rows[: self._shared_size]))
        else:
            images = [[p.load() for p in row.shown] for row in rows]
            made = processor(text=texts, images=images, padding=True, return_tensors="pt", add_special_tokens=special)
            made.pop("labels", None)  # PaliGemma's processor makes them for training
        made = made.to(self.checkpoint.model.device)
        dtype = self.checkpoint.model.dtype
        return {k: v.to(dtype) if getattr(v, "is_floating_point", bool)() else v for k, v in made.items()}

    # -- batches

    def _in_batches(self, rows: list[_Row]) -> Iterator[Response]:
        """All rows, in batches of one kind; images of the next batch are preprocessed while one is generated.

        A batch that does not fit in memory is halved and repeated.
        """
        import torch

        ahead: tuple[list[_Row], Future[Any]] | None = None
        with ThreadPoolExecutor(1, thread_name_prefix="images") as pool:
            while rows:
                batch = self._next(rows)
                ready = ahead[1] if ahead and ahead[0] == batch else pool.submit(self._inputs, batch)
                following = self._next(rows[len(batch) :])
                ahead = (following, pool.submit(self._inputs, following)) if following else None
                try:
                    responses = self._generate(batch, ready.result())
                except torch.OutOfMemoryError as error:
                    torch.cuda.empty_cache()
                    if len(batch) > 1:
                        self._batch = self._most = max(1, len(batch) // 2)
                        continue
                    responses = [failed_response(batch[0].request.id, error)]
                except Exception as error:
                    responses = self._one_by_one(batch, error)
                else:
                    self._grow(len(batch))
                yield from responses
                del rows[: len(batch)]

    def _next(self, rows: Sequence[_Row]) -> list[_Row]:
        """The first rows that form a batch."""
        return next_batch(rows, self._batch, self._shared_size)

    @property
    def _shared_size(self) -> int:
        """The most rows of a batch that share the beginning of their prompt; 0 where none do."""
        if self._shared is None or not self._shared.prompts:
            return 0
        return self._fixed or min(self._most, max(self._batch, MOST_ROWS))

    def _one_by_one(self, batch: Sequence[_Row], error: Exception) -> list[Response]:
        """The rows of a batch that raised an error, each alone; those that raise one again fail."""
        if len(batch) == 1:
            return [failed_response(batch[0].request.id, error)]
        responses = []
        for row in batch:
            try:
                responses += self._generate([row], self._inputs([row]))
            except Exception as again:
                responses.append(failed_response(row.request.id, again))
        return responses

    def _grow(self, done: int) -> None:
        """Doubles the batch size while half of the GPU's memory is free."""
        import torch

        if self._fixed is not None or done < self._batch or not torch.cuda.is_available():
            return
        free, total = torch.cuda.mem_get_info()
        unused = torch.cuda.memory_reserved() - torch.cuda.max_memory_allocated()
        if free + max(0, unused) > total / 2:
            self._batch = min(self._most, self._batch * 2)

    def _generate(self, batch: Sequence[_Row], inputs: Any) -> list[Response]:
        """One pass of generation; the rows share their limits and decoding."""
        began = time.perf_counter()
        length = int(inputs["input_ids"].shape[1])
        first = batch[0].request
        limit = first.max_new_tokens + (first.thinking.limit if self._thinks else 0)
        decoding = first.decoding
        if decoding.repetition_penalty is None and self._penalty is not None:
            decoding = replace(decoding, repetition_penalty=float(self._penalty))
        more: dict[str, Any] = {"num_beams": decoding.num_beams or 1}
        if needed(decoding):
            masks = inputs["attention_mask"].bool()
            prompts = [ids[mask].tolist() for ids, mask in zip(inputs["input_ids"], masks, strict=True)]
            more["logits_processor"] = [
                Choice(decoding, [stream_of(row.request) for row in batch], prompts, length, limit)
            ]
        limited = [self._progress(row) for row in batch] if self._thinks or decoding.stop else []
        if limited and more["num_beams"] == 1:
            more["stopping_criteria"] = [Limits(limited, self._ends, self.checkpoint.processor.tokenizer)]
        out = self._generated(inputs, limit, **more)
        if limited and more["num_beams"] > 1:  # the limits hold for the best beam, not for those on the way to it
            for progress, ids in zip(limited, out[:, length:].tolist(), strict=True):
                progress.follow(ids, self._ends, self.checkpoint.processor.tokenizer)
        seconds = (time.perf_counter() - began) / len(batch)
        counts = inputs["attention_mask"].sum(dim=1).tolist()
        rows: list[Progress | None] = [*limited] or [None] * len(batch)
        return [
            self._response(row, new, limit, prompt, seconds, progress)
            for row, new, prompt, progress in zip(batch, out[:, length:].tolist(), counts, rows, strict=True)
        ]

    def _progress(self, row: _Row) -> Progress:
        request = row.request
        limit = request.thinking.limit if self._thinks else 0
        opened = opened_by(row.text) if self._thinks else None
        return Progress(request.max_new_tokens, limit, opened, request.decoding.stop)

    def _generated(self, inputs: Any, limit: int, **more: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self.checkpoint.model.generate(
                **(inputs if self._shared is None else self._shared.encode(inputs)),
                max_new_tokens=limit,
                do_sample=False,
                repetition_penalty=1.0,  # ours does not look at padding, so that batches do not matter
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self.checkpoint.processor.tokenizer.pad_token_id,
                **more,
            )

    def _response(
        self, row: _Row, new: list[int], limit: int, prompt: int, seconds: float, progress: Progress | None
    ) -> Response:
        """The response in the new tokens of a row; with `progress`, as its own limits ended it."""
        tokenizer = self.checkpoint.processor.tokenizer
        if progress is not None:  # what follows is padding
            new = new[: len(progress.ids) + (progress.ended is None)]
        end = next((i for i, token in enumerate(new) if token in self._ends), None)
        kept = new if end is None else new[:end]
        finish: Finish = "length" if end is None and len(new) >= limit else "stop"
        count = len(new) if end is None else end + 1
        thoughts, thought_tokens = "", None
        if progress is not None:
            finish = progress.ended or "stop"
        if progress is not None and progress.thinks:
            text, thoughts, thought_tokens = progress.answer(tokenizer), progress.thoughts(tokenizer), progress.start
            if progress.closing is not None:
                finish, thought_tokens = "unfinished_thought", len(kept)
            count -= thought_tokens
        else:
            text = str(tokenizer.decode(kept, skip_special_tokens=True))
        stops = row.request.decoding.stop
        if stops and (at := cut_at_stop(text, stops)) is not None:
            text, finish = text[:at], "stop"
        return Response(
            row.request.id,
            text.strip(),
            finish=finish,
            prompt_tokens=int(prompt),
            new_tokens=count,
            seconds=round(seconds, 6),
            notes=dict(row.notes),
            thoughts=thoughts,
            thought_tokens=thought_tokens,
        )


def _ends(checkpoint: Checkpoint) -> frozenset[int]:
    """The tokens that end a response."""
    stops = checkpoint.model.generation_config.eos_token_id
    ends = set(stops) if isinstance(stops, list) else {stops}
    return frozenset(e for e in (*ends, checkpoint.processor.tokenizer.eos_token_id) if e is not None)

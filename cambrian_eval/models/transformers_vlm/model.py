"""A transformers model that answers requests, through its processor and chat template.

Turns a request into a prompt, groups requests into batches (left padding; rows of one batch have the same number of
images and the same limit) and turns generated tokens into a `Response`. Decoding is greedy.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from cambrian_eval.image import LazyImage
from cambrian_eval.interleave import parts
from cambrian_eval.models.checkpoint_identity import ContentHash
from cambrian_eval.models.self_check import check_vocabulary, self_check
from cambrian_eval.models.transformers_vlm.chat_template import TODAY, render, require_text
from cambrian_eval.models.transformers_vlm.checkpoint import Checkpoint, embedding_rows
from cambrian_eval.models.transformers_vlm.options import TransformersOptions
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
    images: tuple[LazyImage, ...]
    """In the order of the prompt; one that is placed twice is there twice."""

    @property
    def kind(self) -> tuple[int, int]:
        """Number of images and limit; equal in all rows of a batch."""
        return len(self.images), self.request.max_new_tokens

    @property
    def size(self) -> int:
        pixels = sum(w * h for w, h in (p.load().size for p in self.images))
        return len(self.text) + pixels // 256


class TransformersModel:
    """A loaded checkpoint that answers in batches."""

    max_images: int | None = None

    def __init__(self, name: str, checkpoint: Checkpoint, options: TransformersOptions, content: ContentHash) -> None:
        self.name = name
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
            "decoding": "greedy",
        }
        self._options = options
        self._self_check = self._check() if options.self_check else "off"
        more = {"class": type(checkpoint.model).__name__, "allow_missing": options.allow_missing}
        self.fingerprint = content.identity("hf", {**self._settings, **more})

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
            rows.sort(key=lambda row: (row.kind, row.size), reverse=True)
            yield from self._in_batches(rows)

    def describe(self) -> Mapping[str, Any]:
        """Model class, processor, device, batch size, and the versions that responses depend on."""
        import torch
        import transformers

        model = self.checkpoint.model
        facts: dict[str, Any] = {} if self.checkpoint.note is None else {"note": self.checkpoint.note}
        if self.checkpoint.fixed_date:
            facts["date_in_prompts"] = f"fixed: {TODAY:%Y-%m-%d}"
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
            made = self._generated(self._inputs([row]), 1, output_logits=True, return_dict_in_generate=True)
            found: torch.Tensor = made.logits[0]
            return found

        return self_check(self.name, logits, processor.tokenizer)

    # -- a request in the model's chat template

    def _row(self, request: Request) -> _Row:
        """The request's prompt in the chat template, with its images; a further image mark in its text is removed."""
        processor = self.checkpoint.processor
        ordered, notes = parts(request), dict[str, Any]()
        mark = getattr(processor, "image_token", None) or "<image>"
        if marks := sum(part.count(mark) for part in ordered if isinstance(part, str)):
            # The processor would take the mark for a further image.
            ordered = [part.replace(mark, "") if isinstance(part, str) else part for part in ordered]
            notes = {"image_marks_removed": marks}
        shown = tuple(part for part in ordered if not isinstance(part, str))
        texts = [part for part in ordered if isinstance(part, str)]
        if self._settings["template"] is None:
            return _Row(request, self._untemplated("".join(texts), len(shown), mark), notes, shown)
        pieces = [{"type": "text", "text": p} if isinstance(p, str) else {"type": "image"} for p in ordered]
        plain = "".join(p if isinstance(p, str) else f"{mark}\n" for p in ordered)
        written = render(processor, pieces if self.checkpoint.takes_parts else plain)
        for text in texts:
            require_text(written, text)
        return _Row(request, written, notes, shown)

    def _untemplated(self, text: str, images: int, mark: str) -> str:
        """The prompt of a model without a chat template. PaliGemma expects a task word before the question."""
        if self.checkpoint.is_paligemma:
            if not images:
                return f"{self.checkpoint.processor.tokenizer.bos_token}answer en {text}\n"
            return f"{mark * images}answer en {text}"
        return f"{mark * images}{text}"

    def _inputs(self, rows: Sequence[_Row]) -> Any:
        """The tensors of a batch on the model's device. Rows without images need the tokenizer alone."""
        processor = self.checkpoint.processor
        special = not self.checkpoint.bos_in_template
        texts = [row.text for row in rows]
        if not rows[0].images:
            made = processor.tokenizer(texts, padding=True, return_tensors="pt", add_special_tokens=special)
            if "token_type_ids" in processor.model_input_names:
                made["token_type_ids"] = made["input_ids"].new_zeros(made["input_ids"].shape)
        else:
            images = [[p.load() for p in row.images] for row in rows]
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
        return [row for row in rows[: self._batch] if row.kind == rows[0].kind]

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
        """One pass of generation."""
        began = time.perf_counter()
        length = int(inputs["input_ids"].shape[1])
        limit = batch[0].request.max_new_tokens
        out = self._generated(inputs, limit)
        seconds = (time.perf_counter() - began) / len(batch)
        prompts = inputs["attention_mask"].sum(dim=1).tolist()
        return [
            self._response(row, new, limit, prompt, seconds)
            for row, new, prompt in zip(batch, out[:, length:].tolist(), prompts, strict=True)
        ]

    def _generated(self, inputs: Any, limit: int, **more: Any) -> Any:
        import torch

        with torch.inference_mode():
            return self.checkpoint.model.generate(
                **inputs,
                max_new_tokens=limit,
                do_sample=False,
                num_beams=1,
                temperature=None,
                top_p=None,
                top_k=None,
                pad_token_id=self.checkpoint.processor.tokenizer.pad_token_id,
                **more,
            )

    def _response(self, row: _Row, new: list[int], limit: int, prompt: int, seconds: float) -> Response:
        end = next((i for i, token in enumerate(new) if token in self._ends), None)
        kept = new if end is None else new[:end]
        finish: Finish = "length" if end is None and len(new) >= limit else "stop"
        text = self.checkpoint.processor.tokenizer.decode(kept, skip_special_tokens=True).strip()
        count = len(new) if end is None else end + 1
        return Response(
            row.request.id,
            text,
            finish=finish,
            prompt_tokens=int(prompt),
            new_tokens=count,
            seconds=round(seconds, 6),
            notes=dict(row.notes),
        )


def _ends(checkpoint: Checkpoint) -> frozenset[int]:
    """The tokens that end a response."""
    stops = checkpoint.model.generation_config.eos_token_id
    ends = set(stops) if isinstance(stops, list) else {stops}
    return frozenset(e for e in (*ends, checkpoint.processor.tokenizer.eos_token_id) if e is not None)

"""Encoded images: preprocessed in threads ahead of the device, encoded once, kept in a cache.

The cache has a memory limit and drops the least recently used image first. An image is identified by its key alone, so
it is shared by all questions about it, whatever their benchmark.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from ..connector import EncodedImage
from .clock import Clock
from .memory import is_out_of_memory, release
from .questions import ImageSource

WORKERS = max(1, min(8, os.cpu_count() or 1))

Found = Mapping[str, EncodedImage | Exception]


@dataclass(frozen=True)
class _Views:
    """An image's pixels for every tower, on the device, and the event that marks their arrival."""

    pixels: list[Tensor]
    arrived: torch.cuda.Event | None


class ImageStore:
    """Encoded images by key. `batch` is how many go through the towers together."""

    def __init__(
        self, model: Any, processor: Any, clock: Clock, *, capacity: int, batch: int, workers: int = WORKERS
    ) -> None:
        self.model, self.processor, self.clock = model, processor, clock
        self.capacity = capacity
        self.batch = batch
        self.used = 0
        self._device: torch.device = model.get_input_embeddings().weight.device
        self._kept: OrderedDict[str, EncodedImage] = OrderedDict()
        self._ahead: dict[str, Future[_Views]] = {}
        on_gpu = self._device.type == "cuda"
        self._copies = torch.cuda.Stream(self._device) if on_gpu else None  # type: ignore[no-untyped-call]
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="resize")

    def prefetch(self, source: ImageSource) -> None:
        """Start preprocessing an image that will be needed, unless it is encoded already."""
        if source.key not in self._kept and source.key not in self._ahead:
            self._ahead[source.key] = self._pool.submit(self._pixels, source)

    def encoded(self, wanted: Sequence[ImageSource]) -> Found:
        """The encoded images, or the error of each that failed; those not in the cache are encoded now, in batches."""
        distinct = {source.key: source for source in wanted}
        found: dict[str, EncodedImage | Exception] = {}
        for key in distinct:
            if key in self._kept:
                self._kept.move_to_end(key)
                found[key] = self._kept[key]
        missing = [source for key, source in distinct.items() if key not in found]
        while missing:
            now, missing = missing[: self.batch], missing[self.batch :]
            result = self._encode(now)
            if result is None:
                self.batch = max(1, len(now) // 2)
                missing = now + missing
                continue
            found.update(result)
        return found

    def close(self) -> None:
        """Cancel preprocessing that is not needed any more."""
        for future in self._ahead.values():
            future.cancel()
        self._ahead.clear()

    def _encode(self, now: Sequence[ImageSource]) -> Found | None:
        """One batch; None where it did not fit in memory and can be split."""
        found: dict[str, EncodedImage | Exception] = {}
        for source in now:
            self.prefetch(source)
        ready: list[tuple[ImageSource, _Views]] = []
        with self.clock.host("waiting"):
            for source in now:
                try:
                    ready.append((source, self._prepared(source)))
                except Exception as error:
                    found[source.key] = error
                    del self._ahead[source.key]
        if not ready:
            return found
        failure: Exception | None = None
        try:
            encoded = self._through_towers(ready)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
            # Without its traceback, whose frames keep the tensors that must be freed.
            failure = error.with_traceback(None)
        if failure is not None:
            release(self._device)
            if len(now) > 1:
                return None
            found[now[0].key] = failure
            del self._ahead[now[0].key]
            return found
        for (source, _), image in zip(ready, encoded, strict=True):
            del self._ahead[source.key]
            found[source.key] = image
            self._keep(source.key, image)
        return found

    @torch.inference_mode()
    def _through_towers(self, ready: Sequence[tuple[ImageSource, _Views]]) -> list[EncodedImage]:
        with self.clock.phase("towers"):
            each = [self._arrived(views) for _, views in ready]
            batch = [torch.cat(views) for views in zip(*each, strict=True)]
            encoded: list[EncodedImage] = self.model.encode_images(batch, [source.size for source, _ in ready])
        self.clock.counts["images"] += len(ready)
        return encoded

    def _keep(self, key: str, image: EncodedImage) -> None:
        self._kept[key] = image
        self.used += image.nbytes
        while self.used > self.capacity and self._kept:
            _, dropped = self._kept.popitem(last=False)
            self.used -= dropped.nbytes

    def _pixels(self, source: ImageSource) -> _Views:
        """Runs in a worker thread: decoding, resizing for all towers, and the copy to the device.

        On a GPU the copy has a stream of its own, so that it overlaps with other work.
        """
        pixels: list[Tensor] = self.processor.pixels([source.load()])
        if self._copies is None:
            return _Views([view.to(self._device) for view in pixels], None)
        with torch.cuda.stream(self._copies):
            moved = [view.pin_memory().to(self._device, non_blocking=True) for view in pixels]
            arrived = torch.cuda.Event()  # type: ignore[no-untyped-call]
            arrived.record(self._copies)
        return _Views(moved, arrived)

    def _prepared(self, source: ImageSource) -> _Views:
        """The worker's result; computed again where the worker ran out of memory on the device."""
        try:
            return self._ahead[source.key].result()
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        release(self._device)
        return self._pixels(source)

    def _arrived(self, views: _Views) -> list[Tensor]:
        """The pixels, usable by work that is queued from now on."""
        if views.arrived is not None:
            stream = torch.cuda.current_stream(self._device)
            stream.wait_event(views.arrived)
            for view in views.pixels:
                # Allocated on the copying stream: must not be reused before this stream has finished with it.
                view.record_stream(stream)
        return views.pixels

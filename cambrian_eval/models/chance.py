"""A seeded random responder: the floor every score is compared with, as a model.

It draws uniformly from what the question offers (letters, Yes/No) and says nothing where an answer is free text.
Its draw depends on the seed, the benchmark and the sample alone, so order and restarts do not change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Model, ModelOptions
from cambrian_eval.sample import Request, Response


class Chance:
    """Answers every question without looking."""

    max_images: int | None = None

    def __init__(self, seed: int) -> None:
        self.name = "chance"
        self.seed = seed
        self.fingerprint = f"chance-1-seed-{seed}"

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """One draw a request, with nothing carried over from the request before."""
        for request in requests:
            yield Response(request.id, self._guess(request))

    def _guess(self, request: Request) -> str:
        if not request.guesses:
            return ""
        mark = f"{self.seed}\0{request.benchmark}\0{request.condition}\0{request.id}"
        draw = int.from_bytes(hashlib.sha256(mark.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        return request.guesses[draw % len(request.guesses)]

    def describe(self) -> Mapping[str, Any]:
        """The seed, which with benchmark and sample decides every draw."""
        return {"kind": "uniform guesses", "seed": self.seed}


def create(rest: str, options: ModelOptions) -> Model:
    """`chance`, with the run's seed; `chance:SEED` fixes another."""
    if rest and not rest.isdigit():
        raise UserError(f"chance:{rest}: the seed must be a non-negative integer")
    return Chance(int(rest) if rest else options.seed)

"""`chance`: a seeded random guesser, the baseline that every score is compared with.

It draws uniformly from what a question offers (letters, Yes/No); its response is empty where the answer is free text.
Its draw depends on the seed, the benchmark, the condition and the sample alone, so order and restarts do not change it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cambrian_eval.errors import UserError
from cambrian_eval.model import Adapter, Model, option
from cambrian_eval.sample import Request, Response, Sample


class Chance:
    """Answers every question at random, from the guesses of the samples that `observe` was given."""

    max_images: int | None = None

    def __init__(self, seed: int) -> None:
        self.name = "chance"
        self.seed = seed
        self.fingerprint = f"chance-1-seed-{seed}"
        self._guesses: dict[str, dict[str, tuple[str, ...]]] = {}

    def observe(self, benchmark: str, samples: Sequence[Sample]) -> None:
        """Keeps what each question of the benchmark offers; gold answers play no part."""
        self._guesses[benchmark] = {s.id: s.guesses for s in samples}

    def respond(self, requests: Iterator[Request]) -> Iterable[Response]:
        """One draw per request; a request whose sample was not observed fails."""
        for request in requests:
            guesses = self._guesses.get(request.benchmark, {}).get(request.sample_id)
            if guesses is None:
                reason = f"{self.name} did not observe sample {request.id!r} of {request.benchmark}"
                yield Response(request.id, "", finish="failed", error=reason)
            else:
                yield Response(request.id, self._draw(request, guesses))

    def _draw(self, request: Request, guesses: tuple[str, ...]) -> str:
        if not guesses:
            return ""
        mark = f"{self.seed}\0{request.benchmark}\0{request.condition}\0{request.id}"
        draw = int.from_bytes(hashlib.sha256(mark.encode("utf-8", "surrogatepass")).digest()[:8], "big")
        return guesses[draw % len(guesses)]

    def describe(self) -> Mapping[str, Any]:
        """The seed, which with benchmark, condition and sample decides every draw."""
        return {"kind": "uniform guesses", "seed": self.seed}


@dataclass(frozen=True)
class ChanceOptions:
    """Options of `chance`."""

    seed: int = option(0, help="Random seed; the run's own (--seed) unless set.")


class ChanceAdapter(Adapter):
    """`chance`, or `chance:SEED`."""

    name = "chance"
    summary = "a random guesser: chance, or chance:SEED"
    Options = ChanceOptions

    def create(self, rest: str, options: ChanceOptions) -> Model:
        """A guesser with the run's seed, or the one after the colon."""
        if rest and not (rest.isascii() and rest.isdigit()):
            raise UserError(f"chance:{rest}: the seed must be a non-negative integer")
        return Chance(int(rest) if rest else options.seed)

"""What asking an API costs: list prices, token estimates before, a budget that is never passed.

Prices are US dollars for a million tokens, list prices of 2025; `CAMBRIAN_EVAL_PRICES` names a JSON file
({"model": [input, output]}) that adds to them or replaces them. What has no price here is counted in tokens only.
"""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cambrian_eval.errors import UserError

PRICES_FILE = "CAMBRIAN_EVAL_PRICES"


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars for a million tokens."""

    input: float
    output: float

    def cost(self, prompt_tokens: float, new_tokens: float) -> float:
        """US dollars for that many tokens, those of the prompt and those of the reply."""
        return (self.input * prompt_tokens + self.output * new_tokens) / 1e6


_LIST = {
    "gpt-3.5-turbo": Price(0.5, 1.5),
    "gpt-4": Price(30.0, 60.0),
    "gpt-4-turbo": Price(10.0, 30.0),
    "gpt-4o": Price(2.5, 10.0),
    "gpt-4o-mini": Price(0.15, 0.6),
    "gpt-4.1": Price(2.0, 8.0),
    "gpt-4.1-mini": Price(0.4, 1.6),
    "gpt-4.1-nano": Price(0.1, 0.4),
    "gpt-5": Price(1.25, 10.0),
    "gpt-5-mini": Price(0.25, 2.0),
    "gpt-5-nano": Price(0.05, 0.4),
    "o1": Price(15.0, 60.0),
    "o3": Price(2.0, 8.0),
    "o3-mini": Price(1.1, 4.4),
    "o4-mini": Price(1.1, 4.4),
}
_DATED = re.compile(r"-(?:\d{4}-\d{2}-\d{2}|\d{4}|latest|preview)$")
"""A dated version costs what its model costs."""


def price_of(model: str, said: str | None = None) -> Price | None:
    """The price of a model: what the user said (`IN,OUT`), their file, the list; None where nobody knows."""
    if said is not None:
        return _parsed(said)
    prices = {**_LIST, **_from_file()}
    name = model.rsplit("/", 1)[-1]
    for candidate in (model, name, _DATED.sub("", name)):
        if candidate in prices:
            return prices[candidate]
    return None


def _parsed(text: str) -> Price:
    parts = text.split(",")
    try:
        price = Price(*(float(p) for p in parts)) if len(parts) == 2 else None
    except ValueError:
        price = None
    if price is None or not (0 <= price.input < float("inf") and 0 <= price.output < float("inf")):
        raise UserError(f"price {text!r} is not INPUT,OUTPUT in dollars for a million tokens; for example 2.5,10")
    return price


def _from_file() -> Mapping[str, Price]:
    path = os.environ.get(PRICES_FILE)
    if not path:
        return {}
    try:
        stored = json.loads(Path(path).read_text("utf-8"))
        return {name: Price(float(i), float(o)) for name, (i, o) in stored.items()}
    except OSError as error:
        raise UserError(f"{path} (named by {PRICES_FILE}) cannot be read: {error.strerror}") from None
    except (ValueError, TypeError, AttributeError):
        raise UserError(f'{path} (named by {PRICES_FILE}) is not of the form {{"model": [input, output]}}') from None


def estimated_tokens(text: str) -> int:
    """About how many tokens a text is: four ASCII characters each, and every other character alone."""
    plain = len(text.encode("ascii", "ignore"))
    return -(-plain // 4) + len(text) - plain


def image_tokens(width: int, height: int) -> int:
    """About how many tokens an image is, by the tiles of 512 pixels that vision endpoints cut."""
    scale = min(1.0, 2048 / max(width, height, 1))
    scale *= min(1.0, 768 / max(1.0, min(width, height) * scale))
    tiles = -(-int(width * scale) // 512) * -(-int(height * scale) // 512)
    return 85 + 170 * max(1, tiles)


class BudgetReached(UserError):
    """The next request could cost more than is left."""


class Budget:
    """Lets a request through only when its largest possible cost still fits.

    Every request reserves its estimate before it is sent. Estimates learn: nothing is assumed cheaper than the
    dearest request seen, so the first request goes alone when its true size is still unknown.
    """

    def __init__(self, limit: float, price: Price, spent: float = 0.0) -> None:
        self.limit, self.price, self.spent = limit, price, spent
        self._reserved = 0.0
        self._ratio = 1.0
        self._most_prompt = self._most_new = 0
        self._lock = threading.Lock()
        self.seen = 0

    def reserve(self, prompt_tokens: int, new_tokens: int) -> float | None:
        """The amount set aside for a request of that estimated size; None where it does not fit."""
        with self._lock:
            prompt = max(prompt_tokens * self._ratio, self._most_prompt)
            amount = self.price.cost(prompt, max(new_tokens, self._most_new))
            if self.spent + self._reserved + amount > self.limit:
                return None
            self._reserved += amount
            return amount

    def settle(self, amount: float, estimate: int, prompt_tokens: int, new_tokens: int) -> None:
        """The request that had reserved `amount` cost this many tokens."""
        with self._lock:
            self._reserved -= amount
            self.spent += self.price.cost(prompt_tokens, new_tokens)
            self._ratio = max(self._ratio, prompt_tokens / max(1, estimate))
            self._most_prompt = max(self._most_prompt, prompt_tokens)
            self._most_new = max(self._most_new, new_tokens)
            self.seen += 1

    def lost(self, amount: float) -> bool:
        """A reply was lost on its way and may be billed: counts as spent. False where asking again does not fit."""
        with self._lock:
            self.spent += amount
            return self.spent + self._reserved <= self.limit

    def release(self, amount: float) -> None:
        """The request cost nothing."""
        with self._lock:
            self._reserved -= amount

    def reached(self) -> BudgetReached:
        """The error to raise where a request does not fit: what was spent, and how to go on."""
        return BudgetReached(
            f"the budget of ${self.limit:.6g} is reached (${self.spent:.4f} spent); "
            "what was answered is stored: run again with a larger budget to go on"
        )

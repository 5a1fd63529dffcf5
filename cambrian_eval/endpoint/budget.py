"""Cost of API requests: list prices, token estimates, and a budget that is never exceeded.

Prices are US dollars per million tokens, list prices of 2025. `CAMBRIAN_EVAL_PRICES` names a JSON file
({"model": [input, output]}) that adds prices or replaces them. For models without a price only tokens are counted.
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
    """US dollars per million tokens."""

    input: float
    output: float

    def cost(self, prompt_tokens: float, new_tokens: float) -> float:
        """US dollars for these numbers of prompt tokens and response tokens."""
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
"""A dated version has the price of its model."""


def price_of(model: str, given: str | None = None) -> Price | None:
    """The price of a model: as given (`INPUT,OUTPUT`), from the user's file, or from the list; None where unknown."""
    if given is not None:
        return _parse_price(given)
    prices = {**_LIST, **_from_file()}
    name = model.rsplit("/", 1)[-1]
    for candidate in (model, name, _DATED.sub("", name)):
        if candidate in prices:
            return prices[candidate]
    return None


def _parse_price(text: str) -> Price:
    parts = text.split(",")
    try:
        price = Price(*(float(p) for p in parts)) if len(parts) == 2 else None
    except ValueError:
        price = None
    if price is None or not (0 <= price.input < float("inf") and 0 <= price.output < float("inf")):
        raise UserError(f"price {text!r} is not INPUT,OUTPUT in dollars per million tokens; for example 2.5,10")
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
    """An estimate of the tokens of a text: one for four ASCII characters, and one for every other character."""
    plain = len(text.encode("ascii", "ignore"))
    return -(-plain // 4) + len(text) - plain


def image_tokens(width: int, height: int) -> int:
    """An estimate of the tokens of an image, from the tiles of 512 pixels that vision endpoints use."""
    scale = min(1.0, 2048 / max(width, height, 1))
    scale *= min(1.0, 768 / max(1.0, min(width, height) * scale))
    tiles = -(-int(width * scale) // 512) * -(-int(height * scale) // 512)
    return 85 + 170 * max(1, tiles)


class BudgetReached(UserError):
    """The next request could cost more than what is left of the budget."""


class Budget:
    """Admits a request only if its largest possible cost fits into the budget.

    Every request reserves its estimated cost before it is sent. Estimates adapt: no request is assumed to be cheaper
    than the most expensive one so far. The first request is therefore sent alone, while real costs are unknown.
    """

    def __init__(self, limit: float, price: Price, spent: float = 0.0) -> None:
        self.limit, self.price, self.spent = limit, price, spent
        self._reserved = 0.0
        self._ratio = 1.0
        self._most_prompt = self._most_new = 0
        self._lock = threading.Lock()
        self.n_finished = 0

    def reserve(self, prompt_tokens: int, new_tokens: int) -> float | None:
        """Reserves the cost of a request of this estimated size and returns it; None where it does not fit."""
        with self._lock:
            prompt = max(prompt_tokens * self._ratio, self._most_prompt)
            amount = self.price.cost(prompt, max(new_tokens, self._most_new))
            if self.spent + self._reserved + amount > self.limit:
                return None
            self._reserved += amount
            return amount

    def charge(self, amount: float, estimate: int, prompt_tokens: int, new_tokens: int) -> None:
        """Replaces a reserved amount by the real cost of the request."""
        with self._lock:
            self._reserved -= amount
            self.spent += self.price.cost(prompt_tokens, new_tokens)
            self._ratio = max(self._ratio, prompt_tokens / max(1, estimate))
            self._most_prompt = max(self._most_prompt, prompt_tokens)
            self._most_new = max(self._most_new, new_tokens)
            self.n_finished += 1

    def charge_lost(self, amount: float) -> bool:
        """Counts a lost response, which may be billed, as spent. False where a retry does not fit into the budget."""
        with self._lock:
            self.spent += amount
            return self.spent + self._reserved <= self.limit

    def release(self, amount: float) -> None:
        """Releases a reserved amount; the request cost nothing."""
        with self._lock:
            self._reserved -= amount

    def error(self) -> BudgetReached:
        """The error to raise where a request does not fit: what was spent, and how to continue."""
        return BudgetReached(
            f"the budget of ${self.limit:.6g} is reached (${self.spent:.4f} spent); "
            "responses so far are stored; run again with a larger budget to resume"
        )

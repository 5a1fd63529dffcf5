"""Cost of API requests: list prices, token estimates, and a budget that is never exceeded.

Prices are US dollars per million tokens, list prices of 2025. `CAMBRIAN_EVAL_PRICES` names a JSON file
({"model": [input, output]}) that adds prices or replaces them. For models without a price only tokens are counted.
"""

from __future__ import annotations

import math
import os
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cambrian_eval.endpoint.cost_log import CostLog
from cambrian_eval.endpoint.parameters import ChatRequest
from cambrian_eval.endpoint.responses import ChatResponse
from cambrian_eval.errors import UserError
from cambrian_eval.json_input import read_object

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
    stored = read_object(Path(path), f"{PRICES_FILE} names it")
    try:
        prices = {name: Price(float(i), float(o)) for name, (i, o) in stored.items()}
    except (ValueError, TypeError, OverflowError):
        prices = {"": Price(-1.0, -1.0)}
    if any(not (0 <= value < math.inf) for price in prices.values() for value in (price.input, price.output)):
        raise UserError(f'{path} (named by {PRICES_FILE}) is not of the form {{"model": [input, output]}}')
    return prices


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


_PATCHES = ("gpt-4.1-mini", "gpt-4.1-nano", "gpt-5-mini", "gpt-5-nano", "o4-mini")
"""Models whose images are counted in patches of 32 pixels, 1,536 at most, times a factor of 2.46 at most."""


def most_image_tokens(model: str, width: int, height: int) -> int:
    """The most tokens that the provider of a model may count for an image."""
    name = _DATED.sub("", model.rsplit("/", 1)[-1])
    tiles = image_tokens(width, height)
    if name == "gpt-4o-mini":
        return 2833 + (tiles - 85) // 170 * 5667
    if name in _PATCHES:
        return math.ceil(2.46 * min(1536, -(-width // 32) * -(-height // 32)))
    return tiles if name in _LIST else max(tiles, min(16384, -(-width // 28) * -(-height // 28)))


class BudgetReached(UserError):
    """The next request could cost more than what is left of the budget."""


@dataclass(slots=True)
class Reservation:
    """What one request may cost at most, until its cost is known."""

    id: str | None
    """Its id in the cost log; None where there is none."""
    amount: float
    """US dollars; 0 where the price is not known."""
    in_transit: bool = False
    """Whether the request has been sent and its response may be billed."""
    settled: bool = False
    """Whether its cost is known."""


class Budget:
    """Counts costs, and admits a request only if its largest possible cost fits into the limit.

    Every request reserves its largest possible cost before it is sent, in the cost log too, so that the limit holds
    over several commands. Estimates adapt: no request is assumed to be cheaper than the most expensive one so far. The
    first request, and the first one with images, is therefore sent alone, while real costs are unknown. From there the
    number in flight grows by one with each response, and starts again where one cost more than was reserved for it.
    """

    def __init__(
        self, limit: float | None, price: Price | None, spent: float = 0.0, log: CostLog | None = None
    ) -> None:
        if limit is not None and not 0 <= limit < math.inf:
            raise UserError(f"the budget must be a finite number of US dollars of at least 0, not {limit}")
        self.limit, self.price, self.log = limit, price, log
        self.spent = spent if log is None else log.spent
        self._reserved = 0.0
        self._ratio = 1.0
        self._most_prompt, self._most_new = (0, 0) if log is None else (log.most_prompt, log.most_new)
        self._lock = threading.Lock()
        self._n_as_expected = {False: 0, True: 0}

    def may_be_sent(self, request: ChatRequest, in_flight: int) -> bool:
        """Whether a request may be sent beside so many others, considering how well its cost is known."""
        return self.limit is None or in_flight <= self._n_as_expected[request.n_images > 0]

    def reserve(self, request: ChatRequest, new_tokens: int) -> Reservation | None:
        """Reserves the largest cost of a request; None where it does not fit."""
        with self._lock:
            amount = self._most(request, new_tokens)
            return self._hold(amount) if self._fits(amount) else None

    def most(self, request: ChatRequest, new_tokens: int) -> float:
        """US dollars that a request can cost at most."""
        with self._lock:
            return self._most(request, new_tokens)

    def fits(self, amount: float) -> bool:
        """Whether so many US dollars more fit into the limit."""
        with self._lock:
            return self._fits(amount)

    def hold(self, amount: float) -> Reservation:
        """Reserves an amount for several requests together, of which `spend` counts the real costs."""
        with self._lock:
            return self._hold(amount)

    def adopt(self, reservation_id: str | None, amount: float) -> Reservation:
        """A reservation of an earlier command whose requests are still on their way; it counted as spent until now."""
        with self._lock:
            self._reserved += amount
            if self.log is not None and reservation_id is not None:
                self.spent -= amount
            return Reservation(reservation_id, amount)

    def spend(self, request: ChatRequest, response: ChatResponse) -> float | None:
        """Counts the cost of a response beside the reservations; None where the price is not known."""
        with self._lock:
            return self._count(None, request, response)

    def _most(self, request: ChatRequest, new_tokens: int) -> float:
        prompt = max(self._largest(request) * self._ratio, self._most_prompt)
        return self._cost(prompt, max(new_tokens, self._most_new))

    def _fits(self, amount: float) -> bool:
        return self.limit is None or self.spent + self._reserved + amount <= self.limit

    def _hold(self, amount: float) -> Reservation:
        made = Reservation(self.log.reserve(amount) if self.log is not None and amount else None, amount)
        self._reserved += amount
        return made

    def charge(self, reservation: Reservation, request: ChatRequest, response: ChatResponse) -> float | None:
        """Replaces a reservation by the real cost, and returns this; None where the price is not known.

        Where the endpoint does not count tokens, the budget counts the whole reservation.
        """
        with self._lock:
            cost = self._cost(response.prompt_tokens, response.new_tokens)
            self._settle(reservation)
            if cost > reservation.amount * (1 + 1e-9):
                self._n_as_expected = {False: 0, True: 0}
            else:
                self._n_as_expected[request.n_images > 0] += 1
            return self._count(reservation, request, response)

    def _count(self, reservation: Reservation | None, request: ChatRequest, response: ChatResponse) -> float | None:
        """Counts and records the cost of a response; where its tokens were not counted, that of its reservation."""
        cost = self._cost(response.prompt_tokens, response.new_tokens)
        least = reservation.amount if reservation is not None and self.limit is not None and not response.counted else 0
        counted = max(cost, least)
        self.spent += counted
        self._ratio = max(self._ratio, response.prompt_tokens / max(1, self._largest(request)))
        self._most_prompt = max(self._most_prompt, response.prompt_tokens)
        self._most_new = max(self._most_new, response.new_tokens)
        if self.log is not None:
            self.log.add(None if reservation is None else reservation.id, response, counted if self.price else None)
        return None if self.price is None else cost

    def charge_lost(self, reservation: Reservation) -> bool:
        """Counts a lost response, which may be billed, as spent, and reserves the same amount for a retry.

        False where the retry does not fit into the limit; the reservation is then settled.
        """
        with self._lock:
            amount, reservation.in_transit = reservation.amount, False
            self.spent += amount
            fits = self.limit is None or self.spent + self._reserved <= self.limit
            if self.log is not None and amount:
                self.log.lose(reservation.id, amount)
                if fits:
                    reservation.id = self.log.reserve(amount)
            if not fits:
                self._settle(reservation)
            return fits

    def end(self, reservation: Reservation) -> None:
        """Settles the reservation of a request without a response: nothing was billed unless it was in transit."""
        with self._lock:
            if reservation.settled:
                return
            self._settle(reservation)
            if reservation.in_transit:
                self.spent += reservation.amount
            if self.log is not None and reservation.id is not None:
                if reservation.in_transit:
                    self.log.lose(reservation.id, reservation.amount)
                else:
                    self.log.release(reservation.id)

    def _settle(self, reservation: Reservation) -> None:
        reservation.settled = True
        self._reserved -= reservation.amount

    def _largest(self, request: ChatRequest) -> int:
        return max(request.prompt_tokens, request.most_prompt_tokens)

    def _cost(self, prompt_tokens: float, new_tokens: float) -> float:
        return 0.0 if self.price is None else self.price.cost(prompt_tokens, new_tokens)

    def error(self) -> BudgetReached:
        """The error to raise where a request does not fit: what was spent, and how to continue."""
        return BudgetReached(
            f"the budget of ${self.limit or 0.0:.6g} is reached (${self.spent:.4f} spent, lost responses and those of "
            "earlier commands included); responses so far are stored; run again with a larger budget to resume"
        )

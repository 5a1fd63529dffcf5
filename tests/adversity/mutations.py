"""Mutations of real files and values, the same ones at every run."""

from __future__ import annotations

import copy
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

ODD: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**400,
    float("nan"),
    float("inf"),
    "",
    "\0",
    "\u202e",
    "../../etc/passwd",
    "=1+1",
    [],
    {},
    [None],
    {"": None},
    [[[[[[]]]]]],
    "x" * 10_000,
)
"""Values that take the place of others."""


def of_bytes(content: bytes, n: int, seed: int = 0) -> Iterator[bytes]:
    """Flipped, cut, doubled, removed and exchanged pieces of a file."""
    rng = random.Random(seed)
    for _ in range(n):
        made = bytearray(content)
        for _ in range(rng.choice((1, 1, 1, 4, 16))):
            place = rng.randrange(len(made)) if made else 0
            end = min(len(made), place + rng.choice((1, 2, 8, 64)))
            match rng.randrange(7):
                case 0:
                    made[place:end] = bytes(rng.randrange(256) for _ in range(end - place))
                case 1:
                    del made[place:]
                case 2:
                    del made[place:end]
                case 3:
                    made[place:place] = made[place:end] * rng.choice((1, 2, 50))
                case 4:
                    made[place:end] = bytes(end - place)
                case 5:
                    made[place:place] = rng.choice(
                        (b"{", b"[" * 300, b'"', b"\n", b"\xff", b"\0", b"-", b"1e999", b"\\ud800")
                    )
                case _:
                    made[place:end] = b"\xff" * (end - place)
        yield bytes(made)


def of_value(value: Any, n: int, seed: int = 0) -> Iterator[Any]:
    """Keys removed, values exchanged for others, and nesting added, one to three times."""
    rng = random.Random(seed)
    for _ in range(n):
        made = copy.deepcopy(value)
        for _ in range(rng.choice((1, 1, 2, 3))):
            made = _changed(made, rng)
        yield made


def _changed(value: Any, rng: random.Random) -> Any:
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = rng.choice(list(value))
        match rng.randrange(4):
            case 0:
                del value[key]
            case 1:
                value[key] = copy.deepcopy(rng.choice(ODD))
            case 2:
                value[key] = copy.deepcopy(value[rng.choice(list(value))])
            case _:
                value[key] = _changed(value[key], rng)
        return value
    if isinstance(value, list) and value and rng.random() < 0.9:
        place = rng.randrange(len(value))
        value[place] = _changed(value[place], rng)
        return value
    return rng.choice((copy.deepcopy(rng.choice(ODD)), [value], {"value": value}))


class TooManySteps(AssertionError):
    """More function calls than the input allows."""


@contextmanager
def at_most(calls: int) -> Iterator[None]:
    """Fails where the block makes more function calls than this: a bound on the work that no clock decides."""
    left = calls

    def count(frame: Any, event: str, argument: Any) -> None:
        nonlocal left
        left -= event in ("call", "c_call")
        if left < 0:
            sys.setprofile(None)
            raise TooManySteps(f"more than {calls} calls")

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(before)

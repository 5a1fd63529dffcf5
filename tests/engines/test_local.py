"""The local engine's stream of requests: order, failed preparations, and requests that are taken back."""

from __future__ import annotations

import threading
from collections.abc import Iterator

from cambrian_eval.engines.local import Job, LocalEngine
from cambrian_eval.sample import Request


class Jobs:
    """A `Source` of jobs; every seventh cannot be prepared."""

    def __init__(self, n: int) -> None:
        self._left: Iterator[int] = iter(range(n))

    def take(self, wait: bool) -> Job | None:
        """The next job."""
        number = next(self._left, None)
        return None if number is None else Job(str(number), lambda decode: prepared(number))


def prepared(number: int) -> Request:
    """The request of a job; those in between take longer than others."""
    sum(range(20_000 * (number % 3)))
    if number % 7 == 6:
        raise ValueError(f"{number} is broken")
    return Request(str(number), "docvqa", "on", "?", (), 0, 8, "")


def test_requests_come_in_order_and_failed_preparations_are_responses() -> None:
    stream = LocalEngine(workers=3, lookahead=16).stream(Jobs(100), threading.Event(), decode=True)
    assert [int(r.id) for r in stream] == [i for i in range(100) if i % 7 != 6]
    failed = {c.response.id: c.response.error for c in stream.take_failed()}
    assert failed == {str(i): f"ValueError: {i} is broken" for i in range(6, 100, 7)}
    assert stream.exhausted
    stream.close()


def test_a_request_that_is_taken_back_is_not_handed_out() -> None:
    stream = LocalEngine(workers=2, lookahead=8).stream(Jobs(60), threading.Event(), decode=True)
    pulled, back = [], []
    for request in stream:
        pulled.append(request.id)
        if len(pulled) % 5 == 0:
            back += stream.take_back(3)
    failed = [c.response.id for c in stream.take_failed()]
    assert len(back) > 10
    assert sorted([*pulled, *back, *failed], key=int) == [str(i) for i in range(60)]
    stream.close()


def test_a_closed_stream_gives_its_waiting_requests_back() -> None:
    stream = LocalEngine(workers=2, lookahead=8).stream(Jobs(60), threading.Event(), decode=True)
    first = next(stream).id
    stream.close()
    assert [first, *sorted(stream.take_back(stream.waiting), key=int)] == [str(i) for i in range(8)]

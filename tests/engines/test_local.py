"""The local engine's stream of requests: order, failed preparations, and requests that are taken back."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

from cambrian_eval.engines.local import Job, LocalEngine
from cambrian_eval.image import LazyImage
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
    time.sleep(0.006 * (number % 3))
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
    pulled = [next(stream).id, next(stream).id, next(stream).id]
    stream.close()
    back = sorted(stream.take_back(stream.waiting), key=int)
    assert back and [*pulled, *back] == [str(i) for i in range(3 + len(back))]


class Counted:
    """A `Source` of jobs that are prepared at once and counted."""

    def __init__(self, n: int) -> None:
        self._left: Iterator[int] = iter(range(n))
        self.prepared_by: list[str] = []

    def take(self, wait: bool) -> Job | None:
        """The next job."""
        number = next(self._left, None)
        return None if number is None else Job(str(number), lambda decode: self._prepared(number))

    def _prepared(self, number: int) -> Request:
        self.prepared_by.append(threading.current_thread().name)
        return Request(str(number), "docvqa", "on", "?", (), 0, 8, "")


def test_requests_are_prepared_while_a_slow_model_works() -> None:
    jobs = Counted(40)
    stream = LocalEngine(workers=2, lookahead=8).stream(jobs, threading.Event(), decode=True)
    for pulled, _ in enumerate(stream, 1):
        time.sleep(0.02)
        if pulled == 5:
            break
    assert len(jobs.prepared_by) > 5
    stream.close()


def test_nothing_waits_for_a_quick_model() -> None:
    jobs = Counted(2000)
    stream = LocalEngine(workers=2, lookahead=8).stream(jobs, threading.Event(), decode=True)
    waiting = [stream.waiting for _ in stream]
    assert len(waiting) == len(jobs.prepared_by) == 2000
    assert waiting.count(0) > 1000  # not all: a pause of the machine looks like a slow model
    stream.close()


def test_an_image_that_cannot_be_loaded_fails_its_request_alone() -> None:
    class Damaged(Jobs):
        def take(self, wait: bool) -> Job | None:
            number = next(self._left, None)
            return None if number is None else Job(str(number), lambda decode: self._request(number))

        def _request(self, number: int) -> Request:
            time.sleep(0.01)
            images = (LazyImage.unreadable("damaged"),) if number == 9 else ()
            return Request(str(number), "docvqa", "on", "?", images, 0, 8, "")

    stream = LocalEngine(workers=2, lookahead=8).stream(Damaged(20), threading.Event(), decode=True)
    pulled: list[str] = []
    model = threading.Thread(target=lambda: pulled.extend(r.id for r in stream), daemon=True)
    model.start()
    model.join(60)
    assert pulled == [str(i) for i in range(20) if i != 9]
    assert [c.response.error for c in stream.take_failed()] == ["ValueError: damaged"]
    stream.close()

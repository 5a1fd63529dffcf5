"""The bookkeeping of many replicas, tested with many orders of events."""

from __future__ import annotations

import itertools
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.engines.dispatch import MAX_QUEUED, Dispatcher, ReplicaSlot
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.messages import PendingRequest, ReplicaResponse, batches
from cambrian_eval.engines.prefetch import Prefetcher
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request, Response


def job(i: int, made_image: bytes | None = None) -> Job:
    images = () if made_image is None else (LazyImage.of(made_image).fetched(),)  # type: ignore[union-attr]
    request = Request(str(i), "docvqa", "on", f"question {i}", images, 0, 8, f"key {i}")
    return Job(str(i), lambda decode: request)


def groups_of(jobs: list[Job]) -> list[list[PendingRequest]]:
    """The groups that a prefetcher makes of jobs."""
    prefetcher = Prefetcher(jobs, itertools.count(), 2, 1 << 20)
    found = []
    while prefetcher.wait(60) and not prefetcher.exhausted:
        found.append(group := prefetcher.take())
        assert group
    prefetcher.close()
    return found


class AllRead:
    """A source whose groups have all been read, so that a test decides alone what happens when."""

    def __init__(self, jobs: list[Job]) -> None:
        self.groups = groups_of(jobs)

    def take(self) -> list[PendingRequest] | None:
        return self.groups.pop(0) if self.groups else None

    @property
    def empty(self) -> bool:
        return not self.groups

    exhausted = empty

    def close(self) -> None:
        self.groups.clear()


def returned(ticket: int, identity: str) -> ReplicaResponse:
    return ReplicaResponse(ticket, Response(identity, f"answer {identity}"), True)


@settings(max_examples=150)
@given(st.data())
def test_every_request_gets_one_response_and_only_fatal_ones_fail(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 60))
    fatal_ids = data.draw(st.sets(st.integers(0, max(0, n - 1)), max_size=3)) if n else set()
    images = data.draw(st.integers(1, 8))
    slots = [ReplicaSlot(i, ready=True) for i in range(data.draw(st.integers(1, 4)))]
    jobs = [job(i, b"%d" % (i * images // max(1, n))) for i in range(n)]
    dispatcher = Dispatcher(slots, AllRead(jobs), max_replica_failures=3, repeat=True)
    completed: list[Completed] = []
    now = 0.0
    for _ in range(4000):
        if dispatcher.done:
            break
        now += data.draw(st.sampled_from([0.1, 3.0]))
        slot = data.draw(st.sampled_from(slots))
        if not slot.ready:
            slot.ready = True
        dispatcher.next_requests(slot, now)
        dispatcher.repeat(slot, now)
        if (found := dispatcher.most_loaded()) is not None and data.draw(st.booleans()):
            victim, most = found
            held = list(victim.in_flight)[len(victim.in_flight) - min(most, victim.n_queued) :]
            dispatcher.reassign(victim, list(reversed(held)))
        if not slot.in_flight and not slot.superseded:
            continue
        if int(next(iter(slot.in_flight.values())).request.id) in fatal_ids if slot.in_flight else False:
            completed += dispatcher.replica_failed(slot, "its process ended")
            continue
        if slot.superseded:
            completed += dispatcher.record(slot, [returned(min(slot.superseded), "late")], now)
            continue
        many = data.draw(st.integers(1, len(slot.in_flight)))
        done = []
        for ticket, item in itertools.islice(list(slot.in_flight.items()), many):
            if int(item.request.id) in fatal_ids:
                break
            done.append(returned(ticket, item.request.id))
        completed += dispatcher.record(slot, done, now)
        slot.n_queued = len(slot.in_flight)
    assert dispatcher.done
    assert Counter(a.response.id for a in completed) == Counter(str(i) for i in range(n))
    failed = {int(a.response.id) for a in completed if a.response.finish == "failed"}
    assert failed == fatal_ids
    for error in (a.response.error for a in completed if a.response.error):
        count, words = error.split(" ", 1)
        assert int(count) >= 3 and words == "replicas failed on this request: its process ended"
    assert all(a.response.text == f"answer {a.response.id}" for a in completed if not a.response.error)


def test_questions_about_one_image_are_sent_to_one_replica_with_one_copy_of_it() -> None:
    jobs = [job(i, b"image %d" % (i // 20)) for i in range(240)]
    slots = [ReplicaSlot(0, ready=True), ReplicaSlot(1, ready=True)]
    dispatcher = Dispatcher(slots, AllRead(jobs), 3, True)
    where: dict[str, set[int]] = {}
    for slot in itertools.cycle(slots):
        given = dispatcher.next_requests(slot, 0.0)
        if not given:
            break
        assert MAX_QUEUED <= len(given) < MAX_QUEUED + 20
        assert len(batches(given)) == len(given) // 20 and all(len(p.images) == 1 for p in batches(given))
        for item in given:
            where.setdefault(item.image_hashes[0], set()).add(slot.number)
        dispatcher.record(slot, [returned(t, i.request.id) for t, i in list(slot.in_flight.items())], 1.0)
        slot.n_queued = 0
    assert len(where) == 12 and all(len(s) == 1 for s in where.values())


def test_a_slow_replica_loses_waiting_requests_first_and_then_has_its_in_flight_ones_repeated() -> None:
    slow, quick = slots = [ReplicaSlot(0, ready=True), ReplicaSlot(1, ready=True)]
    dispatcher = Dispatcher(slots, AllRead([job(i) for i in range(9)]), 3, True)
    assert len(dispatcher.next_requests(slow, 0.0)) == 9
    assert dispatcher.next_requests(quick, 0.0) == []
    slow.n_queued = 6  # three were pulled by the model
    assert dispatcher.most_loaded() == (slow, 3)
    dispatcher.reassign(slow, list(reversed(list(slow.in_flight)))[:3])
    moved = dispatcher.next_requests(quick, 0.0)
    assert [i.request.id for i in moved] == ["6", "7", "8"]
    quick.n_queued = 0
    completed = dispatcher.record(quick, [returned(i.ticket, i.request.id) for i in moved], 0.3)
    slow.n_queued = slow.n_prepared = 0
    assert dispatcher.repeat(quick, 0.5) == []  # it is not late yet
    again = dispatcher.repeat(quick, 30.0)
    assert [i.request.id for i in again] == ["3", "4", "5"]
    quick.n_queued = 0
    completed += dispatcher.record(quick, [returned(i.ticket, i.request.id) for i in again], 31.0)
    assert dispatcher.next_requests(slow, 31.0) == []  # still works on superseded requests
    completed += dispatcher.record(slow, [returned(t, "late") for t in list(slow.superseded)], 32.0)
    completed += dispatcher.record(slow, [returned(t, i.request.id) for t, i in list(slow.in_flight.items())], 33.0)
    assert sorted(a.response.id for a in completed) == [str(i) for i in range(9)]
    assert dispatcher.done


def test_after_a_stop_no_request_is_sent() -> None:
    slot = ReplicaSlot(0, ready=True)
    dispatcher = Dispatcher([slot], AllRead([job(i) for i in range(100)]), 3, True)
    assert len(dispatcher.next_requests(slot, 0.0)) == MAX_QUEUED
    dispatcher.stop()
    dispatcher.reassign(slot, list(slot.in_flight)[4:])
    assert dispatcher.next_requests(slot, 0.0) == [] and not dispatcher.done
    dispatcher.record(slot, [returned(t, i.request.id) for t, i in list(slot.in_flight.items())], 1.0)
    assert dispatcher.done


def test_a_prefetcher_groups_requests_by_image_and_reports_those_it_cannot_prepare() -> None:
    def broken(decode: bool) -> Request:
        raise OSError("no such image")

    jobs = [job(0, b"a"), job(1, b"a"), Job("2", broken), job(3, b"b"), job(4), job(5)]
    prefetcher = Prefetcher(jobs, itertools.count(), 2, 1 << 20)
    groups, failed = [], []
    while prefetcher.wait(60) and not prefetcher.exhausted:
        failed += prefetcher.take_failed()
        if (group := prefetcher.take()) is not None:
            groups.append([item.request.id for item in group])
    assert groups == [["0", "1"], ["3"], ["4"], ["5"]]
    assert [(c.request, c.response.error) for c in failed] == [(None, "OSError: no such image")]


def test_a_prefetcher_can_be_closed_while_it_reads() -> None:
    endless = (job(i, b"image %d" % i) for i in itertools.count())
    prefetcher = Prefetcher(endless, itertools.count(), 2, 16)
    assert prefetcher.wait(60) and prefetcher.take()
    prefetcher.close()
    assert prefetcher.take() is None and prefetcher.exhausted

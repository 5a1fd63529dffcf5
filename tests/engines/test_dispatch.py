"""The bookkeeping of many replicas, driven through every order of events that a cluster could come up with."""

from __future__ import annotations

import itertools
import time
from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from cambrian_eval.engines.dispatch import QUEUE, Dispatch, Seat
from cambrian_eval.engines.local import Completed, Job
from cambrian_eval.engines.parcels import Settled, parcels
from cambrian_eval.engines.supply import Supply
from cambrian_eval.image import LazyImage
from cambrian_eval.sample import Request, Response


def job(i: int, made_image: bytes | None = None) -> Job:
    images = () if made_image is None else (LazyImage.of(made_image).fetched(),)  # type: ignore[union-attr]
    request = Request(str(i), "docvqa", "on", f"question {i}", images, 0, 8, f"key {i}")
    return Job(str(i), lambda decode: request)


def supply_of(jobs: list[Job]) -> Supply:
    """A supply that has read everything."""
    supply = Supply(jobs, itertools.count(), 2, 1 << 20)
    while not supply._done:
        time.sleep(0.001)
    return supply


def reply(ticket: int, identity: str) -> Settled:
    return Settled(ticket, Response(identity, f"answer {identity}"), True)


@settings(max_examples=150)
@given(st.data())
def test_everything_is_answered_once_and_only_killers_fail(data: st.DataObject) -> None:
    n = data.draw(st.integers(0, 60))
    killers = data.draw(st.sets(st.integers(0, max(0, n - 1)), max_size=3)) if n else set()
    images = data.draw(st.integers(1, 8))
    seats = [Seat(i, ready=True) for i in range(data.draw(st.integers(1, 4)))]
    jobs = [job(i, b"%d" % (i * images // max(1, n))) for i in range(n)]
    dispatch = Dispatch(seats, supply_of(jobs), deaths=3, repeat=True)
    answers: list[Completed] = []
    now = 0.0
    for _ in range(4000):
        if dispatch.done:
            break
        now += data.draw(st.sampled_from([0.1, 3.0]))
        seat = data.draw(st.sampled_from(seats))
        if not seat.ready:
            seat.ready = True
        dispatch.work_for(seat, now)
        dispatch.repeat(seat, now)
        if (found := dispatch.victim()) is not None and data.draw(st.booleans()):
            victim, most = found
            held = list(victim.held)[len(victim.held) - min(most, victim.queued) :]
            dispatch.gave_back(victim, list(reversed(held)))
        if not seat.held and not seat.stale:
            continue
        if int(next(iter(seat.held.values())).request.id) in killers if seat.held else False:
            answers += dispatch.died(seat, "its process ended")
            continue
        if seat.stale:
            answers += dispatch.settled(seat, [reply(min(seat.stale), "late")], now)
            continue
        many = data.draw(st.integers(1, len(seat.held)))
        done = []
        for ticket, item in itertools.islice(list(seat.held.items()), many):
            if int(item.request.id) in killers:
                break
            done.append(reply(ticket, item.request.id))
        answers += dispatch.settled(seat, done, now)
        seat.queued = len(seat.held)
    assert dispatch.done
    assert Counter(a.response.id for a in answers) == Counter(str(i) for i in range(n))
    failed = {int(a.response.id) for a in answers if a.response.finish == "failed"}
    assert failed == killers
    assert all(a.response.error == "ended 3 replicas: its process ended" for a in answers if a.response.error)
    assert all(a.response.text == f"answer {a.response.id}" for a in answers if not a.response.error)


def test_questions_of_a_image_go_to_one_replica_and_travel_with_it_once() -> None:
    jobs = [job(i, b"image %d" % (i // 20)) for i in range(200)]
    dispatch = Dispatch(seats := [Seat(0, ready=True), Seat(1, ready=True)], supply_of(jobs), 3, True)
    where: dict[str, set[int]] = {}
    for seat in itertools.cycle(seats):
        given = dispatch.work_for(seat, 0.0)
        if not given:
            break
        assert QUEUE <= len(given) < QUEUE + 20
        assert len(parcels(given)) == 2 and all(len(p.images) == 1 for p in parcels(given))
        for item in given:
            where.setdefault(item.shows[0], set()).add(seat.number)
        dispatch.settled(seat, [reply(t, i.request.id) for t, i in list(seat.held.items())], 1.0)
        seat.queued = 0
    assert len(where) == 10 and all(len(s) == 1 for s in where.values())


def test_a_straggler_is_relieved_first_of_what_waits_then_of_what_it_holds() -> None:
    dispatch = Dispatch(
        seats := [Seat(0, ready=True), Seat(1, ready=True)], supply_of([job(i) for i in range(9)]), 3, True
    )
    slow, quick = seats
    assert len(dispatch.work_for(slow, 0.0)) == 9
    assert dispatch.work_for(quick, 0.0) == []
    slow.queued = 6  # three are with the model
    assert dispatch.victim() == (slow, 3)
    dispatch.gave_back(slow, list(reversed(list(slow.held)))[:3])
    moved = dispatch.work_for(quick, 0.0)
    assert [i.request.id for i in moved] == ["6", "7", "8"]
    quick.queued = 0
    answers = dispatch.settled(quick, [reply(i.ticket, i.request.id) for i in moved], 0.3)
    slow.queued = slow.waiting = 0
    assert dispatch.repeat(quick, 0.5) == []  # no reason yet to think that it lags
    again = dispatch.repeat(quick, 30.0)
    assert [i.request.id for i in again] == ["3", "4", "5"]
    quick.queued = 0
    answers += dispatch.settled(quick, [reply(i.ticket, i.request.id) for i in again], 31.0)
    assert dispatch.work_for(slow, 31.0) == []  # still busy with what is answered already
    answers += dispatch.settled(slow, [reply(t, "late") for t in list(slow.stale)], 32.0)
    answers += dispatch.settled(slow, [reply(t, i.request.id) for t, i in list(slow.held.items())], 33.0)
    assert sorted(a.response.id for a in answers) == [str(i) for i in range(9)]
    assert dispatch.done


def test_after_a_stop_nothing_more_goes_out() -> None:
    dispatch = Dispatch([seat := Seat(0, ready=True)], supply_of([job(i) for i in range(100)]), 3, True)
    assert len(dispatch.work_for(seat, 0.0)) == QUEUE
    dispatch.stop()
    dispatch.gave_back(seat, list(seat.held)[4:])
    assert dispatch.work_for(seat, 0.0) == [] and not dispatch.done
    dispatch.settled(seat, [reply(t, i.request.id) for t, i in list(seat.held.items())], 1.0)
    assert dispatch.done

"""A worker's rounds when the database is slow or away, and when bulletins share a number."""

from __future__ import annotations

import asyncio
import time
from collections import Counter

import pytest
import sqlalchemy as sa
from sqlalchemy import exc

from broadcaster.bootstrap import SystemClock
from broadcaster.core.delivery import State
from broadcaster.services import dispatch, outcomes
from broadcaster.storage import pacing
from broadcaster.testing import FakeProvider
from tests.world import World, make_runtime, phone, populate

#: Nothing takes so long, unless it never comes to an end.
_LONGEST = 60.0


@pytest.fixture
def newsroom(database_url, tmp_path):
    """A newsroom by the real clock, whose numbers send ten messages a second."""
    clock = SystemClock()
    provider = FakeProvider(clock=clock)
    rates = {"BROADCASTER_SENDING__WHATSAPP_RATE": "10", "BROADCASTER_SENDING__SMS_RATE": "10"}
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **rates):
        populate(runtime)
        yield World(runtime, clock, provider)


def send(world, goes_on=lambda: True) -> int:
    until = time.monotonic() + _LONGEST
    return asyncio.run(
        dispatch.send_waiting(world.runtime, goes_on=lambda: goes_on() and time.monotonic() < until)
    )


@pytest.mark.parametrize("seconds", [0.04, 0.1])
def test_a_slow_disk_makes_sending_slower_but_not_stop(newsroom, seconds):
    """A hand-over that is not committed by its slot has lost it: then it begins earlier."""
    for number in range(12):
        newsroom.text(phone(number), "NRC AAN")
    number = newsroom.bulletin()
    newsroom.start()
    sa.event.listen(newsroom.runtime.writer, "commit", lambda _connection: time.sleep(seconds))

    send(newsroom)

    assert newsroom.report(number).by_state == {State.ACCEPTED: 12}
    # Most come in their first slots, as soon as it is known how long the database takes.
    assert sum(one.attempt for one in newsroom.deliveries()) < 2 * 12


def test_a_bulletin_goes_out_beside_a_longer_one_on_the_same_number(newsroom):
    for number in range(20):
        newsroom.text(phone(number), "NRC AAN")
    newsroom.text(phone(20), "SPORT AAN")
    long, short = newsroom.bulletin("NRC"), newsroom.bulletin("SPORT")
    newsroom.start()

    send(newsroom, lambda: newsroom.report(short).of(State.QUEUED) > 0)

    assert newsroom.report(short).by_state == {State.ACCEPTED: 1}
    assert newsroom.report(long).of(State.QUEUED) > 0


@pytest.mark.parametrize(
    "kind", [exc.OperationalError, exc.InternalError, exc.InterfaceError, exc.TimeoutError]
)
def test_an_answer_is_kept_until_it_is_written_down(newsroom, monkeypatch, kind):
    """The disk was full, all connections were taken, or the server had just become read-only."""
    for number in range(3):
        newsroom.text(phone(number), "NRC AAN")
    number = newsroom.bulletin()
    newsroom.start()
    write, tries = outcomes.write_down, Counter()

    def fail_twice(runtime, results):
        tries[kind] += 1
        if tries[kind] <= 2:
            raise (
                kind("away") if kind is exc.TimeoutError else kind("COMMIT", {}, Exception("away"))
            )
        write(runtime, results)

    monkeypatch.setattr(outcomes, "write_down", fail_twice)
    send(newsroom)

    assert newsroom.report(number).by_state == {State.ACCEPTED: 3}
    assert len(newsroom.recipients()) == 3


@pytest.mark.parametrize("stop", [False, True])
def test_what_is_claimed_does_not_leave_once_its_sender_was_told_to_wait(world, stop):
    """Another bulletin's request may have been the one that was told so."""
    world.text(phone(0), "NRC AAN")
    world.bulletin()
    world.start()
    (ready,) = world.claim()
    sender, now = ready.claim.lot.sender_id, world.clock.now()
    with world.runtime.transaction() as session:
        if stop:
            pacing.stop(session, sender, 63007)
        else:
            pacing.push_back(session, sender, least=30.0, jitter=0.0, now=now)

    assert world.hand_over([ready]) == []

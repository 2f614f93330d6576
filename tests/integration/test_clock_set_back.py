"""The clock is set back while a bulletin goes out: nobody waits for the moments it had told before."""

from __future__ import annotations

from datetime import timedelta

import pytest

from broadcaster.core.delivery import State
from broadcaster.core.messages import Accepted, Deferred, Unknown
from broadcaster.services import brakes
from broadcaster.storage import pacing, unknowns
from broadcaster.storage.models import Delivery
from broadcaster.testing import START
from tests.world import phone

SENDER = 1
BUSY = Deferred(retry_after=1.0, named=True)
HOUR = timedelta(hours=1)


@pytest.fixture
def begun(world):
    """A bulletin to three people that is going out."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    world.number = world.bulletin()
    world.start()
    return world


def push_back(world, seconds, now=START):
    with world.runtime.transaction() as session:
        pacing.push_back(session, SENDER, least=seconds, jitter=0.0, now=now)


def is_standing(world, now) -> bool:
    with world.runtime.reading() as session:
        return pacing.is_standing(session, SENDER, now)


def test_whoever_was_put_back_goes_on_at_once_after_the_clock_was_set_back(begun):
    begun.write_down(begun.hand_over(begun.claim()), lambda _ready: BUSY)
    assert begun.claim() == []

    begun.clock.advance(hours=-1)
    handed = begun.hand_over(begun.claim())
    begun.write_down(handed, lambda ready: Accepted(sid=f"SM{ready.claim.delivery_id:032x}"))

    assert begun.states() == [State.ACCEPTED] * 3


def test_whoever_was_put_back_goes_behind_those_who_were_not_tried_yet(begun):
    first = begun.claim(limit=1)
    begun.write_down(begun.hand_over(first), lambda _ready: Deferred(retry_after=0.0))
    (tried,) = [one.claim.delivery_id for one in first]

    following = [one.claim.delivery_id for one in begun.claim(limit=2)]

    assert sorted([tried, *following]) == [one.id for one in begun.deliveries()]


def test_whoever_was_put_back_more_often_goes_last(begun):
    def put_back(ready):
        begun.write_down(begun.hand_over(ready), lambda _ready: Deferred(retry_after=0.0))
        return [one.claim.delivery_id for one in ready]

    rounds = [put_back(begun.claim(limit=1)) for _ in range(6)]

    assert rounds[:3] == rounds[3:]
    assert len({number for one in rounds for number in one}) == 3


def test_a_pause_lasts_as_long_as_it_was_meant_to(world):
    push_back(world, 60)

    assert is_standing(world, START)
    assert is_standing(world, START + timedelta(seconds=59))
    assert not is_standing(world, START + timedelta(seconds=60))


def test_a_pause_of_an_earlier_clock_is_none(world):
    push_back(world, 60)

    assert not is_standing(world, START - HOUR)
    assert not is_standing(world, START - timedelta(seconds=50))


def test_the_clock_of_another_worker_may_be_a_little_ahead(world):
    push_back(world, 1, now=START + timedelta(seconds=2))

    assert is_standing(world, START)


def test_a_pause_of_an_earlier_clock_does_not_lengthen_a_new_one(world):
    push_back(world, 1)
    push_back(world, 1, now=START - HOUR)

    assert is_standing(world, START - HOUR)
    assert not is_standing(world, START - HOUR + timedelta(seconds=1))


def test_a_shorter_pause_does_not_shorten_a_longer_one(world):
    push_back(world, 60)
    push_back(world, 1, now=START + timedelta(seconds=5))

    assert is_standing(world, START + timedelta(seconds=59))
    assert not is_standing(world, START + timedelta(seconds=60))


@pytest.mark.parametrize("again", ["decided", "continued"])
def test_whoever_a_person_sends_to_again_does_not_wait_for_an_earlier_clock(begun, again):
    begun.write_down(begun.hand_over(begun.claim()), lambda _ready: Unknown(reason="timeout"))
    with begun.runtime.transaction() as session:
        if again == "decided":
            unknowns.hold_all(session, begun.clock.now(), 10)
            brakes.send_held_again(session, begun.runtime, begun.number, now=begun.clock.now())
        else:
            for one in begun.deliveries():
                unknowns.send_again(session, session.get_one(Delivery, one.id), begun.clock.now())
    begun.clock.advance(hours=-1)

    assert len(begun.claim()) == 3

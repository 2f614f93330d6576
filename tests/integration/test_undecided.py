"""Those of whom nobody knows whether they have it: only a person has it sent to them again."""

from __future__ import annotations

from contextlib import contextmanager

import pytest

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.core.errors import Conflict
from broadcaster.core.messages import Unknown
from broadcaster.services import brakes
from broadcaster.storage import deliveries, pacing, tallies
from broadcaster.storage.models import Bulletin
from broadcaster.testing import accept
from tests.world import World, make_runtime, phone, populate


@pytest.fixture
def world(database_url, tmp_path, clock, provider):
    """A newsroom whose operator chose that a person decides."""
    hold = {"BROADCASTER_SENDING__ON_UNCERTAIN": "hold"}
    opened = contextmanager(make_runtime)(database_url, tmp_path / "home", clock, provider, **hold)
    with opened as runtime:
        populate(runtime)
        yield World(runtime, clock, provider)


@pytest.fixture
def undecided(world):
    """A finished bulletin of six people, half of whom may have it or not."""
    for number in range(6):
        world.text(phone(number), "NRC AAN")
    lost = {phone(number) for number in (0, 2, 4)}

    def answer(message):
        if message.recipient.wire in lost:
            return Unknown(reason="timeout")
        return accept(message)

    world.provider.answer = answer
    number = world.bulletin()
    world.send()
    assert world.report(number).by_state == {State.ACCEPTED: 3, State.HELD: 3}
    assert world.report(number).bulletin.state == BulletinState.FINISHED
    world.provider.answer = accept
    return number


def again(world, number):
    """Let an editor say that it is sent again."""
    now = world.clock.now()
    return world.runtime.run(
        lambda session: brakes.send_held_again(session, world.runtime, number, now=now)
    )


def adds_up(world, number) -> bool:
    with world.runtime.reading() as session:
        counted, kept = deliveries.counts(session, number), tallies.of(session, number)
    return {key: n for key, n in counted.items() if n} == kept


def test_nobody_gets_it_again_by_itself(world, undecided):
    for _tick in range(3):
        world.clock.advance(minutes=5)
        world.send()

    assert len(world.recipients()) == 6


def test_at_a_persons_word_these_get_it_once_more_and_nobody_else(world, undecided):
    again(world, undecided)
    assert adds_up(world, undecided)
    world.send()

    report = world.report(undecided)
    assert sorted(world.recipients()[6:]) == [phone(0), phone(2), phone(4)]
    assert report.by_state == {State.ACCEPTED: 6}
    assert report.bulletin.state == BulletinState.FINISHED
    assert adds_up(world, undecided)


def test_consent_is_decided_anew(world, undecided):
    world.text(phone(2), "STOP")
    again(world, undecided)
    world.send()

    report = world.report(undecided)
    assert phone(2) not in world.recipients()[6:]
    assert report.skipped == {SkipReason.LEFT.value: 1}


def test_a_second_press_finds_nobody(world, undecided):
    again(world, undecided)
    world.send()

    with pytest.raises(Conflict):
        again(world, undecided)
    assert len(world.recipients()) == 9


def test_after_its_end_nobody_gets_it_again(world, undecided):
    world.clock.advance(hours=4)

    with pytest.raises(Conflict):
        again(world, undecided)
    assert world.report(undecided).of(State.HELD) == 3


def test_of_a_stopped_bulletin_nobody_gets_it_again(world, undecided):
    with world.runtime.transaction() as session:
        session.get(Bulletin, undecided).state = BulletinState.CANCELLED.value

    with pytest.raises(Conflict):
        again(world, undecided)


def test_a_bulletin_that_a_person_continues_starts_a_number_that_another_one_stopped(world):
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    with world.runtime.transaction() as session:
        pacing.stop(session, 1, 20003)
        pacing.stop(session, 2, 20003)
    world.send()
    now = world.clock.now()
    world.runtime.run(lambda session: brakes.pause(session, number, now=now))
    assert world.recipients() == []

    world.runtime.run(lambda session: brakes.go_on(session, world.runtime, number, now=now))
    world.send()

    assert world.recipients() == [phone(1)]

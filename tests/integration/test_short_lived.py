"""Processes that never live long, as ``worker --once`` from cron: what nobody knows still ends."""

from __future__ import annotations

from dataclasses import replace

import pytest

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.messages import Unknown
from broadcaster.runtime import Memory
from broadcaster.services import reconciling, tending
from broadcaster.testing import FakeProvider
from tests.world import phone


@pytest.fixture
def provider(clock) -> FakeProvider:
    return FakeProvider(clock=clock)


def run_once(world) -> None:
    world.runtime = replace(world.runtime, memory=Memory())
    reconciling.look_up_unknown(world.runtime)
    tending.tend(world.runtime)


def test_what_no_process_sees_settle_is_put_before_a_person_within_a_day(world):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    world.provider.answer = lambda _message: Unknown(reason="timeout")
    world.send()
    for _ in range(47):
        world.clock.advance(minutes=30)
        run_once(world)
    assert world.states() == [State.UNKNOWN]

    world.clock.advance(minutes=30)
    run_once(world)

    assert [(one.state, one.reason) for one in world.deliveries()] == [(State.HELD, "unsettled")]
    assert world.bulletin_state(number)[0] == BulletinState.FINISHED

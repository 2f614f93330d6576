"""P11 and P12 while sending: nothing goes out before this process heard and saw that it may."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from broadcaster.core.errors import ListUnreadable
from broadcaster.runtime import Memory
from broadcaster.services import dispatch, readiness
from broadcaster.storage import hearing
from broadcaster.testing import FakeProvider
from tests.restored import backup
from tests.world import World, phone

PEOPLE = 5


class Listing(FakeProvider):
    """A provider whose list of what we sent fails a few times, or takes its time."""

    failures = 0
    seconds = 0.0
    readings = 0

    async def messages(self, *, to=None, sender=None, since):
        if to is None:
            self.readings += 1
            await asyncio.sleep(self.seconds)
            if self.failures:
                self.failures -= 1
                raise ListUnreadable(reason="http_503")
        async for one in super().messages(to=to, sender=sender, since=since):
            yield one


@pytest.fixture
def provider(clock) -> Listing:
    return Listing(clock=clock)


@pytest.fixture
def going(world) -> World:
    """A newsroom whose bulletin has just begun; nobody has it yet."""
    for number in range(PEOPLE):
        world.text(phone(number), "NRC AAN")
    world.bulletin()
    world.start()
    return world


def send(world) -> int:
    return asyncio.run(dispatch.send_waiting(world.runtime))


def requests(world) -> int:
    return len(world.provider.sent)


def test_a_restored_database_is_seen_though_the_list_of_what_was_sent_failed_once(going):
    """That people could be heard says nothing about what was sent."""
    with backup(going) as restore:
        assert send(going) == PEOPLE
        restore()
        going.provider.failures = 1

        for _ in range(3):
            send(going)
            going.runtime.memory.ask_again = float("-inf")

        assert requests(going) == PEOPLE
        assert going.bulletin_state(1) == ("held", "restored")


@pytest.mark.parametrize("later", [0.0, 0.2])
def test_whoever_sends_beside_waits_until_the_database_was_looked_at(going, later):
    """The distributed engine sends four chunks at once in one process, with one memory."""
    with backup(going) as restore:
        assert send(going) == PEOPLE
        restore()
        going.provider.seconds = 0.4

        async def second() -> int:
            await asyncio.sleep(later)
            return await dispatch.send_waiting(going.runtime)

        async def both() -> list[int]:
            return await asyncio.gather(dispatch.send_waiting(going.runtime), second())

        assert asyncio.run(both()) == [0, 0]
        assert requests(going) == PEOPLE


def test_two_that_begin_at_once_ask_the_provider_once(going):
    going.runtime = replace(going.runtime, memory=Memory())
    going.provider.seconds, going.provider.readings = 0.2, 0
    with going.runtime.reading() as session:
        senders = len(hearing.senders(session))

    async def both() -> list[bool]:
        return await asyncio.gather(*(readiness.may_send(going.runtime) for _ in range(4)))

    assert asyncio.run(both()) == [True] * 4
    assert going.provider.readings == senders


def test_one_failure_is_everybodys_who_waits_for_it(going):
    """Who waited does not ask again at once what could not be answered."""
    going.runtime = replace(going.runtime, memory=Memory())
    going.provider.seconds, going.provider.failures, going.provider.readings = 0.2, 1, 0

    async def both() -> list[bool]:
        return await asyncio.gather(*(readiness.may_send(going.runtime) for _ in range(4)))

    assert asyncio.run(both()) == [False] * 4
    assert going.provider.readings == 1
    assert "list_unreadable" in going.incidents()

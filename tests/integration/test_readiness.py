"""P11 and P12 while sending: nothing goes out before this process heard and saw that it may."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import pytest
from sqlalchemy import select

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.messages import Accepted, Deferred, Refused
from broadcaster.runtime import Memory
from broadcaster.services import brakes, claiming, dispatch, heartbeat, letters, readiness
from broadcaster.services.comparing import Stage
from broadcaster.storage import hearing, installation
from broadcaster.storage.models import Delivery
from broadcaster.testing import FakeProvider, accept
from tests.backup import kept
from tests.missed import missed
from tests.restored import backup, compare, go_on
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


@contextmanager
def fallen_back(world):
    """Keep a copy of the database; give a function that puts it back under the living process."""
    world.runtime.database.dispose()
    with kept(world.runtime.settings.database.url) as put_back:

        def fall_back() -> None:
            world.runtime.database.dispose()
            put_back()

        yield fall_back


def beat(world) -> bool:
    return heartbeat.beat(world.runtime)


def is_restored(world) -> bool:
    with world.runtime.reading() as session:
        return installation.is_restored(session)


def test_a_database_that_falls_back_under_a_living_process_sends_nothing_again(going):
    """PostgreSQL failed over to a standby that lagged, or was put back, while a worker lives."""
    with fallen_back(going) as fall_back:
        beat(going)
        assert send(going) == PEOPLE
        fall_back()

        assert send(going) == 0
        assert going.bulletin_state(1) == ("held", "restored")
        assert "restored" in going.incidents()
        beat(going)
        assert compare(going).attributed == PEOPLE


def test_what_was_claimed_before_the_database_fell_back_is_not_handed_over(going):
    """The claims are in the copy; only the hand-overs are forgotten."""
    claimed = going.claim()
    with fallen_back(going) as fall_back:
        beat(going)
        assert len(going.hand_over(claimed)) == PEOPLE
        fall_back()

        assert going.hand_over(claimed) == []
        assert is_restored(going)
        assert going.states() == ["queued"] * PEOPLE


def test_a_heartbeat_that_others_count_on_is_no_sign(going):
    """Several processes share the row; each has seen another number, and none of them a lower one."""
    others = [replace(going.runtime, memory=Memory()) for _ in range(3)]
    for _ in range(3):
        for other in others:
            heartbeat.beat(other)
        beat(going)
    for runtime in (*others, going.runtime, replace(going.runtime, memory=Memory())):
        worker = f"worker {id(runtime)}"
        ready = claiming.claim(runtime, worker=worker, limit=1).ready
        assert len(claiming.hand_over(runtime, worker=worker, ready=ready)) == 1

    assert not is_restored(going)


def test_a_clock_that_was_set_back_is_no_sign(going):
    beat(going)
    going.clock.advance(hours=-3)
    beat(going)

    assert send(going) == PEOPLE
    assert not is_restored(going)


def test_a_heartbeat_beside_a_hand_over_is_no_sign(going, monkeypatch):
    """What this process has seen counts from before the transaction: later it may see more."""
    standing = installation.standing
    is_sqlite = going.runtime.database.dialect.name == "sqlite"

    def slow(session):
        found = standing(session)
        if not is_sqlite:  # where nobody counts on while another transaction may write
            beat(going)
        return found

    beat(going)
    monkeypatch.setattr(installation, "standing", slow)
    assert send(going) == PEOPLE
    assert not is_restored(going)


def test_what_fell_back_and_was_compared_is_found_once(going):
    with fallen_back(going) as fall_back:
        for _ in range(3):
            beat(going)
        send(going)
        fall_back()
        send(going)
        beat(going)
        assert compare(going).stage is Stage.COMPARED

        going.claim()
        assert not is_restored(going)
        assert going.incidents()["restored"] == 1


def pause(world) -> None:
    with world.runtime.transaction() as session:
        brakes.pause(session, 1, now=world.clock.now())


def got(world, text="Goedemorgen!") -> list[str]:
    """Whom a bulletin was sent to; a stop that was missed is answered by a message, too."""
    return sorted(one.recipient.wire for one in world.provider.sent if one.text == text)


@pytest.fixture
def paused(going) -> World:
    """A worker that has heard lives; its bulletin was paused, and somebody left unheard meanwhile."""
    assert asyncio.run(readiness.may_send(going.runtime))
    pause(going)
    going.clock.advance(minutes=5)
    assert send(going) == 0
    missed(going, phone(0), "STOP", ago=60)
    return going


def test_who_left_unheard_during_a_pause_gets_nothing_when_it_goes_on(paused):
    """The web was down for a while, and a worker was not."""
    go_on(paused, 1)

    assert send(paused) == PEOPLE - 1
    assert got(paused) == [phone(number) for number in range(1, PEOPLE)]


def test_every_process_hears_before_it_goes_on(paused):
    """Another one has just done so; its memory is its own."""
    other = replace(paused.runtime, memory=Memory())
    asyncio.run(readiness.may_send(other))
    go_on(paused, 1)
    asyncio.run(readiness.may_send(other, look=True))
    paused.provider.readings = 0
    send(paused)

    assert paused.provider.readings
    assert got(paused) == [phone(number) for number in range(1, PEOPLE)]


def test_while_nobody_can_be_heard_it_does_not_go_on_and_keeps_no_other_waiting(paused):
    paused.text(phone(9), "SPORT AAN")
    paused.bulletin("SPORT", text="Uitslagen")
    paused.start()
    paused.provider.unreadable = "timeout"
    go_on(paused, 1)
    send(paused)
    assert (got(paused), got(paused, "Uitslagen")) == ([], [phone(9)])

    paused.provider.unreadable = None
    paused.runtime.memory.ask_again = float("-inf")
    send(paused)  # hears beside what else goes out
    send(paused)
    assert got(paused) == [phone(number) for number in range(1, PEOPLE)]


def test_it_is_heard_for_once_each_time_it_goes_on(paused):
    go_on(paused, 1)
    asyncio.run(readiness.may_send(paused.runtime, look=True))
    paused.provider.readings = 0
    asyncio.run(readiness.may_send(paused.runtime, look=True))
    assert not paused.provider.readings

    pause(paused)
    go_on(paused, 1)
    asyncio.run(readiness.may_send(paused.runtime, look=True))
    assert paused.provider.readings


def test_a_bulletin_that_goes_on_beside_another_is_held_back_by_the_claim(paused):
    """The pipeline of the other one looks every few seconds only."""
    go_on(paused, 1)
    may_go = partial(readiness.may_claim, paused.runtime)
    ready = claiming.claim(paused.runtime, worker="worker", limit=9, may_go=may_go).ready
    assert not ready
    assert asyncio.run(readiness.may_send(paused.runtime))

    ready = claiming.claim(paused.runtime, worker="worker", limit=9, may_go=may_go).ready
    assert len(ready) == PEOPLE - 1


@pytest.mark.parametrize("code", [None, 21610])
def test_a_hand_over_that_the_database_forgot_while_its_request_was_under_way_gives_it_away(
    going, code
):
    """Less than a heartbeat was lost, so that number says nothing."""
    beat(going)
    with fallen_back(going) as fall_back:
        handed = going.hand_over(going.claim(limit=2))
        answers = {
            ready.claim.delivery_id: going.provider.answer(
                letters.compose(going.runtime, ready.claim)
            )
            for ready, _attempt in handed
        }
        fall_back()
        going.write_down(
            handed,
            lambda ready: Refused(code=code) if code else answers[ready.claim.delivery_id],
        )

        assert is_restored(going)
        assert going.bulletin_state(1) == ("held", "restored")
        assert "duplicate" not in going.incidents()
        assert send(going) == 0


def test_an_outcome_that_comes_after_a_later_hand_over_is_no_sign(going):
    handed = going.hand_over(going.claim())
    going.write_down(handed, lambda _ready: Deferred(retry_after=0))
    again = going.hand_over(going.claim())
    assert [attempt for _ready, attempt in again] == [2] * PEOPLE
    going.write_down(handed, lambda _ready: Deferred(retry_after=0))
    going.write_down(again, lambda ready: Accepted(sid=f"SM{ready.claim.delivery_id:032x}"))

    assert not is_restored(going)


def test_a_stop_that_comes_while_missed_texts_are_answered_is_heard_too(world):
    """After an outage the answers take their time, and the list is read again after them."""
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    missed(world, phone(7), "NRC AAN", ago=30)
    number = world.bulletin()

    def answer(message):
        if message.recipient.wire == phone(7):
            # Its webhook gets lost, as that of the text that is being answered did.
            missed(world, phone(0), "NRC UIT", ago=0)
        return accept(message)

    world.provider.answer = answer
    world.start()

    assert world.bulletin_state(number)[0] == BulletinState.SENDING
    with world.runtime.reading() as session:
        audience = session.execute(select(Delivery.subscriber_id)).scalars().all()
    assert len(audience) == 3  # the first one left, the seventh joined

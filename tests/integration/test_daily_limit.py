"""WhatsApp's limit of different people written to outside their 24 hours; on both databases."""

from __future__ import annotations

from contextlib import contextmanager
from datetime import timedelta

import pytest

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import State
from broadcaster.services import senders
from broadcaster.storage import deliveries
from broadcaster.storage.models import Bulletin
from tests.world import WHATSAPP, World, make_runtime, phone, populate


@pytest.fixture
def limited(database_url, tmp_path, clock, provider):
    """A newsroom that may write to three people a day first, and for days on end."""
    environ = {
        "BROADCASTER_SENDING__WHATSAPP_DAILY_LIMIT": "3",
        "BROADCASTER_SENDING__GRACE_MINUTES": "1440",
    }
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider, **environ):
        populate(runtime)
        world = World(runtime, clock, provider)
        yield world
        world.check_tallies()


def join(world, numbers, *, whatsapp=True):
    for number in numbers:
        world.text(phone(number, whatsapp=whatsapp), "NRC AAN")


def test_no_more_people_than_the_limit_are_written_to_within_a_day(limited):
    join(limited, range(5))
    limited.clock.advance(hours=25)
    number = limited.bulletin()
    limited.send()
    assert len(limited.recipients()) == 3

    limited.clock.advance(hours=3)
    limited.send()

    assert len(limited.recipients()) == 3
    assert limited.report(number).of(State.ACCEPTED, State.QUEUED) == 5
    assert limited.bulletin_state(number)[0] == BulletinState.SENDING


def test_the_others_are_written_to_once_a_day_has_passed(limited):
    join(limited, range(5))
    limited.clock.advance(hours=25)
    number = limited.bulletin()
    limited.send()
    with limited.runtime.transaction() as session:
        session.get(Bulletin, number).not_after = None
    limited.clock.advance(hours=23.9)
    limited.send()
    assert len(limited.recipients()) == 3

    limited.clock.advance(hours=0.1)
    limited.send()

    assert sorted(limited.recipients()) == sorted(phone(n) for n in range(5))
    assert limited.bulletin_state(number)[0] == BulletinState.FINISHED


def test_who_wrote_within_a_day_does_not_count(limited):
    join(limited, range(3))
    limited.clock.advance(hours=25)
    join(limited, range(3, 9))
    limited.bulletin()
    limited.send()

    assert len(limited.recipients()) == 9


def test_who_was_written_to_today_counts_once(limited):
    """A second bulletin to the same three people takes no more room."""
    join(limited, range(3))
    limited.clock.advance(hours=25)
    limited.bulletin(text="first")
    limited.send()
    limited.bulletin(text="second")
    limited.send()

    assert len(limited.recipients()) == 6


def test_who_writes_again_makes_no_difference_to_those_who_count(limited):
    join(limited, range(4))
    limited.clock.advance(hours=25)
    limited.bulletin(text="first")
    limited.send()
    waiting = ({phone(n) for n in range(4)} - set(limited.recipients())).pop()
    limited.text(waiting, "dank je")
    limited.bulletin(text="second")
    limited.send()

    # The one who wrote is inside their 24 hours now, and the three counted already.
    assert sum(1 for one in limited.provider.sent if one.text == "second") == 4


def test_sms_has_no_such_limit(limited):
    join(limited, range(5), whatsapp=False)
    limited.clock.advance(hours=25)
    limited.bulletin()
    limited.send()

    assert len(limited.recipients()) == 5


@pytest.mark.parametrize(("own", "sent"), [(1, 1), (0, 5), (None, 3)])
def test_a_sender_has_a_limit_of_its_own(limited, own, sent):
    with limited.runtime.transaction() as session:
        senders.set_daily_limit(session, Address.parse(WHATSAPP), own)
    join(limited, range(5))
    limited.clock.advance(hours=25)
    limited.bulletin()
    limited.send()

    assert len(limited.recipients()) == sent


def test_two_workers_together_keep_the_limit(limited):
    join(limited, range(6))
    limited.clock.advance(hours=25)
    limited.bulletin()
    limited.start()

    claimed = [*limited.claim(limit=2, worker="one"), *limited.claim(limit=4, worker="two")]

    assert len(claimed) == 3


def test_waiting_for_room_is_no_standstill(database_url, tmp_path, clock, provider):
    """Nobody has to say that it goes on tomorrow; the page says from when."""
    limit = {"BROADCASTER_SENDING__WHATSAPP_DAILY_LIMIT": "3"}
    opened = contextmanager(make_runtime)(database_url, tmp_path / "home", clock, provider, **limit)
    with opened as runtime:
        populate(runtime)
        world = World(runtime, clock, provider)
        join(world, range(5))
        world.clock.advance(hours=25)
        number = world.bulletin()
        world.send()
        with runtime.transaction() as session:
            session.get_one(Bulletin, number).not_after = world.clock.now() + timedelta(hours=48)
        began = world.clock.now()
        world.clock.advance(minutes=16)
        world.send()
        assert world.bulletin_state(number) == (BulletinState.SENDING, None)
        with runtime.reading() as session:
            assert deliveries.next_turn(session, number) == began + timedelta(hours=24)

        world.clock.advance(hours=23, minutes=45)
        world.send()
        assert len(world.recipients()) == 5

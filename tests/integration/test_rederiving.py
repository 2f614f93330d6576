"""The audience derived again from the ledger: no difference, whatever people do; and one where there is."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import InvalidInput, LedgerBroken, NotFound
from broadcaster.services import allowing, rederiving
from broadcaster.storage import deliveries, lists, tallies
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    LedgerEntry,
    ListSender,
    Subscriber,
    Subscription,
)
from tests.world import World, make_runtime, phone, populate

TEXTS = ("NRC AAN", "NRC UIT", "SPORT AAN", "SPORT UIT", "STOP", "START")


def derive(world, number):
    return rederiving.rederive(world.runtime, number)


def spoil(world, statement):
    """Change something behind the program's back, where triggers allow it."""
    with world.runtime.transaction() as session:
        session.execute(statement)


@settings(
    max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    before=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(TEXTS)), max_size=12),
    during=st.lists(st.tuples(st.integers(0, 5), st.sampled_from(TEXTS)), max_size=6),
    claimed=st.integers(0, 6),
)
def test_there_is_no_difference_whatever_people_do(world, before, during, claimed):
    for who, text in [(9, "NRC AAN"), (0, "NRC AAN"), *before]:
        world.clock.advance(seconds=1)
        world.text(phone(who), text)
    number = world.bulletin()
    world.start()
    ready = world.claim(claimed)
    for who, text in during:
        world.clock.advance(seconds=1)
        world.text(phone(who), text)
    world.hand_over(ready)
    world.clock.advance(seconds=1)
    world.send()

    found = derive(world, number)

    assert found.differences == []
    assert found.different == 0
    with world.runtime.reading() as session:
        assert found.both == session.get(Bulletin, number).audience
    assert found.sent + found.withheld.total() == found.both


def test_what_is_compared_is_the_moment_of_freezing_and_not_a_moment_of_the_clock(world):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    world.start()
    # All of it within the same microsecond.
    world.text(phone(1), "NRC AAN")
    world.text(phone(0), "NRC UIT")
    world.send()

    found = derive(world, number)

    assert (found.both, found.different, dict(found.withheld)) == (1, 0, {"left": 1})


def test_somebody_who_was_kept_out_is_found(world):
    world.text(phone(0), "NRC AAN")
    world.text(phone(1), "NRC AAN")
    spoil(world, sa.update(Subscription).where(Subscription.subscriber_id == 2).values(state="out"))
    number = world.bulletin()
    world.send()

    found = derive(world, number)

    assert (found.both, found.only_ledger, found.only_sent) == (1, 1, 0)
    (one,) = found.differences
    assert (one.kind, one.subject) == ("only ledger", world.entries()[1].subject)


def test_somebody_who_was_slipped_in_is_found(world):
    world.text(phone(0), "NRC AAN")
    world.text(phone(1), "SPORT AAN")
    world.text(phone(1), "SPORT UIT")
    with world.runtime.transaction() as session:
        session.add(
            Subscription(subscriber_id=2, list_id=1, state="in", entry=4, since=world.clock.now())
        )
    number = world.bulletin()
    world.send()

    found = derive(world, number)

    assert (found.both, found.only_ledger, found.only_sent, found.wrong) == (1, 0, 1, 1)
    assert {one.kind for one in found.differences} == {"only sent", "entry"}
    assert len(world.provider.sent) == 2


@pytest.mark.parametrize(
    ("entry", "what"),
    [
        (None, "no entry is written down"),
        (0, "is not of this person"),
        (10_000, "is not of this person"),
    ],
)
def test_a_message_with_a_wrong_entry_is_found(world, entry, what):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    world.send()
    spoil(world, sa.update(Delivery).values(entry=entry))

    found = derive(world, number)

    assert (found.both, found.wrong) == (1, 1)
    assert what in found.differences[0].what


def test_an_older_entry_than_the_newest_is_found(world):
    world.text(phone(0), "NRC AAN")
    first = _last(world)
    world.text(phone(0), "NRC UIT")
    left = _last(world)
    world.clock.advance(seconds=1)
    world.text(phone(0), "NRC AAN")
    world.clock.advance(seconds=1)
    number = world.bulletin()
    world.send()
    assert derive(world, number).different == 0

    spoil(world, sa.update(Delivery).values(entry=first))
    assert f"entry {left} came before the message" in derive(world, number).differences[0].what
    spoil(world, sa.update(Delivery).values(entry=left))
    assert "does not put this person on nrc" in derive(world, number).differences[0].what


def test_a_message_after_a_stop_is_found(world):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    world.send()
    sent = world.deliveries()[0]
    world.clock.advance(seconds=5)
    world.text(phone(0), "STOP")
    world.clock.advance(seconds=5)
    assert derive(world, number).different == 0

    now = world.clock.now()
    spoil(world, sa.update(Delivery).where(Delivery.id == sent.id).values(claimed=now, handed=now))
    assert "came before the message and says otherwise" in derive(world, number).differences[0].what


def test_who_left_meanwhile_is_explained_by_their_entry_and_only_by_that(world):
    world.text(phone(0), "NRC AAN")
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.start()
    world.text(phone(0), "STOP")
    assert derive(world, number).different == 0
    assert dict(derive(world, number).withheld) == {"left": 1, "queued": 1}

    of_two = sa.update(Delivery).where(Delivery.subscriber_id == 2)
    spoil(world, of_two.values(state="skipped", reason="left"))
    found = derive(world, number)
    with world.runtime.transaction() as session:
        tallies.forget(session, number)
        tallies.add(session, deliveries.counts(session, number))
    assert [one.what for one in found.differences] == [
        "was skipped because they left, and no entry says so"
    ]


@pytest.mark.parametrize("reason", ["carrier_blocked", "suspended"])
def test_who_cannot_be_reached_is_in_the_audience_and_withheld(world, reason):
    world.text(phone(0), "NRC AAN")
    with world.runtime.transaction() as session:
        person = session.get(Subscriber, 1)
        if reason == "suspended":
            person.suspended_at = world.clock.now()
        else:
            block = CarrierBlock(subscriber_id=1, sender_id=1, since=world.clock.now())
            session.add(block)
    world.text(phone(1), "NRC AAN")
    number = world.bulletin()
    world.send()

    found = derive(world, number)

    assert (found.both, found.sent, dict(found.withheld)) == (2, 1, {reason: 1})
    assert found.different == 0


def test_a_channel_without_a_number_of_ours_is_explained_even_if_one_is_added_later(world):
    world.text(phone(0), "NRC AAN")
    world.text(phone(1, whatsapp=False), "NRC AAN")
    spoil(world, sa.delete(ListSender).where(ListSender.channel == "sms"))
    number = world.bulletin()
    world.send()
    with world.runtime.transaction() as session:
        sender = lists.get_or_add_sender(
            session, Address(Channel.SMS, "+15550100101"), world.clock.now()
        )
        lists.set_sender(session, 1, sender)

    found = derive(world, number)

    assert (found.both, found.unreachable, found.different) == (1, 1, 0)


def test_a_bulletin_of_an_earlier_version_is_compared_by_its_moment(world):
    world.text(phone(0), "NRC AAN")
    world.clock.advance(seconds=5)
    number = world.bulletin()
    world.start()
    world.clock.advance(seconds=5)
    world.text(phone(1), "NRC AAN")
    world.send()
    spoil(world, sa.update(Bulletin).values(ledger_size=None, channels=None))

    found = derive(world, number)

    assert (found.size, found.both, found.different) == (None, 1, 0)


def test_a_list_that_everybody_has_left_has_an_empty_audience(world):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    world.text(phone(0), "NRC UIT")
    world.send()

    found = derive(world, number)

    assert (found.both, found.sent, found.different) == (0, 0, 0)


def test_before_it_begins_there_is_nothing_to_compare(world):
    world.text(phone(0), "NRC AAN")
    number = world.bulletin()
    with pytest.raises(InvalidInput, match="not begun"):
        derive(world, number)
    with pytest.raises(NotFound):
        derive(world, number + 1)


def test_a_ledger_with_a_gap_tells_nothing(sqlite_world):
    world = sqlite_world
    for who in range(3):
        world.text(phone(who), "NRC AAN")
    number = world.bulletin()
    world.send()
    with world.runtime.transaction() as session:
        session.execute(sa.text("DROP TRIGGER ledger_entries_refuse_delete"))
        session.execute(sa.delete(LedgerEntry).where(LedgerEntry.idx == 3))
    with pytest.raises(LedgerBroken, match="missing"):
        derive(world, number)


def test_people_join_while_an_audience_is_frozen_and_nothing_differs(
    postgresql_url, tmp_path, clock, provider
):
    """On PostgreSQL two statements see two moments; freezing is one."""
    with contextmanager(make_runtime)(
        postgresql_url, tmp_path / "home", clock, provider
    ) as runtime:
        populate(runtime)
        world = World(runtime, clock, provider)
        world.text(phone(0), "NRC AAN")
        number = world.bulletin()
        joined = []

        def join(_connection, _cursor, statement, *_more):
            if "INSERT INTO deliveries" in statement and not joined:
                joined.append(phone(1))
                world.text(phone(1), "NRC AAN")

        sa.event.listen(runtime.writer, "after_cursor_execute", join)
        world.start()

        found = derive(world, number)

        assert joined
        assert (found.both, found.different) == (1, 0)


def test_a_message_is_found_by_its_id_and_by_its_delivery(world):
    world.text(phone(0), "NRC AAN")
    entry = _last(world)
    world.bulletin()
    world.send()
    (sent,) = world.deliveries()

    with world.runtime.reading() as session:
        for named in (sent.sid, str(sent.id), f" {sent.sid} "):
            found = allowing.find(session, named)
            assert (found.sent.id, found.sent.entry, found.fault) == (sent.id, entry, None)
        for named in ("SM" + "0" * 32, "99999999999999999999999", "0"):
            with pytest.raises(NotFound):
                allowing.find(session, named)
        for named in ("", "SMx", phone(0), "\u0661"):
            with pytest.raises(InvalidInput):
                allowing.find(session, named)


def test_a_message_that_only_a_status_named_is_found(world):
    world.text(phone(0), "NRC AAN")
    world.bulletin()
    world.send()
    (sent,) = world.deliveries()
    other = "SM" + "f" * 32
    world.callback(sent.id, "delivered", sid=other)

    with world.runtime.reading() as session:
        assert allowing.find(session, other).sent.id == sent.id


def _last(world):
    with world.runtime.reading() as session:
        return session.execute(sa.select(sa.func.max(LedgerEntry.idx))).scalar_one()

"""Who was on a list at a moment: the ledger says the same as the tables said then."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.core.address import Address
from broadcaster.core.errors import NotFound
from broadcaster.core.messages import InboundMessage
from broadcaster.services import history, inbound
from broadcaster.services.history import Roll
from broadcaster.storage.audience import CONSENTS
from broadcaster.storage.models import BroadcastList, Subscriber, Subscription
from tests.world import WHATSAPP, phone

TEXTS = ("NRC AAN", "NRC UIT", "SPORT AAN", "SPORT UIT", "STOP", "START")


def _on(world, name):
    """Who is on a list now, by the tables."""
    with world.runtime.reading() as session:
        rows = session.execute(
            sa.select(Subscriber.subject)
            .join(Subscription, Subscription.subscriber_id == Subscriber.id)
            .join(BroadcastList, BroadcastList.id == Subscription.list_id)
            .where(BroadcastList.slug == name, *CONSENTS)
        )
        return set(rows.scalars())


@settings(
    max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(steps=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(TEXTS)), max_size=15))
def test_at_any_moment_the_ledger_says_what_the_tables_said(world, steps):
    world.text(phone(0), "NRC AAN")
    then = []
    for who, text in steps:
        world.clock.advance(seconds=5)
        world.text(phone(who), text)
        then.append((world.clock.now(), _on(world, "nrc")))
    world.clock.advance(seconds=5)
    world.text(phone(1), "NRC AAN")
    for moment, expected in then:
        assert history.consenting(world.runtime, "nrc", moment) == expected


def test_before_the_first_nobody_was_on_it(world):
    moment = world.clock.now()
    world.clock.advance(seconds=5)
    world.text(phone(0), "NRC AAN")
    assert history.consenting(world.runtime, "nrc", moment) == set()


def test_a_list_that_the_ledger_does_not_know_is_said_to_be_unknown(world):
    with pytest.raises(NotFound, match="nowhere"):
        history.consenting(world.runtime, "nowhere", world.clock.now())


def test_what_had_been_recorded_counts_and_not_what_had_occurred(world):
    world.text(phone(0), "SPORT AAN")
    sent = world.clock.now()
    world.clock.advance(hours=2)
    message = InboundMessage(
        sid=world.sid(),
        sender=Address.parse(WHATSAPP),
        author=Address.parse(phone(1)),
        body="SPORT AAN",
        parameters={},
    )
    with world.runtime.transaction() as session:
        inbound.receive(session, world.runtime, message, sent=sent)
    entry = world.entries()[-1]
    assert (entry.occurred, entry.recorded) == (sent, world.clock.now())

    assert len(history.consenting(world.runtime, "sport", sent + timedelta(hours=1))) == 1
    assert len(history.consenting(world.runtime, "sport", world.clock.now())) == 2


@given(subjects=st.sets(st.binary(min_size=16, max_size=16), max_size=30), limit=st.integers(1, 9))
def test_a_roll_is_read_page_by_page_each_once(subjects, limit):
    named = sorted(subject.hex() for subject in subjects)
    roll = Roll(
        name="nrc",
        moment=datetime(2026, 3, 3, 13, tzinfo=UTC),
        size=9,
        packed=b"".join(sorted(subjects)),
    )
    found, after = [], ""
    while page := roll.after(after, limit):
        assert len(page) <= limit
        found += page
        after = page[-1]
    assert found == named
    assert list(roll.subjects()) == named
    assert len(roll) == len(named)


def test_the_last_answer_is_remembered_until_the_ledger_grows(world):
    world.text(phone(0), "NRC AAN")
    world.clock.advance(seconds=5)
    moment = world.clock.now()
    first = history.roll(world.runtime, "nrc", moment)
    assert history.roll(world.runtime, "nrc", moment) is first
    assert history.roll(world.runtime, "nrc", moment - timedelta(hours=1)) is not first
    world.text(phone(1), "NRC AAN")
    assert len(history.roll(world.runtime, "nrc", moment)) == 2

"""The ledger alone gives the subscriptions: whatever people do, a replay finds the same tables."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.services import replaying
from broadcaster.storage.models import LedgerEntry, Subscriber, Subscription
from tests.world import phone

TEXTS = ("NRC AAN", "NRC UIT", "SPORT AAN", "SPORT UIT", "STOP", "START", "hallo", "JA")


def _differences(world, **more):
    return list(replaying.check(world.runtime, **more))


@settings(
    max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None
)
@given(
    steps=st.lists(st.tuples(st.integers(0, 3), st.booleans(), st.sampled_from(TEXTS)), max_size=25)
)
def test_whatever_people_text_the_tables_are_what_the_ledger_says(world, steps):
    for who, whatsapp, text in steps:
        world.clock.advance(seconds=7, microseconds=1234)
        world.text(phone(who) if whatsapp else phone(who).removeprefix("whatsapp:"), text)
    assert _differences(world) == []


@pytest.fixture
def busy(world):
    for number in range(3):
        world.text(phone(number), "NRC AAN")
    world.text(phone(1), "SPORT AAN")
    world.text(phone(1), "NRC UIT")
    world.text(phone(2), "STOP")
    return world


SPOILT = {
    "somebody who left is put back": sa.update(Subscription)
    .where(Subscription.state == "out")
    .values(state="in"),
    "somebody is taken off": sa.update(Subscription)
    .where(Subscription.state == "in")
    .values(state="out"),
    "a row is gone": sa.delete(Subscription),
    "another entry allows it": sa.update(Subscription).values(entry=Subscription.entry + 1),
    "another notice was shown": sa.update(Subscription).values(notice="0" * 64),
    "since another moment": sa.update(Subscription).values(since=sa.text("'2020-01-01 00:00:00'")),
    "a stop is forgotten": sa.update(Subscriber).values(stopped_at=None),
    "somebody never stopped": sa.update(Subscriber).values(stopped_at=sa.func.current_timestamp()),
    "the newest entry is another": sa.update(Subscriber).values(last_entry=0),
}


@pytest.mark.parametrize("name", SPOILT)
def test_what_was_changed_in_the_tables_is_found_and_mended(busy, name):
    assert _differences(busy) == []
    with busy.runtime.transaction() as session:
        session.execute(SPOILT[name].execution_options(synchronize_session=False))

    found = _differences(busy)
    assert found
    assert _differences(busy) == found, "looking changes nothing"
    assert _differences(busy, repair=True) == found
    assert _differences(busy) == []


def test_a_subscription_that_no_entry_allows_is_found_and_taken_out(busy):
    with busy.runtime.transaction() as session:
        outsider = session.execute(sa.select(Subscriber)).scalars().first()
        lists = set(session.execute(sa.select(Subscription.list_id)).scalars())
        mine = sa.select(Subscription.list_id).where(Subscription.subscriber_id == outsider.id)
        (other,) = lists - set(session.execute(mine).scalars())
        row = {"subscriber_id": outsider.id, "list_id": other, "state": "in", "entry": 1}
        session.execute(sa.insert(Subscription).values(**row, since=busy.clock.now()))

    (found,) = _differences(busy, repair=True)
    assert (found.subject, found.ledger) == (outsider.subject, "nothing")
    assert _differences(busy) == []


def test_a_repair_writes_nothing_into_the_ledger(busy):
    with busy.runtime.transaction() as session:
        before = session.execute(sa.select(sa.func.count()).select_from(LedgerEntry)).scalar_one()
        session.execute(sa.delete(Subscription))
    _differences(busy, repair=True)
    with busy.runtime.reading() as session:
        after = session.execute(sa.select(sa.func.count()).select_from(LedgerEntry)).scalar_one()
    assert after == before

"""Who was on a list at a moment: the ledger says the same as the tables said then."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from broadcaster.core.errors import NotFound
from broadcaster.services import history
from broadcaster.storage.audience import CONSENTS
from broadcaster.storage.models import BroadcastList, Subscriber, Subscription
from tests.world import phone

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

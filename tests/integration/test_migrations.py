"""A database of the first release, with a bulletin on its way, in the hands of this one."""

from __future__ import annotations

from datetime import timedelta

import pytest
import sqlalchemy as sa

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.services import bulletins, starting, tending
from broadcaster.storage import deliveries, schema, tallies
from broadcaster.storage.models import Bulletin, Delivery
from broadcaster.storage.session import WRITES, make_engine
from broadcaster.testing import START
from tests import moves
from tests.world import World, make_runtime

# What became of it there: (state, reason, attempt, error code, sid).
LEFT_BEHIND = {
    1: ("queued", None, 0, None, None),
    2: ("queued", None, 1, None, None),
    3: ("claimed", None, 1, None, None),
    4: ("claimed", None, 2, None, None),
    5: ("accepted", None, 1, None, "SM" + "5" * 32),
    6: ("failed", None, 1, 30003, None),
    7: ("skipped", "left", 0, None, None),
    8: ("unknown", "timeout", 1, None, None),
}
SENDING, HELD, LATE, STALLED, FINISHED = range(1, 6)


@pytest.fixture
def old(database_url):
    """A database as the first release leaves it, while it sends."""
    engine = make_engine(database_url).execution_options(**{WRITES: True})
    moves.release(engine)
    schema.downgrade(engine, "base")
    schema.upgrade(engine, "0001")
    _fill(engine)
    yield engine
    engine.dispose()


def _fill(engine) -> None:
    tables = sa.MetaData()
    tables.reflect(engine)

    with engine.begin() as connection:

        def add(table, **values):
            connection.execute(tables.tables[table].insert().values(**values))

        person = {"channel": "whatsapp", "address_sealed": b"x", "key_wrapped": b"x"}
        add("users", **_user())
        add("lists", **_list())
        add("senders", id=1, channel="whatsapp", address="+15550100100", created=_at(-60))
        for number in LEFT_BEHIND:
            unique = {"subject": f"{number:032x}", "address_index": bytes([number] * 32)}
            add("subscribers", id=number, created=_at(-60), **unique, **person)
        for number, state, audience, code in (
            (SENDING, "sending", len(LEFT_BEHIND), None),
            (HELD, "held", 2, 20003),
            (LATE, "held", None, None),
            (STALLED, "held", 1, None),
            (FINISHED, "finished", 2, None),
        ):
            add("bulletins", id=number, audience=audience, held_code=code, **_bulletin(state))
        for number, (state, reason, attempt, code, sid) in LEFT_BEHIND.items():
            claimed = _at(-0.1) if attempt else None
            outcome = {"reason": reason, "error_code": code, "sid": sid}
            add("deliveries", **_delivery(SENDING, number, state, attempt, claimed), **outcome)
        add("deliveries", **_delivery(HELD, 1, "queued", 1, _at(-1)), error_code=20003)
        add("deliveries", **_delivery(HELD, 2, "claimed", 2, _at(-1)), error_code=20003)
        add("deliveries", **_delivery(STALLED, 1, "queued", 0, None))
        add("deliveries", **_delivery(FINISHED, 1, "accepted", 1, _at(-60)), sid="SM" + "9" * 32)
        add("deliveries", **_delivery(FINISHED, 2, "unknown", 1, _at(-60)), reason="timeout")


def _at(minutes):
    return START + timedelta(minutes=minutes)


def _user():
    return {
        "id": 1,
        "name": "editor",
        "password_hash": "x",
        "role": "editor",
        "created": _at(-60),
        "active": True,
    }


def _list():
    return {
        "id": 1,
        "slug": "nrc",
        "keyword": "NRC",
        "name": "NRC",
        "language": "nl",
        "zone": "UTC",
        "is_open": True,
        "created": _at(-60),
    }


def _bulletin(state):
    return {
        "list_id": 1,
        "text": "Goedemorgen",
        "state": state,
        "zone": "UTC",
        "version": 3,
        "author_id": 1,
        "created": _at(-60),
        "changed": _at(-1),
        "starts_at": _at(-2),
        "started": _at(-2),
        "moved": _at(-1),
    }


def _delivery(bulletin, subscriber, state, attempt, claimed):
    return {
        "bulletin_id": bulletin,
        "subscriber_id": subscriber,
        "sender_id": 1,
        "state": state,
        "attempt": attempt,
        "claimed": claimed,
        "changed": _at(-1),
        "entry": 7 if attempt else None,
    }


@pytest.fixture
def new(old, database_url, tmp_path, clock, provider):
    """The same database, brought up to date and guarded, a moment later."""
    schema.upgrade(old)
    schema.check(old)
    moves.guard(old)
    for runtime in make_runtime(database_url, tmp_path / "home", clock, provider):
        yield World(runtime, clock, provider)


def states_of(world, bulletin) -> list[str]:
    return [one.state for one in world.deliveries() if one.bulletin_id == bulletin]


def test_a_claim_of_the_former_release_may_have_been_sent_and_is_never_queued(new):
    """P3: there was no hand-over then; what was claimed may have left."""
    assert states_of(new, SENDING) == [
        *("queued", "queued", "handed_over", "handed_over"),
        *("accepted", "failed", "skipped", "unknown"),
    ]
    new.clock.advance(seconds=31)
    tending.release_lapsed(new.runtime)

    unknown = [one for one in new.deliveries() if one.state == State.UNKNOWN]
    assert [one.id for one in unknown if one.bulletin_id == SENDING] == [3, 4, 8]
    # Since when they are looked for in the provider's list.
    assert all(one.handed is not None for one in unknown)


def test_what_is_counted_is_what_the_rows_say(new):
    new.check_tallies()
    new.clock.advance(minutes=5)
    tending.tend(new.runtime)
    new.check_tallies()

    report = new.report(SENDING)
    assert sum(report.by_state.values()) == report.audience == len(LEFT_BEHIND)
    assert report.failed == {30003: 1}


def test_what_waits_carries_nothing_of_its_earlier_tries(new):
    for one in new.deliveries():
        if one.state in {State.QUEUED, State.HANDED_OVER}:
            assert (one.reason, one.error_code, one.sid) == (None, None, None)


def test_whoever_was_queued_is_claimed_as_ever(new):
    """Nobody consents in this newsroom, so they are left out, each with a reason."""
    new.claim()

    assert states_of(new, SENDING)[:2] == [State.SKIPPED, State.SKIPPED]


def test_why_a_bulletin_was_held_is_known(new):
    held = {
        HELD: HeldReason.REFUSED,
        LATE: HeldReason.LATE,
        STALLED: HeldReason.STANDSTILL,
    }
    for number, reason in held.items():
        assert new.bulletin_state(number) == (BulletinState.HELD, reason)
    assert new.bulletin_state(SENDING) == (BulletinState.SENDING, None)


def test_what_was_finished_stays_finished(new):
    """What nobody knew then is for a person: it is not looked up weeks later, nor sent."""
    assert states_of(new, FINISHED) == [State.ACCEPTED, State.HELD]
    new.clock.advance(minutes=5)
    tending.tend(new.runtime)

    assert new.bulletin_state(FINISHED) == (BulletinState.FINISHED, None)
    report = new.report(FINISHED)
    assert (report.waiting, report.looked_up) == (0, 0)


def test_the_bulletin_finishes_once_everything_is_known(new):
    new.claim()
    for number in (3, 4, 8):
        new.callback(number, "delivered")
    starting.start_due(new.runtime)
    tending.tend(new.runtime)

    assert new.bulletin_state(SENDING) == (BulletinState.FINISHED, None)


def test_a_text_that_was_refused_to_everybody_can_still_be_changed(new):
    with new.runtime.transaction() as session:
        held = session.get(Bulletin, HELD)
        # One was claimed when the other was refused, and may have left.
        assert not bulletins.is_rewritable(session, held)
        session.delete(session.get(Delivery, 10))
        session.flush()
        tallies.forget(session, HELD)
        tallies.add(session, deliveries.counts(session, HELD))
        assert bulletins.is_rewritable(session, held)


def test_the_way_back_keeps_every_row_and_sends_nothing_twice(new, old):
    """Down again: what may have left is claimed or unknown there, never queued."""
    with old.begin() as connection:
        before = connection.execute(sa.text("SELECT id, state FROM deliveries ORDER BY id")).all()
    moves.release(old)
    schema.downgrade(old, "0001")

    with old.begin() as connection:
        after = connection.execute(sa.text("SELECT id, state FROM deliveries ORDER BY id")).all()
        carried = {"handed_over": "claimed", "held": "unknown"}
        assert after == [(number, carried.get(state, state)) for number, state in before]
        assert connection.execute(sa.text("SELECT count(*) FROM bulletins")).scalar_one() == 5

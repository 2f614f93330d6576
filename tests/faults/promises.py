"""What must be true once a simulated newsroom has come to rest: the judge of the simulation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import TAKEN, SkipReason, State
from broadcaster.ledger.entry import Event, parse
from broadcaster.runtime import Runtime
from broadcaster.storage import incidents, ledger, tallies
from broadcaster.storage.models import Bulletin, Delivery, Subscriber
from tests.faults.simulated import Journalled

# These are noted for somebody to see, and nothing that happens in a run is a reason for them.
_ALARMS = frozenset({"duplicate", "restored", "deliveries_held", "unknown_delivery"})


@dataclass
class History:
    """What happened that the judge cannot see in the database.

    Attributes:
        left: everybody who ever stopped, or whom the provider refused for their own sake.
        refused: every delivery that the provider refused at least once.
        unheard: who stopped without our hearing it, and from when the provider's list shows it.
    """

    left: set[str] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    unheard: dict[str, datetime] = field(default_factory=dict)


def assert_kept(runtime: Runtime, journal: Sequence[Journalled], history: History) -> None:
    """Fail with the first promise that was broken."""
    accepted = {one.delivery for one in journal}
    with runtime.reading() as session:
        people = _people(session, runtime, {one.person for one in journal} | history.left)
        left = {people[one] for one in history.left}
        unheard = {people[one]: shown for one, shown in history.unheard.items()}
        for bulletin in session.execute(select(Bulletin)).scalars():
            _assert_ended(session, bulletin)
            for row in session.execute(
                select(Delivery).where(Delivery.bulletin_id == bulletin.id)
            ).scalars():
                _assert_true(bulletin, row, left, history.refused, accepted=row.id in accepted)
                if row.id in accepted:
                    _assert_allowed(session, row)
                    _assert_heard(bulletin, unheard.get(row.subscriber_id))
        noted = {one.kind for one in incidents.recent(session, 100)}
    assert not noted & _ALARMS, f"an alarm without a cause: {sorted(noted & _ALARMS)}"


def _people(session: Session, runtime: Runtime, phones: set[str]) -> dict[str, int]:
    indexes = {runtime.keyring.blind_index(Address.parse(one)): one for one in phones}
    rows = session.execute(
        select(Subscriber.address_index, Subscriber.id).where(Subscriber.address_index.in_(indexes))
    )
    return {indexes[index]: number for index, number in rows}


def _assert_ended(session: Session, bulletin: Bulletin) -> None:
    """P4: a bulletin ends, and everybody in its audience has one outcome."""
    state = BulletinState(bulletin.state)
    over = {BulletinState.FINISHED, BulletinState.CANCELLED}
    assert state in over, f"a bulletin is left {state}, because of {bulletin.held_reason}"
    if bulletin.audience is not None:
        counted = sum(tallies.of(session, bulletin.id).values())
        assert counted == bulletin.audience, "somebody in the audience has no outcome"


def _assert_true(
    bulletin: Bulletin, row: Delivery, left: set[int], refused: set[int], *, accepted: bool
) -> None:
    """P3: what is written down is what happened, and nobody is left out without a cause."""
    state = State(row.state)
    assert accepted == (state in TAKEN), f"{state} is written down, accepted is {accepted}"
    if accepted:
        return
    if state is State.FAILED:
        assert row.id in refused, "a message failed that was never refused"
        return
    assert state is State.SKIPPED, f"a delivery is left {state}"
    if row.reason == SkipReason.CANCELLED:
        assert bulletin.state == BulletinState.CANCELLED, "cancelled, but its bulletin was not"
    else:
        assert row.subscriber_id in left, "somebody was left out who never left"


def _assert_allowed(session: Session, delivery: Delivery) -> None:
    """P1: the entry that the delivery cites is this person's consent to the list."""
    assert delivery.entry is not None, "a message was sent without naming a consent"
    (leaf,) = ledger.leaves(session, delivery.entry, delivery.entry + 1)
    entry = parse(leaf.leaf)
    subject = session.get_one(Subscriber, delivery.subscriber_id).subject
    assert (entry.event, entry.subject) == (Event.OPT_IN, subject), "sent without a consent"


def _assert_heard(bulletin: Bulletin, shown: datetime | None) -> None:
    """P11: nobody gets a bulletin that started once the provider's list showed their stop."""
    assert bulletin.started is not None, "a message was sent of a bulletin that never started"
    if shown is not None:
        assert bulletin.started < shown, "a bulletin started over a stop that the list showed"

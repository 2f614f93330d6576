"""Reading what the product wrote down: its audiences, its own count of them, and the ledger."""

from __future__ import annotations

import tempfile

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broadcaster.cli.faults.evidence import Bulletin, Consent, Member
from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import WAITING, State
from broadcaster.core.sealing import open_address
from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, parse
from broadcaster.ledger.entry import State as ConsentState
from broadcaster.ledger.verify import verify_bundle
from broadcaster.runtime import Runtime
from broadcaster.services import audit, bulletins
from broadcaster.services.audit import Format
from broadcaster.storage import ledger
from broadcaster.storage.models import Bulletin as StoredBulletin
from broadcaster.storage.models import Delivery, Subscriber

#: A bulletin in one of these has nothing left to do by itself.
OVER = frozenset({BulletinState.FINISHED, BulletinState.HELD, BulletinState.CANCELLED})


def states(runtime: Runtime) -> dict[int, BulletinState]:
    """Return where each bulletin stands."""
    with runtime.reading() as session:
        rows = session.execute(select(StoredBulletin.id, StoredBulletin.state)).all()
    return {number: BulletinState(state) for number, state in rows}


def anybody_waits(runtime: Runtime) -> bool:
    """Tell whether a bulletin has not started, or somebody's turn has not come."""
    with runtime.reading() as session:
        scheduled = session.execute(
            select(StoredBulletin.id)
            .where(StoredBulletin.state == BulletinState.SCHEDULED.value)
            .limit(1)
        ).first()
        waiting = session.execute(
            select(Delivery.id)
            .where(Delivery.state.in_([state.value for state in WAITING]))
            .limit(1)
        ).first()
    return bool(scheduled or waiting)


def standing(runtime: Runtime) -> object:
    """Return what changes as long as anything moves."""
    with runtime.reading() as session:
        last, attempts = session.execute(
            select(func.max(Delivery.changed), func.sum(Delivery.attempt))
        ).one()
    return last, attempts, sorted(states(runtime).items())


def read_bulletins(runtime: Runtime) -> list[Bulletin]:
    """Return all bulletins, each with the counts that the product's pages show."""
    with runtime.reading() as session:
        stored = session.execute(select(StoredBulletin)).scalars().all()
        return [
            Bulletin(
                number=one.id,
                text=one.text,
                state=one.state,
                audience=one.audience,
                started=one.started,
                shown=bulletins.report(session, one.id).by_state,
                held_for=one.held_reason,
            )
            for one in stored
        ]


def read_members(runtime: Runtime) -> list[Member]:
    """Return everybody of every audience."""
    with runtime.reading() as session:
        rows = session.execute(
            select(Delivery, Subscriber)
            .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
            .order_by(Delivery.id)
        ).all()
    return [_member(runtime, delivery, subscriber) for delivery, subscriber in rows]


def _member(runtime: Runtime, delivery: Delivery, subscriber: Subscriber) -> Member:
    key = runtime.keyring.unwrap(subscriber.key_wrapped)
    return Member(
        delivery=delivery.id,
        bulletin=delivery.bulletin_id,
        phone=open_address(key, subscriber.channel, subscriber.address_sealed).wire,
        subject=subscriber.subject,
        state=State(delivery.state),
        reason=delivery.reason,
        entry=delivery.entry,
        intended=delivery.claimed,
        sid=delivery.sid,
    )


def read_consents(runtime: Runtime) -> dict[int, Consent]:
    """Return the ledger's entries by index; a round has one list, so all are about it."""
    with runtime.reading() as session:
        rows = _every_leaf(session)
    found = {}
    for index, leaf in rows:
        entry = parse(leaf)
        if isinstance(entry, ConsentEntry):
            found[index] = Consent(
                index=index,
                subject=entry.subject,
                given=entry.state is ConsentState.GIVEN and entry.list != ALL_LISTS,
                recorded=entry.recorded,
            )
    return found


def _every_leaf(session: Session) -> list[tuple[int, bytes]]:
    size = ledger.frontier(session).size
    return [(row.idx, row.leaf) for row in ledger.leaves(session, 0, size)]


def ledger_fault(runtime: Runtime) -> str | None:
    """Export the ledger and verify it as an auditor does; return what is wrong with it."""
    with tempfile.TemporaryFile() as file:
        for chunk in audit.export(runtime, Format.BUNDLE):
            file.write(chunk)
        report = verify_bundle(file, vkey=runtime.signer.key)
    return None if report.ok else f"the ledger's step {report.failed} failed"

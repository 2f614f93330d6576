"""What a restored database needs to know: whom messages went to, and which bulletins may have sent them."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState, HeldReason
from broadcaster.storage.models import Bulletin, Delivery, Subscriber

_OVER = [BulletinState.FINISHED.value, BulletinState.CANCELLED.value]
_ON_THEIR_WAY = [state.value for state in ON_ITS_WAY]


def people_at(session: Session, indexes: Collection[bytes]) -> dict[bytes, int]:
    """Return who is at some addresses, by the blind index of each."""
    rows = session.execute(
        select(Subscriber.address_index, Subscriber.id).where(Subscriber.address_index.in_(indexes))
    ).all()
    return {row.address_index: row.id for row in rows}


def to_hold(session: Session, now: datetime) -> Sequence[int]:
    """Return the bulletins that are on their way, held for whatever reason, or would start now.

    One that was held in the backup may have gone on after it.
    """
    due = (Bulletin.state == BulletinState.SCHEDULED.value) & (Bulletin.starts_at <= now)
    return (
        session.execute(
            select(Bulletin.id)
            .where(or_(Bulletin.state.in_(_ON_THEIR_WAY), due))
            .order_by(Bulletin.id)
        )
        .scalars()
        .all()
    )


def unfinished(session: Session) -> Sequence[Bulletin]:
    """Return the bulletins that are not over, the first written first."""
    return (
        session.execute(
            select(Bulletin)
            .where(Bulletin.state.not_in(_OVER))
            .order_by(Bulletin.created, Bulletin.id)
        )
        .scalars()
        .all()
    )


def gone_out(session: Session, since: datetime) -> dict[int, str]:
    """Return the texts of bulletins that started since a moment, by their ids."""
    rows = session.execute(
        select(Bulletin.id, Bulletin.text).where(Bulletin.started >= since)
    ).all()
    return {row.id: row.text for row in rows}


def lock_deliveries(
    session: Session, bulletin_ids: Collection[int], subscriber_ids: Collection[int]
) -> dict[tuple[int, int], Delivery]:
    """Return the deliveries of some bulletins to some people, by both ids, locked in order."""
    rows = session.execute(
        select(Delivery)
        .where(Delivery.bulletin_id.in_(bulletin_ids), Delivery.subscriber_id.in_(subscriber_ids))
        .order_by(Delivery.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalars()
    return {(row.bulletin_id, row.subscriber_id): row for row in rows}


def untouched_since(session: Session, sids: Collection[str], moment: datetime) -> int:
    """Count those of the provider's ids that the database had already at a moment."""
    return len(
        session.execute(
            select(Delivery.id).where(Delivery.sid.in_(sids), Delivery.changed < moment)
        ).all()
    )


def note_compared(session: Session, now: datetime) -> int:
    """Note that what is held for a restore has been compared; return how many bulletins that is."""
    rows = session.execute(
        update(Bulletin)
        .where(
            Bulletin.state == BulletinState.HELD.value,
            Bulletin.held_reason == HeldReason.RESTORED.value,
        )
        .values(compared=now, version=Bulletin.version + 1, changed=now)
        .returning(Bulletin.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(rows)

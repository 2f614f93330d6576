"""Deliveries beside their people's subjects: what is held against the ledger."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from broadcaster.storage.models import (
    BroadcastList,
    Bulletin,
    Delivery,
    ListSender,
    StatusEvent,
    Subscriber,
)

# The largest id both databases can look up; a larger number is simply not there.
_MAX_ID = 2**31 - 1


class Sent(NamedTuple):
    """A delivery, and what of it the ledger must allow.

    Args:
        id: which.
        bulletin_id: of which bulletin.
        subject: whose, as the ledger names them; None if the person is not there any more.
        state: where it stands.
        reason: why it was skipped, if it was.
        entry: the index of the entry that allowed it, as it was written down.
        claimed: when that was written down last.
        handed: when a request was begun last.
        sid: the provider's id of the message.
        error_code: the provider's code, if something went wrong.
        changed: since when it stands there.
    """

    id: int
    bulletin_id: int
    subject: str | None
    state: str
    reason: str | None
    entry: int | None
    claimed: datetime | None
    handed: datetime | None
    sid: str | None
    error_code: int | None
    changed: datetime


def audience(session: Session, bulletin_id: int, after: int, limit: int) -> list[Sent]:
    """Return the next members of a bulletin's audience, by the ids of their deliveries."""
    rows = session.execute(
        _sent()
        .where(Delivery.bulletin_id == bulletin_id, Delivery.id > after)
        .order_by(Delivery.id)
        .limit(limit)
    )
    return [Sent._make(row) for row in rows]


def of_person(session: Session, subscriber_id: int) -> list[Sent]:
    """Return all deliveries of a person, the oldest first."""
    rows = session.execute(
        _sent().where(Delivery.subscriber_id == subscriber_id).order_by(Delivery.id)
    )
    return [Sent._make(row) for row in rows]


def by_number(session: Session, delivery_id: int) -> Sent | None:
    """Return a delivery by its number, if there is one."""
    if not 0 < delivery_id <= _MAX_ID:
        return None
    row = session.execute(_sent().where(Delivery.id == delivery_id)).first()
    return None if row is None else Sent._make(row)


def by_sid(session: Session, sid: str) -> Sent | None:
    """Return the delivery that a message was sent for; its status may have named the message, too."""
    row = session.execute(_sent().where(Delivery.sid == sid, Delivery.sid.is_not(None))).first()
    if row is None:
        reported = select(StatusEvent.delivery_id).where(StatusEvent.sid == sid).limit(1)
        row = session.execute(_sent().where(Delivery.id.in_(reported))).first()
    return None if row is None else Sent._make(row)


def statuses(session: Session, delivery_id: int) -> Sequence[StatusEvent]:
    """Return the status callbacks of a delivery, in the order in which they came."""
    return (
        session.execute(
            select(StatusEvent)
            .where(StatusEvent.delivery_id == delivery_id)
            .order_by(StatusEvent.received, StatusEvent.id)
        )
        .scalars()
        .all()
    )


def with_lists(
    session: Session, bulletin_ids: Sequence[int]
) -> dict[int, tuple[Bulletin, BroadcastList]]:
    """Return these bulletins with their lists, by number."""
    rows = session.execute(
        select(Bulletin, BroadcastList)
        .join(BroadcastList, BroadcastList.id == Bulletin.list_id)
        .where(Bulletin.id.in_(bulletin_ids))
    )
    return {bulletin.id: (bulletin, item) for bulletin, item in rows}


def begun(
    session: Session, limit: int, before: int | None = None
) -> list[tuple[Bulletin, BroadcastList]]:
    """Return bulletins whose audience is frozen, the newest first, with their lists.

    Args:
        session: reading is enough.
        limit: how many at most.
        before: only those whose number is smaller.
    """
    wanted = (
        select(Bulletin, BroadcastList)
        .join(BroadcastList, BroadcastList.id == Bulletin.list_id)
        .where(Bulletin.audience.is_not(None), Bulletin.started.is_not(None))
        .order_by(Bulletin.id.desc())
        .limit(limit)
    )
    if before is not None:
        wanted = wanted.where(Bulletin.id < min(before, _MAX_ID))
    return [(bulletin, item) for bulletin, item in session.execute(wanted)]


def channels_now(session: Session, list_id: int) -> frozenset[str]:
    """Return by which channels a list goes out now."""
    rows = session.execute(select(ListSender.channel).where(ListSender.list_id == list_id))
    return frozenset(rows.scalars())


def _sent() -> Select[*tuple[Any, ...]]:
    return select(
        Delivery.id,
        Delivery.bulletin_id,
        Subscriber.subject,
        Delivery.state,
        Delivery.reason,
        Delivery.entry,
        Delivery.claimed,
        Delivery.handed,
        Delivery.sid,
        Delivery.error_code,
        Delivery.changed,
    ).outerjoin(Subscriber, Subscriber.id == Delivery.subscriber_id)

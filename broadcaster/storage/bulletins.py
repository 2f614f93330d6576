"""Bulletins: the schedule, and who would get one."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import and_, func, select
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.errors import NotFound
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    ListSender,
    Subscriber,
    Subscription,
)

# The largest id both databases can look up; a larger number in a URL is simply not there.
_MAX_ID = 2**31 - 1


def get(session: Session, bulletin_id: int) -> Bulletin:
    """Return a bulletin.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, bulletin_id, for_update=False)


def lock(session: Session, bulletin_id: int) -> Bulletin:
    """Return a bulletin with its row locked until the transaction ends.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, bulletin_id, for_update=True)


def _one(session: Session, bulletin_id: int, *, for_update: bool) -> Bulletin:
    query = select(Bulletin).where(Bulletin.id == bulletin_id)
    found = (
        session.execute(query.with_for_update() if for_update else query).scalar_one_or_none()
        if 0 < bulletin_id <= _MAX_ID
        else None
    )
    if found is None:
        message = "There is no such bulletin."
        raise NotFound(message)
    return found


def due(session: Session, now: datetime) -> Sequence[Bulletin]:
    """Return, locked, the bulletins whose moment has come."""
    return (
        session.execute(
            select(Bulletin)
            .where(Bulletin.state == BulletinState.SCHEDULED.value, Bulletin.starts_at <= now)
            .order_by(Bulletin.starts_at)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )


def is_any_due(session: Session, now: datetime) -> bool:
    """Tell whether the moment of any bulletin has come."""
    return (
        session.execute(
            select(Bulletin.id)
            .where(Bulletin.state == BulletinState.SCHEDULED.value, Bulletin.starts_at <= now)
            .limit(1)
        ).first()
        is not None
    )


def sending(session: Session) -> Sequence[Bulletin]:
    """Return the bulletins that are going out."""
    return (
        session.execute(select(Bulletin).where(Bulletin.state == BulletinState.SENDING.value))
        .scalars()
        .all()
    )


def listed(session: Session, states: Sequence[BulletinState], limit: int) -> Sequence[Bulletin]:
    """Return the newest bulletins in any of these states."""
    return (
        session.execute(
            select(Bulletin)
            .where(Bulletin.state.in_([state.value for state in states]))
            .order_by(Bulletin.starts_at.desc(), Bulletin.id.desc())
            .limit(limit)
        )
        .scalars()
        .all()
    )


def reachable(session: Session, list_id: int) -> dict[tuple[str, bool], int]:
    """Count who is on a list: (channel, blocked by the provider) → people."""
    blocked = CarrierBlock.subscriber_id.is_not(None)
    rows = session.execute(
        select(Subscriber.channel, blocked, func.count())
        .select_from(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .join(
            ListSender,
            and_(ListSender.list_id == list_id, ListSender.channel == Subscriber.channel),
        )
        .outerjoin(
            CarrierBlock,
            and_(
                CarrierBlock.subscriber_id == Subscriber.id,
                CarrierBlock.sender_id == ListSender.sender_id,
            ),
        )
        .where(
            Subscription.list_id == list_id,
            Subscription.state == "in",
            Subscriber.stopped_at.is_(None),
        )
        .group_by(Subscriber.channel, blocked)
    ).all()
    return {(channel, bool(is_blocked)): number for channel, is_blocked, number in rows}

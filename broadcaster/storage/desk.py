"""Queries for the pages that give an overview: bulletins with their lists, texts that wait."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.storage.models import (
    BroadcastList,
    Bulletin,
    Inbound,
    Incident,
    Subscriber,
    Subscription,
)


def count_by_state(session: Session) -> dict[BulletinState, int]:
    """Count all bulletins by state."""
    rows = session.execute(select(Bulletin.state, func.count()).group_by(Bulletin.state)).all()
    return {BulletinState(state): number for state, number in rows}


def newest(
    session: Session, states: Sequence[BulletinState], limit: int
) -> Sequence[tuple[Bulletin, BroadcastList]]:
    """Return the bulletins in these states with their lists, latest first."""
    when = func.coalesce(Bulletin.starts_at, Bulletin.changed)
    return _with_lists(session, states, [when.desc(), Bulletin.id.desc()], limit)


def soonest(
    session: Session, states: Sequence[BulletinState], limit: int
) -> Sequence[tuple[Bulletin, BroadcastList]]:
    """Return the bulletins in these states with their lists, earliest first."""
    return _with_lists(session, states, [Bulletin.starts_at.asc(), Bulletin.id.asc()], limit)


def _with_lists(
    session: Session,
    states: Sequence[BulletinState],
    order: Sequence[ColumnElement[Any]],
    limit: int,
) -> Sequence[tuple[Bulletin, BroadcastList]]:
    rows = session.execute(
        select(Bulletin, BroadcastList)
        .join(BroadcastList, BroadcastList.id == Bulletin.list_id)
        .where(Bulletin.state.in_([state.value for state in states]))
        .order_by(*order)
        .limit(limit)
    )
    return [(bulletin, item) for bulletin, item in rows]


def waiting(session: Session, limit: int) -> Sequence[tuple[Inbound, Subscriber]]:
    """Return the oldest texts that a person should read, with who sent them."""
    rows = session.execute(
        select(Inbound, Subscriber)
        .join(Subscriber, Subscriber.id == Inbound.subscriber_id)
        .where(Inbound.review.is_not(None))
        .order_by(Inbound.received)
        .limit(limit)
    )
    return [(text, subscriber) for text, subscriber in rows]


def incidents_since(session: Session, since: datetime, limit: int) -> Sequence[Incident]:
    """Return the newest incidents after a moment."""
    return session.scalars(
        select(Incident).where(Incident.last >= since).order_by(Incident.last.desc()).limit(limit)
    ).all()


def count_people(session: Session) -> int:
    """Count who is on any list."""
    counted = select(func.count(func.distinct(Subscription.subscriber_id))).where(
        Subscription.state == "in"
    )
    return session.scalar(counted) or 0

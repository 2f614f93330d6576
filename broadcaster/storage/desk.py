"""Queries for the pages that give an overview: bulletins with their lists, texts that wait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, or_, select
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.consent import Review
from broadcaster.core.delivery import State
from broadcaster.storage.audience import BLOCKED, members_of_any
from broadcaster.storage.models import (
    BroadcastList,
    Bulletin,
    Delivery,
    Inbound,
    Incident,
    Subscriber,
    Subscription,
    Tally,
)

# What people may demand of us by law, within a month.
REQUESTS = (Review.ACCESS.value, Review.ERASURE.value)


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a text stands among those that wait: what the law sets a date for first, then by age."""

    rank: int
    received: datetime
    sid: str


def place(text: Inbound) -> Place:
    """Return where a waiting text stands."""
    return Place(rank=0 if text.review in REQUESTS else 1, received=text.received, sid=text.sid)


def waiting(
    session: Session, limit: int, after: Place | None = None
) -> Sequence[tuple[Inbound, Subscriber]]:
    """Return the first texts that a person should read, after a place, with who sent them."""
    rank = case((Inbound.review.in_(REQUESTS), 0), else_=1)
    query = (
        select(Inbound, Subscriber)
        .join(Subscriber, Subscriber.id == Inbound.subscriber_id)
        .where(Inbound.review.is_not(None))
        .order_by(rank, Inbound.received, Inbound.sid)
        .limit(limit)
    )
    if after is not None:
        later = or_(
            Inbound.received > after.received,
            and_(Inbound.received == after.received, Inbound.sid > after.sid),
        )
        query = query.where(or_(rank > after.rank, and_(rank == after.rank, later)))
    return [(text, subscriber) for text, subscriber in session.execute(query)]


def lock_text(session: Session, sid: str) -> Inbound | None:
    """Return a text that came in with its row locked until the transaction ends."""
    return session.get(Inbound, sid, with_for_update=True)


def incidents_since(session: Session, since: datetime, limit: int) -> Sequence[Incident]:
    """Return the newest incidents after a moment."""
    return session.scalars(
        select(Incident).where(Incident.last >= since).order_by(Incident.last.desc()).limit(limit)
    ).all()


def bulletins_of(session: Session, delivery_ids: Sequence[int]) -> dict[int, int]:
    """Return the bulletin of each of these deliveries."""
    rows = session.execute(
        select(Delivery.id, Delivery.bulletin_id).where(Delivery.id.in_(delivery_ids))
    )
    return {row.id: row.bulletin_id for row in rows}


def undecided_since(
    session: Session, since: datetime, limit: int
) -> Sequence[tuple[Bulletin, BroadcastList, int]]:
    """Return the bulletins that began after a moment and left somebody undecided, and how many."""
    people = func.sum(Tally.n)
    undecided = (
        select(Tally.bulletin_id, people.label("people"))
        .join(Bulletin, Bulletin.id == Tally.bulletin_id)
        .where(
            Tally.state == State.HELD.value,
            Bulletin.state == BulletinState.FINISHED.value,
            Bulletin.starts_at >= since,
        )
        .group_by(Tally.bulletin_id)
        .having(people > 0)
        .subquery()
    )
    rows = session.execute(
        select(Bulletin, BroadcastList, undecided.c.people)
        .join(undecided, undecided.c.bulletin_id == Bulletin.id)
        .join(BroadcastList, BroadcastList.id == Bulletin.list_id)
        .order_by(Bulletin.starts_at.desc())
        .limit(limit)
    )
    return [(bulletin, item, int(number)) for bulletin, item, number in rows]


def count_people(session: Session) -> int:
    """Count who would get a bulletin of any list: on it, not stopped, and not blocked."""
    people = func.count(func.distinct(Subscription.subscriber_id))
    return int(session.execute(members_of_any(people).where(~BLOCKED)).scalar_one())

"""Bulletins that come again: what is to be planned, and each local moment once."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select, tuple_, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import EDITABLE
from broadcaster.core.errors import NotFound
from broadcaster.core.recurrence import Occurrence as Moment
from broadcaster.storage.models import Bulletin, Occurrence, Series
from broadcaster.storage.upsert import insert

# The largest id both databases can look up; a larger number in a URL is simply not there.
_MAX_ID = 2**31 - 1


def get(session: Session, series_id: int) -> Series:
    """Return a series.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, series_id, for_update=False)


def lock(session: Session, series_id: int) -> Series:
    """Return a series with its row locked until the transaction ends; its bulletins come after it.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, series_id, for_update=True)


def _one(session: Session, series_id: int, *, for_update: bool) -> Series:
    query = select(Series).where(Series.id == series_id)
    found = (
        session.execute(
            query.with_for_update(key_share=True) if for_update else query
        ).scalar_one_or_none()
        if 0 < series_id <= _MAX_ID
        else None
    )
    if found is None:
        message = "There is no such series."
        raise NotFound(message)
    return found


def due(session: Session, now: datetime) -> Sequence[int]:
    """Return the series of which something is to be planned."""
    return (
        session.execute(select(Series.id).where(Series.plan_at <= now).order_by(Series.id))
        .scalars()
        .all()
    )


def lock_due(session: Session, series_id: int, now: datetime) -> Series | None:
    """Return a series, locked, if there still is something to plan and nobody else is at it."""
    return session.execute(
        select(Series)
        .where(Series.id == series_id, Series.plan_at <= now)
        .with_for_update(skip_locked=True, key_share=True)
    ).scalar_one_or_none()


def take(session: Session, series_id: int, moment: Moment) -> bool:
    """Write a local moment of a series down; tell whether it had not been yet."""
    return (
        session.execute(
            insert(session, Occurrence)
            .values(
                series_id=series_id,
                local_date=moment.local_date,
                local_time=moment.local_time,
                starts_at=moment.moment,
            )
            .on_conflict_do_nothing()
            .returning(Occurrence.series_id)
        ).first()
        is not None
    )


def give(session: Session, series_id: int, moment: Moment, bulletin_id: int) -> None:
    """Say which bulletin was made for a local moment."""
    session.execute(
        update(Occurrence)
        .where(
            Occurrence.series_id == series_id,
            Occurrence.local_date == moment.local_date,
            Occurrence.local_time == moment.local_time,
        )
        .values(bulletin_id=bulletin_id)
        .execution_options(synchronize_session=False)
    )


def to_come(session: Session, series_id: int, now: datetime) -> list[datetime]:
    """Return the moments that are planned and have not come yet, in order."""
    rows = session.execute(
        select(Occurrence.starts_at)
        .where(Occurrence.series_id == series_id, Occurrence.starts_at > now)
        .order_by(Occurrence.starts_at)
    ).scalars()
    return [moment for moment in rows if moment is not None]


def occurrence_of(session: Session, bulletin_id: int) -> Occurrence | None:
    """Return the local moment that a bulletin was made for, if it is part of a series."""
    return session.execute(
        select(Occurrence).where(Occurrence.bulletin_id == bulletin_id)
    ).scalar_one_or_none()


def next_bulletins(
    session: Session, series_id: int, after: datetime, limit: int
) -> Sequence[tuple[Bulletin, datetime]]:
    """Return the bulletins of a series that can still be changed, with their moments, in order."""
    rows = session.execute(
        select(Bulletin, Occurrence.starts_at)
        .join(Occurrence, Occurrence.bulletin_id == Bulletin.id)
        .where(
            Occurrence.series_id == series_id,
            Occurrence.starts_at > after,
            Bulletin.state.in_([state.value for state in EDITABLE]),
            Bulletin.audience.is_(None),
        )
        .order_by(Occurrence.starts_at)
        .limit(limit)
    ).all()
    return [(bulletin, moment) for bulletin, moment in rows if moment is not None]


def lock_unstarted(
    session: Session, series_id: int, after: Occurrence | None = None
) -> Sequence[Bulletin]:
    """Return, locked, the bulletins of a series that nobody can have got anything of.

    Args:
        session: an open transaction that may write, with the series' row locked.
        series_id: which series.
        after: only those of later local moments than this one.
    """
    query = (
        select(Bulletin)
        .join(Occurrence, Occurrence.bulletin_id == Bulletin.id)
        .where(
            Occurrence.series_id == series_id,
            Bulletin.state.in_([state.value for state in EDITABLE]),
            Bulletin.audience.is_(None),
        )
    )
    if after is not None:
        place = tuple_(Occurrence.local_date, Occurrence.local_time)
        query = query.where(place > (after.local_date, after.local_time))
    return (
        session.execute(
            query.order_by(Bulletin.id)
            .with_for_update(of=Bulletin, key_share=True)
            .execution_options(populate_existing=True)
        )
        .scalars()
        .all()
    )

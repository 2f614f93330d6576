"""Bulletins that come again: begun from one bulletin, changed from there on, ended.

What is made for each moment is an ordinary bulletin, edited, moved and cancelled like any other;
``planning`` makes it some days ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from broadcaster.core.bulletin import EDITABLE, BulletinState
from broadcaster.core.errors import Conflict, InvalidMoment, NotFound
from broadcaster.core.recurrence import Recurrence
from broadcaster.services import brakes, bulletins, planning
from broadcaster.services.planning import MadeAs
from broadcaster.storage import bulletins as stored_bulletins
from broadcaster.storage import series as stored
from broadcaster.storage.models import Bulletin, Series

_SHOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """A bulletin's place in its series.

    Args:
        series: the series.
        recurrence: when it comes.
        starts_at: the moment this bulletin was made for.
        following: the next bulletins that can still be changed, with their moments.
        changeable: whether it and those that follow can still be changed at once.
    """

    series: Series
    recurrence: Recurrence
    starts_at: datetime
    following: Sequence[tuple[Bulletin, datetime]]
    changeable: bool


def make(
    session: Session,
    bulletin_id: int,
    *,
    version: int,
    recurrence: Recurrence,
    made_as: MadeAs,
    now: datetime,
) -> Bulletin:
    """Begin a series with a bulletin, which goes out at the first of its moments.

    Args:
        session: an open transaction that may write.
        bulletin_id: the first bulletin; its text becomes that of the series.
        version: the version that the editor had before them; a second press finds another.
        recurrence: when it comes again.
        made_as: what is made for each later moment.
        now: the present moment.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it was changed, has begun, or is part of a series already.
        InvalidMoment: none of its moments is still to come.
        InvalidInput: nobody would get it.
    """
    bulletin = stored_bulletins.lock(session, bulletin_id)
    if bulletin.series_id is not None or bulletin.audience is not None:
        message = "This bulletin is part of a series already, or has begun; it cannot begin one."
        raise Conflict(message)
    first = planning.first_of(recurrence, now)
    if first is None or first.moment is None:
        message = "None of these moments is still to come. Choose a later last day."
        raise InvalidMoment(message)
    bulletins.schedule(
        session,
        bulletin_id,
        version=version,
        starts_at=first.moment,
        zone=recurrence.zone,
        now=now,
    )
    made = _series(bulletin, recurrence, made_as, first.moment, now)
    session.add(made)
    session.flush()
    bulletin.series_id = made.id
    session.flush()
    stored.take(session, made.id, first)
    stored.give(session, made.id, first, bulletin.id)
    planning.plan(session, made, now=now, oldest=now)
    return bulletin


def of(session: Session, bulletin: Bulletin, now: datetime) -> Membership | None:
    """Return a bulletin's place in its series, if it is part of one."""
    occurrence = stored.occurrence_of(session, bulletin.id)
    if occurrence is None or occurrence.starts_at is None:
        return None
    series = stored.get(session, occurrence.series_id)
    after = max(occurrence.starts_at, now)
    return Membership(
        series=series,
        recurrence=planning.recurrence_of(series),
        starts_at=occurrence.starts_at,
        following=stored.next_bulletins(session, series.id, after, _SHOWN),
        changeable=series.ended is None and _is_unstarted(bulletin),
    )


def change_following(
    session: Session, bulletin_id: int, *, text: str, version: int, now: datetime
) -> int:
    """Give a bulletin and all that follow it in its series another text; return how many changed.

    They stay scheduled as they were. A later one whose text was changed on its own keeps that.

    Args:
        session: an open transaction that may write.
        bulletin_id: the first that changes.
        text: the text from there on.
        version: the version of it that the editor had before them.
        now: the present moment.

    Raises:
        NotFound: there is no such bulletin, or it is not part of a series.
        Conflict: it was changed, has begun, its series has ended, or one of them is being compared
            with the provider's list.
        InvalidInput: the text cannot be sent.
    """
    bulletins.check_text(text)
    occurrence = stored.occurrence_of(session, bulletin_id)
    if occurrence is None:
        message = "This bulletin is not part of a series."
        raise NotFound(message)
    series = stored.lock(session, occurrence.series_id)
    bulletin = stored_bulletins.lock(session, bulletin_id)
    _check_changeable(series, bulletin, version)
    later = stored.lock_unstarted(session, series.id, after=occurrence)
    changed = [bulletin, *(one for one in later if one.text == series.text)]
    for one in changed:
        if one.state != BulletinState.DRAFT:
            brakes.refuse_uncompared(session, one)
    for one in changed:
        one.text = text
        one.version += 1
        one.changed = now
    series.text = text
    series.version += 1
    series.changed = now
    session.flush()
    return len(changed)


def end(session: Session, series_id: int, *, now: datetime) -> int:
    """End a series and take back what has not begun; return how many bulletins that were.

    What goes out already goes on. A draft that somebody gave its own text stays a draft.

    Raises:
        NotFound: there is no such series.
        Conflict: it has ended before.
    """
    series = stored.lock(session, series_id)
    if series.ended is not None:
        message = "This series has ended already; nothing of it is made any more."
        raise Conflict(message)
    series.ended = series.changed = now
    series.plan_at = None
    series.version += 1
    taken_back = [
        one
        for one in stored.lock_unstarted(session, series_id)
        if one.state != BulletinState.DRAFT or one.text == series.text
    ]
    for one in taken_back:
        brakes.stop(session, one.id, now=now)
    session.flush()
    return len(taken_back)


def _series(
    bulletin: Bulletin, recurrence: Recurrence, made_as: MadeAs, begins: datetime, now: datetime
) -> Series:
    return Series(
        list_id=bulletin.list_id,
        author_id=bulletin.author_id,
        text=bulletin.text,
        made_as=made_as.value,
        period=recurrence.period.value,
        every=recurrence.every,
        weekdays="".join(str(day) for day in sorted(recurrence.weekdays)),
        local_time=recurrence.local_time,
        zone=recurrence.zone,
        gap=recurrence.gap.value,
        overlap=recurrence.overlap.value,
        first_date=recurrence.first_date,
        last_date=recurrence.last_date,
        planned_until=begins,
        plan_at=now,
        version=1,
        created=now,
        changed=now,
    )


def _is_unstarted(bulletin: Bulletin) -> bool:
    return BulletinState(bulletin.state) in EDITABLE and bulletin.audience is None


def _check_changeable(series: Series, bulletin: Bulletin, version: int) -> None:
    if series.ended is not None:
        message = "This series has ended; change this bulletin on its own."
        raise Conflict(message)
    if not _is_unstarted(bulletin):
        message = "This bulletin has begun; change the next one and those that follow it."
        raise Conflict(message)
    if bulletin.version != version:
        message = "Somebody changed this bulletin after you opened it."
        raise Conflict(message)

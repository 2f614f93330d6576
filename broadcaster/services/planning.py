"""Planning ahead: for each series, the bulletins of the coming days.

Each local moment of a series is written down once, for ever, and with it the bulletin made for it.
What was cancelled is not made again, whoever plans and however often.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.errors import InvalidInput
from broadcaster.core.recurrence import (
    Gap,
    Occurrence,
    Overlap,
    Period,
    Recurrence,
    occurrences,
)
from broadcaster.runtime import Runtime
from broadcaster.storage import incidents
from broadcaster.storage import series as stored
from broadcaster.storage.models import Bulletin, Series

_log = structlog.get_logger()

# At least so many are ready at any time: an outage as long as one round loses none unnoticed.
_READY = 2
# Longer than any two rounds last.
_FAR = timedelta(days=3 * 366)
# Nothing older is looked for after an outage: it is longer ago than anybody would ask about.
_OLDEST = timedelta(days=366)


class MadeAs(StrEnum):
    """What is made for each moment."""

    SCHEDULED = "scheduled"  # the same text goes out each time
    DRAFT = "draft"  # a draft that an editor gives its own text and schedules


#: How far ahead bulletins are made: what goes out by itself shows for a week, drafts not too soon.
AHEAD = {MadeAs.SCHEDULED: timedelta(days=7), MadeAs.DRAFT: timedelta(days=1)}


def plan_ahead(runtime: Runtime) -> int:
    """Make the bulletins of the coming days for every series; return how many were made.

    A moment that passed while nothing was running, and for which no bulletin was ready, is written
    down without one, as an incident: nothing goes out later than its grace by itself.
    """
    now = runtime.clock.now()
    oldest = now - timedelta(minutes=runtime.settings.sending.grace_minutes)
    with runtime.reading() as session:
        due = stored.due(session, now)
    made = 0
    for series_id in due:
        try:
            made += runtime.run(partial(_plan_one, series_id=series_id, now=now, oldest=oldest))
        except InvalidInput:
            # Such as a zone that no longer exists; the other series must not wait for it.
            _log.exception("series_not_planned", series=series_id)
    return made


def plan(session: Session, series: Series, *, now: datetime, oldest: datetime) -> int:
    """Make what is within reach, and at least the next few; return how many bulletins were made.

    Args:
        session: an open transaction that may write.
        series: a series, locked.
        now: the present moment.
        oldest: what passed before this is written down without a bulletin.
    """
    recurrence = recurrence_of(series)
    ready = stored.to_come(session, series.id, now)
    reach = now + AHEAD[MadeAs(series.made_as)]
    begin = max(series.planned_until, now - _OLDEST)
    made = 0
    series.plan_at = None
    for one in occurrences(recurrence, begin, _until(recurrence, now)):
        if one.moment is not None and one.moment >= reach and len(ready) >= _READY:
            series.planned_until = one.moment
            # Once it is within reach, or as soon as fewer than enough are ready.
            series.plan_at = min(one.moment - (reach - now), ready[-_READY])
            break
        if not stored.take(session, series.id, one) or one.moment is None:
            continue
        if one.moment > now:
            ready.append(one.moment)
        if one.moment < oldest:
            _log.warning("occurrence_missed", series=series.id, day=one.local_date.isoformat())
            incidents.note(session, "occurrence_missed", f"series {series.id}", now)
            continue
        stored.give(session, series.id, one, _bulletin(session, series, one.moment, now))
        made += 1
    session.flush()
    return made


def first_of(recurrence: Recurrence, now: datetime) -> Occurrence | None:
    """Return the first moment of a recurrence that is still to come, if there is one."""
    coming = occurrences(recurrence, now, _until(recurrence, now))
    return next((one for one in coming if one.moment is not None and one.moment > now), None)


def recurrence_of(series: Series) -> Recurrence:
    """Return when a series comes."""
    return Recurrence(
        period=Period(series.period),
        every=series.every,
        weekdays=frozenset(int(day) for day in series.weekdays),
        local_time=series.local_time,
        zone=series.zone,
        first_date=series.first_date,
        last_date=series.last_date,
        gap=Gap(series.gap),
        overlap=Overlap(series.overlap),
    )


def _until(recurrence: Recurrence, now: datetime) -> datetime:
    """Return how far a recurrence is looked at: its first moment may be a good while ahead."""
    begins = datetime.combine(recurrence.first_date, recurrence.local_time, now.tzinfo)
    return max(now, begins) + _FAR


def _plan_one(session: Session, *, series_id: int, now: datetime, oldest: datetime) -> int:
    series = stored.lock_due(session, series_id, now)
    return 0 if series is None else plan(session, series, now=now, oldest=oldest)


def _bulletin(session: Session, series: Series, starts_at: datetime, now: datetime) -> int:
    made = Bulletin(
        list_id=series.list_id,
        text=series.text,
        state=series.made_as,
        starts_at=starts_at,
        zone=series.zone,
        version=1,
        author_id=series.author_id,
        series_id=series.id,
        created=now,
        changed=now,
    )
    session.add(made)
    session.flush()
    return made.id

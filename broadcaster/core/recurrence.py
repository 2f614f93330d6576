"""What comes again: days and a local time, turned into moments over every change of the clock.

A recurrence keeps local dates and one local time. Each date is turned into its moment by itself, so
nothing drifts when the clock changes, nothing comes twice, and nothing depends on when it is asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from itertools import chain, count, pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

from broadcaster.core.errors import InvalidInput
from broadcaster.core.scheduling import find_zone, gap_end, moments

#: The longest pause between two rounds: a year of weeks.
MOST_ROUNDS = 52
#: All days of a week, and those on which most people work; 1 is Monday.
WEEKDAYS = frozenset(range(1, 8))
WORKDAYS = frozenset(range(1, 6))
_DAY = timedelta(days=1)
_WEEK = timedelta(days=7)
# A change of the clock moves a date by less; within it only the exact moment can tell.
_SLACK = timedelta(days=2)


class InvalidRecurrence(InvalidInput):
    """Something that can never come again: no days, no rounds, or an end before the beginning."""


class Period(StrEnum):
    """What a round is."""

    DAY = "day"
    WEEK = "week"


class Gap(StrEnum):
    """What is done on a day whose clock jumps over the time."""

    SKIP = "skip"
    AFTER = "after"


class Overlap(StrEnum):
    """Which of the two is meant on a day whose clock shows the time twice."""

    FIRST = "first"
    SECOND = "second"


class Occurrence(NamedTuple):
    """One date of a recurrence; without a moment it is skipped."""

    local_date: date
    local_time: time
    moment: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recurrence:
    """When something comes again.

    Args:
        period: what a round is.
        every: one in how many rounds counts, from the one of the first date on.
        weekdays: on which days of a week, 1 for Monday; where a round is a day it says nothing.
        local_time: what the clock shows then.
        zone: the IANA name of the zone whose clock is meant.
        first_date: the first local date on which it may come.
        last_date: the last, if there is one.
        gap: what is done when the clock jumps over the time.
        overlap: which is meant when the clock shows the time twice.

    Raises:
        InvalidRecurrence: it could never come.
        UnknownZone: no zone has that name.
    """

    period: Period
    every: int = 1
    weekdays: frozenset[int] = WEEKDAYS
    local_time: time
    zone: str
    first_date: date
    last_date: date | None = None
    gap: Gap = Gap.AFTER
    overlap: Overlap = Overlap.FIRST

    def __post_init__(self) -> None:
        find_zone(self.zone)
        if not 1 <= self.every <= MOST_ROUNDS:
            message = f"Choose every 1 to {MOST_ROUNDS} days or weeks."
            raise InvalidRecurrence(message)
        if not self.weekdays or not self.weekdays <= WEEKDAYS:
            message = "Choose at least one day of the week."
            raise InvalidRecurrence(message)
        if self.last_date is not None and self.last_date < self.first_date:
            message = "The last day is before the first; choose a later one, or none."
            raise InvalidRecurrence(message)


class _Placed(NamedTuple):
    """An occurrence and where it stands in time: a skipped one at the jump that takes it away."""

    occurrence: Occurrence
    stands: datetime


def occurrences(recurrence: Recurrence, after: datetime, until: datetime) -> Iterator[Occurrence]:
    """Yield what comes from one moment until before another, in order.

    Each local date comes once, and each moment at most once: where a whole day is jumped over, so
    that its time "after the gap" is the next one's own, that one counts and the other is skipped.

    Args:
        recurrence: what comes again.
        after: the beginning; what comes at this very moment belongs to it.
        until: the end; what comes at this very moment does not.
    """
    place = find_zone(recurrence.zone)
    start = after.astimezone(place).date() - _SLACK
    placed = (_place(recurrence, day, place) for day in _dates(recurrence, start))
    for one, following in pairwise(chain(placed, [None])):
        if one is None or one.stands >= until:
            return
        if one.stands < after:
            continue
        taken = following is not None and following.stands <= one.stands
        yield one.occurrence._replace(moment=None) if taken else one.occurrence


def jumped(recurrence: Recurrence, after: datetime, until: datetime) -> date | None:
    """Return the first date on which the clock jumps over the time, if there is one in a stretch."""
    skipping = replace(recurrence, gap=Gap.SKIP)
    found = occurrences(skipping, after, until)
    return next((one.local_date for one in found if one.moment is None), None)


def doubled(recurrence: Recurrence, after: datetime, until: datetime) -> date | None:
    """Return the first date on which the clock shows the time twice, if there is one in a stretch."""
    place = find_zone(recurrence.zone)
    found = occurrences(recurrence, after, until)
    return next(
        (
            one.local_date
            for one in found
            if len(moments(datetime.combine(one.local_date, one.local_time), place)) > 1
        ),
        None,
    )


def _place(recurrence: Recurrence, day: date, place: ZoneInfo) -> _Placed:
    local = datetime.combine(day, recurrence.local_time)
    possible = moments(local, place)
    if possible:
        moment = possible[0 if recurrence.overlap is Overlap.FIRST else -1]
        return _Placed(Occurrence(day, recurrence.local_time, moment), moment)
    end = gap_end(local, place)
    kept = end if recurrence.gap is Gap.AFTER else None
    return _Placed(Occurrence(day, recurrence.local_time, kept), end)


def _dates(recurrence: Recurrence, start: date) -> Iterator[date]:
    """Yield the dates of a recurrence from about a date on, in order."""
    first, last = recurrence.first_date, recurrence.last_date
    for day in _days(recurrence, max(start, first)):
        if last is not None and day > last:
            return
        if day >= first:
            yield day


def _days(recurrence: Recurrence, start: date) -> Iterator[date]:
    """Yield the days of every round that counts, from the round that a date is in."""
    first = recurrence.first_date
    offsets = [timedelta()]
    step = recurrence.every * _DAY
    if recurrence.period is Period.WEEK:
        first -= (first.isoweekday() - 1) * _DAY
        offsets = [(day - 1) * _DAY for day in sorted(recurrence.weekdays)]
        step = recurrence.every * _WEEK
    for number in count((start - first) // step):
        for offset in offsets:
            yield first + number * step + offset

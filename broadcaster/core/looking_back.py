"""A moment that has been, as people write it: with its distance from UTC, or by a clock on the wall."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.scheduling import AmbiguousTime, MissingTime, find_zone, gap_end, moments

_FORM = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[T ]([0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?)"
    r"(Z|z|[+-][0-9]{2}:?[0-9]{2})?"
)
# Before it there was no text message, and near year 1 some zones have no moments.
_FIRST_YEAR = 1970


class FutureMoment(InvalidMoment):
    """That moment is still to come."""


def look_back(local: datetime, zone: str, *, fold: int | None = None, now: datetime) -> datetime:
    """Return the moment that has been, in UTC, at which the clock of a zone showed a local time.

    Args:
        local: what was written, without a zone.
        zone: the IANA name of the zone.
        fold: 0 or 1 to choose the first or second of a time that came twice; else ignored.
        now: the present moment.

    Raises:
        UnknownZone: no zone has that name.
        MissingTime: the clock jumped over that time.
        AmbiguousTime: the clock showed it twice, and ``fold`` does not choose.
        FutureMoment: it is still to come.
        InvalidMoment: it is before 1970.
    """
    place = find_zone(zone)
    _refuse_antiquity(local)
    if local - now.astimezone(UTC).replace(tzinfo=None) > timedelta(days=2):
        raise _not_yet()
    possible = moments(local, place)
    if not possible:
        following = gap_end(local, place).astimezone(place).replace(tzinfo=None)
        message = (
            f"The clock in {place} jumped over {local:%H:%M} on that day; "
            f"the next time was {following:%H:%M}."
        )
        raise MissingTime(message, next_local=following)
    if len(possible) > 1 and fold not in {0, 1}:
        first, second = (one.astimezone(place).isoformat(timespec="minutes") for one in possible)
        message = (
            f"The clock in {place} showed {local:%H:%M} twice on that day; "
            f"write which: {first} or {second}."
        )
        raise AmbiguousTime(message, moments=(possible[0], possible[1]))
    return _that_has_been(possible[fold or 0] if len(possible) > 1 else possible[0], now)


def read_moment(text: str, zone: str, now: datetime) -> datetime:
    """Read ``2026-03-03T14:00+01:00``, or without the end by the clock of a zone; return it in UTC.

    Args:
        text: a date and a time; a space may stand for the T, and for the plus of an address.
        zone: the IANA name of the zone that is meant where none is written.
        now: the present moment.

    Raises:
        InvalidMoment: it has another form, does not exist, comes twice, or is still to come.
    """
    # In the address of a page a plus is a space.
    mended = (
        re.sub(r" ([0-9]{2}:?[0-9]{2})$", r"+\1", text.strip()) if text.count(":") > 1 else text
    )
    found = _FORM.fullmatch(mended.strip())
    try:
        local = datetime.fromisoformat(f"{found[1]}T{found[2]}") if found else None
    except ValueError:
        local = None
    if found is None or local is None:
        message = "Write the moment with a date and a time, such as 2026-03-03T14:00+01:00."
        raise InvalidMoment(message)
    if found[3] is None:
        return look_back(local, zone, now=now)
    _refuse_antiquity(local)
    try:
        moment = datetime.fromisoformat(f"{local.isoformat()}{found[3].upper()}").astimezone(UTC)
    except (ValueError, OverflowError):
        message = "No clock is that far from UTC; write the moment such as 2026-03-03T14:00+01:00."
        raise InvalidMoment(message) from None
    return _that_has_been(moment, now)


def _refuse_antiquity(local: datetime) -> None:
    if local.year < _FIRST_YEAR:
        message = f"Choose a moment after {_FIRST_YEAR}."
        raise InvalidMoment(message)


def _that_has_been(moment: datetime, now: datetime) -> datetime:
    if moment > now:
        raise _not_yet()
    return moment


def _not_yet() -> FutureMoment:
    return FutureMoment("That moment is still to come; choose one that has been.")

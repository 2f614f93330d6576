"""Local times as people write them, turned into moments, over both clock changes.

InvalidMoment
├── UnknownZone      no time zone has that name
├── MissingTime      the clock jumps over it; says which time comes next
├── AmbiguousTime    the clock shows it twice; says both moments
├── PastMoment       it has been
└── DistantMoment    it is further ahead than may be planned
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from babel.dates import format_date

from broadcaster.core.errors import InvalidMoment

FURTHEST = timedelta(days=366)
# Local time and UTC differ by less; within it only the exact moment can tell.
_SLACK = timedelta(days=2)
_SECOND = timedelta(seconds=1)
_FALLBACK = "en"
_PATTERNS = {
    "nl": ("EEEE d MMMM y", "om"),
    "en": ("EEEE d MMMM y", "at"),
    "de": ("EEEE, d. MMMM y", "um"),
    "fr": ("EEEE d MMMM y", "à"),
    "es": ("EEEE, d 'de' MMMM 'de' y,", "a las"),
}


class UnknownZone(InvalidMoment):
    """No time zone has that name."""


class MissingTime(InvalidMoment):
    """The clock jumps over that time.

    Attributes:
        next_local: the first time the clock shows after the jump.
    """

    def __init__(self, message: str, *, next_local: datetime) -> None:
        super().__init__(message)
        self.next_local = next_local


class AmbiguousTime(InvalidMoment):
    """The clock shows that time twice.

    Attributes:
        moments: both, in UTC; the first is fold 0.
    """

    def __init__(self, message: str, *, moments: tuple[datetime, datetime]) -> None:
        super().__init__(message)
        self.moments = moments


class PastMoment(InvalidMoment):
    """That moment has been."""


class DistantMoment(InvalidMoment):
    """That moment is further ahead than may be planned."""


def find_zone(name: str) -> ZoneInfo:
    """Return the time zone with an IANA name.

    Raises:
        UnknownZone: there is none, or it is an old name without a place, such as EST.
    """
    message = f"There is no time zone {name[:60]!a}; choose one such as Europe/Amsterdam."
    if name != "UTC" and ("/" not in name or name.startswith(("posix/", "right/"))):
        raise UnknownZone(message)
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as error:
        raise UnknownZone(message) from error


def resolve(
    local: datetime,
    zone: str,
    *,
    fold: int | None = None,
    now: datetime,
    furthest: timedelta = FURTHEST,
) -> datetime:
    """Return the moment, in UTC, at which the clock of a zone shows a local time.

    Args:
        local: what was written, without a zone.
        zone: the IANA name of the zone.
        fold: 0 or 1 to choose the first or second of a time that comes twice; else ignored.
        now: the present moment.
        furthest: how far ahead a moment may be.

    Raises:
        UnknownZone: no zone has that name.
        MissingTime: the clock jumps over that time.
        AmbiguousTime: the clock shows it twice, and ``fold`` does not choose.
        PastMoment: it has been, or is now.
        DistantMoment: it is too far ahead.
    """
    place = find_zone(zone)
    ahead = local - now.astimezone(UTC).replace(tzinfo=None)
    # Far from now no exact moment is needed, and near year 1 or 9999 there is none.
    if -_SLACK < ahead < furthest + _SLACK:
        moment = _choose(local, place, fold)
        ahead = moment - now
    else:
        moment = now
    if ahead <= timedelta(0):
        message = "That moment has passed; choose a later one."
        raise PastMoment(message)
    if ahead > furthest:
        message = f"That is more than {furthest.days} days ahead; choose an earlier moment."
        raise DistantMoment(message)
    return moment


def in_words(moment: datetime, zone: str, language: str) -> str:
    """Return a moment as people say it: ``dinsdag 24 november 2026 om 07:30 (Europe/Amsterdam)``.

    A time that the clock shows twice also carries its distance from UTC.

    Args:
        moment: an aware moment.
        zone: the IANA name of the zone whose clock is meant.
        language: nl, en, de, fr or es; English stands in for others.
    """
    place = find_zone(zone)
    local = moment.astimezone(place)
    spoken = language if language in _PATTERNS else _FALLBACK
    pattern, preposition = _PATTERNS[spoken]
    day = format_date(local.date(), pattern, locale=spoken)
    twice = len(moments(local.replace(tzinfo=None), place)) > 1
    offset = f", UTC{local.isoformat()[-6:]}" if twice else ""
    return f"{day} {preposition} {local:%H:%M} ({zone}{offset})"


def moments(local: datetime, place: ZoneInfo) -> list[datetime]:
    """Return every moment, in UTC, at which the clock shows a local time: none, one or two."""
    plain = local.replace(fold=0)
    return sorted(
        reading
        for reading in set(_readings(plain, place))
        if reading.astimezone(place).replace(tzinfo=None, fold=0) == plain
    )


def gap_end(local: datetime, place: ZoneInfo) -> datetime:
    """Return the moment, in UTC, at which the clock jumps over a local time."""
    before, after = sorted(_readings(local, place))
    old = before.astimezone(place).utcoffset()
    while after - before > _SECOND:
        middle = before + (after - before) // 2
        if middle.astimezone(place).utcoffset() == old:
            before = middle
        else:
            after = middle
    return after.replace(microsecond=0)


def _choose(local: datetime, place: ZoneInfo, fold: int | None) -> datetime:
    possible = moments(local, place)
    if not possible:
        following = gap_end(local, place).astimezone(place).replace(tzinfo=None)
        message = (
            f"The clock in {place} jumps over {local:%H:%M} on that day; "
            f"the next time is {following:%H:%M}."
        )
        raise MissingTime(message, next_local=following)
    if len(possible) == 1:
        return possible[0]
    if fold not in {0, 1}:
        message = f"The clock in {place} shows {local:%H:%M} twice on that day; choose which."
        raise AmbiguousTime(message, moments=(possible[0], possible[1]))
    return possible[fold]


def _readings(local: datetime, place: ZoneInfo) -> list[datetime]:
    """Return what a local time would be before and after a change of the clock, in UTC."""
    return [local.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1)]

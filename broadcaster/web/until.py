"""Until when a bulletin goes out: a time that an editor typed, or what the settings say; in words."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo

from broadcaster.core.scheduling import gap_end, moments
from broadcaster.storage.models import Bulletin
from broadcaster.web.extensions import runtime
from broadcaster.web.formats import short_moment
from broadcaster.web.spans import span
from broadcaster.web.wording import gettext as _

_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_DAY = timedelta(days=1)
# What a form may say of how long a bulletin takes: it only comes back in words.
_SECONDS = re.compile(r"[0-9]{1,8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Until:
    """An end that was typed, or the one that holds where none was.

    Args:
        typed: what was filled in.
        not_after: the end in UTC that was chosen; None where the settings decide.
        fault: what is wrong with what was typed.
        words: when it ends.
        pace: how long it takes, and when that is done.
        is_too_slow: whether its time is over before everybody had their turn.
    """

    typed: str = ""
    not_after: datetime | None = None
    fault: str | None = None
    words: str | None = None
    pace: str | None = None
    is_too_slow: bool = False


def read(typed: str, *, starts_at: datetime | None, zone: str, takes: timedelta) -> Until:
    """Read the end of a bulletin and say what it means.

    Args:
        typed: a time of the clock, or nothing for what the settings say.
        starts_at: when it starts, if that is known.
        zone: in whose clock the time is meant.
        takes: how long it takes at the pace of its senders.
    """
    clock = _clock(typed)
    if typed and clock is None:
        fault = _("Fill in the time at which sending stops like 11:30, or leave it empty.")
        return Until(typed=typed, fault=fault)
    if starts_at is None:
        return Until(typed=typed)
    chosen = _first_after(starts_at, clock, zone) if clock else None
    end = chosen or default_end(starts_at)
    done = starts_at + takes
    return Until(
        typed=typed,
        not_after=chosen,
        words=_("It goes out until %(end)s.", end=in_words(starts_at, end, zone)),
        pace=_(
            "At the pace of your numbers it takes about %(span)s: done around %(time)s.",
            span=span(takes),
            time=time_of(done, zone, near=starts_at),
        )
        if takes
        else None,
        is_too_slow=done > end,
    )


def read_seconds(typed: str) -> timedelta:
    """Read back how long a bulletin takes, as the page was given it."""
    return timedelta(seconds=int(typed) if _SECONDS.fullmatch(typed) else 0)


def kept(bulletin: Bulletin) -> str:
    """Return the end that was chosen before, as a form shows it; a held one chooses anew."""
    if bulletin.not_after is None or bulletin.audience is not None:
        return ""
    return f"{bulletin.not_after.astimezone(ZoneInfo(bulletin.zone)):%H:%M}"


def default_end(starts_at: datetime) -> datetime:
    """Return the end of a bulletin whose editor chose none."""
    return starts_at + timedelta(minutes=runtime().settings.sending.expires_minutes)


def in_words(starts_at: datetime, end: datetime, zone: str) -> str:
    """Write an end: ``11:30, 4 hours after the start``."""
    return _(
        "%(time)s, %(span)s after the start",
        time=time_of(end, zone, near=starts_at),
        span=span(end - starts_at),
    )


def time_of(value: datetime, zone: str, *, near: datetime) -> str:
    """Write a moment as the time of day, with its day only if that is another than the near one's."""
    place = ZoneInfo(zone)
    local = value.astimezone(place)
    if local.date() == near.astimezone(place).date():
        return f"{local:%H:%M}"
    return short_moment(value, zone)


def _clock(typed: str) -> time | None:
    if not _TIME.fullmatch(typed):
        return None
    try:
        return time.fromisoformat(typed)
    except ValueError:
        return None


def _first_after(starts_at: datetime, clock: time, zone: str) -> datetime:
    """Return when the clock first shows a time after the start; where it jumps over it, the jump."""
    place = ZoneInfo(zone)
    today = starts_at.astimezone(place).date()
    days = (today, today + _DAY, today + 2 * _DAY)
    possible = [
        found
        for local in (datetime.combine(day, clock) for day in days)
        for found in moments(local, place) or [gap_end(local, place)]
    ]
    return next(found for found in possible if found > starts_at)

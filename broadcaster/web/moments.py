"""A date, a time and a zone from a form: read, resolved, and said back in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from zoneinfo import ZoneInfo, available_timezones

from babel.dates import format_timedelta

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.scheduling import (
    AmbiguousTime,
    DistantMoment,
    MissingTime,
    UnknownZone,
    in_words,
    resolve,
)
from broadcaster.web.extensions import runtime
from broadcaster.web.formats import number
from broadcaster.web.languages import current
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale

_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2})?")
_LATER = timedelta(hours=1)
_QUARTER = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What was filled in, and what it means.

    Args:
        date: as typed.
        time: as typed.
        zone: as chosen.
        fold: which of two equal times was chosen, as typed.
        starts_at: the moment in UTC, if there is one.
        fault: what is wrong, in the reader's language.
        bad: the fields that are wrong.
        folds: the two moments to choose from, if the time comes twice.
        echo: the moment in words.
    """

    date: str
    time: str
    zone: str
    fold: str = ""
    starts_at: datetime | None = None
    fault: str | None = None
    bad: frozenset[str] = frozenset()
    folds: list[tuple[str, str]] = field(default_factory=list)
    echo: str | None = None


def suggest(zone: str, now: datetime) -> Planned:
    """Suggest a moment: in an hour, at the next quarter."""
    local = (now + _LATER).astimezone(ZoneInfo(zone))
    local += timedelta(minutes=-local.minute % _QUARTER)
    return read({"date": f"{local:%Y-%m-%d}", "time": f"{local:%H:%M}", "zone": zone}, now)


def show(moment: datetime, zone: str, now: datetime) -> Planned:
    """Fill in a moment that is known."""
    local = moment.astimezone(ZoneInfo(zone))
    typed = {"date": f"{local:%Y-%m-%d}", "time": f"{local:%H:%M}", "zone": zone}
    return read({**typed, "fold": str(local.fold)}, now)


def read(filled: Mapping[str, str], now: datetime) -> Planned:
    """Read what was filled in and say what it means, or what is wrong with it."""
    date, time, zone, fold = (filled.get(name, "") for name in ("date", "time", "zone", "fold"))
    typed = Planned(date=date, time=time, zone=zone, fold=fold)
    local = parse(date, time)
    if local is None:
        return faulty(typed, _("Fill in a date and a time."), "date", "time")
    furthest = timedelta(days=runtime().settings.sending.max_days_ahead)
    chosen = int(fold) if fold in {"0", "1"} else None
    try:
        moment = resolve(local, zone, fold=chosen, now=now, furthest=furthest)
    except AmbiguousTime as twice:
        return _twice(typed, twice.moments)
    except InvalidMoment as error:
        return _explain(typed, error, furthest)
    return Planned(
        date=date, time=time, zone=zone, fold=fold, starts_at=moment, echo=_echo(moment, zone, now)
    )


def parse(date: str, time: str) -> datetime | None:
    """Return the local time that was typed, if it is one."""
    if not _DATE.fullmatch(date) or not _TIME.fullmatch(time):
        return None
    try:
        return datetime.fromisoformat(f"{date}T{time}")
    except ValueError:
        return None


def faulty(typed: Planned, fault: str, *bad: str) -> Planned:
    """Say what is wrong with what was typed, and in which fields."""
    return Planned(
        date=typed.date,
        time=typed.time,
        zone=typed.zone,
        fold=typed.fold,
        fault=fault,
        bad=frozenset(bad),
    )


def too_far(furthest: timedelta) -> str:
    """Say that a moment is further ahead than may be planned."""
    return _("That is too far ahead: at most %(days)s days.", days=number(furthest.days))


def _explain(typed: Planned, error: InvalidMoment, furthest: timedelta) -> Planned:
    match error:
        case UnknownZone():
            return faulty(typed, _("Choose a time zone from the list."), "zone")
        case MissingTime(next_local=following):
            return faulty(typed, _gap(typed.time, following), "time")
        case DistantMoment():
            return faulty(typed, too_far(furthest), "date")
    return faulty(typed, _("That moment has passed; choose a later one."), "date", "time")


@cache
def zones() -> tuple[str, ...]:
    """Return the names of all zones that are places, and UTC."""
    places = {name for name in available_timezones() if "/" in name and not name.startswith("Etc/")}
    return ("UTC", *sorted(places))


def _gap(time: str, following: datetime) -> str:
    return _(
        "There is no %(time)s that day: the clock jumps forward over it. The next time there is,"
        " is %(next)s.",
        time=time[:5],
        next=f"{following:%H:%M}",
    )


def _twice(typed: Planned, moments: tuple[datetime, datetime]) -> Planned:
    first, second = (in_words(moment, typed.zone, current()) for moment in moments)
    return Planned(
        date=typed.date,
        time=typed.time,
        zone=typed.zone,
        fault=_("Choose which of the two is meant."),
        bad=frozenset({"time"}),
        folds=[
            ("0", _("The first time: %(moment)s", moment=first)),
            ("1", _("The second time: %(moment)s", moment=second)),
        ],
    )


def _echo(moment: datetime, zone: str, now: datetime) -> str:
    left = format_timedelta(moment - now, add_direction=True, locale=locale(), threshold=1.5)
    return _(
        "Goes out on %(moment)s, %(left)s.", moment=in_words(moment, zone, current()), left=left
    )

"""The form that asks for a past moment of a list: what was filled in, what it means, what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from zoneinfo import ZoneInfo

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.looking_back import FutureMoment, look_back
from broadcaster.core.scheduling import AmbiguousTime, MissingTime, UnknownZone, in_words
from broadcaster.web.languages import current
from broadcaster.web.moments import parse
from broadcaster.web.wording import gettext as _


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was filled in, and what it means.

    Args:
        list: the list's stable id, as chosen.
        date: as typed.
        time: as typed.
        zone: as chosen.
        fold: which of two equal times was chosen, as typed.
        moment: the moment in UTC, if there is one.
        fault: what is wrong, in the reader's language.
        bad: the fields that are wrong.
        folds: the two moments to choose from, if the time came twice.
    """

    list: str
    date: str
    time: str
    zone: str
    fold: str = ""
    moment: datetime | None = None
    fault: str | None = None
    bad: frozenset[str] = frozenset()
    folds: tuple[tuple[str, str], ...] = field(default=())

    @property
    def fields(self) -> dict[str, str]:
        """What leads to this answer again."""
        names = ("list", "date", "time", "zone", "fold")
        return {name: value for name in names if (value := str(getattr(self, name)))}


def blank(zone: str, now: datetime) -> Asked:
    """Fill in the present moment."""
    local = now.astimezone(ZoneInfo(zone))
    return Asked(list="", date=f"{local:%Y-%m-%d}", time=f"{local:%H:%M}", zone=zone)


def read(filled: Mapping[str, str], now: datetime) -> Asked:
    """Read what was filled in and say what it means, or what is wrong with it."""
    name, date, time = (filled.get(one, "") for one in ("list", "date", "time"))
    zone, chosen = filled.get("zone", ""), filled.get("fold", "")
    typed = Asked(list=name, date=date, time=time, zone=zone, fold=chosen)
    local = parse(typed.date, typed.time)
    if local is None:
        return _faulty(typed, _("Fill in a date and a time."), "date", "time")
    fold = int(chosen) if chosen in {"0", "1"} else None
    try:
        return replace(typed, moment=look_back(local, typed.zone, fold=fold, now=now))
    except AmbiguousTime as twice:
        fault = _("Choose which of the two is meant.")
        return replace(_faulty(typed, fault, "time"), folds=_folds(twice.moments, typed.zone))
    except InvalidMoment as error:
        return _explain(typed, error)


def _explain(typed: Asked, error: InvalidMoment) -> Asked:
    match error:
        case UnknownZone():
            return _faulty(typed, _("Choose a time zone from the list."), "zone")
        case MissingTime(next_local=following):
            fault = _(
                "There was no %(time)s that day: the clock jumped forward over it. The next time"
                " there was is %(next)s.",
                time=typed.time[:5],
                next=f"{following:%H:%M}",
            )
            return _faulty(typed, fault, "time")
        case FutureMoment():
            fault = _("That moment is still to come; choose one that has been.")
            return _faulty(typed, fault, "date", "time")
    return _faulty(typed, _("Choose a moment after 1970."), "date")


def _folds(twice: tuple[datetime, datetime], zone: str) -> tuple[tuple[str, str], ...]:
    first, second = (in_words(moment, zone, current()) for moment in twice)
    return (
        ("0", _("The first time: %(moment)s", moment=first)),
        ("1", _("The second time: %(moment)s", moment=second)),
    )


def _faulty(typed: Asked, fault: str, *bad: str) -> Asked:
    return replace(typed, fault=fault, bad=frozenset(bad))

"""How often and when something comes again, in the reader's words."""

from __future__ import annotations

from datetime import date

from babel.dates import format_date, get_day_names
from babel.lists import format_list

from broadcaster.core.recurrence import WEEKDAYS, WORKDAYS, Period, Recurrence
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale, ngettext


def rhythm(recurrence: Recurrence) -> str:
    """Say how often and when something comes: ``Every weekday at 07:30 (Europe/Amsterdam)``."""
    clock = {"time": f"{recurrence.local_time:%H:%M}", "zone": recurrence.zone}
    every, weekdays = recurrence.every, recurrence.weekdays
    if recurrence.period is Period.DAY or (weekdays == WEEKDAYS and every == 1):
        return ngettext(
            "Every day at %(time)s (%(zone)s)",
            "Every %(number)s days at %(time)s (%(zone)s)",
            every,
            number=every,
            **clock,
        )
    if weekdays == WORKDAYS and every == 1:
        return _("Every weekday at %(time)s (%(zone)s)", **clock)
    return ngettext(
        "Every %(days)s at %(time)s (%(zone)s)",
        "Every %(number)s weeks on %(days)s at %(time)s (%(zone)s)",
        every,
        number=every,
        days=format_list([weekday(day) for day in sorted(weekdays)], locale=locale()),
        **clock,
    )


def span(recurrence: Recurrence, first: date) -> str:
    """Say how often something comes, from when and until when."""
    values = {"rhythm": rhythm(recurrence), "first": whole_day(first)}
    if recurrence.last_date is None:
        return _("%(rhythm)s; first on %(first)s.", **values)
    last = whole_day(recurrence.last_date)
    return _("%(rhythm)s; first on %(first)s, until %(last)s.", last=last, **values)


def weekday(day: int) -> str:
    """Return the name of a day of the week, 1 for Monday."""
    return str(get_day_names("wide", locale=locale())[day - 1])


def whole_day(day: date) -> str:
    """Write a day with its name: ``Tuesday 24 November 2026``."""
    return format_date(day, "EEEE d MMMM y", locale=locale())

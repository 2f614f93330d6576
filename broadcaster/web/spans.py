"""How long something takes, as people say it."""

from __future__ import annotations

import math
from datetime import timedelta

from babel.numbers import format_decimal

from broadcaster.web.formats import number
from broadcaster.web.wording import gettext as _
from broadcaster.web.wording import locale, ngettext

_MINUTE = timedelta(minutes=1)
_HOUR = 60


def span(length: timedelta) -> str:
    """Write a length of time in hours and minutes, rounded up; seconds only below a minute."""
    if length < _MINUTE:
        return seconds(max(math.ceil(length.total_seconds()), 1))
    hours, minutes = divmod(math.ceil(length / _MINUTE), _HOUR)
    parts = []
    if hours:
        parts.append(ngettext("%(number)s hour", "%(number)s hours", hours, number=number(hours)))
    if minutes:
        parts.append(
            ngettext("%(number)s minute", "%(number)s minutes", minutes, number=number(minutes))
        )
    return " ".join(parts)


def seconds(length: float) -> str:
    """Write seconds, to a tenth where that says something; nothing is quicker than one."""
    length = max(length, 1.0)
    shown = format_decimal(length, "#,##0.#", locale=locale())
    if shown == "1":
        return _("1 second")
    return _("%(number)s seconds", number=shown)


def rate(value: float) -> str:
    """Write how many go in a second."""
    return format_decimal(value, "#,##0.###", locale=locale())

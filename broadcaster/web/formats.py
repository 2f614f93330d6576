"""How templates write numbers, moments and files: by the reader's language, in the right zone."""

from __future__ import annotations

import hashlib
from datetime import date, datetime
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo

from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal
from flask import Flask, url_for

from broadcaster.web.extensions import runtime
from broadcaster.web.wording import locale

_STATIC = Path(__file__).parent / "static"
_DAY_AND_TIME = {
    "en": "EEEE d MMMM y 'at' HH:mm",
    "nl": "EEEE d MMMM y 'om' HH:mm",
}
_SHORT = {"en": "EEE d MMM, HH:mm", "nl": "EEE d MMM, HH:mm"}


def number(value: int) -> str:
    """Write a number with the separators of the reader's language."""
    return format_decimal(value, locale=locale())


def moment(value: datetime, zone: str | None = None) -> str:
    """Write a moment in words, in a list's zone or the organisation's."""
    return _write(value, zone, _DAY_AND_TIME)


def short_moment(value: datetime, zone: str | None = None) -> str:
    """Write a moment briefly, in a list's zone or the organisation's."""
    return _write(value, zone, _SHORT)


def clock_time(value: datetime, zone: str | None = None) -> str:
    """Write the time of day, to the second."""
    return format_time(_local(value, zone), "HH:mm:ss", locale=locale())


def day(value: date) -> str:
    """Write a day in words."""
    return format_date(value, "d MMMM y", locale=locale())


def local_day(value: datetime) -> date:
    """Return the day on which a moment falls for the organisation."""
    return _local(value, None).date()


def iso(value: datetime) -> str:
    """Write a moment for machines."""
    return value.isoformat(timespec="seconds")


def asset(name: str) -> str:
    """Return the address of a static file, which changes whenever the file does."""
    return url_for("static", filename=name, v=_fingerprint(name))


def install(app: Flask) -> None:
    """Teach the templates these words."""
    app.add_template_filter(number)
    app.add_template_filter(moment)
    app.add_template_filter(short_moment)
    app.add_template_filter(clock_time)
    app.add_template_filter(day)
    app.add_template_filter(iso)
    app.add_template_global(asset)


@cache
def _fingerprint(name: str) -> str:
    return hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:12]


def _local(value: datetime, zone: str | None) -> datetime:
    return value.astimezone(ZoneInfo(zone or runtime().settings.organisation.zone))


def _write(value: datetime, zone: str | None, patterns: dict[str, str]) -> str:
    reader = locale()
    pattern = patterns.get(reader.language, patterns["en"])
    return format_datetime(_local(value, zone), pattern, locale=reader)

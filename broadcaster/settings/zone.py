"""The form of a time zone."""

from __future__ import annotations

from broadcaster.core.errors import InvalidMoment
from broadcaster.core.scheduling import find_zone
from broadcaster.settings.form import Form, one_line, refuse, shown


def time_zone() -> Form[str]:
    """Make the form of a time zone by its IANA name."""

    def read(value: object) -> str:
        name = one_line(value)
        try:
            find_zone(name)
        except InvalidMoment:
            refuse(f"is {shown(name)}, no IANA time zone; write one such as Europe/Amsterdam")
        return name

    return Form("IANA time zone", read)

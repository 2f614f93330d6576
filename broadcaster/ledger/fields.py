"""The forms that single fields of an entry may take."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from broadcaster.ledger.errors import EntryError

MAX_INTEGER = 2**53 - 1
SHA256 = re.compile(r"[0-9a-f]{64}")
SUBJECT = re.compile(r"[0-9a-f]{32}")
UUID4 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
LANGUAGE = re.compile(r"[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*")
VALIDITY = re.compile(
    r"until-withdrawn|P[0-9]+W"
    r"|P(?=[0-9T])(?:[0-9]+Y)?(?:[0-9]+M)?(?:[0-9]+D)?"
    r"(?:T(?=[0-9])(?:[0-9]+H)?(?:[0-9]+M)?(?:[0-9]+S)?)?"
)
NAME = re.compile(r"[^\s\x00-\x1f\x7f](?:[^\x00-\x1f\x7f]{0,198}[^\s\x00-\x1f\x7f])?")
REASON = re.compile(r"(?=.*\S).*", re.DOTALL)
# Newer Pythons know an hour 24, older ones do not.
_TIMESTAMP = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-9]{2}:[0-9]{2}\.[0-9]{6}Z"
)


def check_form(name: str, value: object, form: re.Pattern[str]) -> None:
    """Check that a field is a string of the given form.

    Raises:
        EntryError: it is not; the message names the field but does not repeat its content.
    """
    if not isinstance(value, str) or not form.fullmatch(value):
        message = f"the field '{name}' has not the form it must have"
        raise EntryError(message)


def check_integer(name: str, value: object, *, least: int) -> None:
    """Check that a field is a whole number, at least `least`, that survives JSON.

    Raises:
        EntryError: it is not.
    """
    if type(value) is not int or not least <= value <= MAX_INTEGER:
        message = f"the field '{name}' must be a whole number, at least {least}"
        raise EntryError(message)


def check_moment(name: str, value: object) -> None:
    """Check that a field is an aware moment in UTC.

    Raises:
        EntryError: it is not.
    """
    if not isinstance(value, datetime) or value.utcoffset() != timedelta(0):
        message = f"the field '{name}' must be a moment in UTC that says so"
        raise EntryError(message)


def format_moment(value: datetime) -> str:
    """Write a moment the one way entries write it: `2026-01-31T09:00:00.000000Z`."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def parse_moment(name: str, value: object) -> datetime:
    """Read a moment as `format_moment` writes it.

    Raises:
        EntryError: it has another form, or there is no such moment.
    """
    check_form(name, value, _TIMESTAMP)
    try:
        return datetime.fromisoformat(str(value))
    except ValueError as error:
        message = f"the field '{name}' names a moment that does not exist"
        raise EntryError(message) from error

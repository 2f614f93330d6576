"""The forms that values may have: each reads what was written and says what is wrong with it.

A reader takes what a TOML file or a variable of the environment holds and returns the value, or
raises ``ValueError`` with a sentence that a person can act on. Readers of secrets never repeat
what they read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import NoReturn, TypeVar

from marshmallow import ValidationError, fields

T = TypeVar("T")

Reader = Callable[[object], T]

LONGEST_TEXT = 2000
# Readers for numbers take ASCII digits only: int() would also read other scripts.
_WHOLE = re.compile(r"[+-]?[0-9]{1,18}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}(\.[0-9]{1,18})?")
_EMAIL = re.compile(r"[^@\s<>,;:]+@[^@\s<>,;:]+\.[^@\s<>,;:.]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{1,38}[0-9]")
_HOST = re.compile(r"[A-Za-z0-9.:_-]{1,253}")


class Form(fields.Field[T]):
    """A marshmallow field made of one reader.

    Args:
        kind: what is expected, in words, for the reference.
        read: reads a value or raises ``ValueError``.
        secret: whether the value is never shown.
    """

    def __init__(self, kind: str, read: Reader[T], *, secret: bool = False) -> None:
        super().__init__()
        self.kind = kind
        self.read = read
        self.secret = secret

    def _deserialize(
        self, value: object, attr: str | None, data: Mapping[str, object] | None, **kwargs: object
    ) -> T:
        del attr, data, kwargs  # marshmallow hands them over; one value is read by itself
        try:
            return self.read(value)
        except ValueError as error:
            raise ValidationError(str(error)) from error


def refuse(message: str) -> NoReturn:
    """Say what is wrong with a value.

    Raises:
        ValueError: always, with that sentence.
    """
    raise ValueError(message)


def shown(value: object) -> str:
    """Return a value for a fault: quoted, with control characters escaped, never long."""
    text = ascii(value) if isinstance(value, str) and not value.isprintable() else repr(value)
    longest = 60
    return text if len(text) <= longest else text[:longest] + "…'"


def one_line(value: object) -> str:
    """Read a line of text without control characters; blanks around it are taken off."""
    if not isinstance(value, str):
        refuse(f"is {shown(value)}, not a text; put it between quotes")
    text = value.strip()
    if len(text) > LONGEST_TEXT:
        refuse(f"is longer than {LONGEST_TEXT:,} characters; shorten it")
    if not text.isprintable():
        refuse("holds a line break, a control character or invalid UTF-8; retype it as one line")
    return text


def text() -> Form[str]:
    """Make the form of a line of text, or nothing."""
    return Form("text", one_line)


def name() -> Form[str]:
    """Make the form of a line of text that must be there."""

    def read(value: object) -> str:
        written = one_line(value)
        if not written:
            refuse("is empty; write at least one word")
        return written

    return Form("text, not empty", read)


def email() -> Form[str]:
    """Make the form of an e-mail address, or nothing."""

    def read(value: object) -> str:
        written = one_line(value)
        if written and not _EMAIL.fullmatch(written):
            refuse(f"is {shown(written)}, not an e-mail address such as lists@example.org")
        return written

    return Form("e-mail address", read)


def phone() -> Form[str]:
    """Make the form of a telephone number to be shown to people, or nothing."""

    def read(value: object) -> str:
        written = one_line(value)
        if written and not _PHONE.fullmatch(written):
            refuse("is not a telephone number such as +31 20 555 0123")
        return written

    return Form("telephone number", read)


def host() -> Form[str]:
    """Make the form of an address to listen on."""

    def read(value: object) -> str:
        written = one_line(value)
        if not _HOST.fullmatch(written):
            refuse(f"is {shown(written)}, not a host or IP address such as 127.0.0.1")
        return written

    return Form("host or IP address", read)


def whole(lowest: int, highest: int) -> Form[int]:
    """Make the form of a whole number within bounds."""

    def read(value: object) -> int:
        if isinstance(value, str) and _WHOLE.fullmatch(value.strip()):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            refuse(f"is {shown(value)}, not a whole number; write one from {lowest} to {highest}")
        if not lowest <= value <= highest:
            refuse(f"is {value}, out of bounds; write a whole number from {lowest} to {highest}")
        return value

    return Form(f"whole number, {lowest} to {highest}", read)


def seconds(lowest: float, highest: float) -> Form[float]:
    """Make the form of a number of seconds within bounds."""
    return amount("seconds", lowest, highest)


def amount(unit: str, lowest: float, highest: float) -> Form[float]:
    """Make the form of a number of some unit within bounds."""

    def read(value: object) -> float:
        if isinstance(value, str) and _NUMBER.fullmatch(value.strip()):
            value = float(value)
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not math.isfinite(value)
        ):
            refuse(f"is {shown(value)}, not a number; write {unit} from {lowest:g} to {highest:g}")
        if not lowest <= value <= highest:
            refuse(f"is {value:g}, out of bounds; write {unit} from {lowest:g} to {highest:g}")
        return float(value)

    return Form(f"{unit}, {lowest:g} to {highest:g}", read)


def choice(*words: str) -> Form[str]:
    """Make the form of one word out of a few."""
    offered = ", ".join(words)

    def read(value: object) -> str:
        if not isinstance(value, str) or value.strip() not in words:
            refuse(f"is {shown(value)}; choose one of {offered}")
        return value.strip()

    return Form(f"one of {offered}", read)


def texts() -> Form[tuple[str, ...]]:
    """Make the form of a list of texts; one line of text holds them between semicolons."""

    def read(value: object) -> tuple[str, ...]:
        parts = value.split(";") if isinstance(value, str) else value
        if not isinstance(parts, list):
            refuse(f'is {shown(value)}, not a list; write ["one", "two"], or one;two in a variable')
        return tuple(part for part in map(one_line, parts) if part)

    return Form("list of texts (between semicolons in a variable)", read)

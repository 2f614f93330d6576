"""Import with proof: what a row must state before it may put a person on a list.

Only specific, personal, clearly recorded consent that can be tied to the person is proof; a list
of numbers, or a description of how it came about, is none (ACM, on Telecommunicatiewet 11.7).
"""

from __future__ import annotations

import re
import socket
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

#: The columns of a file, those that must be there first.
REQUIRED = ("number", "when", "medium", "wording", "source")
OPTIONAL = ("ip", "form")
#: How a wording is named that the ledger holds already.
REFERENCE = "sha256:"
#: So many different wordings may be in one file: they are public, and must be nobody's own.
MOST_WORDINGS = 20
_LONGEST = 300
_LONGEST_WORDING = 4_000
_SHORTEST_WORDING = 12
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_DAY_ONLY = 10  # as long as 2026-03-03 is; the moment is not known then
# How people write numbers. Brackets stay: (0) would make another number of it.
_SPACING = str.maketrans("", "", " \u00a0-.")
_NOT_DIGITS = re.compile(r"[^0-9]+")


class Medium(StrEnum):
    """How a person agreed, elsewhere than with us."""

    WEBSITE = "website"
    APP = "app"
    PAPER = "paper"
    KEYWORD = "keyword"
    EMAIL = "email"
    TELEPHONE = "telephone"
    IN_PERSON = "in-person"


class Refusal(StrEnum):
    """Why a row brings nobody to the list."""

    COLUMNS = "columns"
    TOO_LONG = "too_long"
    CONTROL = "control"
    NUMBER = "number"
    MOMENT_MISSING = "moment_missing"
    MOMENT_UNCLEAR = "moment_unclear"
    FUTURE = "future"
    TOO_OLD = "too_old"
    MEDIUM = "medium"
    WORDING_MISSING = "wording_missing"
    WORDING_SHORT = "wording_short"
    WORDING_UNKNOWN = "wording_unknown"
    WORDING_PERSONAL = "wording_personal"
    WORDINGS = "wordings"
    SOURCE = "source"
    IP = "ip"
    OWN = "own"
    DUPLICATE = "duplicate"
    LEFT = "left"
    STOPPED = "stopped"
    BLOCKED = "blocked"
    ERASED = "erased"


SENTENCES = {
    Refusal.COLUMNS: "The row has not as many columns as the header.",
    Refusal.TOO_LONG: f"A field is too long: a wording has at most {_LONGEST_WORDING:,} characters, "
    f"anything else {_LONGEST}.",
    Refusal.CONTROL: "A field holds control characters.",
    Refusal.NUMBER: "There is no number in international form, such as +31612345678.",
    Refusal.MOMENT_MISSING: "It does not say when the person agreed.",
    Refusal.MOMENT_UNCLEAR: "The moment is not clear; write day, time and zone: "
    "2026-03-03T14:00:00+01:00.",
    Refusal.FUTURE: "The moment has not come yet.",
    Refusal.TOO_OLD: "The person agreed longer ago than ledger.import_years allows.",
    Refusal.MEDIUM: f"It does not say how the person agreed: {', '.join(Medium)}.",
    Refusal.WORDING_MISSING: "It does not say to which words the person agreed.",
    Refusal.WORDING_SHORT: "The wording is too short to say what the person agreed to.",
    Refusal.WORDING_UNKNOWN: "The wording is named by a hash that the ledger does not know.",
    Refusal.WORDING_PERSONAL: "The wording holds the person's number; it becomes public and stays.",
    Refusal.WORDINGS: f"There are more than {MOST_WORDINGS} different wordings in this file; they "
    "become public and stay, so they must be the same for many.",
    Refusal.SOURCE: "It does not say where the proof is kept.",
    Refusal.IP: "That is no IP address.",
    Refusal.OWN: "That is a number of our own.",
    Refusal.DUPLICATE: "The number has been imported from a row before this one.",
    Refusal.LEFT: "The person has left this list; only they can join it again.",
    Refusal.STOPPED: "The person has stopped everything; only they can start again.",
    Refusal.BLOCKED: "The provider blocks the person, who told it to stop.",
    Refusal.ERASED: "The person has been erased, and wants to be forgotten.",
}


class Claim(NamedTuple):
    """What a row says, in the form in which it is kept."""

    number: str
    occurred: datetime
    medium: Medium
    wording: str
    source: str
    ip: str | None
    form: str | None


class Limits(NamedTuple):
    """Between which moments a person may have agreed.

    Args:
        oldest: not before; None for any moment.
        newest: not after; the present.
    """

    oldest: datetime | None
    newest: datetime


def check(cells: Sequence[str], limits: Limits) -> Claim | Refusal:
    """Read one row.

    Args:
        cells: in the order of ``REQUIRED`` and ``OPTIONAL``; those that are not there are empty.
        limits: between which moments.

    Returns:
        What it claims, or the first reason why it proves nothing.
    """
    number, when, medium, wording, source, ip, form = cells
    found, moment = _number(number), _moment(when.strip(), limits)
    how = _MEDIA.get(medium) or _MEDIA.get(medium.strip().lower())
    words = _wording(wording)
    if found is None:
        return Refusal.NUMBER
    if isinstance(moment, Refusal):
        return moment
    if how is None:
        return Refusal.MEDIUM
    if isinstance(words, Refusal):
        return words
    source, ip, form = source.strip(), ip.strip(), form.strip()
    refusal = _other_refusal(found, words, source, ip, form)
    return refusal or Claim(found, moment, how, words, source, ip or None, form or None)


_MEDIA = {medium.value: medium for medium in Medium}


def _number(text: str) -> str | None:
    if _E164.fullmatch(text):
        return text
    if len(text) > _LONGEST:
        return None
    # Spreadsheets, and our own exports, put a quotation mark before what begins with a plus.
    bare = text.strip().removeprefix("'").removeprefix("whatsapp:").translate(_SPACING)
    return bare if _E164.fullmatch(bare) else None


def _moment(text: str, limits: Limits) -> datetime | Refusal:
    if not text:
        return Refusal.MOMENT_MISSING
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or len(text) <= _DAY_ONLY:
            return Refusal.MOMENT_UNCLEAR
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return Refusal.MOMENT_UNCLEAR
    if moment > limits.newest:
        return Refusal.FUTURE
    if limits.oldest is not None and moment < limits.oldest:
        return Refusal.TOO_OLD
    return moment


@lru_cache(maxsize=64)
def _wording(text: str) -> str | Refusal:
    """Read the words; a file has few of them, and each often."""
    words = text.replace("\r\n", "\n").strip()
    if not words:
        return Refusal.WORDING_MISSING
    if len(words) > _LONGEST_WORDING:
        return Refusal.TOO_LONG
    if words.startswith(REFERENCE):
        named = words.removeprefix(REFERENCE).lower()
        return REFERENCE + named if _SHA256.fullmatch(named) else Refusal.WORDING_UNKNOWN
    if not words.replace("\n", "").replace("\t", "").isprintable():
        return Refusal.CONTROL
    return words if len(words) >= _SHORTEST_WORDING else Refusal.WORDING_SHORT


@lru_cache(maxsize=64)
def _digits(words: str) -> str:
    return _NOT_DIGITS.sub("", words)


def _other_refusal(number: str, words: str, source: str, ip: str, form: str) -> Refusal | None:
    if number[1:] in _digits(words):
        return Refusal.WORDING_PERSONAL
    if not source:
        return Refusal.SOURCE
    if len(source) > _LONGEST or len(form) > _LONGEST:
        return Refusal.TOO_LONG
    if not (source.isprintable() and form.isprintable()):
        return Refusal.CONTROL
    return Refusal.IP if ip and not _is_ip(ip) else None


def _is_ip(text: str) -> bool:
    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, text)
        except (OSError, ValueError):
            continue
        return True
    return False

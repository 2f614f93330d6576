"""A quick look at a leaf: what verification needs of the consent entries that nearly all leaves are.

Parsing a leaf in full takes many times as long as hashing it. The pattern here matches only leaves
that `entry.parse` accepts, and by far not all of them: what it does not match is parsed in full.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from broadcaster.ledger.entry import EVENTS_WITH_REASON, METHODS_WITH_REASON
from broadcaster.ledger.words import Channel, Event, Method, State

_HASH = "[0-9a-f]{64}"
_NAME = r"[!#-\[\]-~]{1,200}"  # printable ASCII that JSON never escapes
_NUMBER = "[1-9][0-9]{0,14}"
# 29 February is left to the full parser, which knows the calendar.
_MOMENT = (
    "(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
    r"T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z"
)
_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
_EVENT = "|".join(sorted(set(Event) - EVENTS_WITH_REASON))
_METHOD = "|".join(sorted(set(Method) - METHODS_WITH_REASON))


def _leaf(*seen: str) -> re.Pattern[bytes]:
    """Build the pattern of a leaf that catches these fields, in the order in which they stand."""

    def part(name: str, form: str) -> str:
        return f"({form})" if name in seen else f"(?:{form})"

    return re.compile(
        (
            rf'{{"actor":"{_NAME}","basis":"{_NAME}",'
            rf'"channel":"{part("channel", "|".join(Channel))}",'
            rf'"config":"{_HASH}","event":"{part("event", _EVENT)}","evidence":"{_HASH}",'
            rf'"id":"{_UUID4}","list":"{part("list", _NAME)}","method":"(?:{_METHOD})",'
            rf'"notice":(?:null|{{"id":"{_NAME}","lang":"[a-z]{{2,3}}",'
            rf'"sha256":"{part("notice", _HASH)}","version":{_NUMBER}}}),"occurred":"{_MOMENT}",'
            rf'"prev":(?:null|{part("prev", f"0|{_NUMBER}")}),"purpose":"{_NAME}","reason":null,'
            rf'"recorded":"{part("recorded", _MOMENT)}","rule":"{_NAME}",'
            rf'"state":"{part("state", "|".join(State))}",'
            rf'"subject":"{part("subject", "[0-9a-f]{32}")}",'
            rf'"terms":(?:null|{{"sha256":"{part("terms", _HASH)}","version":{_NUMBER}}}),'
            r'"v":"broadcaster/consent/1","validity":"(?:until-withdrawn|P[0-9]{1,4}[YMWD])"}'
        ).encode()
    )


_LEAF = _leaf("notice", "prev", "subject", "terms")
_CHANGE = _leaf("channel", "event", "list", "recorded", "state", "subject")


class Glance(NamedTuple):
    """What a leaf says about its place among the others.

    Attributes:
        notice: SHA-256 of the notice it names, hex.
        prev: The index it names as its subject's previous entry.
        subject: Its subject, hex.
        terms: SHA-256 of the terms it names, hex.
    """

    notice: bytes | None
    prev: bytes | None
    subject: bytes
    terms: bytes | None


def glance(leaf: bytes) -> Glance | None:
    """Look at a leaf; None means that it has to be parsed, not that it is wrong."""
    found = _LEAF.fullmatch(leaf)
    return Glance._make(found.groups()) if found else None


class Change(NamedTuple):
    """What a leaf says about whether somebody is on a list.

    Attributes:
        channel: Where it happened.
        event: What happened.
        list: The list's stable id, or "*" for all.
        recorded: When it was written, as entries write moments: the later one is the greater.
        state: How consent stands for the list after it.
        subject: Whose, hex.
    """

    channel: bytes
    event: bytes
    list: bytes
    recorded: bytes
    state: bytes
    subject: bytes


def change(leaf: bytes) -> Change | None:
    """Look at a leaf for what it changes; None means that it has to be parsed, not that it is wrong."""
    found = _CHANGE.fullmatch(leaf)
    return Change._make(found.groups()) if found else None

"""A quick look at leaves: what verification needs of the consent entries that nearly all leaves are.

Parsing a leaf in full takes many times as long as hashing it. The pattern here matches only leaves
that `entry.parse` accepts, and by far not all of them: what it does not match is parsed in full.
"""

from __future__ import annotations

import re
from binascii import unhexlify
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from broadcaster.ledger.entry import EVENTS_WITH_REASON, METHODS_WITH_REASON
from broadcaster.ledger.histories import NO_ENTRY
from broadcaster.ledger.words import Channel, Event, Method, State

_HASH = "[0-9a-f]{64}"
_NAME = r"[!#-\[\]-~]{1,200}"  # printable ASCII that JSON never escapes
_NUMBER = "[1-9][0-9]{0,14}"
# 29 February is left to the full parser, which knows the calendar.
_DAY = (
    "(?!0000)[0-9]{4}-(?:(?:0[1-9]|1[0-2])-(?:0[1-9]|1[0-9]|2[0-8])"
    "|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)"
)
_MOMENT = rf"{_DAY}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{{6}}Z"
_UUID4 = "[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
# Something is said, and nothing in it is escaped.
_REASON = r'" {0,999}[!#-\[\]-~][ !#-\[\]-~]{0,999}"'
# What a group of its own has caught needs a reason.
_REASON_OF = rf"(?(by_event){_REASON}|(?(by_method){_REASON}|(?:null|{_REASON})))"


def _words(kind: type[StrEnum], needing: frozenset[StrEnum], group: str) -> str:
    """Build a choice of words, those that need a reason in a group."""
    free = "|".join(sorted(set(kind) - needing))
    return f"{free}|(?P<{group}>{'|'.join(sorted(needing))})"


_EVENT = _words(Event, EVENTS_WITH_REASON, "by_event")
_METHOD = _words(Method, METHODS_WITH_REASON, "by_method")


def _leaf(*seen: str) -> str:
    """Build the pattern of a leaf that catches these fields in groups of their names."""

    def part(name: str, form: str) -> str:
        return f"(?P<{name}>{form})" if name in seen else f"(?:{form})"

    return (
        rf'{{"actor":"{_NAME}","basis":"{_NAME}",'
        rf'"channel":"{part("channel", "|".join(Channel))}",'
        rf'"config":"{_HASH}","event":"{part("event", _EVENT)}","evidence":"{_HASH}",'
        rf'"id":"{_UUID4}","list":"{part("list", _NAME)}","method":"(?:{_METHOD})",'
        rf'"notice":(?:null|{{"id":"{_NAME}","lang":"[a-z]{{2,3}}",'
        rf'"sha256":"{part("notice", _HASH)}","version":{_NUMBER}}}),"occurred":"{_MOMENT}",'
        rf'"prev":{part("prev", f"null|0|{_NUMBER}")},"purpose":"{_NAME}","reason":{_REASON_OF},'
        rf'"recorded":"{part("recorded", _MOMENT)}","rule":"{_NAME}",'
        rf'"state":"{part("state", "|".join(State))}",'
        rf'"subject":"{part("subject", "[0-9a-f]{32}")}",'
        rf'"terms":(?:null|{{"sha256":"{part("terms", _HASH)}","version":{_NUMBER}}}),'
        r'"v":"broadcaster/consent/1","validity":"(?:until-withdrawn|P[0-9]{1,4}[YMWD])"}'
    )


_CHANGE = re.compile(_leaf("channel", "event", "list", "recorded", "state", "subject").encode())
# None of the classes holds a line feed, so a match is one line, whole.
_LINE = re.compile(rf"(?m:^){_leaf('notice', 'prev', 'subject', 'terms')}(?m:$)".encode())
_SUBJECT_BYTES = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What leaves say about their place among the others.

    Attributes:
        subjects: Their subjects, 16 bytes each, in order.
        prevs: The indices they name as their subjects' previous entries; `NO_ENTRY` for none.
        notices: SHA-256 of every notice that they name, hex.
        terms: SHA-256 of all terms that they name, hex.
    """

    subjects: Sequence[bytes]
    prevs: Sequence[int]
    notices: set[str]
    terms: set[str]


def glance(leaves: Sequence[bytes]) -> Seen | None:
    """Look at leaves; None means that one of them has to be parsed, not that it is wrong.

    Args:
        leaves: At least one; no line feed is in any of them.
    """
    return glance_at(b"\n".join(leaves), len(leaves))


def glance_at(lines: bytes, count: int) -> Seen | None:
    """Look at leaves as `glance` does.

    Args:
        lines: So many leaves, with a line feed between two of them, and nothing or one at the end.
        count: How many.
    """
    found = _LINE.findall(lines)
    if len(found) != count:
        return None
    _by_event, _by_method, notices, prevs, subjects, terms = zip(*found, strict=True)
    raw = unhexlify(b"".join(subjects))
    return Seen(
        subjects=[raw[at : at + _SUBJECT_BYTES] for at in range(0, len(raw), _SUBJECT_BYTES)],
        prevs=[NO_ENTRY if prev == b"null" else int(prev) for prev in prevs],
        notices={digest.decode() for digest in set(notices) if digest},
        terms={digest.decode() for digest in set(terms) if digest},
    )


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
    return Change._make(found.group(*Change._fields)) if found else None

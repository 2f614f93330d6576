"""Point in time: who was on a list at a moment, from the ledger alone.

What counts is what had been recorded by then. A text that was heard later, because we were down,
is in the ledger from when it was written there; nobody could have acted on it before.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import Row

from broadcaster.core.errors import LedgerBroken, NotFound
from broadcaster.core.folding import ENDS_ALL
from broadcaster.ledger.entry import ALL_LISTS, ConsentEntry, State, parse
from broadcaster.ledger.fields import format_moment
from broadcaster.ledger.glance import Change, change
from broadcaster.runtime import Runtime
from broadcaster.storage import ledger

_AT_ONCE = 5_000
_SUBJECT_BYTES = 16
_GIVEN = State.GIVEN.value.encode()
_ALL_LISTS = ALL_LISTS.encode()
_ENDS_ALL = frozenset(event.value.encode() for event in ENDS_ALL)


class Placed(NamedTuple):
    """A change, and its place in the log."""

    entry: int
    change: Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Roll:
    """Who was on a list, in the order of their ids, in little memory.

    Args:
        name: the list's stable id.
        moment: what was recorded later does not count.
        size: so many entries were looked at.
        packed: the subjects, 16 bytes each.
    """

    name: str
    moment: datetime
    size: int
    packed: bytes = field(repr=False)

    def __len__(self) -> int:
        return len(self.packed) // _SUBJECT_BYTES

    def subject(self, place: int) -> str:
        """Return the subject at a place."""
        start = place * _SUBJECT_BYTES
        return self.packed[start : start + _SUBJECT_BYTES].hex()

    def subjects(self) -> Iterator[str]:
        """Yield all of them."""
        return (self.subject(place) for place in range(len(self)))

    def after(self, subject: str, limit: int) -> list[str]:
        """Return the next ones after a subject, who need not be among them; "" is before all."""
        first = bisect_right(range(len(self)), subject, key=self.subject)
        return [self.subject(place) for place in range(first, min(len(self), first + limit))]


def roll(runtime: Runtime, name: str, moment: datetime) -> Roll:
    """Return who was on a list at a moment; the last answer of this process is remembered.

    Args:
        runtime: the parts; of the database only the ledger's entries are read.
        name: the list's stable id.
        moment: entries that were recorded later do not count.

    Raises:
        NotFound: the ledger has never heard of the list.
        LedgerError: an entry cannot be read; verify the ledger first.
        LedgerBroken: an entry is missing.
    """
    with runtime.reading() as session:
        size = ledger.frontier(session).size
    known = runtime.memory.roll
    if isinstance(known, Roll) and (known.name, known.moment, known.size) == (name, moment, size):
        return known
    found = sorted(members(runtime, name, moment=moment, size=size))
    made = Roll(name=name, moment=moment, size=size, packed=bytes.fromhex("".join(found)))
    runtime.memory.roll = made
    return made


def consenting(runtime: Runtime, name: str, moment: datetime) -> set[str]:
    """Return the subjects who were on a list at a moment.

    Args:
        runtime: the parts; of the database only the ledger's entries are read.
        name: the list's stable id.
        moment: entries that were recorded later do not count.

    Raises:
        NotFound: the ledger has never heard of the list.
        LedgerError: an entry cannot be read; verify the ledger first.
        LedgerBroken: an entry is missing.
    """
    return set(members(runtime, name, moment=moment))


def members(
    runtime: Runtime, name: str, *, moment: datetime | None = None, size: int | None = None
) -> dict[str, int]:
    """Return who was on a list, each with the entry that put them there.

    Args:
        runtime: the parts; of the database only the ledger's entries are read.
        name: the list's stable id.
        moment: entries that were recorded later do not count.
        size: only so many entries count, from the first; all of them if None.

    Raises:
        NotFound: none of these entries is about the list.
        LedgerError: an entry cannot be read; verify the ledger first.
        LedgerBroken: an entry is missing.
    """
    wanted = name.encode()
    until = b"9999" if moment is None else format_moment(moment).encode()
    is_known, found = False, dict[bytes, int]()
    for index, one in changes(runtime, size):
        is_known = is_known or one.list == wanted
        if one.recorded <= until:
            placed = puts_on(one, wanted)
            if placed:
                found[one.subject] = index
            elif placed is False:
                found.pop(one.subject, None)
    if not is_known:
        message = (
            f"No entry of the ledger is about a list '{name}'; 'broadcaster list show' names all."
        )
        raise NotFound(message)
    return {subject.decode(): index for subject, index in found.items()}


def changes(runtime: Runtime, size: int | None = None) -> Iterator[Placed]:
    """Yield what every consent entry says of a list, from the first on.

    Args:
        runtime: the parts.
        size: only so many entries; all that are there now if None.

    Raises:
        LedgerError: an entry cannot be read.
        LedgerBroken: an entry is missing.
    """
    with runtime.reading() as session:
        end = ledger.frontier(session).size
    end = end if size is None else min(size, end)
    for start in range(0, end, _AT_ONCE):
        stop = min(end, start + _AT_ONCE)
        with runtime.reading() as session:
            rows = ledger.bare_leaves(session, start, stop)
        _refuse_gaps(rows, start, stop)
        for index, leaf in rows:
            found = change(leaf) or _parsed(leaf)
            if found is not None:
                yield Placed(index, found)


def read(leaf: bytes) -> Change | None:
    """Read what an entry says of a list; None for a document.

    Raises:
        LedgerError: it cannot be read.
    """
    return change(leaf) or _parsed(leaf)


def puts_on(one: Change, name: bytes) -> bool | None:
    """Tell whether a change puts its subject on a list or takes them off; None if it does neither."""
    if one.list == name:
        return one.state == _GIVEN
    return False if one.list == _ALL_LISTS and one.event in _ENDS_ALL else None


def _parsed(leaf: bytes) -> Change | None:
    entry = parse(leaf)
    if not isinstance(entry, ConsentEntry):
        return None
    return Change(
        channel=entry.channel.value.encode(),
        event=entry.event.value.encode(),
        list=entry.list.encode(),
        recorded=format_moment(entry.recorded).encode(),
        state=entry.state.value.encode(),
        subject=entry.subject.encode(),
    )


def _refuse_gaps(rows: Sequence[Row[int, bytes]], start: int, stop: int) -> None:
    if [row[0] for row in rows] != list(range(start, stop)):
        message = (
            f"Entries between {start} and {stop - 1} of the ledger are missing, so nothing can be "
            "told from it. Look for them with: broadcaster ledger verify"
        )
        raise LedgerBroken(message)

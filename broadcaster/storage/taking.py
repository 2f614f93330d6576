"""Reading the ledger to take it away: the stored bytes, piece by piece, all or what is chosen."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, cast

from sqlalchemy import bindparam, select, text
from sqlalchemy.orm import Session

from broadcaster.storage.filing import Choice, facets
from broadcaster.storage.models import LedgerEntry, LedgerIndex


class Stored(NamedTuple):
    """An entry as it is stored: its place, its bytes, its hash."""

    idx: int
    leaf: bytes
    leaf_hash: bytes


_IN_SPAN = (LedgerEntry.idx >= bindparam("first"), LedgerEntry.idx < bindparam("end"))
# There are many, and the drivers give bytes: nothing need be done with each of them.
_SPAN = "FROM ledger_entries WHERE idx >= :first AND idx < :end ORDER BY idx"
_LEAVES = text(f"SELECT leaf {_SPAN}")
_WHOLE = text(f"SELECT idx, leaf, leaf_hash {_SPAN}")
_STORED = (
    select(LedgerEntry.idx, LedgerEntry.leaf, LedgerEntry.leaf_hash)
    .where(*_IN_SPAN)
    .order_by(LedgerEntry.idx)
)


def leaves(session: Session, first: int, end: int) -> list[bytes]:
    """Return the bytes of the entries from ``first`` up to but not including ``end``."""
    found = session.connection().execute(_LEAVES, {"first": first, "end": end})
    return cast("list[bytes]", found.scalars().all())


def stored(session: Session, first: int, end: int) -> Sequence[Stored]:
    """Return the entries from ``first`` up to but not including ``end``."""
    # Rows have the same names as what is promised, and there are many of them.
    return cast(
        "Sequence[Stored]",
        session.connection().execute(_WHOLE, {"first": first, "end": end}).all(),
    )


def chosen(session: Session, choice: Choice, first: int, end: int) -> Sequence[Stored]:
    """Return those of the entries in a span that a choice wants, in the order of the log."""
    found = _STORED.join(LedgerIndex, LedgerIndex.idx == LedgerEntry.idx)
    if choice.subject:
        found = found.where(LedgerEntry.subject == choice.subject)
    if choice.since is not None:
        found = found.where(LedgerIndex.recorded >= choice.since)
    if choice.until is not None:
        found = found.where(LedgerIndex.recorded < choice.until)
    if choice.event or choice.list or choice.method or choice.actor:
        wanted = [one.number for one in facets(session) if choice.takes(one)]
        found = found.where(LedgerIndex.facet.in_(wanted))
    rows = session.connection().execute(found, {"first": first, "end": end}).all()
    return cast("Sequence[Stored]", rows)


def spans(size: int, at_once: int) -> Iterator[tuple[int, int]]:
    """Yield the spans in which a log of so many entries is read."""
    for first in range(0, size, at_once):
        yield first, min(size, first + at_once)

"""The index beside the ledger: what entries are searched by, filed in the append that writes them.

Event, list, method and actor make one *facet*, and there are few of those. So every choice of
filters comes to some facets, and each of them is read in the order of time from where a page begins:
no page looks at more than it shows, however long the log is.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple

from sqlalchemy import Select, and_, delete, or_, select, union_all
from sqlalchemy.orm import Session

from broadcaster.storage import bulk
from broadcaster.storage.models import LedgerEntry, LedgerFacet, LedgerHead, LedgerIndex
from broadcaster.storage.upsert import insert

# SQLite takes 500 parts in a statement.
_AT_ONCE = 100
_FILED_AT_ONCE = 5_000
_LONGEST_WORD, _LONGEST_NAME = 32, 200


class Facet(NamedTuple):
    """What entries are filtered by; a document has only what it is."""

    event: str
    list: str = ""
    method: str = ""
    actor: str = ""

    @property
    def number(self) -> int:
        """Its number: 63 bits of a hash, so that it is the same everywhere and can be checked."""
        return _number(self)


class Filed(NamedTuple):
    """Where an entry stands in the order of time."""

    recorded: datetime
    idx: int


class Choice(NamedTuple):
    """Which entries are wanted; what is None or empty does not matter.

    Args:
        since: written at this moment or later.
        until: written before this moment.
        event: what happened.
        list: the stable id of the list.
        method: how.
        actor: who.
        subject: whose.
    """

    since: datetime | None = None
    until: datetime | None = None
    event: str = ""
    list: str = ""
    method: str = ""
    actor: str = ""
    subject: str = ""

    @property
    def is_all(self) -> bool:
        """Whether everything is wanted."""
        return not any(self)

    def in_words(self) -> str:
        """Write the choice down, a line each: ``since 2026-11-30T08:00:00+00:00``, ``event opt_in``."""
        parts = [(name, value) for name, value in self._asdict().items() if value]
        return "\n".join(
            f"{name} {value.isoformat() if isinstance(value, datetime) else value}"
            for name, value in parts
        )

    def takes(self, facet: Facet) -> bool:
        """Tell whether entries of a facet are wanted."""
        pairs = zip(facet, (self.event, self.list, self.method, self.actor), strict=True)
        return all(not wanted or wanted == has for has, wanted in pairs)


def facet_of(leaf: bytes) -> Facet:
    """Return the facet of an entry, as its own bytes say it."""
    try:
        value = json.loads(leaf)
        if "kind" in value:
            return Facet(f"document {value['kind']}"[:_LONGEST_WORD])
        return Facet(
            str(value["event"])[:_LONGEST_WORD],
            str(value["list"])[:_LONGEST_NAME],
            str(value["method"])[:_LONGEST_WORD],
            str(value["actor"])[:_LONGEST_NAME],
        )
    except (ValueError, KeyError, TypeError):
        return Facet("unreadable")


def file(session: Session, first: int, found: Sequence[Facet], now: datetime) -> None:
    """File entries that are being appended, from an index on, each under its facet."""
    numbers = _keep(session, found)
    recorded = bulk.bound(session, LedgerIndex.recorded, now)
    _write(
        session,
        [(idx, numbers[facet], recorded) for idx, facet in enumerate(found, start=first)],
    )


def _keep(session: Session, found: Iterable[Facet]) -> dict[Facet, int]:
    """Keep facets that there were not yet; return the number of each."""
    numbers = {facet: facet.number for facet in set(found)}
    for facet, number in numbers.items():
        session.execute(
            insert(session, LedgerFacet)
            .values(id=number, **facet._asdict())
            .on_conflict_do_nothing(index_elements=["id"])
        )
    return numbers


def _write(session: Session, rows: Sequence[tuple[int, int, Any]]) -> None:
    bulk.insert(session, LedgerIndex, ("idx", "facet", "recorded"), rows)


def file_anew(session: Session) -> int:
    """Throw the index away and make it again from the entries; return how many were filed."""
    # Nobody appends meanwhile.
    session.execute(select(LedgerHead).with_for_update())
    session.execute(delete(LedgerIndex))
    session.execute(delete(LedgerFacet))
    columns = (LedgerEntry.idx, LedgerEntry.leaf, LedgerEntry.recorded)
    filed, after = 0, -1
    while rows := session.execute(
        select(*columns)
        .where(LedgerEntry.idx > after)
        .order_by(LedgerEntry.idx)
        .limit(_FILED_AT_ONCE)
    ).all():
        after = rows[-1].idx
        found = [facet_of(row.leaf) for row in rows]
        numbers = _keep(session, found)
        moments = {
            row.recorded: bulk.bound(session, LedgerIndex.recorded, row.recorded) for row in rows
        }
        _write(
            session,
            [
                (row.idx, numbers[facet], moments[row.recorded])
                for row, facet in zip(rows, found, strict=True)
            ],
        )
        filed += len(rows)
    return filed


def facets(session: Session) -> Sequence[Facet]:
    """Return every facet that an entry has."""
    columns = (LedgerFacet.event, LedgerFacet.list, LedgerFacet.method, LedgerFacet.actor)
    return [Facet(*row) for row in session.execute(select(*columns).order_by(*columns))]


def newest(
    session: Session, choice: Choice, *, before: Filed | None, limit: int
) -> Sequence[Filed]:
    """Return where the newest entries of a choice stand, the newest first.

    Args:
        session: an open transaction.
        choice: which.
        before: only what stands before this place.
        limit: how many at most.
    """
    wanted = [one.number for one in facets(session) if choice.takes(one)]
    if choice.subject:
        return _run(session, [_of_subject(choice, wanted)], before, limit)
    if not (choice.event or choice.list or choice.method or choice.actor):
        return _run(session, [_within(choice)], before, limit)
    each = [_within(choice).where(LedgerIndex.facet == number) for number in wanted]
    return _run(session, each, before, limit)


def size_before(session: Session, moment: datetime) -> int:
    """Return how many entries the log had at a moment."""
    last = session.execute(
        select(LedgerIndex.idx)
        .where(LedgerIndex.recorded < moment)
        .order_by(LedgerIndex.recorded.desc(), LedgerIndex.idx.desc())
        .limit(1)
    ).scalar_one_or_none()
    return 0 if last is None else last + 1


def _within(choice: Choice) -> Select[datetime, int]:
    found = select(LedgerIndex.recorded, LedgerIndex.idx)
    if choice.since is not None:
        found = found.where(LedgerIndex.recorded >= choice.since)
    if choice.until is not None:
        found = found.where(LedgerIndex.recorded < choice.until)
    return found


def _of_subject(choice: Choice, wanted: Collection[int]) -> Select[datetime, int]:
    """One person has few entries, so these are looked through."""
    return (
        _within(choice)
        .join(LedgerEntry, LedgerEntry.idx == LedgerIndex.idx)
        .where(LedgerEntry.subject == choice.subject, LedgerIndex.facet.in_(wanted))
    )


def _run(
    session: Session,
    each: Sequence[Select[datetime, int]],
    before: Filed | None,
    limit: int,
) -> Sequence[Filed]:
    """Read the newest of each, and of these the newest."""
    parts = [_last_of(one, before, limit).subquery() for one in each]
    found: list[Filed] = []
    for start in range(0, len(parts), _AT_ONCE):
        united = union_all(*(select(part) for part in parts[start : start + _AT_ONCE]))
        found += [Filed(recorded, idx) for recorded, idx in session.execute(united)]
    return sorted(found, reverse=True)[:limit]


def _last_of(
    found: Select[datetime, int], before: Filed | None, limit: int
) -> Select[datetime, int]:
    if before is not None:
        earlier = LedgerIndex.recorded < before.recorded
        tied = and_(LedgerIndex.recorded == before.recorded, LedgerIndex.idx < before.idx)
        # The first condition is what an index can begin at.
        found = found.where(LedgerIndex.recorded <= before.recorded, or_(earlier, tied))
    order = (LedgerIndex.recorded.desc(), LedgerIndex.idx.desc())
    return found.order_by(*order).limit(limit)


@lru_cache(maxsize=4096)
def _number(facet: Facet) -> int:
    return int.from_bytes(hashlib.sha256("\0".join(facet).encode()).digest()[:8], "big") >> 1

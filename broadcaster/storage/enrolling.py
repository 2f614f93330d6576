"""People who are put on a list by the thousand: who of them is known, and how they stand."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple

from sqlalchemy import BindParameter, bindparam, func, select, text, update
from sqlalchemy.orm import Session

from broadcaster.storage import bulk
from broadcaster.storage.ids import IdList, among
from broadcaster.storage.models import (
    CarrierBlock,
    Evidence,
    LedgerEntry,
    ListSender,
    Sender,
    Subscriber,
    Subscription,
)

# Pages kept in memory, in KiB, and pages that the write-ahead log may hold before they are put into
# the file: people are found by a keyed hash, so each of them changes another page.
_SQLITE_PRAGMAS = ("PRAGMA cache_size=-65536", "PRAGMA wal_autocheckpoint=16384")
# Fewer people in a row than these get a statement each.
_FEW = 50


class Known(NamedTuple):
    """Somebody whom we know already."""

    id: int
    subject: str
    key: bytes
    key_wrapped: bytes
    last_entry: int | None
    stopped: bool


class Person(NamedTuple):
    """Somebody whom we do not know yet, sealed."""

    subject: str
    address_index: bytes
    address_sealed: bytes
    key_wrapped: bytes
    key_leaf: int | None


class Joining(NamedTuple):
    """Somebody about to be on the list, by the next entry of the ledger.

    Args:
        id: the subscriber's.
        evidence: the sealed private part of the entry.
    """

    id: int
    evidence: bytes


def make_room(session: Session) -> None:
    """Let this connection hold more in memory, where that is up to the connection."""
    if session.get_bind().dialect.name == "sqlite":
        for pragma in _SQLITE_PRAGMAS:
            session.execute(text(pragma))


def known(session: Session, indexes: Collection[bytes], *, locked: bool) -> dict[bytes, Known]:
    """Return those of many people whom we know, by blind index.

    Args:
        session: an open transaction.
        indexes: their blind indexes.
        locked: whether to lock their rows, in order, until the transaction ends.
    """
    query = (
        "SELECT id, subject, address_index, key_wrapped, last_entry, stopped_at IS NOT NULL"
        " FROM subscribers WHERE address_index"
    )
    locking = "ORDER BY id FOR NO KEY UPDATE" if locked else ""
    rows = bulk.find_keys(session, query, indexes, locking=locking)
    return {
        bytes(index): Known(id_, subject, bytes(index), bytes(key), last, bool(stopped))
        for id_, subject, index, key, last, stopped in rows
    }


def standings(
    session: Session, list_id: int, people: Collection[int]
) -> dict[int, tuple[bool, int]]:
    """Return, for those of these people who are or were on a list: are they, by which entry."""
    if not people:
        return {}
    rows = session.execute(
        select(Subscription.subscriber_id, Subscription.state, Subscription.entry).where(
            Subscription.list_id == list_id, among(Subscription.subscriber_id, _these(people))
        )
    )
    return {row.subscriber_id: (row.state == "in", row.entry) for row in rows}


def blocked(session: Session, list_id: int, channel: str, people: Collection[int]) -> set[int]:
    """Return those of these people whom the provider blocks on the sender of a list."""
    if not people:
        return set()
    rows = session.execute(
        select(CarrierBlock.subscriber_id)
        .join(ListSender, ListSender.sender_id == CarrierBlock.sender_id)
        .where(
            ListSender.list_id == list_id,
            ListSender.channel == channel,
            among(CarrierBlock.subscriber_id, _these(people)),
        )
    )
    return set(rows.scalars())


def leaves(session: Session, entries: Collection[int]) -> dict[int, bytes]:
    """Return some entries of the ledger by their index."""
    if not entries:
        return {}
    rows = session.execute(
        select(LedgerEntry.idx, LedgerEntry.leaf).where(among(LedgerEntry.idx, _these(entries)))
    )
    return {row.idx: bytes(row.leaf) for row in rows}


def own_numbers(session: Session) -> dict[str, set[str]]:
    """Return our own numbers, by channel."""
    found: dict[str, set[str]] = {}
    for channel, address in session.execute(select(Sender.channel, Sender.address)):
        found.setdefault(channel, set()).add(address)
    return found


def add_people(
    session: Session, channel: str, people: Sequence[Person], now: datetime
) -> list[int] | None:
    """Insert people whom we do not know, and return their ids, in order.

    They are locked from then on. None means that one of them has become known meanwhile; the others
    are known from now on.
    """
    if not people:
        return []
    ids = bulk.reserve_ids(session, Subscriber, len(people))
    created = bulk.bound(session, Subscriber.created, now)
    columns = ("id", "channel", "created", *Person._fields)
    rows = [(id_, channel, created, *one) for id_, one in zip(ids, people, strict=True)]
    bulk.insert(session, Subscriber, columns, rows, unless="address_index")
    arrived = session.execute(
        select(func.count()).where(among(Subscriber.id, _these(ids)))
    ).scalar_one()
    return ids if arrived == len(ids) else None


def join(
    session: Session,
    list_id: int,
    joining: Sequence[tuple[Joining, str]],
    first: int,
    now: datetime,
) -> None:
    """Put people on a list by consecutive entries that have just been appended.

    Args:
        session: the transaction that appended them; it holds these people's locks.
        list_id: which list none of them was ever on.
        joining: who, each with the hash of what they were told.
        first: the index of the first one's entry.
        now: when the entries were recorded.
    """
    since = bulk.bound(session, Subscription.since, now)
    numbered = list(enumerate(joining, start=first))
    bulk.insert(
        session,
        Evidence,
        ("entry", "subscriber_id", "sealed"),
        [(entry, one.id, one.evidence) for entry, (one, _told) in numbered],
    )
    bulk.insert(
        session,
        Subscription,
        ("subscriber_id", "list_id", "state", "entry", "notice", "since"),
        [(one.id, list_id, "in", entry, told, since) for entry, (one, told) in numbered],
    )
    _note_last_entries(session, [(entry, one.id) for entry, (one, _told) in numbered])


def _note_last_entries(session: Session, pairs: Sequence[tuple[int, int]]) -> None:
    """Write down the newest entry of each person, from pairs of entry and id.

    Whoever is new has an id next to the one before, as their entries are next to each other; one
    statement is enough for all of these.
    """
    others: list[tuple[int, int]] = []
    for apart, grouped in groupby(pairs, key=lambda pair: pair[0] - pair[1]):
        run = list(grouped)
        if len(run) < _FEW:
            others += run
            continue
        session.execute(
            update(Subscriber)
            .where(Subscriber.id.between(run[0][1], run[-1][1]))
            .values(last_entry=Subscriber.id + apart)
            .execution_options(synchronize_session=False)
        )
    bulk.update_by_id(session, Subscriber, "last_entry", others)


def _these(ids: Collection[int]) -> BindParameter[Any]:
    return bindparam(None, list(ids), type_=IdList(), unique=True)

"""Whom no import may put on a list: people who were forgotten, and people who stopped everything.

Whoever was forgotten may still join again by themselves: that is a new subject, and no import.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.sealing import Keyring
from broadcaster.storage import bulk, people
from broadcaster.storage.models import Subscriber, Suppression
from broadcaster.storage.upsert import insert

#: Why a number is suppressed.
ERASED = "erased"
_AT_ONCE = 500


def suppress(
    session: Session, keyring: Keyring, address: Address, event: str, now: datetime
) -> None:
    """Keep a number from being imported, on every channel; again it changes nothing.

    Only the month is kept: an exact moment would tell which entry of the ledger was theirs.
    """
    session.execute(
        insert(session, Suppression)
        .values(
            mark=keyring.suppression_mark(address), event=event, since=now.date().replace(day=1)
        )
        .on_conflict_do_nothing(index_elements=["mark"])
    )


def is_suppressed(session: Session, keyring: Keyring, address: Address) -> bool:
    """Tell whether nobody but the person may put this number on a list."""
    return bool(suppressed(session, keyring, [address]))


def suppressed(
    session: Session, keyring: Keyring, addresses: Collection[Address]
) -> frozenset[Address]:
    """Return those of some addresses that no import may put on a list; any number of them.

    Args:
        session: an open transaction.
        keyring: finds addresses by their keyed hashes.
        addresses: as a file names them.
    """
    found: set[Address] = set()
    wanted = list(addresses)
    for start in range(0, len(wanted), _AT_ONCE):
        some = wanted[start : start + _AT_ONCE]
        found |= forgotten(session, keyring, some) | _stopped(session, keyring, some)
    return frozenset(found)


def forgotten(
    session: Session, keyring: Keyring, addresses: Iterable[Address]
) -> frozenset[Address]:
    """Return those of many addresses whose number was forgotten; mostly nobody was."""
    if session.execute(select(Suppression.mark).limit(1)).first() is None:
        return frozenset()
    marks = {address: keyring.suppression_mark(address) for address in addresses}
    query = "SELECT mark FROM suppressions WHERE mark"
    kept = {bytes(row[0]) for row in bulk.find_keys(session, query, set(marks.values()))}
    return frozenset(address for address, mark in marks.items() if mark in kept)


def _stopped(session: Session, keyring: Keyring, some: Collection[Address]) -> set[Address]:
    """Return who stopped everything, on this channel or another."""
    numbers = {one for address in some for one in _everywhere(address)}
    indexes = people.indexes_of(session, keyring, numbers)
    query = select(Subscriber.address_index).where(
        Subscriber.address_index.in_(indexes), Subscriber.stopped_at.is_not(None)
    )
    kept = {indexes[bytes(index)].value for index in session.execute(query).scalars()}
    return {address for address in some if address.value in kept}


def _everywhere(address: Address) -> list[Address]:
    """Return the address on each channel that its number has; a user id is of one channel."""
    if not address.value.startswith("+"):
        return [address]
    return [Address(channel, address.value) for channel in Channel]

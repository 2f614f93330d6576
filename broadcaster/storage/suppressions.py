"""Numbers that must not come back: erased people, who are known by a keyed hash alone."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.sealing import Keyring
from broadcaster.storage import bulk
from broadcaster.storage.models import Suppression
from broadcaster.storage.upsert import insert


def add(session: Session, keyring: Keyring, address: Address, *, cause: str, now: datetime) -> None:
    """Keep a number from coming back; a second time changes nothing."""
    session.execute(
        insert(session, Suppression)
        .values(index_hmac=keyring.suppression_index(address), since=now, cause=cause)
        .on_conflict_do_nothing(index_elements=["index_hmac"])
    )


def is_suppressed(session: Session, keyring: Keyring, address: Address) -> bool:
    """Tell whether a number must not come back."""
    return session.get(Suppression, keyring.suppression_index(address)) is not None


def suppressed(session: Session, keyring: Keyring, addresses: Iterable[Address]) -> set[Address]:
    """Return those of many addresses that must not come back."""
    if session.execute(select(Suppression.index_hmac).limit(1)).first() is None:
        return set()
    known = {keyring.suppression_index(address): address for address in addresses}
    query = "SELECT index_hmac FROM suppressions WHERE index_hmac"
    return {known[bytes(row[0])] for row in bulk.find_keys(session, query, known)}

"""Writing people's rows anew under other keys: their wrapped key, and what they are found by."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from cryptography.exceptions import InvalidTag
from sqlalchemy import Row, select, update
from sqlalchemy.orm import Session

from broadcaster.core.sealing import Keyring, leaf_of, open_address, place_of
from broadcaster.storage.models import Subscriber


@dataclass(slots=True)
class Piece:
    """Some people, one after the other.

    Args:
        last: the number of the last one; None if there was nobody left.
        unreadable: tokens of those whose keys have vanished.
    """

    last: int | None = None
    unreadable: list[str] = field(default_factory=list)


def rewrap_leaf(session: Session, keyring: Keyring, leaf: int, *, besides: int) -> None:
    """Wrap the keys of everybody else at a leaf under its newest key.

    Args:
        session: an open transaction that holds the lock of the key state.
        keyring: with a table that has that key.
        leaf: which.
        besides: whose key is to vanish.
    """
    rows = session.execute(
        select(Subscriber.id, Subscriber.key_wrapped)
        .where(Subscriber.key_leaf == leaf, Subscriber.id != besides)
        .order_by(Subscriber.id)
        .with_for_update()
    ).all()
    newest = keyring.table.newest(leaf)
    changed = []
    for row in rows:
        wrapped = bytes(row.key_wrapped)
        if place_of(wrapped) not in {None, (leaf, newest)}:
            changed.append(
                {"id": row.id, "key_wrapped": keyring.wrap(keyring.unwrap(wrapped), leaf)}
            )
    if changed:
        session.execute(update(Subscriber), changed)


def renew_some(session: Session, keyring: Keyring, epoch: int, after: int, limit: int) -> Piece:
    """Let the next people be found by another epoch of the index; wrap keys that name no leaf anew.

    Args:
        session: an open transaction that may write.
        keyring: with a table that has that epoch.
        epoch: of the index.
        after: the number of the last person who was looked at.
        limit: how many at most.
    """
    rows = session.execute(
        select(
            Subscriber.id,
            Subscriber.subject,
            Subscriber.channel,
            Subscriber.address_index,
            Subscriber.address_sealed,
            Subscriber.key_wrapped,
            Subscriber.erased_at,
        )
        .where(Subscriber.id > after)
        .order_by(Subscriber.id)
        .limit(limit)
        .with_for_update()
    ).all()
    piece = Piece(last=rows[-1].id if rows else None)
    changed: list[dict[str, object]] = []
    for row in rows:
        if not row.key_wrapped:
            continue
        try:
            values = _renewed(keyring, epoch, row)
        except (InvalidTag, ValueError):
            if row.erased_at is None:
                piece.unreadable.append(row.subject)
            continue
        if any(values[name] != bytes(getattr(row, name)) for name in _KEYED):
            changed.append({"id": row.id, "key_leaf": leaf_of(values["key_wrapped"]), **values})
    if changed:
        session.execute(update(Subscriber), changed)
    return piece


_KEYED = ("address_index", "key_wrapped")


def _renewed(keyring: Keyring, epoch: int, row: Row[*tuple[Any, ...]]) -> dict[str, bytes]:
    """Return what a person's row holds under the new keys.

    Raises:
        KeyGone: their key has vanished.
        InvalidTag: it was sealed under other keys than ours.
    """
    wrapped = bytes(row.key_wrapped)
    key = keyring.unwrap(wrapped)
    address = open_address(key, row.channel, bytes(row.address_sealed))
    # Whoever is being forgotten is found by nothing any more.
    index = bytes(row.address_index) if row.erased_at else keyring.blind_index(address, epoch)
    return {
        "address_index": index,
        "key_wrapped": wrapped if place_of(wrapped) else keyring.wrap_anywhere(key),
    }


def wrapped_key(session: Session, subscriber_id: int) -> bytes:
    """Return a person's wrapped key."""
    return bytes(
        session.execute(
            select(Subscriber.key_wrapped).where(Subscriber.id == subscriber_id)
        ).scalar_one()
    )

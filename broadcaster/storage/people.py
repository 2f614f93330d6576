"""Subscribers, what they subscribed to, and who of them the provider itself blocks."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Select, delete, select, update
from sqlalchemy.orm import Session

from broadcaster.core.address import Address
from broadcaster.core.sealing import Keyring, seal_address
from broadcaster.storage import keystate
from broadcaster.storage.models import CarrierBlock, Subscriber, Subscription
from broadcaster.storage.upsert import insert

_SUBJECT_BYTES = 16


def lock_or_create(
    session: Session, keyring: Keyring, address: Address, now: datetime
) -> Subscriber:
    """Return the subscriber at an address, with the row locked until the transaction ends.

    Whoever decides on consent or sends to this person takes the same lock first; reading consent
    and then acting on it is a race on every isolation level without it.
    """
    known = _lock_at(session, keyring, address)
    if known is not None:
        return known
    # Whoever is not there may only be unknown by the keys that this process has.
    epoch = keystate.share(session, keyring)
    known = _lock_at(session, keyring, address)
    if known is not None:
        return known
    key, wrapped = keyring.new_subject_key()
    session.execute(
        insert(session, Subscriber)
        .values(
            subject=secrets.token_hex(_SUBJECT_BYTES),
            channel=address.channel.value,
            address_index=keyring.blind_index(address, epoch),
            address_sealed=seal_address(key, address),
            key_wrapped=wrapped,
            created=now,
        )
        .on_conflict_do_nothing(index_elements=["address_index"])
    )
    return session.execute(_at(keyring, address)).scalar_one()


def _lock_at(session: Session, keyring: Keyring, address: Address) -> Subscriber | None:
    return session.execute(_at(keyring, address)).scalar_one_or_none()


def _at(keyring: Keyring, address: Address) -> Select[Subscriber]:
    return (
        select(Subscriber)
        .where(Subscriber.address_index.in_(keyring.blind_indexes(address)))
        .with_for_update(key_share=True)
    )


def indexes_of(
    session: Session, keyring: Keyring, addresses: Collection[Address]
) -> dict[bytes, Address]:
    """Return some addresses by each blind index that they may be found under now.

    Raises:
        KeysMismatch: the key store is another's, or older or newer than the database.
    """
    keystate.refresh(session, keyring)
    return {index: one for one in addresses for index in keyring.blind_indexes(one)}


def find(session: Session, keyring: Keyring, addresses: Collection[Address]) -> list[Subscriber]:
    """Return who is at some addresses, by id."""
    indexes = indexes_of(session, keyring, addresses)
    query = select(Subscriber).where(Subscriber.address_index.in_(indexes))
    return list(session.execute(query.order_by(Subscriber.id)).scalars())


def by_subject(session: Session, subject: str) -> Subscriber | None:
    """Return a person by the token that entries name them by."""
    return session.execute(
        select(Subscriber).where(Subscriber.subject == subject)
    ).scalar_one_or_none()


def lock(session: Session, subscriber_id: int) -> Subscriber:
    """Return a known subscriber with the row locked until the transaction ends."""
    return session.execute(
        select(Subscriber).where(Subscriber.id == subscriber_id).with_for_update(key_share=True)
    ).scalar_one()


def suspend(session: Session, subscriber: Subscriber, code: int, now: datetime) -> None:
    """Note that the provider says that an address is dead: nothing goes there until they write."""
    subscriber.suspended_at, subscriber.suspended_code = now, code
    session.flush()


def note_unreached(session: Session, subscriber: Subscriber) -> int:
    """Count one more bulletin that did not reach a person; return how many in a row by now."""
    subscriber.unreached += 1
    session.flush()
    return subscriber.unreached


def note_reached(subscriber: Subscriber) -> None:
    """Note that a person is there, whatever the provider said of them or of their address."""
    subscriber.unreached = 0


def subscriptions(session: Session, subscriber_id: int) -> Mapping[int, Subscription]:
    """Return a person's subscriptions by list id, those they left included."""
    rows = session.execute(
        select(Subscription).where(Subscription.subscriber_id == subscriber_id)
    ).scalars()
    return {row.list_id: row for row in rows}


def set_subscription(
    session: Session,
    *,
    subscriber_id: int,
    list_id: int,
    state: str,
    entry: int,
    notice: str | None,
    now: datetime,
) -> None:
    """Project one ledger entry onto subscriber × list."""
    values = {"state": state, "entry": entry, "notice": notice, "since": now}
    session.execute(
        insert(session, Subscription)
        .values(subscriber_id=subscriber_id, list_id=list_id, **values)
        .on_conflict_do_update(index_elements=["subscriber_id", "list_id"], set_=values)
    )


def end_all_subscriptions(
    session: Session, subscriber_id: int, *, entry: int, now: datetime
) -> None:
    """Project a stop of everything."""
    session.execute(
        update(Subscription)
        .where(Subscription.subscriber_id == subscriber_id, Subscription.state == "in")
        .values(state="out", entry=entry, since=now)
        .execution_options(synchronize_session=False)
    )


def is_blocked(session: Session, subscriber_id: int, sender_id: int) -> bool:
    """Tell whether the provider blocks this person on this sender."""
    return session.get(CarrierBlock, (subscriber_id, sender_id)) is not None


def set_blocked(
    session: Session, subscriber_id: int, sender_id: int, *, blocked: bool, now: datetime
) -> None:
    """Note that the provider blocks this person on this sender, or no longer does."""
    if blocked:
        session.execute(
            insert(session, CarrierBlock)
            .values(subscriber_id=subscriber_id, sender_id=sender_id, since=now)
            .on_conflict_do_nothing(index_elements=["subscriber_id", "sender_id"])
        )
        return
    session.execute(
        delete(CarrierBlock).where(
            CarrierBlock.subscriber_id == subscriber_id, CarrierBlock.sender_id == sender_id
        )
    )

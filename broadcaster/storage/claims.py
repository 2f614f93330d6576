"""Claiming deliveries: the transaction in which consent is decided a last time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, and_, or_, select
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.storage.audience import BLOCKED, CONSENTS
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    Sender,
    Subscriber,
    Subscription,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that is about to be handed over; its row names the entry that allows it."""

    delivery_id: int
    bulletin_id: int
    channel: str
    address_sealed: bytes
    key_wrapped: bytes
    sender_channel: str
    sender_address: str
    text: str


def claim(session: Session, limit: int, now: datetime) -> tuple[list[Claim], int]:
    """Claim deliveries that may go out now; return them, and how many rows were looked at.

    The people are locked first, as every opt-out does, so that one of the two comes first and the
    other sees it. Who is locked elsewhere is left for the next call.
    """
    candidates = session.execute(
        select(Delivery.id, Delivery.subscriber_id)
        .join(Bulletin, Bulletin.id == Delivery.bulletin_id)
        .where(
            Bulletin.state == BulletinState.SENDING.value,
            Delivery.state == State.QUEUED.value,
            or_(Delivery.not_before.is_(None), Delivery.not_before <= now),
        )
        .order_by(Bulletin.starts_at, Delivery.bulletin_id, Delivery.id)
        .limit(limit)
    ).all()
    if not candidates:
        return [], 0
    locked = session.execute(
        select(Subscriber.id)
        .where(Subscriber.id.in_({row.subscriber_id for row in candidates}))
        .order_by(Subscriber.id)
        .with_for_update(skip_locked=True)
    ).scalars()
    chosen = _of_locked_people([row.id for row in candidates], set(locked))
    claims = []
    for delivery, subscriber, sender, bulletin, entry, consents, blocked in session.execute(chosen):
        if _decide(delivery, entry, consents=consents, blocked=blocked, now=now):
            claims.append(_claim(delivery, subscriber, sender, bulletin))
    session.flush()
    return claims, len(candidates)


def _of_locked_people(
    delivery_ids: Sequence[int], subscriber_ids: set[int]
) -> Select[*tuple[Any, ...]]:
    """Select deliveries that are still queued, with what decides whether they may go."""
    subscription = and_(
        Subscription.subscriber_id == Delivery.subscriber_id,
        Subscription.list_id == Bulletin.list_id,
        *CONSENTS,
    )
    block = and_(
        CarrierBlock.subscriber_id == Delivery.subscriber_id,
        CarrierBlock.sender_id == Delivery.sender_id,
    )
    consents = Subscription.subscriber_id.is_not(None)
    return (
        select(Delivery, Subscriber, Sender, Bulletin, Subscription.entry, consents, BLOCKED)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Sender, Sender.id == Delivery.sender_id)
        .join(Bulletin, Bulletin.id == Delivery.bulletin_id)
        .outerjoin(Subscription, subscription)
        .outerjoin(CarrierBlock, block)
        .where(
            Delivery.id.in_(delivery_ids),
            Delivery.subscriber_id.in_(subscriber_ids),
            Delivery.state == State.QUEUED.value,
            Bulletin.state == BulletinState.SENDING.value,
        )
        .order_by(Delivery.id)
        # A cancellation that came first is seen here, one that comes now has to wait.
        .with_for_update(of=Delivery)
    )


def _decide(
    delivery: Delivery, entry: int | None, *, consents: bool, blocked: bool, now: datetime
) -> bool:
    """Claim a delivery, or skip it when its person may not be written to."""
    delivery.changed = now
    if not consents or blocked:
        delivery.state = State.SKIPPED.value
        delivery.reason = (SkipReason.CARRIER_BLOCKED if consents else SkipReason.LEFT).value
        return False
    delivery.state = State.CLAIMED.value
    delivery.claimed = now
    delivery.entry = entry
    delivery.attempt += 1
    return True


def _claim(delivery: Delivery, subscriber: Subscriber, sender: Sender, bulletin: Bulletin) -> Claim:
    return Claim(
        delivery_id=delivery.id,
        bulletin_id=bulletin.id,
        channel=subscriber.channel,
        address_sealed=subscriber.address_sealed,
        key_wrapped=subscriber.key_wrapped,
        sender_channel=sender.channel,
        sender_address=sender.address,
        text=bulletin.text,
    )

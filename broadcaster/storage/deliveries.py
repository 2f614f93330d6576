"""Deliveries: freezing the audience, claiming, withdrawing, and what became of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Select, and_, bindparam, case, func, insert, literal, or_, select, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import OPEN, SkipReason, State
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    ListSender,
    Sender,
    Subscriber,
    Subscription,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """A delivery that is about to be handed over, with the entry that allows it."""

    delivery_id: int
    bulletin_id: int
    channel: str
    address_sealed: bytes
    key_wrapped: bytes
    sender_channel: str
    sender_address: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one claimed delivery; ``not_before`` puts it back into the queue."""

    delivery_id: int
    state: State
    sid: str | None = None
    error_code: int | None = None
    reason: str | None = None
    not_before: datetime | None = None


def freeze_audience(session: Session, bulletin_id: int, list_id: int, now: datetime) -> int:
    """Make one delivery for everybody on the list at this moment; return how many."""
    blocked = CarrierBlock.subscriber_id.is_not(None)
    members = (
        select(
            literal(bulletin_id),
            Subscriber.id,
            ListSender.sender_id,
            case((blocked, State.SKIPPED.value), else_=State.QUEUED.value),
            case((blocked, SkipReason.CARRIER_BLOCKED.value), else_=None),
            literal(0),
            literal(now, type_=Delivery.changed.type),
        )
        .join(Subscription, Subscription.subscriber_id == Subscriber.id)
        .join(
            ListSender,
            and_(ListSender.list_id == list_id, ListSender.channel == Subscriber.channel),
        )
        .outerjoin(
            CarrierBlock,
            and_(
                CarrierBlock.subscriber_id == Subscriber.id,
                CarrierBlock.sender_id == ListSender.sender_id,
            ),
        )
        .where(Subscription.list_id == list_id, *_CONSENT)
        .order_by(Subscriber.id)
    )
    columns = ["bulletin_id", "subscriber_id", "sender_id", "state", "reason", "attempt", "changed"]
    session.execute(insert(Delivery).from_select(columns, members))
    return total(session, bulletin_id)


_CONSENT = (Subscription.state == "in", Subscriber.stopped_at.is_(None))


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
    claims = _claim_locked(session, [row.id for row in candidates], set(locked), now)
    return claims, len(candidates)


def _claim_locked(
    session: Session, delivery_ids: Sequence[int], subscriber_ids: set[int], now: datetime
) -> list[Claim]:
    rows = session.execute(
        select(
            Delivery,
            Subscriber,
            Sender,
            Bulletin,
            Subscription.entry,
            Subscription.subscriber_id.is_not(None),
            CarrierBlock.subscriber_id.is_not(None),
        )
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Sender, Sender.id == Delivery.sender_id)
        .join(Bulletin, Bulletin.id == Delivery.bulletin_id)
        .outerjoin(
            Subscription,
            and_(
                Subscription.subscriber_id == Delivery.subscriber_id,
                Subscription.list_id == Bulletin.list_id,
                *_CONSENT,
            ),
        )
        .outerjoin(
            CarrierBlock,
            and_(
                CarrierBlock.subscriber_id == Delivery.subscriber_id,
                CarrierBlock.sender_id == Delivery.sender_id,
            ),
        )
        .where(
            Delivery.id.in_(delivery_ids),
            Delivery.subscriber_id.in_(subscriber_ids),
            Delivery.state == State.QUEUED.value,
            Bulletin.state == BulletinState.SENDING.value,
        )
        .order_by(Delivery.id)
        # A cancellation that came first is seen here, one that comes now has to wait.
        .with_for_update(of=Delivery)
    ).all()
    claims: list[Claim] = []
    for delivery, subscriber, sender, bulletin, entry, consents, blocked in rows:
        delivery.changed = now
        if not consents or blocked:
            delivery.state = State.SKIPPED.value
            delivery.reason = (SkipReason.CARRIER_BLOCKED if consents else SkipReason.LEFT).value
            continue
        delivery.state = State.CLAIMED.value
        delivery.claimed = now
        delivery.entry = entry
        delivery.attempt += 1
        claims.append(
            Claim(
                delivery_id=delivery.id,
                bulletin_id=bulletin.id,
                channel=subscriber.channel,
                address_sealed=subscriber.address_sealed,
                key_wrapped=subscriber.key_wrapped,
                sender_channel=sender.channel,
                sender_address=sender.address,
                text=bulletin.text,
            )
        )
    session.flush()
    return claims


def withdraw(session: Session, subscriber_id: int, list_id: int | None, now: datetime) -> None:
    """Take back what is queued for a person who left a list, or everything.

    Args:
        session: an open transaction that holds the person's lock.
        subscriber_id: who left.
        list_id: the list they left; None when they left all.
        now: the present moment.
    """
    queued = (
        select(Delivery.id)
        .where(Delivery.subscriber_id == subscriber_id, Delivery.state == State.QUEUED.value)
        .order_by(Delivery.id)
    )
    if list_id is not None:
        queued = queued.join(Bulletin, Bulletin.id == Delivery.bulletin_id).where(
            Bulletin.list_id == list_id
        )
    _skip(session, queued.with_for_update(of=Delivery), SkipReason.LEFT, now)


def is_in_flight(session: Session, subscriber_id: int) -> bool:
    """Tell whether a request for this person is being handed over at this moment."""
    return (
        session.execute(
            select(Delivery.id)
            .where(Delivery.subscriber_id == subscriber_id, Delivery.state == State.CLAIMED.value)
            .limit(1)
        ).first()
        is not None
    )


def write_outcomes(session: Session, outcomes: Sequence[Outcome], now: datetime) -> None:
    """Write down what became of claimed deliveries.

    A callback may have come first: only what is still claimed takes its state from here. The
    callback has then stored the provider's id as well.
    """
    session.connection().execute(
        update(Delivery)
        .where(Delivery.id == bindparam("row"), Delivery.state == State.CLAIMED.value)
        .values(
            state=bindparam("new_state"),
            sid=bindparam("new_sid"),
            error_code=bindparam("new_error"),
            reason=bindparam("new_reason"),
            not_before=bindparam("new_not_before", type_=Delivery.not_before.type),
            changed=bindparam("moment", type_=Delivery.changed.type),
        ),
        [
            {
                "row": outcome.delivery_id,
                "new_state": outcome.state.value,
                "new_sid": outcome.sid,
                "new_error": outcome.error_code,
                "new_reason": outcome.reason,
                "new_not_before": outcome.not_before,
                "moment": now,
            }
            for outcome in sorted(outcomes, key=lambda one: one.delivery_id)
        ],
    )


def give_up_claims(session: Session, before: datetime, now: datetime) -> int:
    """Mark claims older than ``before`` unknown: their worker died and nobody knows the outcome.

    They are never sent again on our own say-so; a status callback may still tell.
    """
    stale = (
        select(Delivery.id)
        .where(Delivery.state == State.CLAIMED.value, Delivery.claimed < before)
        .order_by(Delivery.id)
        .with_for_update(skip_locked=True)
    )
    lost = session.execute(
        update(Delivery)
        .where(Delivery.id.in_(stale))
        .values(state=State.UNKNOWN.value, reason="worker_lost", changed=now)
        .returning(Delivery.id)
        .execution_options(synchronize_session=False)
    ).all()
    return len(lost)


def skip_queued(session: Session, bulletin_id: int, now: datetime) -> None:
    """Take back all that is still queued of a bulletin that was cancelled."""
    queued = (
        select(Delivery.id)
        .where(Delivery.bulletin_id == bulletin_id, Delivery.state == State.QUEUED.value)
        .order_by(Delivery.id)
        .with_for_update()
    )
    _skip(session, queued, SkipReason.CANCELLED, now)


def _skip(session: Session, queued: Select[Any], reason: SkipReason, now: datetime) -> None:
    """Skip deliveries, locking them in order of id as claims do, so that neither waits in a ring."""
    session.execute(
        update(Delivery)
        .where(Delivery.id.in_(queued))
        .values(state=State.SKIPPED.value, reason=reason.value, changed=now)
        .execution_options(synchronize_session=False)
    )


def total(session: Session, bulletin_id: int) -> int:
    """Count a bulletin's deliveries."""
    return session.execute(
        select(func.count()).select_from(Delivery).where(Delivery.bulletin_id == bulletin_id)
    ).scalar_one()


def has_open(session: Session, bulletin_id: int) -> bool:
    """Tell whether any delivery of a bulletin has no outcome yet."""
    return (
        session.execute(
            select(Delivery.id)
            .where(
                Delivery.bulletin_id == bulletin_id,
                Delivery.state.in_([state.value for state in OPEN]),
            )
            .limit(1)
        ).first()
        is not None
    )


def counts(session: Session, bulletin_id: int) -> list[tuple[str, str | None, int | None, int]]:
    """Count a bulletin's deliveries by state, reason and error code."""
    rows = session.execute(
        select(Delivery.state, Delivery.reason, Delivery.error_code, func.count())
        .where(Delivery.bulletin_id == bulletin_id)
        .group_by(Delivery.state, Delivery.reason, Delivery.error_code)
    ).all()
    return [(state, reason, code, number) for state, reason, code, number in rows]


def lock(session: Session, delivery_id: int) -> Delivery | None:
    """Return a delivery with its row locked until the transaction ends, if there is one."""
    return session.execute(
        select(Delivery).where(Delivery.id == delivery_id).with_for_update()
    ).scalar_one_or_none()


def stale_before(now: datetime, *, lease: float, timeout: float) -> datetime:
    """Return the moment before which a claim must have had its outcome."""
    # A request takes at most two time-outs: one for a line, one for the answer.
    return now - timedelta(seconds=lease + 2 * timeout + 30)

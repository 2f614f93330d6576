"""Claiming deliveries, where consent is decided a last time, and handing them over.

Claimed means: this worker may hand it over while its lease lasts, and the intent is written down
with the ledger entry that allows it. Handed over means: the request leaves now. Between the two
an opt-out, a pause or a stop takes the row away, and the hand-over finds it gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import and_, bindparam, case, select, true, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.storage import tallies
from broadcaster.storage.audience import BLOCKED, CONSENTS, SUSPENDED
from broadcaster.storage.bulletins import IS_CONTINUED
from broadcaster.storage.ids import IdList, among
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    Sender,
    Subscriber,
    Subscription,
)
from broadcaster.storage.models.bulletins import IS_QUEUED


class Chunk(NamedTuple):
    """Some of a bulletin's deliveries, by the first and the last id."""

    bulletin_id: int
    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Lot:
    """What one bulletin sends by one sender: everything its deliveries have in common."""

    bulletin_id: int
    version: int
    is_continued: bool
    list_id: int
    text: str = field(repr=False)
    not_after: datetime | None
    sender_id: int
    channel: str
    sender_address: str = field(repr=False)
    rate: float | None
    daily_limit: int | None


class Claim(NamedTuple):
    """A delivery that may be handed over; its row names the entry that allows it.

    Args:
        delivery_id: which.
        subscriber_id: whose.
        handed_before: how often it was handed over already.
        address_sealed: where to, sealed.
        key_wrapped: the person's key, wrapped.
        lot: what it is part of.
    """

    delivery_id: int
    subscriber_id: int
    handed_before: int
    address_sealed: bytes
    key_wrapped: bytes
    lot: Lot

    def __repr__(self) -> str:
        """Name the delivery, and nothing that belongs to the person."""
        return f"Claim(delivery_id={self.delivery_id})"


def lots(session: Session, within: Chunk | None, now: datetime) -> list[Lot]:
    """Return what is going out and has somebody whose turn has come, the oldest bulletin first."""
    wanted: dict[str, Any] = {"now": now}
    if within is not None:
        wanted |= {"bulletin": within.bulletin_id, "first": within.first, "last": within.last}
    rows = session.connection().execute(_LOTS if within is None else _LOTS_WITHIN, wanted)
    return [Lot(**row) for row in rows.mappings()]


_WAIT = select(Delivery.id).where(
    Delivery.bulletin_id == Bulletin.id,
    Delivery.sender_id == Sender.id,
    IS_QUEUED,
    Delivery.not_before <= bindparam("now"),
)
_WITHIN = Delivery.id.between(bindparam("first"), bindparam("last"))
_GOING = (
    select(
        Bulletin.id.label("bulletin_id"),
        Bulletin.version,
        IS_CONTINUED.label("is_continued"),
        Bulletin.list_id,
        Bulletin.text,
        Bulletin.not_after,
        Sender.id.label("sender_id"),
        Sender.channel,
        Sender.address.label("sender_address"),
        Sender.rate,
        Sender.daily_limit,
    )
    .join(Sender, true())
    .where(Bulletin.state == BulletinState.SENDING.value)
    .order_by(Bulletin.starts_at, Bulletin.id, Sender.id)
)
_LOTS = _GOING.where(_WAIT.exists())
_LOTS_WITHIN = _GOING.where(Bulletin.id == bindparam("bulletin"), _WAIT.where(_WITHIN).exists())


class Candidate(NamedTuple):
    """A delivery that waits, and whose."""

    id: int
    subscriber_id: int


def candidates(
    session: Session, lot: Lot, within: Chunk | None, limit: int, now: datetime
) -> list[Candidate]:
    """Return deliveries that may go now, locked; who is locked elsewhere is left for later.

    Their people are locked, too, as every opt-out does, so that one of the two comes first and
    the other sees it.
    """
    connection = session.connection()
    rows = connection.execute(
        _WAITING if within is None else _WAITING_WITHIN,
        {
            "of_bulletin": lot.bulletin_id,
            "of_sender": lot.sender_id,
            "now": now,
            "most": limit,
            **({"first": within.first, "last": within.last} if within else {}),
        },
    )
    found = [Candidate(*row) for row in rows.all()]
    if not found or connection.dialect.name == "sqlite":
        return found
    people = [one.subscriber_id for one in found]
    locked = set(connection.execute(_LOCK_PEOPLE, {"ids": people}).scalars())
    return [one for one in found if one.subscriber_id in locked]


_IDS = bindparam("ids", type_=IdList())
_WAITING = (
    select(Delivery.id, Delivery.subscriber_id)
    .where(
        Delivery.bulletin_id == bindparam("of_bulletin"),
        Delivery.sender_id == bindparam("of_sender"),
        IS_QUEUED,
        Delivery.not_before <= bindparam("now"),
    )
    .order_by(Delivery.not_before, Delivery.id)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_WAITING_WITHIN = _WAITING.where(_WITHIN)
_LOCK_PEOPLE = (
    select(Subscriber.id)
    .where(among(Subscriber.id, _IDS))
    .with_for_update(skip_locked=True, key_share=True)
)


def decide(
    session: Session,
    lot: Lot,
    chosen: Sequence[Candidate],
    *,
    worker: str,
    lease: datetime,
    now: datetime,
) -> list[Claim]:
    """Decide consent for candidates: claim them, or skip those who may not be written to.

    Args:
        session: the transaction that locked them.
        lot: what they are part of.
        chosen: from `candidates`.
        worker: who claims.
        lease: until when.
        now: the present moment.
    """
    if not chosen:
        return []
    claims: list[Claim] = []
    skipped: dict[SkipReason, list[int]] = {}
    standing = {"ids": [one.id for one in chosen], "of_list": lot.list_id}
    for row in session.connection().execute(_STANDING, standing).all():
        number, person, attempt, sealed, wrapped, why_not = row
        if why_not is None:
            claims.append(Claim(number, person, attempt, sealed, wrapped, lot))
        else:
            skipped.setdefault(SkipReason(why_not), []).append(number)
    if claims:
        session.connection().execute(
            _CLAIM,
            {
                "ids": [one.delivery_id for one in claims],
                "of_list": lot.list_id,
                "new_worker": worker,
                "new_lease": lease,
                "moment": now,
            },
        )
    for reason, ids in skipped.items():
        _skip(session, lot.bulletin_id, ids, reason, now)
    return claims


# What a claim is made of, and what decides whether deliveries may go.
_STANDING = (
    select(
        Delivery.id,
        Delivery.subscriber_id,
        Delivery.attempt,
        Subscriber.address_sealed,
        Subscriber.key_wrapped,
        case(
            (Subscription.subscriber_id.is_(None), SkipReason.LEFT.value),
            (BLOCKED, SkipReason.CARRIER_BLOCKED.value),
            (SUSPENDED, SkipReason.SUSPENDED.value),
        ).label("why_not"),
    )
    .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
    .outerjoin(
        Subscription,
        and_(
            Subscription.subscriber_id == Delivery.subscriber_id,
            Subscription.list_id == bindparam("of_list"),
            *CONSENTS,
        ),
    )
    .outerjoin(
        CarrierBlock,
        and_(
            CarrierBlock.subscriber_id == Delivery.subscriber_id,
            CarrierBlock.sender_id == Delivery.sender_id,
        ),
    )
    .where(among(Delivery.id, _IDS))
    .order_by(Delivery.id)
)
_CLAIM = (
    update(Delivery)
    .where(among(Delivery.id, _IDS))
    .values(
        state=State.CLAIMED.value,
        worker=bindparam("new_worker"),
        claimed=bindparam("moment", type_=Delivery.claimed.type),
        lease=bindparam("new_lease", type_=Delivery.lease.type),
        changed=bindparam("moment", type_=Delivery.changed.type),
        entry=select(Subscription.entry)
        .where(
            Subscription.subscriber_id == Delivery.subscriber_id,
            Subscription.list_id == bindparam("of_list"),
        )
        .scalar_subquery(),
    )
)


def _skip(
    session: Session, bulletin_id: int, ids: Sequence[int], reason: SkipReason, now: datetime
) -> None:
    session.execute(
        update(Delivery)
        .where(among(Delivery.id, bindparam("ids", list(ids), type_=IdList())))
        .values(state=State.SKIPPED.value, reason=reason.value, changed=now)
        .execution_options(synchronize_session=False)
    )
    tallies.add(
        session,
        {
            tallies.key(bulletin_id, State.QUEUED): -len(ids),
            tallies.key(bulletin_id, State.SKIPPED, reason.value): len(ids),
        },
    )


def put_off(session: Session, ids: Sequence[int], until: datetime) -> None:
    """Let candidates wait until a moment."""
    session.execute(
        update(Delivery)
        .where(among(Delivery.id, bindparam("ids", list(ids), type_=IdList())))
        .values(not_before=until)
        .execution_options(synchronize_session=False)
    )


def let_go(session: Session, ids: Sequence[int], worker: str, now: datetime) -> None:
    """Put claims back that this worker will not hand over."""
    session.execute(
        update(Delivery)
        .where(
            among(Delivery.id, bindparam("ids", list(ids), type_=IdList())),
            Delivery.state == State.CLAIMED.value,
            Delivery.worker == worker,
        )
        .values(state=State.QUEUED.value, lease=None, changed=now)
        .execution_options(synchronize_session=False)
    )

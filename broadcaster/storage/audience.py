"""Who is on a list and can be reached: one definition, for counting and for sending."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import (
    Insert,
    Select,
    SQLColumnExpression,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
)
from sqlalchemy.orm import Session
from sqlalchemy.sql.elements import ColumnElement

from broadcaster.core.address import Channel
from broadcaster.core.delivery import SkipReason, State
from broadcaster.storage import deliveries, tallies
from broadcaster.storage.models import (
    Bulletin,
    CarrierBlock,
    Delivery,
    Inbound,
    LedgerHead,
    ListSender,
    Subscriber,
    Subscription,
)
from broadcaster.storage.models.bulletins import AT_ONCE, IS_QUEUED
from broadcaster.storage.session import unhurried

#: A person consents to a list while the projection says so and they have not stopped everything.
CONSENTS = (Subscription.state == "in", Subscriber.stopped_at.is_(None))
#: The provider itself keeps us from reaching a person on the sender of their channel.
BLOCKED: ColumnElement[bool] = CarrierBlock.subscriber_id.is_not(None)
#: The provider said that the address is dead; until the person writes again nothing goes there.
SUSPENDED: ColumnElement[bool] = Subscriber.suspended_at.is_not(None)


def members_of_any(*columns: SQLColumnExpression[Any]) -> Select[*tuple[Any, ...]]:
    """Select columns of everybody on any list whose channel has a sender there."""
    return (
        select(*columns)
        .select_from(Subscription)
        .join(Subscriber, Subscriber.id == Subscription.subscriber_id)
        .join(
            ListSender,
            and_(
                ListSender.list_id == Subscription.list_id,
                ListSender.channel == Subscriber.channel,
            ),
        )
        .outerjoin(
            CarrierBlock,
            and_(
                CarrierBlock.subscriber_id == Subscriber.id,
                CarrierBlock.sender_id == ListSender.sender_id,
            ),
        )
        .where(*CONSENTS)
    )


def members(list_id: int, *columns: SQLColumnExpression[Any]) -> Select[*tuple[Any, ...]]:
    """Select columns of everybody on a list whose channel has a sender."""
    return members_of_any(*columns).where(Subscription.list_id == list_id)


def reachable(session: Session, list_id: int) -> dict[tuple[str, bool], int]:
    """Count who is on a list: (channel, cannot be reached by the provider) → people."""
    lost = or_(BLOCKED, SUSPENDED)
    rows = session.execute(
        members(list_id, Subscriber.channel, lost, func.count()).group_by(Subscriber.channel, lost)
    ).all()
    return {(channel, bool(is_blocked)): number for channel, is_blocked, number in rows}


def silent_on_whatsapp(session: Session, list_id: int, since: datetime) -> int:
    """Count people on WhatsApp who have not written to the list's sender since a moment."""
    wrote = (
        select(Inbound.sid)
        .where(
            Inbound.subscriber_id == Subscriber.id,
            Inbound.sender_id == ListSender.sender_id,
            Inbound.received >= since,
        )
        .exists()
    )
    return int(
        session.execute(
            members(list_id, func.count()).where(
                Subscriber.channel == Channel.WHATSAPP.value, ~BLOCKED, ~wrote
            )
        ).scalar_one()
    )


def freeze(session: Session, bulletin_id: int, list_id: int, now: datetime) -> int:
    """Make one delivery for everybody on the list at this moment; return how many.

    The bulletin keeps what moment that was, so that its audience can be derived again. It takes as
    long as it takes: of a large audience longer than any other statement may.
    """
    with unhurried(session):
        people, size, channels = _freeze(session, bulletin_id, list_id, now)
    bulletin = session.get_one(Bulletin, bulletin_id)
    bulletin.ledger_size, bulletin.channels = size, channels
    return people


def _freeze(
    session: Session, bulletin_id: int, list_id: int, now: datetime
) -> tuple[int, int, str]:
    lost = or_(BLOCKED, SUSPENDED)
    reason = case(
        (BLOCKED, SkipReason.CARRIER_BLOCKED.value), (SUSPENDED, SkipReason.SUSPENDED.value)
    )
    columns = {
        "bulletin_id": literal(bulletin_id),
        "subscriber_id": Subscriber.id,
        "sender_id": ListSender.sender_id,
        "state": case((lost, State.SKIPPED.value), else_=State.QUEUED.value),
        "reason": reason,
        "attempt": literal(0),
        "not_before": literal(AT_ONCE, type_=Delivery.not_before.type),
        "changed": literal(now, type_=Delivery.changed.type),
    }
    chosen = members(list_id, *columns.values()).order_by(Subscriber.id)
    made = insert(Delivery).from_select(list(columns), chosen)
    size, channels = _make(session, made, list_id)
    counted = deliveries.counts(session, bulletin_id)
    tallies.add(session, counted)
    return sum(counted.values()), size, channels


def _make(session: Session, made: Insert, list_id: int) -> tuple[int, str]:
    """Make the deliveries; return the ledger's size and the list's channels as they were for it.

    On PostgreSQL that is one statement, which sees one moment: between two of them somebody may
    join or leave. On SQLite nobody else writes while this transaction is open.
    """
    seen = (
        select(LedgerHead.size, ListSender.channel)
        .outerjoin(ListSender, ListSender.list_id == list_id)
        .order_by(ListSender.channel)
    )
    if session.get_bind().dialect.name == "sqlite":
        session.execute(made)
    else:
        seen = seen.add_cte(made.cte("frozen"))
    rows = session.execute(seen).all()
    return rows[0].size, " ".join(row.channel for row in rows if row.channel is not None)


def still_queued(session: Session, bulletin_id: int) -> dict[str, int]:
    """Count, by channel, who has not got a bulletin that was held on its way."""
    rows = session.execute(
        select(Subscriber.channel, func.count())
        .join(Delivery, Delivery.subscriber_id == Subscriber.id)
        .join(Bulletin, Bulletin.id == Delivery.bulletin_id)
        .join(
            Subscription,
            and_(
                Subscription.subscriber_id == Subscriber.id,
                Subscription.list_id == Bulletin.list_id,
            ),
        )
        .outerjoin(
            CarrierBlock,
            and_(
                CarrierBlock.subscriber_id == Subscriber.id,
                CarrierBlock.sender_id == Delivery.sender_id,
            ),
        )
        .where(
            Delivery.bulletin_id == bulletin_id,
            # What was claimed is put back when a bulletin holds.
            IS_QUEUED,
            ~BLOCKED,
            ~SUSPENDED,
            *CONSENTS,
        )
        .group_by(Subscriber.channel)
    ).all()
    return {row.channel: row[1] for row in rows}

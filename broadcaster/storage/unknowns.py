"""Deliveries of which nobody knows whether the provider took them, and what is known of its ids."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState
from broadcaster.core.delivery import SkipReason, State
from broadcaster.storage import bulletins, tallies
from broadcaster.storage.forgotten import known_as
from broadcaster.storage.models import (
    Bulletin,
    Delivery,
    Explained,
    Inbound,
    Sender,
    StatusEvent,
    Subscriber,
)
from broadcaster.storage.models.bulletins import AT_ONCE, IS_UNDER_WAY
from broadcaster.storage.upsert import insert

# A request that is older than this competes for no message of today.
_RIVALS_OF = timedelta(days=7)
# A request that was taken is in the list, by its own clock, so soon after it was handed over.
_SOON_AFTER = timedelta(minutes=5)
# The states in which a request may have left and its id be missing.
_OPEN_ENDED = [State.HANDED_OVER.value, State.UNKNOWN.value, State.HELD.value]


@dataclass(frozen=True, slots=True, kw_only=True)
class Requested:
    """A delivery, as it was asked for.

    Args:
        delivery_id: which.
        attempt: the number of its hand-over.
        bulletin_id: its bulletin.
        subscriber_id: whose it is.
        channel: how it went.
        address_sealed: where to.
        key_wrapped: what opens that.
        sender_address: the value of our own number.
        text: the words.
        handed: when it was handed over.
    """

    delivery_id: int
    attempt: int
    bulletin_id: int
    subscriber_id: int
    channel: str
    address_sealed: bytes = field(repr=False)
    key_wrapped: bytes = field(repr=False)
    sender_address: str = field(repr=False)
    text: str = field(repr=False)
    handed: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Unnamed:
    """A delivery of which the provider may have messages whose ids it does not carry.

    Args:
        delivery_id: which.
        handed: when it was last handed over.
        is_open: the id of that request is missing.
        earlier: how many requests there were besides that one, and besides the one whose id it has.
        repeated: when it was last queued again though one of these may have been taken.
    """

    delivery_id: int
    handed: datetime | None
    is_open: bool
    earlier: int
    repeated: datetime | None

    def most(self, created: datetime, *, in_its_words: bool) -> int:
        """Return of how many messages of a moment it may be the reason.

        What a restored database forgot is newer than everything in it. So earlier requests are the
        reason of earlier messages only, and so are messages with other words than its own.
        """
        is_earlier = self.repeated is not None and created < self.repeated
        is_near = self.handed is not None and created <= self.handed + _SOON_AFTER
        is_last = self.is_open and (in_its_words or is_near)
        return is_last + (self.earlier if is_earlier else 0)


def unknown(session: Session, limit: int) -> list[tuple[int, int]]:
    """Return id and attempt of deliveries of which nobody knows."""
    rows = session.execute(
        select(Delivery.id, Delivery.attempt)
        .where(IS_UNDER_WAY, Delivery.state == State.UNKNOWN.value)
        .order_by(Delivery.id)
        .limit(limit)
    ).all()
    return [(row.id, row.attempt) for row in rows]


def requested(session: Session, delivery_ids: Collection[int]) -> dict[int, Requested]:
    """Return deliveries by id, as they were asked for."""
    # What an earlier release left behind has no moment of its hand-over.
    handed = func.coalesce(Delivery.handed, Delivery.claimed, Delivery.changed)
    rows = session.execute(
        select(
            Delivery.id.label("delivery_id"),
            Delivery.attempt,
            Delivery.bulletin_id,
            Delivery.subscriber_id,
            Sender.channel,
            Subscriber.address_sealed,
            Subscriber.key_wrapped,
            Sender.address.label("sender_address"),
            Bulletin.text,
            handed.label("handed"),
        )
        .join(Bulletin, Bulletin.id == Delivery.bulletin_id)
        .join(Subscriber, Subscriber.id == Delivery.subscriber_id)
        .join(Sender, Sender.id == Delivery.sender_id)
        .where(Delivery.id.in_(delivery_ids))
    ).mappings()
    return {row["delivery_id"]: Requested(**row) for row in rows}


def rivals(session: Session, one: Requested) -> dict[int, Requested]:
    """Return the other deliveries for the same person that may have left, and whose id is missing.

    Only of bulletins that went out at about the same time: whatever is older has been decided.
    """
    about_then = select(Bulletin.id).where(
        Bulletin.id != one.bulletin_id, Bulletin.started > one.handed - _RIVALS_OF
    )
    ids = (
        session.execute(
            select(Delivery.id).where(
                Delivery.bulletin_id.in_(about_then),
                Delivery.subscriber_id == one.subscriber_id,
                Delivery.state.in_(_OPEN_ENDED),
                Delivery.sid.is_(None),
            )
        )
        .scalars()
        .all()
    )
    return requested(session, ids) if ids else {}


def attributed(
    session: Session, sids: Collection[str], *, besides: int | None = None
) -> frozenset[str]:
    """Return which of the provider's ids belong to something that we know of.

    Args:
        session: an open transaction.
        sids: the ids.
        besides: a delivery that does not count.
    """
    if not sids:
        return frozenset()
    written, found = known_as(sids), set[str]()
    for column, delivery_id in (
        (Delivery.sid, Delivery.id),
        (StatusEvent.sid, StatusEvent.delivery_id),
    ):
        query = select(column).where(column.in_(written), delivery_id.is_distinct_from(besides))
        found.update(written[sid] for sid in session.execute(query).scalars() if sid is not None)
    answers = select(Inbound.answer_sid).where(Inbound.answer_sid.in_(written))
    found.update(written[sid] for sid in session.execute(answers).scalars() if sid is not None)
    found.update(session.execute(select(Explained.sid).where(Explained.sid.in_(sids))).scalars())
    return frozenset(found)


#: Why a message is known though no delivery carries its id.
DUPLICATE, COMPARED = "duplicate", "compared"


def explain(session: Session, sids: Collection[str], reason: str, now: datetime) -> None:
    """Remember messages that no delivery carries: else they look forgotten, as after a restore."""
    if sids:
        session.execute(
            insert(session, Explained).on_conflict_do_nothing(index_elements=["sid"]),
            [{"sid": sid, "reason": reason, "noted": now} for sid in sids],
        )


def decide(
    session: Session,
    delivery: Delivery,
    state: State,
    now: datetime,
    *,
    sid: str | None = None,
    code: int | None = None,
    reason: str | None = None,
) -> None:
    """Write down what became of a delivery, and count it.

    Args:
        session: the transaction that holds its lock.
        delivery: which.
        state: where it stands from now on.
        now: the present moment.
        sid: the provider's id of it, if it has one.
        code: the provider's error code.
        reason: ours.
    """
    before = tallies.key_of(delivery)
    delivery.state, delivery.changed = state.value, now
    delivery.sid = sid or delivery.sid
    delivery.error_code, delivery.reason = code, reason
    session.flush()
    tallies.moved(session, [(before, tallies.key_of(delivery))])
    bulletins.note_progress(session, [delivery.bulletin_id], now)


def send_again(session: Session, delivery: Delivery, now: datetime) -> State:
    """Put a delivery back that the provider never took, unless its bulletin goes on no more."""
    bulletin = session.get_one(Bulletin, delivery.bulletin_id, populate_existing=True)
    if bulletin.state == BulletinState.CANCELLED:
        decide(session, delivery, State.SKIPPED, now, reason=SkipReason.CANCELLED.value)
    elif bulletin.state == BulletinState.FINISHED or _is_over(bulletin, now):
        decide(session, delivery, State.EXPIRED, now)
    else:
        delivery.not_before, delivery.repeated = AT_ONCE, now
        delivery.looked = delivery.lease = None
        decide(session, delivery, State.QUEUED, now)
    return State(delivery.state)


def _is_over(bulletin: Bulletin, now: datetime) -> bool:
    return bulletin.not_after is not None and bulletin.not_after <= now


def hold_all(session: Session, now: datetime, limit: int) -> int:
    """Leave what is unknown to a person; return how many were held."""
    rows = (
        session.execute(
            select(Delivery)
            .where(IS_UNDER_WAY, Delivery.state == State.UNKNOWN.value)
            .order_by(Delivery.id)
            .limit(limit)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )
    moves = []
    for row in rows:
        before = tallies.key_of(row)
        row.state, row.changed = State.HELD.value, now
        moves.append((before, tallies.key_of(row)))
    session.flush()
    tallies.moved(session, moves)
    return len(rows)


def unnamed(session: Session, subscriber_id: int, bulletin_ids: Collection[int]) -> list[Unnamed]:
    """Return a person's deliveries of some bulletins that may have messages whose id is missing."""
    if not bulletin_ids:
        return []
    is_open = and_(Delivery.state.in_(_OPEN_ENDED), Delivery.sid.is_(None))
    rows = session.execute(
        select(
            Delivery.id,
            Delivery.attempt,
            Delivery.sid,
            Delivery.handed,
            Delivery.repeated,
            is_open.label("is_open"),
        )
        .where(
            Delivery.bulletin_id.in_(bulletin_ids),
            Delivery.subscriber_id == subscriber_id,
            or_(is_open, Delivery.repeated.is_not(None)),
        )
        .order_by(Delivery.id)
    ).all()
    return [
        Unnamed(
            delivery_id=row.id,
            handed=row.handed,
            is_open=bool(row.is_open),
            earlier=row.attempt - 1 if row.is_open or row.sid else row.attempt,
            repeated=row.repeated,
        )
        for row in rows
    ]

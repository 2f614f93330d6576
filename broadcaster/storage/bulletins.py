"""Bulletins: the schedule."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import ColumnElement, and_, bindparam, or_, select, true, union, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState, HeldReason
from broadcaster.core.delivery import State
from broadcaster.core.errors import NotFound
from broadcaster.storage.models import Bulletin, Delivery, ListSender, Sender
from broadcaster.storage.models.bulletins import IS_QUEUED, IS_UNDER_WAY

# The largest id both databases can look up; a larger number in a URL is simply not there.
_MAX_ID = 2**31 - 1
_NOTED_EVERY = timedelta(seconds=5)
# What waits of a cancelled bulletin is taken back within seconds; a week is for a long outage.
_SWEPT_FOR = timedelta(days=7)


def get(session: Session, bulletin_id: int) -> Bulletin:
    """Return a bulletin.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, bulletin_id, for_update=False)


def lock(session: Session, bulletin_id: int) -> Bulletin:
    """Return a bulletin with its row locked until the transaction ends.

    Raises:
        NotFound: there is none with this number.
    """
    return _one(session, bulletin_id, for_update=True)


def lock_if_free(session: Session, bulletin_id: int) -> Bulletin | None:
    """Return a bulletin with its row locked; None where somebody else has its lock."""
    return session.execute(
        select(Bulletin)
        .where(Bulletin.id == bulletin_id)
        .with_for_update(key_share=True, skip_locked=True)
    ).scalar_one_or_none()


def _one(session: Session, bulletin_id: int, *, for_update: bool) -> Bulletin:
    query = select(Bulletin).where(Bulletin.id == bulletin_id)
    found = (
        session.execute(
            query.with_for_update(key_share=True) if for_update else query
        ).scalar_one_or_none()
        if 0 < bulletin_id <= _MAX_ID
        else None
    )
    if found is None:
        message = "There is no such bulletin."
        raise NotFound(message)
    return found


def due(session: Session, now: datetime) -> Sequence[Bulletin]:
    """Return the bulletins whose moment has come."""
    return (
        session.execute(
            select(Bulletin)
            .where(Bulletin.state == BulletinState.SCHEDULED.value, Bulletin.starts_at <= now)
            .order_by(Bulletin.starts_at)
        )
        .scalars()
        .all()
    )


def stalled(session: Session, before: datetime) -> Sequence[int]:
    """Return the bulletins that are going out but got nobody further since a moment.

    Somebody must have waited all the while: what was put off, by WhatsApp's daily limit or a fault
    of the provider, is no standstill.
    """
    return (
        session.execute(
            select(Bulletin.id).where(
                Bulletin.state == BulletinState.SENDING.value,
                Bulletin.moved < before,
                select(Delivery.id)
                .where(Delivery.bulletin_id == Bulletin.id, IS_QUEUED, Delivery.not_before < before)
                .exists(),
            )
        )
        .scalars()
        .all()
    )


def on_their_way(session: Session) -> Sequence[int]:
    """Return the bulletins that are going out, or were held on their way."""
    return (
        session.execute(
            select(Bulletin.id).where(
                Bulletin.state.in_([state.value for state in ON_ITS_WAY]),
                Bulletin.audience.is_not(None),
            )
        )
        .scalars()
        .all()
    )


def note_progress(session: Session, bulletin_ids: Collection[int], now: datetime) -> None:
    """Note that bulletins got somebody further; at most every few seconds, the row is everybody's."""
    for number in bulletin_ids:
        wanted = {"number": number, "moment": now, "before": now - _NOTED_EVERY}
        session.connection().execute(_NOTE_PROGRESS, wanted)


_NOTE_PROGRESS = (
    update(Bulletin)
    .where(Bulletin.id == bindparam("number"), Bulletin.moved < bindparam("before"))
    .values(moved=bindparam("moment", type_=Bulletin.moved.type))
)


def hold(
    session: Session,
    bulletin_id: int,
    reason: HeldReason,
    now: datetime,
    *,
    code: int | None = None,
) -> bool:
    """Hold a bulletin on its way until a person says that it goes on; tell whether it was going.

    Args:
        session: an open transaction.
        bulletin_id: which.
        reason: why it holds.
        now: the present moment.
        code: the provider's refusal that would meet everybody.
    """
    return (
        session.execute(
            update(Bulletin)
            .where(Bulletin.id == bulletin_id, Bulletin.state == BulletinState.SENDING.value)
            .values(
                state=BulletinState.HELD.value,
                held_reason=reason.value,
                held_code=code,
                version=Bulletin.version + 1,
                changed=now,
            )
            .returning(Bulletin.id)
            .execution_options(synchronize_session=False)
        ).first()
        is not None
    )


def over_with_waiting(session: Session, now: datetime) -> Sequence[tuple[int, str]]:
    """Return bulletins that are over, by their time or by a person, while somebody still waits."""
    of_it = select(Delivery.id).where(Delivery.bulletin_id == Bulletin.id)
    waits = or_(
        of_it.where(IS_QUEUED).exists(),
        of_it.where(IS_UNDER_WAY, Delivery.state == State.CLAIMED.value).exists(),
    )
    rows = session.execute(
        select(Bulletin.id, Bulletin.state).where(
            or_(
                and_(
                    Bulletin.state == BulletinState.CANCELLED.value,
                    Bulletin.audience.is_not(None),
                    Bulletin.ended > now - _SWEPT_FOR,
                ),
                and_(
                    Bulletin.state.in_([state.value for state in ON_ITS_WAY]),
                    Bulletin.audience.is_not(None),
                    Bulletin.not_after <= now,
                ),
            ),
            waits,
        )
    ).all()
    return [(number, state) for number, state in rows]


def senders(session: Session, bulletin_ids: Collection[int]) -> Sequence[int]:
    """Return our numbers that some bulletins go out from, or would by their lists."""
    return _senders(session, Bulletin.id.in_(bulletin_ids))


def senders_going(session: Session) -> Sequence[int]:
    """Return our numbers that are used by what is going out."""
    return _senders(session, Bulletin.state == BulletinState.SENDING.value)


def _senders(session: Session, which: ColumnElement[bool]) -> Sequence[int]:
    # A list may have got another number since: whose turn it is keeps the number of the start.
    by_list = select(ListSender.sender_id).join(Bulletin, Bulletin.list_id == ListSender.list_id)
    by_delivery = (
        select(Sender.id)
        .join(Bulletin, true())
        .where(
            select(Delivery.id)
            .where(Delivery.bulletin_id == Bulletin.id, Delivery.sender_id == Sender.id, IS_QUEUED)
            .exists()
        )
    )
    found = union(by_list.where(which), by_delivery.where(which))
    return sorted(session.execute(found).scalars())


class Going(NamedTuple):
    """A bulletin that is going out; each time that it begins to, or goes on, has its own version."""

    bulletin_id: int
    version: int


#: It waited on its way: a bulletin that has just begun was not changed since.
IS_CONTINUED = Bulletin.changed.is_distinct_from(Bulletin.started)


def going(session: Session) -> dict[Going, bool]:
    """Return what is going out, and whether it goes on after a wait."""
    rows = session.connection().execute(_GOING).all()
    return {Going(row.id, row.version): bool(row.is_continued) for row in rows}


_GOING = select(Bulletin.id, Bulletin.version, IS_CONTINUED.label("is_continued")).where(
    Bulletin.state == BulletinState.SENDING.value
)


def sending(session: Session) -> Sequence[Bulletin]:
    """Return the bulletins that are going out."""
    return (
        session.execute(select(Bulletin).where(Bulletin.state == BulletinState.SENDING.value))
        .scalars()
        .all()
    )

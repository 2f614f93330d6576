"""Bulletins: the schedule."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.errors import NotFound
from broadcaster.storage.models import Bulletin, Delivery

# The largest id both databases can look up; a larger number in a URL is simply not there.
_MAX_ID = 2**31 - 1


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


def _one(session: Session, bulletin_id: int, *, for_update: bool) -> Bulletin:
    query = select(Bulletin).where(Bulletin.id == bulletin_id)
    found = (
        session.execute(query.with_for_update() if for_update else query).scalar_one_or_none()
        if 0 < bulletin_id <= _MAX_ID
        else None
    )
    if found is None:
        message = "There is no such bulletin."
        raise NotFound(message)
    return found


def due(session: Session, now: datetime) -> Sequence[Bulletin]:
    """Return, locked, the bulletins whose moment has come."""
    return (
        session.execute(
            select(Bulletin)
            .where(Bulletin.state == BulletinState.SCHEDULED.value, Bulletin.starts_at <= now)
            .order_by(Bulletin.starts_at)
            .with_for_update(skip_locked=True)
        )
        .scalars()
        .all()
    )


def is_any_due(session: Session, now: datetime) -> bool:
    """Tell whether the moment of any bulletin has come."""
    return (
        session.execute(
            select(Bulletin.id)
            .where(Bulletin.state == BulletinState.SCHEDULED.value, Bulletin.starts_at <= now)
            .limit(1)
        ).first()
        is not None
    )


def stalled(session: Session, before: datetime) -> Sequence[int]:
    """Return the bulletins that are going out but got nobody further since a moment."""
    return (
        session.execute(
            select(Bulletin.id).where(
                Bulletin.state == BulletinState.SENDING.value,
                Bulletin.moved < before,
                select(Delivery.id)
                .where(Delivery.bulletin_id == Bulletin.id, Delivery.state == State.QUEUED.value)
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


def lock_all(session: Session, bulletin_ids: Collection[int]) -> None:
    """Lock several bulletins, in order, until the transaction ends."""
    session.execute(
        select(Bulletin.id)
        .where(Bulletin.id.in_(bulletin_ids))
        .order_by(Bulletin.id)
        .with_for_update()
    ).all()


def note_progress(session: Session, bulletin_ids: Collection[int], now: datetime) -> None:
    """Note that bulletins got somebody further."""
    session.execute(
        update(Bulletin)
        .where(Bulletin.id.in_(bulletin_ids))
        .values(moved=now)
        .execution_options(synchronize_session=False)
    )


def hold(session: Session, bulletin_id: int, code: int | None, now: datetime) -> bool:
    """Hold a bulletin on its way until a person says that it goes on; tell whether it was going.

    Args:
        session: an open transaction.
        bulletin_id: which.
        code: the provider's refusal that would meet everybody; None when it came to a standstill.
        now: the present moment.
    """
    return (
        session.execute(
            update(Bulletin)
            .where(Bulletin.id == bulletin_id, Bulletin.state == BulletinState.SENDING.value)
            .values(
                state=BulletinState.HELD.value,
                held_code=code,
                version=Bulletin.version + 1,
                changed=now,
            )
            .returning(Bulletin.id)
            .execution_options(synchronize_session=False)
        ).first()
        is not None
    )


def sending(session: Session) -> Sequence[Bulletin]:
    """Return the bulletins that are going out."""
    return (
        session.execute(select(Bulletin).where(Bulletin.state == BulletinState.SENDING.value))
        .scalars()
        .all()
    )

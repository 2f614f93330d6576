"""Texts that came in: each sid once, with the answer it got."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from broadcaster.storage.forgotten import mark_of
from broadcaster.storage.models import Inbound
from broadcaster.storage.upsert import insert


def begin(session: Session, sid: str, now: datetime) -> Inbound | None:
    """Take a message in, or return None when it was taken in before.

    Of several requests with the same sid at the same time one inserts; the others wait for its
    transaction to end and then see its row. A check before the insert could not promise that.
    """
    taken = session.execute(
        insert(session, Inbound)
        .values(sid=sid, received=now)
        .on_conflict_do_nothing(index_elements=["sid"])
        .returning(Inbound.sid)
    ).scalar_one_or_none()
    if taken is None:
        return None
    # Looked at after the insert, which waits for an erasure that is just renaming the row.
    if session.get(Inbound, mark_of(sid)) is not None:
        session.execute(delete(Inbound).where(Inbound.sid == sid))
        return None
    return session.get_one(Inbound, sid)


def known(session: Session, sid: str) -> Inbound:
    """Return a message that was taken in before; of one that was forgotten nothing is left."""
    return session.get(Inbound, sid) or session.get_one(Inbound, mark_of(sid))


def waiting(session: Session, limit: int) -> Sequence[Inbound]:
    """Return the oldest texts that a person should read."""
    return (
        session.execute(
            select(Inbound)
            .where(Inbound.review.is_not(None))
            .order_by(Inbound.received)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def count_waiting(session: Session) -> int:
    """Count the texts that a person should read."""
    return session.execute(
        select(func.count()).select_from(Inbound).where(Inbound.review.is_not(None))
    ).scalar_one()

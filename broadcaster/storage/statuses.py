"""Status callbacks as they came."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.core.messages import StatusUpdate
from broadcaster.storage.models import Delivery, StatusEvent
from broadcaster.storage.upsert import insert


def subscriber_of(session: Session, delivery_id: int) -> int | None:
    """Return whose delivery it is, if there is one."""
    return session.execute(
        select(Delivery.subscriber_id).where(Delivery.id == delivery_id)
    ).scalar_one_or_none()


def add_once(session: Session, delivery_id: int, update: StatusUpdate, now: datetime) -> bool:
    """Keep a callback; return False when the same one came before.

    Not only its sid counts: one message has many statuses.
    """
    return (
        session.execute(
            insert(session, StatusEvent)
            .values(
                delivery_id=delivery_id,
                sid=update.sid,
                status=update.status.value,
                error_code=update.error_code or 0,
                received=now,
            )
            .on_conflict_do_nothing(index_elements=["delivery_id", "sid", "status", "error_code"])
            .returning(StatusEvent.id)
        ).first()
        is not None
    )

"""Deliveries of which nobody knows whether the provider took them: looked up, or left to a person."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from sqlalchemy import func, select, update
from sqlalchemy.orm import Session

from broadcaster.core.delivery import State
from broadcaster.storage import tallies
from broadcaster.storage.models import Delivery
from broadcaster.storage.models.bulletins import AT_ONCE, IS_UNDER_WAY

_AT_ONCE = 5_000


def last_handed_over(session: Session, bulletin_id: int) -> datetime | None:
    """Return when the last one that is being looked up was handed over, if any is."""
    found: datetime | None = session.execute(
        select(func.max(Delivery.handed)).where(
            Delivery.bulletin_id == bulletin_id,
            IS_UNDER_WAY,
            Delivery.state == State.UNKNOWN.value,
        )
    ).scalar_one()
    return found


def queue_again(session: Session, bulletin_id: int, now: datetime) -> int:
    """Put what is held for a person back into the queue, at a person's word; return how many.

    Each is claimed anew, and its consent decided anew, as if it had never gone.
    """
    queued = 0
    while found := _some_held(session, bulletin_id):
        session.execute(
            update(Delivery)
            .where(Delivery.id.in_(found))
            .values(
                state=State.QUEUED.value,
                reason=None,
                error_code=None,
                worker=None,
                lease=None,
                looked=None,
                not_before=AT_ONCE,
                repeated=now,
                changed=now,
            )
            .execution_options(synchronize_session=False)
        )
        differences: Counter[tallies.Key] = Counter()
        differences.subtract(found.values())
        differences[tallies.key(bulletin_id, State.QUEUED)] += len(found)
        tallies.add(session, differences)
        queued += len(found)
    return queued


def _some_held(session: Session, bulletin_id: int) -> dict[int, tallies.Key]:
    """Return some of them, locked in order, each with the key under which it is counted."""
    rows = session.execute(
        select(Delivery.id, Delivery.reason, Delivery.error_code)
        .where(Delivery.bulletin_id == bulletin_id, Delivery.state == State.HELD.value)
        .order_by(Delivery.id)
        .limit(_AT_ONCE)
        .with_for_update()
    ).all()
    return {
        row.id: tallies.key(bulletin_id, State.HELD, row.reason, row.error_code) for row in rows
    }

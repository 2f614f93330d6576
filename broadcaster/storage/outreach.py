"""WhatsApp's daily limit: different people written to outside their 24-hour window.

Source: facts of Meta's messaging limits; they count unique people within any 24 hours.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Inbound, Outreach
from broadcaster.storage.upsert import insert


def outside_window(
    session: Session, sender_id: int, people: Collection[int], since: datetime
) -> set[int]:
    """Return who of these people has not written to a sender since a moment."""
    wrote = session.execute(
        select(Inbound.subscriber_id).where(
            Inbound.subscriber_id.in_(people),
            Inbound.sender_id == sender_id,
            Inbound.received >= since,
        )
    ).scalars()
    return set(people) - {number for number in wrote if number is not None}


def counted(session: Session, sender_id: int, people: Collection[int], since: datetime) -> set[int]:
    """Return who of these people counts already."""
    return set(
        session.execute(
            select(Outreach.subscriber_id).where(
                Outreach.sender_id == sender_id,
                Outreach.subscriber_id.in_(people),
                Outreach.since > since,
            )
        ).scalars()
    )


def count(session: Session, sender_id: int, since: datetime) -> int:
    """Count the people a sender has written to since a moment."""
    return session.execute(
        select(func.count())
        .select_from(Outreach)
        .where(Outreach.sender_id == sender_id, Outreach.since > since)
    ).scalar_one()


def next_room(session: Session, sender_id: int, since: datetime) -> datetime:
    """Return when the person who counts longest was written to; ``since`` if nobody counts."""
    oldest: datetime | None = session.execute(
        select(func.min(Outreach.since)).where(
            Outreach.sender_id == sender_id, Outreach.since > since
        )
    ).scalar_one()
    return since if oldest is None else oldest


def note(session: Session, sender_id: int, people: Collection[int], now: datetime) -> None:
    """Count people from now on."""
    if not people:
        return
    rows = [{"sender_id": sender_id, "subscriber_id": one, "since": now} for one in sorted(people)]
    session.execute(
        insert(session, Outreach)
        .values(rows)
        .on_conflict_do_update(index_elements=["sender_id", "subscriber_id"], set_={"since": now})
    )

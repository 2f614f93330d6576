"""Chunks: some of a bulletin's deliveries, many enough for one worker to send in one go."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import and_, func, select, true
from sqlalchemy.orm import Session

from broadcaster.storage.claims import Chunk
from broadcaster.storage.models import Delivery
from broadcaster.storage.models.bulletins import IS_QUEUED

#: Deliveries in a chunk: never one message, whose overhead would rule.
SIZE = 1_000


def waiting(
    session: Session,
    bulletin_id: int,
    *,
    senders: Collection[int] | None = None,
    now: datetime | None = None,
    outside: Collection[Chunk] = (),
    most: int | None = None,
) -> list[Chunk]:
    """Cut what waits of a bulletin into chunks, in the order of the deliveries' ids.

    Args:
        session: an open transaction.
        bulletin_id: whose deliveries.
        senders: only what these send; everything if left out.
        now: only what may go at this moment; what waits for a later one, too, if left out.
        outside: chunks that somebody has already; nothing of them is given again.
        most: how many chunks at most.
    """
    queued = (
        select(Delivery.id)
        .where(
            Delivery.bulletin_id == bulletin_id,
            IS_QUEUED,
            Delivery.not_before <= now if now is not None else true(),
            Delivery.sender_id.in_(senders) if senders is not None else true(),
            and_(true(), *(~Delivery.id.between(one.first, one.last) for one in outside)),
        )
        .order_by(Delivery.id)
        .limit(None if most is None else most * SIZE)
        .subquery()
    )
    place = func.row_number().over(order_by=queued.c.id) - 1
    numbered = select(queued.c.id, (place // SIZE).label("chunk")).subquery()
    rows = session.execute(
        select(func.min(numbered.c.id), func.max(numbered.c.id))
        .group_by(numbered.c.chunk)
        .order_by(numbered.c.chunk)
    )
    return [Chunk(bulletin_id, first, last) for first, last in rows]

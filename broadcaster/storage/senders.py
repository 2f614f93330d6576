"""Our own numbers: how each sends, whether it stands still, and whether it could be heard."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from broadcaster.storage import bulletins
from broadcaster.storage.models import (
    BroadcastList,
    Hearing,
    ListSender,
    Pacing,
    Sender,
)


def every(session: Session) -> Sequence[tuple[Sender, Pacing | None]]:
    """Return all senders, each with its bucket if it ever sent anything."""
    rows = session.execute(
        select(Sender, Pacing)
        .outerjoin(Pacing, Pacing.sender_id == Sender.id)
        .order_by(Sender.channel.desc(), Sender.address)
    )
    return [(sender, pacing) for sender, pacing in rows]


def of_list(session: Session, list_id: int) -> Sequence[tuple[Sender, Pacing | None]]:
    """Return the senders that carry a list, each with its bucket if it ever sent anything."""
    rows = session.execute(
        select(Sender, Pacing)
        .join(ListSender, ListSender.sender_id == Sender.id)
        .outerjoin(Pacing, Pacing.sender_id == Sender.id)
        .where(ListSender.list_id == list_id)
        .order_by(Sender.channel.desc(), Sender.address)
    )
    return [(sender, pacing) for sender, pacing in rows]


def of_bulletin(session: Session, bulletin_id: int) -> Sequence[tuple[Sender, Pacing | None]]:
    """Return the senders that a bulletin goes out from, each with its bucket if it ever sent."""
    numbers = bulletins.senders(session, [bulletin_id])
    return [(sender, pacing) for sender, pacing in every(session) if sender.id in numbers]


def names_of_lists(session: Session) -> dict[int, list[str]]:
    """Return the names of the lists that each sender carries."""
    rows = session.execute(
        select(ListSender.sender_id, BroadcastList.name)
        .join(BroadcastList, BroadcastList.id == ListSender.list_id)
        .order_by(BroadcastList.name)
    )
    found: dict[int, list[str]] = {}
    for sender_id, name in rows:
        found.setdefault(sender_id, []).append(name)
    return found


def unheard_since(session: Session, bulletin_id: int) -> datetime | None:
    """Return since when the texts to a bulletin's senders cannot be read, if they cannot."""
    numbers = bulletins.senders(session, [bulletin_id])
    found: datetime | None = session.execute(
        select(func.min(Hearing.failed)).where(Hearing.sender_id.in_(numbers))
    ).scalar_one()
    return found

"""People as the tables have them, beside their entries in the ledger: what a replay compares."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.storage.models import BroadcastList, LedgerEntry, Subscriber, Subscription


def people(session: Session, after: int, limit: int) -> Sequence[Subscriber]:
    """Return the next people, by id."""
    return (
        session.execute(
            select(Subscriber).where(Subscriber.id > after).order_by(Subscriber.id).limit(limit)
        )
        .scalars()
        .all()
    )


def entries(session: Session, subjects: Sequence[str]) -> Sequence[tuple[str, int, bytes]]:
    """Return the entries of these subjects: whose, its place, its bytes; in the order of the log."""
    rows = session.execute(
        select(LedgerEntry.subject, LedgerEntry.idx, LedgerEntry.leaf)
        .where(LedgerEntry.subject.in_(subjects))
        .order_by(LedgerEntry.idx)
    )
    return [(subject, idx, bytes(leaf)) for subject, idx, leaf in rows if subject is not None]


def subscriptions(session: Session, people_ids: Sequence[int]) -> Sequence[Subscription]:
    """Return the subscriptions of these people."""
    return (
        session.execute(select(Subscription).where(Subscription.subscriber_id.in_(people_ids)))
        .scalars()
        .all()
    )


def list_names(session: Session) -> dict[int, str]:
    """Return the stable id by which entries name each list, by its number here."""
    rows = session.execute(select(BroadcastList.id, BroadcastList.slug))
    return {row.id: row.slug for row in rows}

"""What is known about one person, for the evidence of their consent."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Document, Evidence, Inbound, LedgerEntry, Subscriber

_AT_ONCE = 500


def person(session: Session, subject: str) -> Subscriber | None:
    """Return the person whom the ledger names so, if they are still there."""
    return session.execute(
        select(Subscriber).where(Subscriber.subject == subject)
    ).scalar_one_or_none()


def by_index(session: Session, address_index: bytes) -> Subscriber | None:
    """Return the person at an address, by its blind index."""
    return session.execute(
        select(Subscriber).where(Subscriber.address_index == address_index)
    ).scalar_one_or_none()


def is_known(session: Session, subject: str) -> bool:
    """Tell whether the ledger has an entry of a subject."""
    wanted = select(LedgerEntry.idx).where(LedgerEntry.subject == subject).limit(1)
    return session.execute(wanted).first() is not None


def sealed(session: Session, subscriber_id: int) -> dict[int, bytes]:
    """Return the sealed private parts of a person's entries, by entry."""
    rows = session.execute(
        select(Evidence.entry, Evidence.sealed).where(Evidence.subscriber_id == subscriber_id)
    )
    return {entry: bytes(data) for entry, data in rows}


def texts(session: Session, subscriber_id: int, sids: Sequence[str]) -> list[Inbound]:
    """Return those of a person's texts that have these ids, the oldest first."""
    found: list[Inbound] = []
    for start in range(0, len(sids), _AT_ONCE):
        found += session.execute(
            select(Inbound).where(
                Inbound.subscriber_id == subscriber_id,
                Inbound.sid.in_(sids[start : start + _AT_ONCE]),
            )
        ).scalars()
    return sorted(found, key=lambda one: (one.received, one.sid))


def documents(session: Session, hashes: Sequence[str]) -> list[tuple[int, bytes]]:
    """Return the entries that logged these documents, in order: index and bytes."""
    rows = session.execute(
        select(LedgerEntry.idx, LedgerEntry.leaf)
        .join(Document, Document.entry == LedgerEntry.idx)
        .where(Document.sha256.in_(hashes))
        .order_by(LedgerEntry.idx)
    )
    return [(index, bytes(leaf)) for index, leaf in rows]

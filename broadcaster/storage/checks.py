"""What a verification of the ledger's tables reads, apart from the entries themselves."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Checkpoint, Document, LedgerEntry, LedgerHead, LedgerTile

__all__ = ["Document", "checkpoints", "documents", "entries", "head", "last", "tiles_beyond"]


def head(session: Session) -> LedgerHead:
    """Return the head as it stands."""
    return session.execute(select(LedgerHead)).scalar_one()


def last(session: Session) -> int:
    """Return the index of the last entry; -1 if there is none."""
    return session.execute(select(func.coalesce(func.max(LedgerEntry.idx), -1))).scalar_one()


def entries(session: Session, start: int, end: int, limit: int) -> Sequence[LedgerEntry]:
    """Return the next entries from ``start`` up to but not including ``end``, in order."""
    return (
        session.execute(
            select(LedgerEntry)
            .where(LedgerEntry.idx >= start, LedgerEntry.idx < end)
            .order_by(LedgerEntry.idx)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def checkpoints(session: Session) -> Sequence[Checkpoint]:
    """Return all checkpoints, the smallest first."""
    return session.execute(select(Checkpoint).order_by(Checkpoint.size)).scalars().all()


def documents(session: Session) -> Sequence[Document]:
    """Return all documents, in the order in which they were logged."""
    return session.execute(select(Document).order_by(Document.entry)).scalars().all()


def tiles_beyond(session: Session, whole: Sequence[int]) -> Sequence[tuple[int, int]]:
    """Return the tiles, by level and index, that lie beyond so many whole ones at each level."""
    beyond = [LedgerTile.level >= len(whole), LedgerTile.level < 0, LedgerTile.idx < 0]
    beyond += [
        (LedgerTile.level == level) & (LedgerTile.idx >= number)
        for level, number in enumerate(whole)
    ]
    rows = session.execute(
        select(LedgerTile.level, LedgerTile.idx)
        .where(or_(*beyond))
        .order_by(LedgerTile.level, LedgerTile.idx)
        .limit(100)
    )
    return [(level, index) for level, index in rows]

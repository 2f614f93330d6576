"""The ledger in the database: appending in order, reading back, and what belongs to entries."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from broadcaster.ledger.merkle import Frontier, leaf_hash
from broadcaster.storage import tiles
from broadcaster.storage.models import Checkpoint, Document, LedgerEntry, LedgerHead
from broadcaster.storage.upsert import insert


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaf:
    """One entry about to be appended.

    Args:
        data: the exact bytes.
        subject: whose entry it is; None for a document.
    """

    data: bytes
    subject: str | None = None


def lock(session: Session) -> LedgerHead:
    """Return the head with its row locked until the transaction ends; nobody else can append."""
    return session.execute(
        select(LedgerHead).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def append(session: Session, leaves: Sequence[Leaf], now: datetime) -> int:
    """Append entries and return the index of the first.

    The head's row is locked until the transaction ends, so that entries are numbered without a
    gap and in the order in which they are committed.
    """
    head = lock(session)
    hashes = [leaf_hash(leaf.data) for leaf in leaves]
    first = head.size
    session.execute(
        LedgerEntry.__table__.insert(),  # type: ignore[attr-defined]
        [
            {
                "idx": first + offset,
                "leaf": leaf.data,
                "leaf_hash": hashed,
                "subject": leaf.subject,
                "recorded": now,
            }
            for offset, (leaf, hashed) in enumerate(zip(leaves, hashes, strict=True))
        ],
    )
    tiles.complete(session, first, first + len(leaves))
    grown = Frontier.from_bytes(head.frontier).extend(hashes)
    session.execute(
        update(LedgerHead).values(size=grown.size, frontier=grown.to_bytes()),
        execution_options={"synchronize_session": "fetch"},
    )
    return first


def frontier(session: Session) -> Frontier:
    """Return the tree's size and frontier as they stand."""
    return Frontier.from_bytes(session.execute(select(LedgerHead.frontier)).scalar_one())


def leaves(session: Session, start: int, end: int) -> Sequence[LedgerEntry]:
    """Return the entries from ``start`` up to but not including ``end``, in order.

    A caller that wants many asks for them in pieces: entries never change, so nothing has to be
    held open in between.
    """
    return (
        session.execute(
            select(LedgerEntry)
            .where(LedgerEntry.idx >= start, LedgerEntry.idx < end)
            .order_by(LedgerEntry.idx)
        )
        .scalars()
        .all()
    )


def leaves_of(
    session: Session, subject: str, start: int, end: int, limit: int
) -> Sequence[LedgerEntry]:
    """Return at most so many entries of one subject from ``start`` up to before ``end``, in order."""
    return (
        session.execute(
            select(LedgerEntry)
            .where(LedgerEntry.subject == subject, LedgerEntry.idx >= start, LedgerEntry.idx < end)
            .order_by(LedgerEntry.idx)
            .limit(limit)
        )
        .scalars()
        .all()
    )


def leaves_since(session: Session, subject: str, moment: datetime) -> Sequence[bytes]:
    """Return the entries of one subject that were written after a moment."""
    return (
        session.execute(
            select(LedgerEntry.leaf)
            .where(LedgerEntry.subject == subject, LedgerEntry.recorded > moment)
            .order_by(LedgerEntry.idx)
        )
        .scalars()
        .all()
    )


def document(session: Session, sha256: str) -> Document | None:
    """Return the document with this hash, if it was ever logged."""
    return session.get(Document, sha256)


def documents(session: Session, kind: str) -> Iterator[Document]:
    """Yield all documents of a kind, in the order in which they were logged."""
    yield from session.execute(
        select(Document).where(Document.kind == kind).order_by(Document.entry)
    ).scalars()


def add_document(session: Session, *, sha256: str, kind: str, text: str, entry: int) -> None:
    """Keep a document beside the entry that logged it."""
    session.add(Document(sha256=sha256, kind=kind, text=text, entry=entry))
    session.flush()


def keep_checkpoint(session: Session, *, size: int, note: str, now: datetime) -> None:
    """Keep a checkpoint that is about to be given out; one is kept per size."""
    session.execute(
        insert(session, Checkpoint)
        .values(size=size, note=note, created=now)
        .on_conflict_do_nothing(index_elements=["size"])
    )


def latest_checkpoint(session: Session) -> Checkpoint | None:
    """Return the newest checkpoint that was ever given out."""
    return session.execute(
        select(Checkpoint).order_by(Checkpoint.size.desc()).limit(1)
    ).scalar_one_or_none()


def newest_checkpoints(session: Session, limit: int = 500) -> Sequence[Checkpoint]:
    """Return the newest checkpoints, the newest first."""
    return (
        session.execute(select(Checkpoint).order_by(Checkpoint.size.desc()).limit(limit))
        .scalars()
        .all()
    )


def lock_checkpoint(session: Session, size: int) -> Checkpoint:
    """Return a checkpoint with its row locked until the transaction ends."""
    return session.execute(
        select(Checkpoint).where(Checkpoint.size == size).with_for_update()
    ).scalar_one()

"""The ledger in the database: appending in order, reading back, and what belongs to entries."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import NamedTuple

from sqlalchemy import LargeBinary, Row, bindparam, cast, func, select, type_coerce, update
from sqlalchemy.orm import Session

from broadcaster.ledger.errors import FrontierError
from broadcaster.ledger.merkle import Frontier, leaf_hash
from broadcaster.storage import bulk, filing, incidents, tiles, verification
from broadcaster.storage.models import (
    Checkpoint,
    Document,
    LedgerEntry,
    LedgerHead,
    Subscriber,
)
from broadcaster.storage.upsert import insert


class Leaf(NamedTuple):
    """One entry about to be appended.

    Args:
        data: the exact bytes.
        subject: whose entry it is; None for a document.
        facet: what it is filed under, where that is known already; else its bytes are asked.
    """

    data: bytes
    subject: str | None = None
    facet: filing.Facet | None = None


def lock(session: Session) -> None:
    """Lock the head until the transaction ends; nobody else can append."""
    session.execute(select(LedgerHead.id).with_for_update())


def _lock(session: Session, now: datetime) -> Frontier:
    """Lock the head, and return how the tree stands.

    The head only saves working it out. Where its row is damaged or gone it is worked out, since
    whoever stops must be heard even then; but if entries are gone, too, nothing may be sent any
    more. A head that can be read and is wrong is for the verification to find.
    """
    lock(session)
    said = session.execute(_HEAD).one_or_none()
    found = _readable(said)
    if found is not None:
        return found
    incidents.note(session, "ledger_head_damaged", "ledger_head", now)
    found = tiles.frontier(session)
    # In SQLite a number may have become anything.
    before = said.size if said and isinstance(said.size, int) else 0
    latest = latest_checkpoint(session)
    if found.size < max(before, latest.size if latest else 0):
        what = f"ledger_head: is damaged, and of its entries only {found.size:,} are there"
        verification.break_off(session, what, now)
    if said is None:
        session.add(LedgerHead(id=1, size=found.size, frontier=found.to_bytes()))
        session.flush()
    return found


# As bytes, whatever SQLite takes them for: one bit of a row says whether they are a text.
_HEAD = select(
    LedgerHead.size,
    type_coerce(cast(LedgerHead.frontier, LargeBinary), LargeBinary).label("frontier"),
)


def _readable(said: Row[int, bytes] | None) -> Frontier | None:
    """Return the tree as the head's row says it stands; None if it says nothing of sense."""
    with suppress(FrontierError):
        if said is not None and said.frontier is not None:
            found = Frontier.from_bytes(bytes(said.frontier))
            return found if found.size == said.size else None
    return None


def append(session: Session, leaves: Sequence[Leaf], now: datetime) -> int:
    """Append entries and return the index of the first.

    The head's row is locked until the transaction ends, so that entries are numbered without a
    gap and in the order in which they are committed.

    Raises:
        LedgerBroken: the head is damaged, and what it follows from is, too.
    """
    before = _lock(session, now)
    hashes = [leaf_hash(leaf.data) for leaf in leaves]
    first = before.size
    recorded = bulk.bound(session, LedgerEntry.recorded, now)
    bulk.insert(
        session,
        LedgerEntry,
        ("idx", "leaf", "leaf_hash", "subject", "recorded"),
        [
            (number, leaf.data, hashed, leaf.subject, recorded)
            for number, (leaf, hashed) in enumerate(zip(leaves, hashes, strict=True), start=first)
        ],
    )
    facets = [leaf.facet or filing.facet_of(leaf.data) for leaf in leaves]
    filing.file(session, first, facets, now)
    tiles.complete(session, first, first + len(leaves))
    grown = before.extend(hashes)
    session.execute(
        update(LedgerHead).values(size=grown.size, frontier=grown.to_bytes()),
        execution_options={"synchronize_session": "fetch"},
    )
    return first


def mend_head(session: Session, now: datetime) -> Frontier:
    """Write the head anew, as it follows from the tiles and entries; return it.

    Raises:
        LedgerBroken: some of them are missing.
    """
    _lock(session, now)
    found = tiles.frontier(session)
    session.execute(
        update(LedgerHead).values(size=found.size, frontier=found.to_bytes()),
        execution_options={"synchronize_session": "fetch"},
    )
    return found


def last_known(session: Session) -> int:
    """Return the highest index of an entry that anybody is said to have; -1 if nobody has one."""
    highest = session.execute(select(func.max(Subscriber.last_entry))).scalar_one()
    return -1 if highest is None else highest


def frontier(session: Session) -> Frontier:
    """Return the tree's size and frontier as they stand; worked out, if the head is damaged.

    Raises:
        LedgerBroken: what they follow from is damaged, too.
    """
    return _readable(session.execute(_HEAD).one_or_none()) or tiles.frontier(session)


def size(session: Session) -> int:
    """Return how many entries the head says that there are."""
    return session.execute(select(LedgerHead.size)).scalar_one()


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


def bare_leaves(session: Session, start: int, end: int) -> Sequence[Row[int, bytes]]:
    """Return index and bytes of the entries from ``start`` up to but not including ``end``.

    For who reads all of them: it is twice as fast as `leaves`.
    """
    return session.connection().execute(_BARE, {"start": start, "end": end}).all()


_BARE = (
    select(LedgerEntry.idx, LedgerEntry.leaf)
    .where(LedgerEntry.idx >= bindparam("start"), LedgerEntry.idx < bindparam("end"))
    .order_by(LedgerEntry.idx)
)


def entries_at(session: Session, indexes: Sequence[int]) -> dict[int, LedgerEntry]:
    """Return entries by their places; one that is not there is left out."""
    found = session.execute(select(LedgerEntry).where(LedgerEntry.idx.in_(indexes))).scalars()
    return {row.idx: row for row in found}


def next_of(session: Session, subject: str, index: int) -> int | None:
    """Return the place of a subject's first entry after a place."""
    return session.execute(
        select(LedgerEntry.idx)
        .where(LedgerEntry.subject == subject, LedgerEntry.idx > index)
        .order_by(LedgerEntry.idx)
        .limit(1)
    ).scalar_one_or_none()


def places(session: Session, hashes: Sequence[str]) -> dict[str, int]:
    """Return where documents are logged, by their hashes."""
    rows = session.execute(
        select(Document.sha256, Document.entry).where(Document.sha256.in_(hashes))
    )
    return {row.sha256: row.entry for row in rows}


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
        .values(size=size, note=note, created=now, sum=checkpoint_sum(size, note, now))
        .on_conflict_do_nothing(index_elements=["size"])
    )


def set_note(kept: Checkpoint, note: str) -> None:
    """Let a checkpoint's note carry more signatures than before."""
    kept.note, kept.sum = note, checkpoint_sum(kept.size, note, kept.created)


def checkpoint_sum(size: int, note: str, created: datetime) -> bytes:
    """Sum up all that is in a checkpoint's row, so that no byte of it changes unnoticed."""
    moment = created.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    return hashlib.sha256(f"{size}\n{moment}\n{note}".encode()).digest()


def checkpoint_of(session: Session, size: int) -> bytes:
    """Return the note of the checkpoint that was kept over so many entries."""
    kept = session.execute(select(Checkpoint.note).where(Checkpoint.size == size)).scalar_one()
    return kept.encode()


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

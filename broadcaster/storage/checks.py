"""What a verification of the ledger's tables reads: each column as it lies there, byte for byte.

Nothing is turned into text or a moment on the way: a byte that was changed must neither be repaired
by that nor end the verification.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    DateTime,
    LargeBinary,
    Row,
    String,
    Text,
    case,
    cast,
    func,
    literal,
    or_,
    select,
    text,
    type_coerce,
)
from sqlalchemy.orm import InstrumentedAttribute, Session

from broadcaster.storage.models import (
    Checkpoint,
    Document,
    Evidence,
    LedgerEntry,
    LedgerFacet,
    LedgerHead,
    LedgerIndex,
    LedgerTile,
    Subscriber,
)

_FEW = 100
# Stands for what SQLite keeps as another kind of value than the column's.
_OTHER = b"\0another kind of value"


class StoredHead(NamedTuple):
    """The head's row."""

    id: int
    size: int
    frontier: bytes


class StoredEntry(NamedTuple):
    """An entry's row."""

    idx: int
    leaf: bytes
    leaf_hash: bytes
    subject: bytes | None
    recorded: bytes


class StoredCheckpoint(NamedTuple):
    """A checkpoint's row."""

    size: int
    note: bytes
    created: bytes
    sum: bytes


class StoredDocument(NamedTuple):
    """A document's row."""

    sha256: bytes
    kind: bytes
    text: bytes
    entry: int


class StoredIndex(NamedTuple):
    """A row of the index."""

    idx: int
    facet: int
    recorded: bytes


class StoredFacet(NamedTuple):
    """A facet's row."""

    id: int
    event: bytes
    list: bytes
    method: bytes
    actor: bytes


class StoredEvidence(NamedTuple):
    """A row of evidence, and the person it is filed under; None where there is no such person."""

    entry: int
    sealed: bytes
    subject: bytes | None
    key_wrapped: bytes | None


class Beyond(NamedTuple):
    """Rows that belong to no entry, as far as the log goes; of each table the first few."""

    tiles: Sequence[tuple[int, int]]
    filed: Sequence[int]
    evidence: Sequence[int]


def steady(session: Session) -> None:
    """Let everything that this transaction reads be of one moment. Say it first."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))


def moment(value: datetime) -> bytes:
    """Write a moment as a column is read here."""
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds").encode()


def head(session: Session) -> StoredHead | None:
    """Return the head as it stands; None if it is gone."""
    rows = _read(session, (LedgerHead.id, LedgerHead.size, LedgerHead.frontier))
    return StoredHead(*rows[0]) if rows else None


def last(session: Session) -> int:
    """Return the index of the last entry; -1 if there is none."""
    return session.execute(select(func.coalesce(func.max(LedgerEntry.idx), -1))).scalar_one()


def entries(session: Session, start: int, end: int, limit: int) -> list[StoredEntry]:
    """Return the next entries from ``start`` up to but not including ``end``, in order."""
    columns = (
        LedgerEntry.idx,
        LedgerEntry.leaf,
        LedgerEntry.leaf_hash,
        LedgerEntry.subject,
        LedgerEntry.recorded,
    )
    found = _read(session, columns, _within(LedgerEntry.idx, start, end), limit=limit)
    return [StoredEntry(*row) for row in found]


def index(session: Session, start: int, end: int) -> dict[int, StoredIndex]:
    """Return the rows of the index for entries from ``start`` up to but not including ``end``."""
    columns = (LedgerIndex.idx, LedgerIndex.facet, LedgerIndex.recorded)
    found = _read(session, columns, _within(LedgerIndex.idx, start, end))
    return {row[0]: StoredIndex(*row) for row in found}


def evidence(session: Session, start: int, end: int) -> dict[int, StoredEvidence]:
    """Return the evidence of entries from ``start`` up to but not including ``end``."""
    dialect = session.get_bind().dialect.name
    columns = (Evidence.entry, Evidence.sealed, Subscriber.subject, Subscriber.key_wrapped)
    found = session.execute(
        select(*(_exact(column, dialect) for column in columns))
        .outerjoin_from(Evidence, Subscriber, Subscriber.id == Evidence.subscriber_id)
        .where(*_within(Evidence.entry, start, end))
    )
    return {row[0]: StoredEvidence(*(_bytes(value) for value in row)) for row in found}


def with_keys(session: Session, subjects: Collection[str]) -> set[str]:
    """Return which of these people are there with a key of their own: they were not erased."""
    found = session.execute(
        select(Subscriber.subject).where(
            Subscriber.subject.in_(subjects), func.length(Subscriber.key_wrapped) > 0
        )
    )
    return set(found.scalars())


def checkpoints(session: Session) -> list[StoredCheckpoint]:
    """Return all checkpoints, the smallest first."""
    columns = (Checkpoint.size, Checkpoint.note, Checkpoint.created, Checkpoint.sum)
    return [StoredCheckpoint(*row) for row in _read(session, columns)]


def documents(session: Session) -> list[StoredDocument]:
    """Return all documents."""
    columns = (Document.sha256, Document.kind, Document.text, Document.entry)
    return [StoredDocument(*row) for row in _read(session, columns)]


def facets(session: Session) -> list[StoredFacet]:
    """Return all facets."""
    columns = (
        LedgerFacet.id,
        LedgerFacet.event,
        LedgerFacet.list,
        LedgerFacet.method,
        LedgerFacet.actor,
    )
    return [StoredFacet(*row) for row in _read(session, columns)]


def tile(session: Session, level: int, number: int) -> LedgerTile | None:
    """Return a tile, if it is kept."""
    return session.get(LedgerTile, (level, number))


def beyond(session: Session, size: int, whole: Sequence[int]) -> Beyond:
    """Return what belongs to no entry of a log.

    Args:
        session: a transaction that reads one moment.
        size: how many entries there are.
        whole: how many whole tiles that makes at each level.
    """
    outside = [LedgerTile.level >= len(whole), LedgerTile.level < 0, LedgerTile.idx < 0]
    outside += [
        (LedgerTile.level == level) & (LedgerTile.idx >= number)
        for level, number in enumerate(whole)
    ]
    tiles = session.execute(
        select(LedgerTile.level, LedgerTile.idx)
        .where(or_(*outside))
        .order_by(LedgerTile.level, LedgerTile.idx)
        .limit(_FEW)
    )
    return Beyond(
        tiles=[(level, number) for level, number in tiles],
        filed=_outside(session, LedgerIndex.idx, size),
        evidence=_outside(session, Evidence.entry, size),
    )


def _outside(session: Session, column: InstrumentedAttribute[int], size: int) -> Sequence[int]:
    found = select(column).where(or_(column < 0, column >= size)).order_by(column).limit(_FEW)
    return session.execute(found).scalars().all()


def _within(
    column: InstrumentedAttribute[int], start: int, end: int
) -> tuple[ColumnElement[bool], ...]:
    return column >= start, column < end


def _read(
    session: Session,
    columns: Sequence[InstrumentedAttribute[Any]],
    where: Sequence[ColumnElement[bool]] = (),
    limit: int | None = None,
) -> list[tuple[Any, ...]]:
    """Read columns exactly, in the order of the first."""
    dialect = session.get_bind().dialect.name
    found: Sequence[Row[Any]] = session.execute(
        select(*(_exact(column, dialect) for column in columns))
        .where(*where)
        .order_by(columns[0])
        .limit(limit)
    ).all()
    return [tuple(_bytes(value) for value in row) for row in found]


def _exact(column: InstrumentedAttribute[Any], dialect: str) -> ColumnElement[Any]:
    kind = column.type
    kind = getattr(kind, "impl_instance", kind)
    if dialect == "sqlite":
        if not isinstance(kind, (String, Text, DateTime, LargeBinary)):
            return column.expression
        # The same bytes taken for something else are not what was written, and cannot be read.
        kept = "blob" if isinstance(kind, LargeBinary) else "text"
        is_kept = func.typeof(column).in_([kept, "null"])
        return case((is_kept, cast(column, LargeBinary)), else_=literal(_OTHER, LargeBinary))
    if isinstance(kind, DateTime):
        utc = func.timezone("UTC", column)
        return type_coerce(func.to_char(utc, "YYYY-MM-DD HH24:MI:SS.US"), String)
    return column.expression


def _bytes(value: Any) -> Any:  # noqa: ANN401 - a number, or bytes in one of three forms
    if isinstance(value, str):
        return value.encode()
    return bytes(value) if isinstance(value, memoryview) else value

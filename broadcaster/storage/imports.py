"""Queries on imports: how far a file is, and what was refused of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import delete, func, select
from sqlalchemy.orm import Session

from broadcaster.storage import bulk
from broadcaster.storage.models import BroadcastList, Import, ImportRefusal

_AT_ONCE = 5_000


def find(session: Session, sha256: str, list_id: int, channel: str) -> Import | None:
    """Return the import of a file to a list, if it was ever begun."""
    return session.execute(
        select(Import).where(
            Import.file_sha256 == sha256, Import.list_id == list_id, Import.channel == channel
        )
    ).scalar_one_or_none()


def lock(session: Session, import_id: int) -> Import:
    """Return an import with its row locked until the transaction ends."""
    return session.execute(
        select(Import).where(Import.id == import_id).with_for_update()
    ).scalar_one()


def get(session: Session, import_id: int) -> Import | None:
    """Return an import by its number."""
    return session.get(Import, import_id)


def every(session: Session) -> Sequence[tuple[Import, BroadcastList]]:
    """Return all imports with their lists, the newest first."""
    rows = session.execute(
        select(Import, BroadcastList)
        .join(BroadcastList, BroadcastList.id == Import.list_id)
        .order_by(Import.id.desc())
    )
    return [(row[0], row[1]) for row in rows]


def add_refusals(session: Session, import_id: int, refusals: Sequence[tuple[int, str]]) -> None:
    """Keep why rows were refused: line and reason."""
    rows = [(import_id, line, reason) for line, reason in refusals]
    bulk.insert(session, ImportRefusal, ("import_id", "line", "reason"), rows)


def forget_refusals(session: Session, import_id: int, *, after: int) -> int:
    """Forget why rows after a line were refused; return how many there were."""
    gone = session.execute(
        delete(ImportRefusal)
        .where(ImportRefusal.import_id == import_id, ImportRefusal.line > after)
        .returning(ImportRefusal.line)
    )
    return len(gone.all())


def refusals(session: Session, import_id: int) -> Iterator[tuple[int, str]]:
    """Yield what was refused of an import, by line, read in pieces."""
    after = 0
    while True:
        rows = session.execute(
            select(ImportRefusal.line, ImportRefusal.reason)
            .where(ImportRefusal.import_id == import_id, ImportRefusal.line > after)
            .order_by(ImportRefusal.line)
            .limit(_AT_ONCE)
        ).all()
        if not rows:
            return
        for row in rows:
            yield row.line, row.reason
        after = rows[-1].line


def reasons(session: Session, import_id: int) -> dict[str, int]:
    """Count what was refused of an import, by reason."""
    rows = session.execute(
        select(ImportRefusal.reason, func.count())
        .where(ImportRefusal.import_id == import_id)
        .group_by(ImportRefusal.reason)
    )
    return {row[0]: row[1] for row in rows}

"""Exports of the ledger: who took what away, and the files that are being made."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum

from sqlalchemy import and_, or_, select
from sqlalchemy.orm import Session

from broadcaster.core.errors import NotFound
from broadcaster.storage.models import Export, User


class ExportState(StrEnum):
    """Where an export stands."""

    SENT = "sent"  # at once, to whoever asked
    WAITING = "waiting"  # for a worker
    MAKING = "making"  # its file is being written
    READY = "ready"  # its file can be fetched
    GONE = "gone"  # its file was removed, a day after it was made
    FAILED = "failed"


#: It may still change by itself.
UNDER_WAY = frozenset({ExportState.WAITING, ExportState.MAKING})


def add(session: Session, export: Export) -> int:
    """Write an export down and return its number."""
    session.add(export)
    session.flush()
    return export.id


def recent(session: Session, limit: int) -> Sequence[tuple[Export, str | None]]:
    """Return the newest exports and who asked; None is the operator, at the command line."""
    rows = session.execute(
        select(Export, User.name)
        .outerjoin(User, User.id == Export.user_id)
        .order_by(Export.id.desc())
        .limit(limit)
    )
    return [(export, name) for export, name in rows]


def get(session: Session, number: int) -> Export:
    """Return an export.

    Raises:
        NotFound: there is none with this number.
    """
    found = session.get(Export, number)
    if found is None:
        message = "There is no such export."
        raise NotFound(message)
    return found


def lock(session: Session, number: int) -> Export:
    """Return an export with its row locked until the transaction ends."""
    return session.execute(
        select(Export)
        .where(Export.id == number)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).scalar_one()


def next_to_make(session: Session, now: datetime) -> Export | None:
    """Return the first export that nobody makes, locked; its maker may have been lost."""
    waiting = Export.state == ExportState.WAITING.value
    lost = and_(Export.state == ExportState.MAKING.value, Export.lease < now)
    return session.execute(
        select(Export)
        .where(or_(waiting, lost))
        .order_by(Export.id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).scalar_one_or_none()


def made_before(session: Session, moment: datetime) -> Sequence[Export]:
    """Return the exports whose file was made before a moment."""
    return (
        session.execute(
            select(Export).where(Export.state == ExportState.READY.value, Export.ended < moment)
        )
        .scalars()
        .all()
    )

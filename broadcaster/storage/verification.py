"""How the ledger's last verification ended; while it is broken, nothing is sent."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Verification


def get(session: Session) -> Verification:
    """Return the row."""
    return session.execute(select(Verification)).scalar_one()


def lock(session: Session) -> Verification:
    """Return the row, locked until the transaction ends."""
    return session.execute(
        select(Verification).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def break_off(session: Session, what: str, now: datetime) -> None:
    """Write down that the ledger is not what was written, so that nothing is sent any more."""
    row = lock(session)
    row.broken = row.broken or now
    row.findings, row.found = row.findings or what, max(row.found, 1)
    session.flush()


def is_broken(session: Session) -> bool:
    """Tell whether the ledger was found to be not what was written."""
    return session.connection().execute(_BROKEN).scalar_one_or_none() is not None


_BROKEN = select(Verification.broken)

"""How the ledger's last verification ended; while it is broken, nothing is sent."""

from __future__ import annotations

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


def is_broken(session: Session) -> bool:
    """Tell whether the ledger was found to be not what was written."""
    return session.connection().execute(_BROKEN).scalar_one_or_none() is not None


_BROKEN = select(Verification.broken)

"""The one row about this installation: its heartbeat, and what was learnt of the provider."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import or_, select, update
from sqlalchemy.orm import Session

from broadcaster.storage.models import Installation


def get(session: Session) -> Installation:
    """Return the row."""
    return session.execute(select(Installation)).scalar_one()


def lock(session: Session) -> Installation:
    """Return the row, locked until the transaction ends."""
    return session.execute(
        select(Installation).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def is_restored(session: Session) -> bool:
    """Tell whether the database was found to be older than what the provider has sent."""
    return session.connection().execute(_RESTORED).scalar_one_or_none() is not None


_RESTORED = select(Installation.restored)


def standing(session: Session) -> tuple[int, datetime | None]:
    """Return the heartbeat, and since when the database counts as restored, if it does."""
    row = session.connection().execute(_STANDING).one()
    return row.beat, row.restored


_STANDING = select(Installation.beat, Installation.restored)


def set_restored(session: Session, moment: datetime) -> None:
    """Let a restore count from another moment."""
    lock(session).restored = moment
    session.flush()


def slowest_listing(session: Session) -> float:
    """Return the most seconds that the provider's list was seen to take to show a message."""
    return session.execute(select(Installation.slowest_listing)).scalar_one_or_none() or 0.0


def note_listing(session: Session, seconds: float) -> None:
    """Note how many seconds the provider's list took to show a message, if none took longer."""
    session.execute(
        update(Installation)
        .where(or_(Installation.slowest_listing.is_(None), Installation.slowest_listing < seconds))
        .values(slowest_listing=seconds)
        .execution_options(synchronize_session=False)
    )


def note_shared(session: Session, now: datetime) -> None:
    """Note that something else sends from our numbers, too."""
    row = lock(session)
    row.shared = row.shared or now
    session.flush()

"""Who opened whose evidence, when and why; nothing in it can be changed or deleted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Opening

_MAX_ID = 2**63 - 1


def add(
    session: Session,
    *,
    subject: str,
    actor: str,
    is_full: bool,
    form: str,
    reason: str,
    now: datetime,
) -> None:
    """Note an opening."""
    session.add(
        Opening(opened=now, subject=subject, actor=actor, is_full=is_full, form=form, reason=reason)
    )
    session.flush()


def newest(
    session: Session, limit: int, *, subject: str | None = None, before: int | None = None
) -> Sequence[Opening]:
    """Return openings, the newest first.

    Args:
        session: reading is enough.
        limit: how many at most.
        subject: only those of this person.
        before: only those noted before the one with this number.
    """
    wanted = select(Opening).order_by(Opening.id.desc()).limit(limit)
    if subject is not None:
        wanted = wanted.where(Opening.subject == subject)
    if before is not None:
        wanted = wanted.where(Opening.id < min(before, _MAX_ID))
    return session.execute(wanted).scalars().all()

"""Trouble that somebody should see: counted per kind and thing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.storage.models import Incident
from broadcaster.storage.upsert import insert


def note(session: Session, kind: str, reference: str, now: datetime) -> None:
    """Count one more incident of this kind on this thing. The reference is never personal."""
    session.execute(
        insert(session, Incident)
        .values(kind=kind, reference=reference, count=1, first=now, last=now)
        .on_conflict_do_update(
            index_elements=["kind", "reference"],
            set_={"count": Incident.count + 1, "last": now},
        )
    )


def recent(session: Session, limit: int) -> Sequence[Incident]:
    """Return the newest incidents."""
    return (
        session.execute(select(Incident).order_by(Incident.last.desc()).limit(limit))
        .scalars()
        .all()
    )


def was_noted(session: Session, kind: str, since: datetime) -> bool:
    """Tell whether an incident of this kind was counted since a moment."""
    found = select(Incident.kind).where(Incident.kind == kind, Incident.last >= since).limit(1)
    return session.execute(found).first() is not None

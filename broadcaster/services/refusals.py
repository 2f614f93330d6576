"""What follows from a refusal for the bulletin and the sender, at once or by a later callback."""

from __future__ import annotations

import random

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import HeldReason
from broadcaster.core.remedy import Remedy
from broadcaster.runtime import Runtime
from broadcaster.storage import bulletins, deliveries, incidents, pacing

_log = structlog.get_logger()

#: Codes that say "too fast" come when the provider's own queue is full: that takes a while.
SLOW_DOWN = 60.0


def follow(
    session: Session, runtime: Runtime, *, bulletin_id: int, sender_id: int, code: int
) -> None:
    """Do what a code that came with a status callback asks for the bulletin and the sender."""
    remedy = runtime.provider.remedy(code)
    if remedy is Remedy.SLOW_DOWN:
        slow_down(session, runtime, sender_id, SLOW_DOWN)
    elif remedy in {Remedy.STOP_BULLETIN, Remedy.STOP_SENDER}:
        stops_sender = remedy is Remedy.STOP_SENDER
        refuse_all(
            session,
            runtime,
            bulletin_id=bulletin_id,
            sender_id=sender_id if stops_sender else None,
            code=code,
        )


def slow_down(session: Session, runtime: Runtime, sender_id: int, least: float) -> None:
    """Pause a sender that the provider told to go slower.

    Args:
        session: an open transaction that may write.
        runtime: the clock.
        sender_id: which sender.
        least: seconds that it waits at least.
    """
    seconds = pacing.push_back(
        session,
        sender_id,
        least=least,
        jitter=random.uniform(-1, 1),  # noqa: S311 - only spreads workers, nothing secret
        now=runtime.clock.now(),
    )
    _log.warning("sender_slowed_down", sender=sender_id, seconds=round(seconds, 1))


def refuse_all(
    session: Session, runtime: Runtime, *, bulletin_id: int, sender_id: int | None, code: int
) -> None:
    """Hold a bulletin that the provider refuses to everybody; stop the sender if that is why."""
    now = runtime.clock.now()
    if sender_id is not None:
        pacing.stop(session, sender_id, code)
        incidents.note(session, "sender_refused", f"sender {sender_id}", now)
    if bulletins.hold(session, bulletin_id, HeldReason.REFUSED, now, code=code):
        incidents.note(session, "bulletin_refused", f"bulletin {bulletin_id}", now)
        deliveries.put_back(session, bulletin_id, now)
        _log.error("bulletin_held", bulletin=bulletin_id, code=code, sender=sender_id)

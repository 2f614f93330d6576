"""Starting bulletins whose moment has come: their audience is frozen, and the work is handed out."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import BulletinState, HeldReason
from broadcaster.runtime import Runtime
from broadcaster.services import readiness
from broadcaster.services.steps import Steps
from broadcaster.storage import (
    audience,
    bulletins,
    chunks,
    deliveries,
    incidents,
    installation,
    verification,
)
from broadcaster.storage.models import Bulletin

_log = structlog.get_logger()


def start_due(runtime: Runtime) -> int:
    """Start every bulletin whose moment has come; return how many began.

    First the provider is asked for texts that we missed: somebody may have left. While it cannot
    be asked, the bulletin waits. One that is found later than its grace, after an outage or a
    restore, is held instead: nobody wants the morning's news at night without having said so. And
    so is every one while the ledger is not what was written.
    One that cannot be started keeps no other waiting; its error is raised once all were tried.
    """
    steps = Steps()
    now = runtime.clock.now()
    with runtime.reading() as session:
        due = bulletins.due(session, now)
    late = {one.id for one in due if _is_late(runtime, one, now)}
    for number in sorted(late):
        hold = partial(_hold_late, runtime=runtime, number=number)
        steps.take("hold_late", partial(runtime.run, hold), bulletin=number)
    waiting = [one.id for one in due if one.id not in late]
    begun = 0
    if waiting and readiness.may_start(runtime, waiting):
        begun = sum(_try_to_start(runtime, one, steps) for one in waiting)
    steps.end()
    return begun


def _try_to_start(runtime: Runtime, number: int, steps: Steps) -> bool:
    """Start one bulletin; if that fails, the desk is told, and the next tick tries again."""
    start = partial(_start, runtime=runtime, number=number)
    started = steps.take("start", partial(runtime.run, start), bulletin=number)
    if started is None:
        note = partial(_note_failed_start, runtime=runtime, number=number)
        steps.take("note_failed_start", partial(runtime.run, note), bulletin=number)
    return bool(started)


def _note_failed_start(session: Session, *, runtime: Runtime, number: int) -> None:
    incidents.note(session, "bulletin_not_started", f"bulletin {number}", runtime.clock.now())


def _is_late(runtime: Runtime, bulletin: Bulletin, now: datetime) -> bool:
    grace = timedelta(minutes=runtime.settings.sending.grace_minutes)
    return bulletin.starts_at is not None and now - bulletin.starts_at > grace


def _hold_late(session: Session, *, runtime: Runtime, number: int) -> None:
    now = runtime.clock.now()
    bulletin = bulletins.lock_if_free(session, number)
    if bulletin is None:
        return
    if bulletin.state == BulletinState.SCHEDULED and _is_late(runtime, bulletin, now):
        # It may have gone out in what a restored database forgot.
        restored = installation.is_restored(session)
        _hold(bulletin, HeldReason.RESTORED if restored else HeldReason.LATE, now)


def _hold(bulletin: Bulletin, reason: HeldReason, now: datetime) -> None:
    _to(bulletin, BulletinState.HELD, now)
    bulletin.held_reason, bulletin.held_code = reason.value, None
    bulletin.compared = None
    _log.warning("bulletin_held", bulletin=bulletin.id, reason=reason.value)


def _start(session: Session, *, runtime: Runtime, number: int) -> bool:
    """Start one bulletin, unless another worker, or its editor, was first.

    Whoever has its lock may need minutes for a large audience; the next one is not kept that long.
    """
    now = runtime.clock.now()
    bulletin = bulletins.lock_if_free(session, number)
    if bulletin is None:
        return False
    due = bulletin.starts_at is not None and bulletin.starts_at <= now
    if bulletin.state != BulletinState.SCHEDULED or not due:
        return False
    if installation.is_restored(session):
        _hold(bulletin, HeldReason.RESTORED, now)
        return False
    if verification.is_broken(session):
        _hold(bulletin, HeldReason.LEDGER, now)
        return False
    if _is_late(runtime, bulletin, now):
        # Asking the provider for what we missed took that long.
        _hold(bulletin, HeldReason.LATE, now)
        return False
    begin(session, runtime, bulletin, now)
    _log.info("bulletin_started", bulletin=number)
    return True


def begin(session: Session, runtime: Runtime, bulletin: Bulletin, now: datetime) -> None:
    """Let a bulletin go out: freeze its audience if that was not done, and hand the work out.

    Args:
        session: an open transaction that holds the bulletin's lock.
        runtime: settings, and the queue that wakes other workers.
        bulletin: one that goes on with those who are left, if it was on its way already.
        now: the present moment.
    """
    _to(bulletin, BulletinState.SENDING, now)
    bulletin.moved = now
    bulletin.held_reason = bulletin.held_code = None
    if bulletin.not_after is None:
        bulletin.not_after = now + timedelta(minutes=runtime.settings.sending.expires_minutes)
    session.flush()
    if bulletin.audience is None:
        bulletin.audience = audience.freeze(session, bulletin.id, bulletin.list_id, now)
        bulletin.started = now
    else:
        deliveries.ask_again_now(session, bulletin.id, now)
    session.flush()
    _hand_out(session, runtime, bulletin.id)


def _hand_out(session: Session, runtime: Runtime, bulletin_id: int) -> None:
    """Ask the other workers to help, in the transaction that made the work."""
    if runtime.queue is not None:
        for chunk in chunks.waiting(session, bulletin_id):
            runtime.queue.enqueue(session, "send_chunk", chunk._asdict())


def _to(bulletin: Bulletin, state: BulletinState, now: datetime) -> None:
    bulletin.state = state.value
    bulletin.version += 1
    bulletin.changed = now

"""The editor's brakes: pause, continue, stop. Each takes effect at the next hand-over of any worker."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from broadcaster.core.bulletin import CANCELLABLE, ON_ITS_WAY, BulletinState, HeldReason
from broadcaster.core.delivery import SkipReason, State
from broadcaster.core.errors import Conflict
from broadcaster.runtime import Runtime
from broadcaster.services import starting, tending
from broadcaster.storage import (
    bulletins,
    deliveries,
    installation,
    pacing,
    tallies,
    undecided,
    verification,
)
from broadcaster.storage.models import Bulletin

# Taken out of the queue at once; of a larger bulletin the rest follows within seconds.
_AT_ONCE = 5_000
# What made a bulletin hold may have made its senders wait, too.
_PAUSES_SENDERS = frozenset({HeldReason.REFUSED, HeldReason.STANDSTILL, HeldReason.UNCERTAIN})


def pause(session: Session, bulletin_id: int, *, now: datetime) -> Bulletin:
    """Let a bulletin that is going out wait until somebody says that it goes on.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it is not going out.
    """
    bulletin = bulletins.lock(session, bulletin_id)
    if bulletin.state != BulletinState.SENDING:
        message = "This bulletin is not going out, so there is nothing to pause."
        raise Conflict(message)
    _to(bulletin, BulletinState.PAUSED, now)
    session.flush()
    deliveries.put_back(session, bulletin.id, now)
    return bulletin


def go_on(session: Session, runtime: Runtime, bulletin_id: int, *, now: datetime) -> Bulletin:
    """Let a paused or held bulletin go on with those who have not got it yet.

    What held it counts as mended: a sender that was stopped goes on, failures and unclear answers
    so far are excused, and if its time has run out it gets as much again.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it is not waiting, or may not go on yet.
    """
    bulletin = bulletins.lock(session, bulletin_id)
    waits = bulletin.state in {BulletinState.PAUSED, BulletinState.HELD}
    if not waits or bulletin.audience is None:
        message = "This bulletin is not waiting on its way, so it cannot be continued."
        raise Conflict(message)
    refuse_uncompared(session, bulletin)
    _refuse_broken(session)
    excuse(session, bulletin)
    pacing.start_again(session, _stopped_senders(session, bulletin))
    if bulletin.not_after is not None and bulletin.not_after <= now:
        bulletin.not_after = now + timedelta(minutes=runtime.settings.sending.expires_minutes)
    starting.begin(session, runtime, bulletin, now)
    return bulletin


def send_held_again(
    session: Session, runtime: Runtime, bulletin_id: int, *, now: datetime
) -> Bulletin:
    """Send once more to those of whom nobody knows whether they have it: they may get it twice.

    Only a person may say so. One that had finished goes on; one that waits for a person keeps
    waiting, and they with it.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: nobody is held, it was stopped, its time is over, or it may not go on yet.
    """
    bulletin = bulletins.lock(session, bulletin_id)
    if BulletinState(bulletin.state) not in ON_ITS_WAY | {BulletinState.FINISHED}:
        message = "This bulletin was stopped, or has not begun; nothing of it is sent again."
        raise Conflict(message)
    if bulletin.not_after is not None and bulletin.not_after <= now:
        message = "The time of this bulletin is over, so nothing of it is sent again."
        raise Conflict(message)
    refuse_uncompared(session, bulletin)
    _refuse_broken(session)
    if not undecided.queue_again(session, bulletin.id, now):
        message = "Nobody is undecided any more; nothing was sent again."
        raise Conflict(message)
    if bulletin.state in {BulletinState.SENDING, BulletinState.FINISHED}:
        bulletin.ended = None
        starting.begin(session, runtime, bulletin, now)
    return bulletin


def stop(session: Session, bulletin_id: int, *, now: datetime) -> Bulletin:
    """Cancel a bulletin; while it is going out, for those who have not got it yet.

    Raises:
        NotFound: there is no such bulletin.
        Conflict: it is already over.
    """
    bulletin = bulletins.lock(session, bulletin_id)
    if BulletinState(bulletin.state) not in CANCELLABLE:
        message = "This bulletin is already over; there is nothing left to cancel."
        raise Conflict(message)
    _to(bulletin, BulletinState.CANCELLED, now)
    bulletin.held_reason = bulletin.held_code = None
    bulletin.ended = now
    session.flush()
    deliveries.put_back(session, bulletin.id, now)
    deliveries.leave_queue(
        session, bulletin.id, State.SKIPPED, SkipReason.CANCELLED, limit=_AT_ONCE, now=now
    )
    return bulletin


def refuse_uncompared(session: Session, bulletin: Bulletin) -> None:
    """Make sure that a bulletin of a restored database was compared with the provider's list.

    Raises:
        Conflict: it was not yet.
    """
    is_held = bulletin.state == BulletinState.HELD
    restored = is_held and bulletin.held_reason == HeldReason.RESTORED and bulletin.compared is None
    if restored or installation.is_restored(session):
        message = (
            "The database was restored and is still being compared with the provider's list;"
            " until then nothing goes out."
        )
        raise Conflict(message)


def _refuse_broken(session: Session) -> None:
    if verification.is_broken(session):
        message = (
            "The consent ledger is not what was written, so nothing goes out. It has to be put back"
            " from a backup first; then: broadcaster ledger verify"
        )
        raise Conflict(message)


def excuse(session: Session, bulletin: Bulletin) -> None:
    """Let what held a bulletin count as mended: a person has seen it and says that it goes on."""
    counted = tallies.of(session, bulletin.id)
    bulletin.failures_excused = tending.failures(counted)
    bulletin.uncertain_excused = tending.uncertainties(counted)
    if bulletin.held_reason in _PAUSES_SENDERS:
        pacing.start_again(session, bulletins.senders(session, [bulletin.id]))


def _stopped_senders(session: Session, bulletin: Bulletin) -> list[int]:
    """Return the senders that a bulletin goes out from and the provider refused, for any bulletin."""
    stopped = pacing.stopped(session)
    return [one for one in bulletins.senders(session, [bulletin.id]) if one in stopped]


def _to(bulletin: Bulletin, state: BulletinState, now: datetime) -> None:
    bulletin.state = state.value
    bulletin.version += 1
    bulletin.changed = now

"""Tending what is going out: leases, lost workers, time that is over, and the end.

Every worker does this every second or so; what one has done, the next finds done.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from functools import partial

import structlog
from sqlalchemy.orm import Session

from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState, HeldReason
from broadcaster.core.delivery import OPEN, WAITING, SkipReason, State
from broadcaster.runtime import Runtime
from broadcaster.services.outcomes import uncertain
from broadcaster.services.steps import Steps
from broadcaster.storage import bulletins, deliveries, incidents, tallies
from broadcaster.storage.models import Bulletin

_log = structlog.get_logger()

# Rows in one transaction: the write lock of SQLite is everybody's.
_AT_ONCE = 5_000
# Between the time-out of a request and the moment from which its worker counts as lost.
_SLACK = 5.0
_FAILED = frozenset({State.FAILED, State.UNDELIVERED})
_UNCERTAIN = frozenset({State.UNKNOWN, State.HELD})
_NOT_TRIED = WAITING | {State.HANDED_OVER, State.SKIPPED, State.EXPIRED}
# Below this many, a share says nothing.
_LEAST_FAILURES = 20


def tend(runtime: Runtime) -> None:
    """Do all of it once; what fails keeps nothing after it from being done, and is raised then."""
    steps = Steps()
    every = (release_lapsed, sweep, hold_stalled, hold_failing, finish_complete, fold_tallies)
    for one in every:
        steps.take(one.__name__, partial(one, runtime))
    steps.end()


def release_lapsed(runtime: Runtime) -> None:
    """Put back what was claimed by a worker that did nothing with it; give up lost hand-overs.

    A claim was never handed over, so another worker may take it. What was handed over may have
    been sent: nobody knows, and the provider's list has to tell.
    """
    now, sending = runtime.clock.now(), runtime.settings.sending
    furthest = now + timedelta(seconds=sending.lease + _SLACK)
    longest = _lost_after(runtime)
    with runtime.reading() as session:
        if not deliveries.has_lapsed(session, now, furthest, longest):
            return
    released = runtime.run(lambda session: deliveries.release_leases(session, now, furthest))
    given_up = runtime.run(
        lambda session: deliveries.give_up_hand_overs(
            session, longest, uncertain(runtime), now, _AT_ONCE
        )
    )
    if released:
        _log.warning("claims_released", deliveries=released)
    if given_up:
        _log.error("outcome_unknown", deliveries=given_up, reason=deliveries.WORKER_LOST)


def _lost_after(runtime: Runtime) -> timedelta:
    """Return how long a hand-over can take: to begin, for a line, for the answer."""
    begin, timeout = runtime.settings.sending.begin_within, runtime.settings.twilio.timeout
    return timedelta(seconds=begin + 2 * timeout + _SLACK)


def sweep(runtime: Runtime) -> None:
    """Take out of the queue what goes out no more: its bulletin was stopped, or its time is over."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        over = bulletins.over_with_waiting(session, now)
    for number, state in over:
        cancelled = state == BulletinState.CANCELLED
        runtime.run(
            partial(
                deliveries.leave_queue,
                bulletin_id=number,
                state=State.SKIPPED if cancelled else State.EXPIRED,
                reason=SkipReason.CANCELLED if cancelled else None,
                limit=_AT_ONCE,
                now=now,
            )
        )


def hold_stalled(runtime: Runtime) -> None:
    """Hold what came to a standstill for longer than the grace, through an outage or a restore.

    The rest of the morning's news is not sent at night without a person saying so.
    """
    now = runtime.clock.now()
    before = now - timedelta(minutes=runtime.settings.sending.grace_minutes)
    with runtime.reading() as session:
        numbers = bulletins.stalled(session, before)
    for number in numbers:
        _hold(runtime, number, HeldReason.STANDSTILL, now)


def hold_failing(runtime: Runtime) -> None:
    """Hold what fails too often: something is wrong that the codes alone do not say.

    So it is where the provider, or something before it, answers too often what means nothing.
    """
    percent = runtime.settings.sending.failure_percent
    if not percent:
        return
    with runtime.reading() as session:
        going = [(one, tallies.of(session, one.id)) for one in bulletins.sending(session)]
    for one, counted in going:
        if one.uncertain_excused > uncertainties(counted):
            runtime.run(partial(_excuse_fewer, number=one.id))
        reason = _trouble(one, counted, percent)
        if reason is not None:
            _hold(runtime, one.id, reason, runtime.clock.now())


def failures(counted: dict[tallies.Key, int]) -> int:
    """Return how many messages failed."""
    return sum(n for one, n in counted.items() if one.state in _FAILED)


def uncertainties(counted: dict[tallies.Key, int]) -> int:
    """Return how many requests got no clear answer that nobody has found out about since.

    What a lost worker of ours left behind says nothing about the provider.
    """
    return sum(
        n
        for one, n in counted.items()
        if one.state in _UNCERTAIN and one.reason != deliveries.WORKER_LOST
    )


def _trouble(
    bulletin: Bulletin, counted: dict[tallies.Key, int], percent: int
) -> HeldReason | None:
    """Return why a bulletin should not go on like this, if it should not."""
    excused = bulletin.failures_excused
    ended = _count_without(counted, OPEN | {State.SKIPPED})
    if _is_too_many(failures(counted) - excused, ended - excused, percent):
        return HeldReason.FAILURES
    uncertain = uncertainties(counted)
    excused = min(bulletin.uncertain_excused, uncertain)
    tried = _count_without(counted, _NOT_TRIED)
    if _is_too_many(uncertain - excused, tried - excused, percent):
        return HeldReason.UNCERTAIN
    return None


def _is_too_many(some: int, of_all: int, percent: int) -> bool:
    return some >= _LEAST_FAILURES and some * 100 > percent * of_all


def _count_without(counted: dict[tallies.Key, int], states: Collection[State]) -> int:
    return sum(n for one, n in counted.items() if one.state not in states)


def _excuse_fewer(session: Session, *, number: int) -> None:
    """Excuse no more than are uncertain still: what was found out since excuses nothing new."""
    bulletin = bulletins.lock_if_free(session, number)
    if bulletin is not None:
        still = uncertainties(tallies.of(session, number))
        bulletin.uncertain_excused = min(bulletin.uncertain_excused, still)


def _hold(runtime: Runtime, number: int, reason: HeldReason, now: datetime) -> None:
    def hold(session: Session) -> bool:
        held = bulletins.hold(session, number, reason, now)
        if held:
            deliveries.put_back(session, number, now)
            incidents.note(session, f"bulletin_{reason.value}", f"bulletin {number}", now)
        return held

    if runtime.run(hold):
        _log.warning("bulletin_held", bulletin=number, reason=reason.value)


def finish_complete(runtime: Runtime) -> None:
    """Finish every bulletin whose deliveries all have an outcome and add up to its audience."""
    with runtime.reading() as session:
        going = bulletins.on_their_way(session)
        complete = [number for number in going if not deliveries.has_open(session, number)]
    for number in complete:
        runtime.run(partial(_finish, runtime=runtime, number=number))


def _finish(session: Session, *, runtime: Runtime, number: int) -> None:
    now = runtime.clock.now()
    bulletin = bulletins.lock(session, number)
    counted = tallies.of(session, number)
    open_ones = sum(n for one, n in counted.items() if one.state in OPEN)
    adds_up = sum(counted.values()) == bulletin.audience and not open_ones
    if BulletinState(bulletin.state) not in ON_ITS_WAY or not adds_up:
        return
    bulletin.state = BulletinState.FINISHED.value
    bulletin.held_reason = bulletin.held_code = None
    bulletin.version += 1
    bulletin.ended = bulletin.changed = now
    _log.info("bulletin_finished", bulletin=number, audience=bulletin.audience)


def fold_tallies(runtime: Runtime) -> None:
    """Fold the counts of bulletins that have grown long."""
    with runtime.reading() as session:
        grown = tallies.grown(session)
    for number in grown:
        runtime.run(partial(tallies.fold, bulletin_id=number))

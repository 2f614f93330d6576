"""Claiming what may go now, at the pace of each sender, and handing it over.

Two short transactions with nothing between them but waiting for a free line or for a slot: in the
first consent is decided, in the second it is written down that the request leaves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import NamedTuple

from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Runtime
from broadcaster.services import heartbeat
from broadcaster.services.pace import pace_of
from broadcaster.storage import claims, hand_overs, outreach, pacing, verification
from broadcaster.storage.claims import Candidate, Chunk, Claim, Lot

_WINDOW = timedelta(hours=24)


class Ready(NamedTuple):
    """A claim, and the moments between which its request is to begin, by the monotonic clock.

    Args:
        claim: what may be handed over.
        due: in seconds; None where the sender has no limit.
        until: once it was handed over: from when it must not begin any more.
    """

    claim: Claim
    due: float | None
    until: float = 0.0


@dataclass(frozen=True, slots=True)
class Batch:
    """What was claimed, and whether there is more that waits for its slot or for a lock.

    Args:
        ready: in the order of their moments.
        waits: whether asking again in a moment may give more.
    """

    ready: Sequence[Ready]
    waits: bool


def claim(
    runtime: Runtime,
    *,
    worker: str,
    limit: int,
    within: Chunk | None = None,
    look: bool = True,
    lead: float = pacing.LEAD,
    turn: int = 0,
    may_go: Callable[[Lot], bool] = lambda _lot: True,
    clock: Callable[[], float] = monotonic,
) -> Batch:
    """Claim deliveries that may go now, no more than their senders' pace allows.

    Args:
        runtime: the parts.
        worker: who claims.
        limit: how many at most.
        within: only these deliveries; all if left out.
        look: whether to look first, without the write lock; mostly there is nothing to do.
        lead: no slot is nearer than so many seconds.
        turn: which bulletin comes first, counted around: one that is long under way must not keep a
            later one on the same number from beginning.
        may_go: asked of each bulletin and sender before anything of it is claimed.
        clock: the monotonic clock by which the slots are given.
    """
    if look:
        with runtime.reading() as session:
            if not claims.lots(session, within, runtime.clock.now()):
                return Batch((), waits=False)
    seen = runtime.memory.beat
    return runtime.run(
        lambda session: _claim(
            session,
            runtime,
            seen=seen,
            worker=worker,
            limit=limit,
            within=within,
            lead=lead,
            turn=turn,
            may_go=may_go,
            clock=clock,
        )
    )


def _claim(
    session: Session,
    runtime: Runtime,
    *,
    seen: int,
    worker: str,
    limit: int,
    within: Chunk | None,
    lead: float,
    turn: int,
    may_go: Callable[[Lot], bool],
    clock: Callable[[], float],
) -> Batch:
    now = runtime.clock.now()
    if not heartbeat.is_current(session, runtime, seen=seen) or verification.is_broken(session):
        return Batch((), waits=False)
    lots = [
        lot
        for lot in claims.lots(session, within, now)
        if not pacing.is_standing(session, lot.sender_id, now)
        and (lot.not_after is None or now < lot.not_after)
        and may_go(lot)
    ]
    lots = _in_turn(lots, turn)
    shared = (lot for lot in lots if _has_limit(runtime, lot))
    pacing.lock(session, {lot.sender_id for lot in shared})
    lease = now + timedelta(seconds=runtime.settings.sending.lease)
    ready: list[Ready] = []
    waits = False
    for lot in lots:
        pace = pace_of(runtime, lot.channel, lot.rate, lot.text)
        rate, cost = pace.rate, pace.cost
        room = limit - len(ready)
        if rate:
            free = pacing.free(session, lot.sender_id, rate=rate, cost=cost, lead=lead, now=now)
            room = min(room, free)
        chosen = claims.candidates(session, lot, within, room, now) if room > 0 else []
        # With fewer than there was room for, nobody is left who may go now.
        waits = waits or len(chosen) >= room
        allowed = _within_daily_limit(session, runtime, lot, chosen, now)
        claimed = claims.decide(session, lot, allowed, worker=worker, lease=lease, now=now)
        slots = partial(pacing.take, rate=rate, cost=cost, lead=lead)
        ready.extend(_timed(session, runtime, claimed, slots if rate else None, clock=clock))
    ready.sort(key=lambda one: one.due or 0.0)
    return Batch(ready, waits=waits)


def _has_limit(runtime: Runtime, lot: Lot) -> bool:
    """Tell whether what a lot takes is shared with other workers: a pace, or people in a day."""
    pace = pace_of(runtime, lot.channel, lot.rate, lot.text)
    return bool(pace.rate or _daily_limit(runtime, lot))


def _timed(
    session: Session,
    runtime: Runtime,
    claimed: Sequence[Claim],
    take: Callable[..., pacing.Slots] | None,
    *,
    clock: Callable[[], float],
) -> Iterable[Ready]:
    if not claimed or take is None:
        return [Ready(one, None) for one in claimed]
    # The moment of the one clock and of the other, as near to each other as can be.
    now = runtime.clock.now()
    slots = take(session, claimed[0].lot.sender_id, count=len(claimed), now=now)
    first = clock() + slots.delay
    return [Ready(one, first + place * slots.step) for place, one in enumerate(claimed)]


def _in_turn(lots: Sequence[Lot], turn: int) -> list[Lot]:
    """Return lots in their order, beginning with another one each turn."""
    first = turn % len(lots) if lots else 0
    return [*lots[first:], *lots[:first]]


def _daily_limit(runtime: Runtime, lot: Lot) -> int:
    """Return how many people outside their window a sender may write to in a day; 0 is no limit."""
    if lot.channel != Channel.WHATSAPP:
        return 0
    if lot.daily_limit is not None:
        return lot.daily_limit
    return runtime.settings.sending.whatsapp_daily_limit


def _within_daily_limit(
    session: Session, runtime: Runtime, lot: Lot, chosen: Sequence[Candidate], now: datetime
) -> Sequence[Candidate]:
    """Keep those whom WhatsApp lets us write to today; the others wait until it does.

    It counts different people outside their 24-hour window within any 24 hours.
    """
    limit = _daily_limit(runtime, lot)
    if not limit or not chosen:
        return chosen
    people = [one.subscriber_id for one in chosen]
    outside = outreach.outside_window(session, lot.sender_id, people, now - _WINDOW)
    if not outside:
        return chosen
    counted = outreach.counted(session, lot.sender_id, outside, now - _WINDOW)
    room = limit - outreach.count(session, lot.sender_id, now - _WINDOW)
    fresh = sorted(outside - counted)
    too_many = set(fresh[max(room, 0) :])
    outreach.note(session, lot.sender_id, outside - too_many, now)
    if too_many:
        until = outreach.next_room(session, lot.sender_id, now - _WINDOW) + _WINDOW
        claims.put_off(session, [one.id for one in chosen if one.subscriber_id in too_many], until)
    return [one for one in chosen if one.subscriber_id not in too_many]


def hand_over(
    runtime: Runtime,
    *,
    worker: str,
    ready: Sequence[Ready],
    clock: Callable[[], float] = monotonic,
) -> list[tuple[Ready, int]]:
    """Write down that these requests leave now; return those that may, each with its attempt.

    Args:
        runtime: the parts.
        worker: who claimed them.
        ready: what there is a free line for. Who left in the meantime is not among the returned,
            nor is anybody whose sender has been told to wait or to stop since, and nobody is if the
            database has fallen back.
            What was put back and claimed again meanwhile is here twice: one hand-over, one request.
        clock: the monotonic clock by which the requests must begin.
    """
    newest = {one.claim.delivery_id: one for one in ready}
    seen = runtime.memory.beat

    def write(session: Session) -> tuple[dict[int, int], float]:
        if not heartbeat.is_current(session, runtime, seen=seen):
            return {}, clock()
        now = runtime.clock.now()
        senders = {one.claim.lot.sender_id for one in newest.values()}
        go = {number for number in senders if not pacing.is_standing(session, number, now)}
        chosen = [one.claim for one in newest.values() if one.claim.lot.sender_id in go]
        attempts = hand_overs.hand_over(session, chosen, worker, now)
        # Looked at before the commit: a process may stand still between that and anything later.
        return attempts, clock()

    attempts, moment = runtime.run(write)
    until = moment + runtime.settings.sending.begin_within
    return [
        (Ready(one.claim, one.due, until), attempts[number])
        for number, one in newest.items()
        if number in attempts
    ]


def let_go(runtime: Runtime, *, worker: str, ready: Sequence[Ready]) -> None:
    """Put claims back that will not be handed over by this worker."""
    ids = [one.claim.delivery_id for one in ready]
    now = runtime.clock.now()
    runtime.run(lambda session: claims.let_go(session, ids, worker, now))

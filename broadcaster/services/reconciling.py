"""Looking up what nobody knows: whether the provider took a message, by its own list.

What the list shows is decided at once. What it does not show was not taken, but only once the
list has had its settling time, and only if it is read twice: then the message waits again, and
consent is decided anew. A list that cannot be read, or does not tell, proves nothing.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from functools import partial

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from broadcaster.core import lookup
from broadcaster.core.delivery import State, merge, state_of
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.lookup import Finding, Found, Request
from broadcaster.core.messages import Listed
from broadcaster.core.uptime import monotonic
from broadcaster.ports import Connection
from broadcaster.runtime import Memory, Runtime, Sighting
from broadcaster.services import settling, statuses
from broadcaster.storage import deliveries, incidents, people, unknowns
from broadcaster.storage.models import Delivery
from broadcaster.storage.unknowns import Requested

_log = structlog.get_logger()

_AT_ONCE = 5
_IN_ONE_CALL = 50
# Whoever comes later is seen later: everything has been looked up in the end.
_WATCHED = 20_000
_HELD_IN_ONE_CALL = 5_000
# After so many failures in one call the list is left alone until the next.
_FAILURES = 3
_SHORTEST, _LONGEST = 1.0, 60.0
# Seconds between the two readings that must both show nothing.
_TWICE_WITHIN = 5.0
_GIVEN_UP_AFTER = timedelta(hours=24)


class Verdict(StrEnum):
    """What a look-up came to."""

    ACCEPTED = "accepted"  # the list shows it
    REFUSED = "refused"  # the list shows that it went no further
    QUEUED = "queued"  # it was not taken, and goes out again
    OVER = "over"  # it was not taken, and its bulletin goes on no more
    HELD = "held"  # the list does not tell: a person decides
    WAITING = "waiting"  # nothing is proved yet
    UNREADABLE = "unreadable"  # the list could not be read
    CHANGED = "changed"  # somebody else knew it first


@dataclass(frozen=True, slots=True)
class _Look:
    """One look-up: what for, since when it is watched, and whether emptiness counts by now."""

    wanted: Requested
    sighting: Sighting
    settle: float


def look_up_unknown(
    runtime: Runtime, *, most: int = _IN_ONE_CALL, clock: Callable[[], float] = monotonic
) -> Counter[Verdict]:
    """Look some of the unknown deliveries up; return what that came to.

    Args:
        runtime: the parts.
        most: how many at most; those that were looked up longest ago come first.
        clock: the monotonic clock: the other one may jump, and no jump makes the list complete.
    """
    if runtime.settings.sending.on_uncertain == "hold":
        return _hold_all(runtime)
    now = clock()
    with runtime.reading() as session:
        seen = unknowns.unknown(session, _WATCHED)
        settle = settling.settling_time(session, runtime) if seen else 0.0
    _remember(runtime.memory, seen, now)
    due = [key for key in seen if _is_due(runtime.memory.sightings[key], now, settle)]
    due.sort(key=lambda key: runtime.memory.sightings[key].looked or -1.0)
    if not due:
        return Counter()
    with runtime.reading() as session:
        found = unknowns.requested(session, [number for number, _ in due[:most]])
    looks = [
        _Look(found[number], runtime.memory.sightings[number, attempt], settle)
        for number, attempt in due[:most]
        if number in found and found[number].attempt == attempt
    ]
    return asyncio.run(_look_up(runtime, looks, clock))


def _hold_all(runtime: Runtime) -> Counter[Verdict]:
    """Leave everything to a person: that is what the operator chose."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        if not unknowns.unknown(session, 1):
            return Counter()
    held = runtime.run(lambda session: unknowns.hold_all(session, now, _HELD_IN_ONE_CALL))
    return Counter({Verdict.HELD: held})


def _remember(memory: Memory, seen: Sequence[tuple[int, int]], now: float) -> None:
    """Note what is seen for the first time, and forget what is known by now."""
    known = memory.sightings
    memory.sightings = {key: known.get(key) or Sighting(first=now) for key in seen}


def _is_due(sighting: Sighting, now: float, settle: float) -> bool:
    """Tell whether to look again: often at first, then ever less, and at the settling time."""
    if sighting.looked is None:
        return True
    settled = sighting.first + settle
    if sighting.looked < settled <= now:
        return True
    shortest, begin = _SHORTEST, sighting.first
    if sighting.looked >= settled:
        shortest, begin = min(_TWICE_WITHIN, settle), settled
    wait = min(max((sighting.looked - begin) / 2, shortest), _LONGEST)
    return now - sighting.looked >= wait


async def _look_up(
    runtime: Runtime, looks: Sequence[_Look], clock: Callable[[], float]
) -> Counter[Verdict]:
    lines = asyncio.Semaphore(_AT_ONCE)
    verdicts: Counter[Verdict] = Counter()

    async def look(connection: Connection, one: _Look) -> None:
        async with lines:
            if verdicts[Verdict.UNREADABLE] < _FAILURES:
                verdicts[await _look(runtime, connection, one, clock)] += 1

    async with runtime.provider.connect() as connection:
        await asyncio.gather(*(look(connection, one) for one in looks))
    if verdicts[Verdict.UNREADABLE]:
        _log.warning("list_unreadable", deliveries=verdicts[Verdict.UNREADABLE])
        runtime.run(
            lambda session: incidents.note(
                session, "list_unreadable", "unknown deliveries", runtime.clock.now()
            )
        )
    return verdicts


async def _look(
    runtime: Runtime, connection: Connection, one: _Look, clock: Callable[[], float]
) -> Verdict:
    """Read the list for one delivery and decide; what it shows counts from when it is asked."""
    now, wanted = runtime.clock.now(), one.wanted
    one.sighting.looked = clock()
    settled = _has_settled(runtime, one, now)
    try:
        recipient = settling.recipient_of(runtime, wanted)
    except (InvalidTag, ValueError):
        _log.exception("delivery_unreadable", delivery=wanted.delivery_id)
        return runtime.run(partial(_hold, runtime=runtime, one=one, reason="unreadable"))
    since = lookup.earliest(wanted.handed, now)
    try:
        listed = [message async for message in connection.messages(to=recipient, since=since)]
    except ListUnreadable:
        if now - wanted.handed < _GIVEN_UP_AFTER:
            return Verdict.UNREADABLE
        return runtime.run(partial(_hold, runtime=runtime, one=one, reason="unreadable"))
    return runtime.run(
        partial(_decide, runtime=runtime, one=one, listed=listed, now=now, settled=settled)
    )


def _has_settled(runtime: Runtime, one: _Look, now: datetime) -> bool:
    """Tell whether the list must show by now what the provider took.

    By both clocks: a jump of the one must not shorten the time. While a message that was accepted
    for certain is overdue in the list, nothing that is missing there proves anything.
    """
    canary = runtime.memory.canary
    if canary is not None and canary.is_overdue:
        return False
    passed = (now - one.wanted.handed).total_seconds()
    watched = (one.sighting.looked or one.sighting.first) - one.sighting.first
    # A hand-over in the future was written down before the clock was set back.
    return watched >= one.settle and not 0 <= passed < one.settle


def _decide(
    session: Session,
    *,
    runtime: Runtime,
    one: _Look,
    listed: Sequence[Listed],
    now: datetime,
    settled: bool,
) -> Verdict:
    delivery = _lock(session, one.wanted)
    if delivery is None:
        return Verdict.CHANGED
    found = _find(session, one.wanted, listed, now)
    match found:
        case Found(Finding.TAKEN, Listed() as message):
            return _accept(session, runtime, delivery, message, spare=found.spare)
        case Found(Finding.REFUSED, Listed() as message):
            return _refuse(session, runtime, delivery, message)
        case Found(Finding.ABSENT) if settled:
            return _absent(session, delivery, now, runtime.settings.sending.settle)
    reason = _undecided(found, now - one.wanted.handed, settled=settled)
    return _hold_for_a_person(session, delivery, reason, now) if reason else Verdict.WAITING


def _undecided(found: Found, age: timedelta, *, settled: bool) -> str | None:
    """Say why the list will not tell any more; None while it still may."""
    if settled and found.finding in _UNTOLD:
        return _UNTOLD[found.finding]
    # No process lived long enough to see the list settle, and the wall clock alone may jump.
    return "unsettled" if not settled and age >= _GIVEN_UP_AFTER else None


_UNTOLD = {Finding.HIDDEN: "redacted", Finding.UNCLEAR: "ambiguous"}


def _lock(session: Session, wanted: Requested) -> Delivery | None:
    """Lock the person and then the delivery, if nobody knows of that request still."""
    people.lock(session, wanted.subscriber_id)
    delivery = deliveries.lock(session, wanted.delivery_id)
    if delivery is None or delivery.state != State.UNKNOWN or delivery.attempt != wanted.attempt:
        return None
    return delivery


def _find(session: Session, wanted: Requested, listed: Sequence[Listed], now: datetime) -> Found:
    sids = [message.sid for message in listed]
    return lookup.find(
        _request(wanted, now),
        [_request(rival, now) for rival in unknowns.rivals(session, wanted).values()],
        listed,
        unknowns.attributed(session, sids, besides=wanted.delivery_id),
    )


def _request(one: Requested, now: datetime) -> Request:
    return Request(
        delivery_id=one.delivery_id,
        sender=settling.sender_of(one),
        text=one.text,
        since=lookup.earliest(one.handed, now),
    )


def _accept(
    session: Session,
    runtime: Runtime,
    delivery: Delivery,
    message: Listed,
    *,
    spare: Sequence[str],
) -> Verdict:
    now = runtime.clock.now()
    state = merge(State.UNKNOWN, state_of(message.status) or State.ACCEPTED)
    unknowns.decide(session, delivery, state, now, sid=message.sid, code=message.error_code)
    if spare:
        unknowns.explain(session, spare, unknowns.DUPLICATE, now)
        incidents.note(session, "duplicate", f"delivery {delivery.id}", now)
        _log.error("accepted_twice", delivery=delivery.id)
    if message.error_code is not None:
        statuses.act_on(session, runtime, delivery, message.error_code)
    return Verdict.ACCEPTED


def _refuse(session: Session, runtime: Runtime, delivery: Delivery, message: Listed) -> Verdict:
    """Write a refusal down whose answer was lost; it may be a stop that the provider knows of."""
    code, now = message.error_code, runtime.clock.now()
    unknowns.decide(session, delivery, State.FAILED, now, sid=message.sid, code=code)
    if code is not None:
        statuses.act_on(session, runtime, delivery, code)
    return Verdict.REFUSED


def _absent(session: Session, delivery: Delivery, now: datetime, settle: float) -> Verdict:
    """Believe that it was not taken once two readings, a while apart, both say so."""
    apart = timedelta(seconds=min(_TWICE_WITHIN, settle))
    if delivery.looked is None or delivery.looked > now:
        delivery.looked = now
        session.flush()
        return Verdict.WAITING
    if now - delivery.looked < apart:
        return Verdict.WAITING
    state = unknowns.send_again(session, delivery, now)
    _log.info("not_taken", delivery=delivery.id, state=state.value)
    return Verdict.QUEUED if state is State.QUEUED else Verdict.OVER


def _hold(session: Session, *, runtime: Runtime, one: _Look, reason: str) -> Verdict:
    delivery = _lock(session, one.wanted)
    if delivery is None:
        return Verdict.CHANGED
    return _hold_for_a_person(session, delivery, reason, runtime.clock.now())


def _hold_for_a_person(session: Session, delivery: Delivery, reason: str, now: datetime) -> Verdict:
    unknowns.decide(session, delivery, State.HELD, now, reason=reason)
    incidents.note(session, "deliveries_held", f"bulletin {delivery.bulletin_id}", now)
    _log.warning("delivery_held", delivery=delivery.id, reason=reason)
    return Verdict.HELD

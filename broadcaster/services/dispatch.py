"""Sending, from a moment that has come to the last outcome: a sequence of short transactions.

Start what is due → claim a handful of deliveries, deciding consent in the claim → hand them over
at once, with no transaction open → write down what became of them → finish what is complete.
This service commits by itself, because nothing may be held open during a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from time import monotonic

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import ON_ITS_WAY, BulletinState
from broadcaster.core.delivery import State
from broadcaster.core.messages import (
    Accepted,
    Deferred,
    OutboundMessage,
    Refused,
    SendOutcome,
    Unknown,
)
from broadcaster.core.sealing import open_address
from broadcaster.ports import Connection
from broadcaster.runtime import Runtime
from broadcaster.services import statuses
from broadcaster.storage import audience, bulletins, claims, deliveries, incidents, people
from broadcaster.storage.claims import Claim
from broadcaster.storage.deliveries import Outcome
from broadcaster.storage.models import Bulletin

_log = structlog.get_logger()

# Seconds before looking again at people who were locked.
_PAUSE = 0.02
STATUS_PATH = "/webhooks/twilio/status"


@dataclass(frozen=True, slots=True)
class Result:
    """A claim, and what became of its request."""

    claim: Claim
    outcome: Outcome


def start_due(runtime: Runtime) -> int:
    """Freeze the audience of every bulletin whose moment has come; return how many began.

    One that is found later than its grace, after an outage or a restore, is held instead: nobody
    wants the morning's news at night without having said so.
    """
    now = runtime.clock.now()
    with runtime.reading() as session:
        if not bulletins.is_any_due(session, now):
            return 0
    grace = timedelta(minutes=runtime.settings.sending.grace_minutes)
    began = 0
    with runtime.transaction() as session:
        for bulletin in bulletins.due(session, now):
            late = bulletin.starts_at is not None and now - bulletin.starts_at > grace
            if not late:
                _begin(session, bulletin, now)
                began += 1
            bulletin.state = (BulletinState.HELD if late else BulletinState.SENDING).value
            bulletin.held_code = None
            bulletin.version += 1
            bulletin.changed = now
            _log.info("bulletin_held" if late else "bulletin_started", bulletin=bulletin.id)
    return began


def _begin(session: Session, bulletin: Bulletin, now: datetime) -> None:
    """Freeze the audience; one that was held on its way goes on with those who are left."""
    bulletin.moved = now
    deliveries.ask_again_now(session, bulletin.id)
    if bulletin.audience is None:
        bulletin.audience = audience.freeze(session, bulletin.id, bulletin.list_id, now)
        bulletin.started = now


async def send_waiting(runtime: Runtime, *, goes_on: Callable[[], bool] = lambda: True) -> int:
    """Hand over everything that may go out now; return how many requests were made.

    Args:
        runtime: the parts.
        goes_on: asked before each claim; False ends after what is under way, and what is queued
            stays queued.
    """
    _give_up_lost_claims(runtime)
    finish_complete(runtime)
    _hold_stalled(runtime)
    with runtime.reading() as session:
        if not bulletins.sending(session):
            return 0
    requests = 0
    async with runtime.provider.connect() as connection:
        while goes_on():
            claimed_at = monotonic()
            claimed, looked_at = _claim(runtime)
            if not looked_at:
                break
            if not claimed:
                # All of them had left, or are locked by a stop at this moment.
                await asyncio.sleep(_PAUSE)
                continue
            requests += len(claimed)
            _write_down(runtime, await _hand_over(runtime, connection, claimed, claimed_at))
    finish_complete(runtime)
    return requests


def finish_complete(runtime: Runtime) -> None:
    """Finish every bulletin whose deliveries all have an outcome and add up to its audience."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        going = bulletins.on_their_way(session)
        complete = [number for number in going if not deliveries.has_open(session, number)]
    for number in complete:
        with runtime.transaction() as session:
            bulletin = bulletins.lock(session, number)
            if _is_complete(bulletin, deliveries.total(session, number)):
                bulletin.state = BulletinState.FINISHED.value
                bulletin.version += 1
                bulletin.ended = now
                bulletin.changed = now
                _log.info("bulletin_finished", bulletin=number, audience=bulletin.audience)


def _is_complete(bulletin: Bulletin, outcomes: int) -> bool:
    return BulletinState(bulletin.state) in ON_ITS_WAY and outcomes == bulletin.audience


def _give_up_lost_claims(runtime: Runtime) -> None:
    now = runtime.clock.now()
    before = deliveries.stale_before(
        now,
        lease=runtime.settings.sending.lease,
        timeout=runtime.settings.twilio.timeout,
    )
    with runtime.reading() as session:
        if not deliveries.has_stale_claims(session, before):
            return
    with runtime.transaction() as session:
        lost = deliveries.give_up_claims(session, before, now)
    _log.error("outcome_unknown", deliveries=lost, reason="worker_lost")


def _hold_stalled(runtime: Runtime) -> None:
    """Hold what came to a standstill for longer than the grace, through an outage or a restore.

    The rest of the morning's news is not sent at night without a person saying so.
    """
    now = runtime.clock.now()
    before = now - timedelta(minutes=runtime.settings.sending.grace_minutes)
    with runtime.reading() as session:
        numbers = bulletins.stalled(session, before)
    for number in numbers:
        with runtime.transaction() as session:
            if bulletins.hold(session, number, None, now):
                _log.warning("bulletin_held", bulletin=number)


def _claim(runtime: Runtime) -> tuple[list[Claim], int]:
    """Claim as many as are handed over at once, so that each is handed over right away."""
    with runtime.transaction() as session:
        return claims.claim(session, runtime.settings.sending.concurrency, runtime.clock.now())


async def _hand_over(
    runtime: Runtime, connection: Connection, claimed: Sequence[Claim], claimed_at: float
) -> list[Result]:
    may_begin_until = claimed_at + runtime.settings.sending.lease
    return list(
        await asyncio.gather(
            *(_send(runtime, connection, claim, may_begin_until) for claim in claimed)
        )
    )


async def _send(
    runtime: Runtime, connection: Connection, claim: Claim, may_begin_until: float
) -> Result:
    """Make one request, unless the lease has run out: then a stop may have been answered since."""
    try:
        message = _message(runtime, claim)
    except (InvalidTag, ValueError):
        # One row that cannot be opened must not take the others with it.
        _log.exception("delivery_unreadable", delivery=claim.delivery_id)
        return Result(claim, Outcome(claim.delivery_id, State.FAILED, reason="unreadable"))
    left = may_begin_until - monotonic()
    if left <= 0:
        return Result(claim, Outcome(claim.delivery_id, State.QUEUED))
    answer = await connection.send(message, begin_within=left)
    return Result(claim, _outcome(runtime, claim.delivery_id, answer))


def _message(runtime: Runtime, claim: Claim) -> OutboundMessage:
    key = runtime.keyring.unwrap(claim.key_wrapped)
    token = statuses.callback_token(runtime, claim.delivery_id)
    return OutboundMessage(
        sender=Address(Channel(claim.sender_channel), claim.sender_address),
        recipient=open_address(key, claim.channel, claim.address_sealed),
        text=claim.text,
        status_callback=f"{runtime.settings.public_url}{STATUS_PATH}/{token}",
    )


def _outcome(runtime: Runtime, delivery_id: int, answer: SendOutcome) -> Outcome:
    match answer:
        case Accepted(sid=sid):
            return Outcome(delivery_id, State.ACCEPTED, sid=sid)
        case Refused(code=code) if runtime.provider.concerns_everybody(code):
            # Nothing is wrong with this person: they get it once the cause is mended.
            return Outcome(delivery_id, State.QUEUED, error_code=code)
        case Refused(code=code):
            return Outcome(delivery_id, State.FAILED, error_code=code)
        case Deferred(retry_after=seconds):
            later = runtime.clock.now() + timedelta(seconds=seconds)
            return Outcome(delivery_id, State.QUEUED, not_before=later)
        case Unknown(reason=reason):
            return Outcome(delivery_id, State.UNKNOWN, reason=reason)


def _write_down(runtime: Runtime, results: Sequence[Result]) -> None:
    """Write down what became of a handful of requests, in as few transactions as may be.

    A refusal that is an opt-out is written with the entry that says so, or not at all.
    """
    stopped = [one for one in results if _is_opt_out(runtime, one.outcome)]
    others = [one for one in results if one not in stopped]
    if others:
        runtime.run(lambda session: _write_others(session, runtime, others))
    for one in stopped:
        runtime.run(partial(_write_stopped, runtime=runtime, result=one))


def _write_others(session: Session, runtime: Runtime, results: Sequence[Result]) -> None:
    now = runtime.clock.now()
    # The bulletins first and in order, as everybody does who needs both them and deliveries.
    bulletins.lock_all(session, {one.claim.bulletin_id for one in results})
    deliveries.write_outcomes(session, [one.outcome for one in results], now)
    moved = {one.claim.bulletin_id for one in results if one.outcome.state is not State.QUEUED}
    if moved:
        bulletins.note_progress(session, sorted(moved), now)
    refused = {
        one.claim.bulletin_id: code
        for one in results
        if one.outcome.state is State.QUEUED and (code := one.outcome.error_code) is not None
    }
    for bulletin_id, code in refused.items():
        if bulletins.hold(session, bulletin_id, code, now):
            incidents.note(session, "bulletin_refused", f"bulletin {bulletin_id}", now)
            _log.error("bulletin_held", bulletin=bulletin_id, code=code)


def _write_stopped(session: Session, *, runtime: Runtime, result: Result) -> None:
    people.lock_by_delivery(session, result.outcome.delivery_id)
    deliveries.write_outcomes(session, [result.outcome], runtime.clock.now())
    code = result.outcome.error_code
    if code is not None:
        statuses.provider_stop(session, runtime, result.outcome.delivery_id, code)


def _is_opt_out(runtime: Runtime, outcome: Outcome) -> bool:
    code = outcome.error_code
    return code is not None and runtime.provider.is_opt_out(code)

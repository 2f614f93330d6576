"""Sending, from a moment that has come to the last outcome: a sequence of short transactions.

Start what is due → claim a handful of deliveries, deciding consent in the claim → hand them over
at once, with no transaction open → write down what became of them → finish what is complete.
This service commits by itself, because nothing may be held open during a request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from time import monotonic

import structlog

from broadcaster.core.address import Address, Channel
from broadcaster.core.bulletin import BulletinState
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
from broadcaster.storage import bulletins, deliveries
from broadcaster.storage.deliveries import Claim, Outcome
from broadcaster.storage.models import Bulletin

_log = structlog.get_logger()

# Seconds before looking again at people who were locked.
_PAUSE = 0.02
STATUS_PATH = "/webhooks/twilio/status"


@dataclass(frozen=True, slots=True)
class _Request:
    """A claim made ready: what is sent, and until when it may be."""

    claim: Claim
    message: OutboundMessage


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
            if bulletin.starts_at is not None and now - bulletin.starts_at > grace:
                bulletin.state = BulletinState.HELD.value
                bulletin.version += 1
                bulletin.changed = now
                _log.warning("bulletin_held", bulletin=bulletin.id)
                continue
            bulletin.audience = deliveries.freeze_audience(
                session, bulletin.id, bulletin.list_id, now
            )
            bulletin.state = BulletinState.SENDING.value
            bulletin.started = now
            began += 1
            _log.info("bulletin_started", bulletin=bulletin.id, audience=bulletin.audience)
    return began


async def send_waiting(runtime: Runtime) -> int:
    """Hand over everything that may go out now; return how many requests were made."""
    with runtime.reading() as session:
        if not bulletins.sending(session):
            return 0
    _give_up_lost_claims(runtime)
    requests = 0
    async with runtime.provider.connect() as connection:
        while True:
            claimed_at = monotonic()
            claims, looked_at = _claim(runtime)
            if not looked_at:
                break
            if not claims:
                # All of them had left, or are locked by a stop at this moment.
                await asyncio.sleep(_PAUSE)
                continue
            requests += len(claims)
            outcomes = await _hand_over(runtime, connection, claims, claimed_at)
            _write_down(runtime, outcomes)
    finish_complete(runtime)
    return requests


def finish_complete(runtime: Runtime) -> None:
    """Finish every bulletin whose deliveries all have an outcome and add up to its audience."""
    now = runtime.clock.now()
    with runtime.reading() as session:
        going = [bulletin.id for bulletin in bulletins.sending(session)]
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
    return bulletin.state == BulletinState.SENDING.value and outcomes == bulletin.audience


def _give_up_lost_claims(runtime: Runtime) -> None:
    now = runtime.clock.now()
    before = deliveries.stale_before(
        now,
        lease=runtime.settings.sending.lease,
        timeout=runtime.settings.twilio.timeout,
    )
    with runtime.transaction() as session:
        lost = deliveries.give_up_claims(session, before, now)
    if lost:
        _log.error("outcome_unknown", deliveries=lost, reason="worker_lost")


def _claim(runtime: Runtime) -> tuple[list[Claim], int]:
    """Claim as many as are handed over at once, so that each is handed over right away."""
    with runtime.transaction() as session:
        return deliveries.claim(session, runtime.settings.sending.concurrency, runtime.clock.now())


async def _hand_over(
    runtime: Runtime, connection: Connection, claims: Sequence[Claim], claimed_at: float
) -> list[Outcome]:
    requests = [_Request(claim, _message(runtime, claim)) for claim in claims]
    may_begin_until = claimed_at + runtime.settings.sending.lease
    return list(
        await asyncio.gather(
            *(_send(runtime, connection, request, may_begin_until) for request in requests)
        )
    )


def _message(runtime: Runtime, claim: Claim) -> OutboundMessage:
    key = runtime.keyring.unwrap(claim.key_wrapped)
    token = statuses.callback_token(runtime, claim.delivery_id)
    return OutboundMessage(
        sender=Address(Channel(claim.sender_channel), claim.sender_address),
        recipient=open_address(key, claim.channel, claim.address_sealed),
        text=claim.text,
        status_callback=f"{runtime.settings.public_url}{STATUS_PATH}/{token}",
    )


async def _send(
    runtime: Runtime, connection: Connection, request: _Request, may_begin_until: float
) -> Outcome:
    """Make one request, unless the lease has run out: then a stop may have been answered since."""
    if monotonic() > may_begin_until:
        return Outcome(delivery_id=request.claim.delivery_id, state=State.QUEUED)
    return _outcome(runtime, request.claim.delivery_id, await connection.send(request.message))


def _outcome(runtime: Runtime, delivery_id: int, answer: SendOutcome) -> Outcome:
    match answer:
        case Accepted(sid=sid):
            return Outcome(delivery_id=delivery_id, state=State.ACCEPTED, sid=sid)
        case Refused(code=code):
            return Outcome(delivery_id=delivery_id, state=State.FAILED, error_code=code)
        case Deferred(retry_after=seconds):
            later = runtime.clock.now() + timedelta(seconds=seconds)
            return Outcome(delivery_id=delivery_id, state=State.QUEUED, not_before=later)
        case Unknown(reason=reason):
            return Outcome(delivery_id=delivery_id, state=State.UNKNOWN, reason=reason)


def _write_down(runtime: Runtime, outcomes: Sequence[Outcome]) -> None:
    if not outcomes:
        return
    with runtime.transaction() as session:
        deliveries.write_outcomes(session, outcomes, runtime.clock.now())
    for outcome in outcomes:
        code = outcome.error_code
        if code is not None and runtime.provider.is_opt_out(code):
            with runtime.transaction() as session:
                statuses.provider_stop(session, runtime, outcome.delivery_id, code)

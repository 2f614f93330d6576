"""How long the provider's list takes to show a message, measured while we send.

What the list does not show was not taken, but only once the list has had time. That time is the
setting, or ten times the longest that was ever seen if that is more. Now and then one message
that the provider has just accepted is watched until the list shows it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from cryptography.exceptions import InvalidTag
from sqlalchemy.orm import Session

from broadcaster.core.address import Address, Channel
from broadcaster.core.errors import ListUnreadable
from broadcaster.core.lookup import CLOCK_SLACK
from broadcaster.core.sealing import open_address
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Canary, Runtime
from broadcaster.storage import incidents, installation, unknowns
from broadcaster.storage.unknowns import Requested

_log = structlog.get_logger()

_SAFETY = 10
_LOOKS = (1.0, 5.0, 30.0, 60.0, 120.0, 300.0)
# Seconds between two messages that are watched.
_SAMPLED_EVERY = 60.0
# A look is on time up to so many times its moment, and so many seconds.
_ON_TIME = 1.5
# A message that is still missing after so many settling times was taken out of the list.
_PATIENCE = 4


def settling_time(session: Session, runtime: Runtime) -> float:
    """Return after how many seconds a message that the list does not show was not taken."""
    return max(runtime.settings.sending.settle, _SAFETY * installation.slowest_listing(session))


def sample(
    runtime: Runtime, *, delivery_id: int, sid: str, clock: Callable[[], float] = monotonic
) -> None:
    """Watch a message that was accepted at this moment, unless one is being watched, or was lately.

    Args:
        runtime: the parts.
        delivery_id: what it was for.
        sid: the provider's id of it.
        clock: the monotonic clock.
    """
    memory, now = runtime.memory, clock()
    if memory.canary is None and now >= memory.next_canary:
        memory.canary = Canary(delivery_id=delivery_id, sid=sid, accepted=now)
        memory.next_canary = now + _SAMPLED_EVERY


def measure_settling(runtime: Runtime, *, clock: Callable[[], float] = monotonic) -> None:
    """Look whether the list shows the message that is being watched, if it is time to look.

    Args:
        runtime: the parts.
        clock: the monotonic clock.
    """
    canary = runtime.memory.canary
    if canary is None:
        return
    elapsed = clock() - canary.accepted
    with runtime.reading() as session:
        settle = settling_time(session, runtime)
    scheduled = _next_look(canary, settle)
    if elapsed < scheduled:
        return
    canary.looks += 1
    try:
        is_shown = asyncio.run(_is_shown(runtime, canary, elapsed))
    except ListUnreadable:
        is_shown, canary.is_blind = None, True
    except (InvalidTag, ValueError):
        runtime.memory.canary = None
        return
    if is_shown:
        seconds = _took(canary, elapsed, scheduled)
        runtime.run(lambda session: installation.note_listing(session, seconds))
    elif is_shown is False:
        _miss(runtime, canary, elapsed, settle)
    if is_shown or elapsed >= _PATIENCE * settle:
        runtime.memory.canary = None


def _took(canary: Canary, elapsed: float, scheduled: float) -> float:
    """Return how many seconds the list took to show it, no more than was seen.

    What the first look shows was quick, however late we looked. Where we looked too late, or could
    not look, only that it was not there the time before is known: an outage is no slow list.
    """
    if canary.missed is None:
        return 0.0
    is_on_time = not canary.is_blind and elapsed <= _ON_TIME * scheduled + _ON_TIME
    return elapsed if is_on_time else canary.missed


def _next_look(canary: Canary, settle: float) -> float:
    """Return how many seconds after it was accepted to look again, always at the settling time."""
    looks = [*(moment for moment in _LOOKS if moment < settle), settle]
    if canary.looks < len(looks):
        return looks[canary.looks]
    return settle * 2.0 ** (canary.looks - len(looks) + 1)


async def _is_shown(runtime: Runtime, canary: Canary, elapsed: float) -> bool:
    with runtime.reading() as session:
        one = unknowns.requested(session, [canary.delivery_id]).get(canary.delivery_id)
    if one is None:
        message = "The delivery is gone."
        raise ValueError(message)
    since = runtime.clock.now() - timedelta(seconds=elapsed) - CLOCK_SLACK
    async with runtime.provider.connect() as connection:
        listed = connection.messages(to=recipient_of(runtime, one), since=since)
        return any([message.sid == canary.sid async for message in listed])


def recipient_of(runtime: Runtime, one: Requested) -> Address:
    """Open the address that a delivery goes to.

    Raises:
        InvalidTag: it cannot be opened with our keys.
        ValueError: what it holds is no address.
    """
    return open_address(runtime.keyring.unwrap(one.key_wrapped), one.channel, one.address_sealed)


def sender_of(one: Requested) -> Address:
    """Return our own number that a delivery goes out from."""
    return Address(Channel(one.channel), one.sender_address)


def _miss(runtime: Runtime, canary: Canary, elapsed: float, settle: float) -> None:
    """Note that the list does not show it; raise an alarm if it should by now."""
    canary.missed, canary.is_blind = elapsed, False
    if elapsed < settle or canary.is_overdue:
        return
    canary.is_overdue = True
    _log.error("listing_slower_than_settling", seconds=round(elapsed))
    runtime.run(
        lambda session: incidents.note(
            session, "listing_slower_than_settling", "messages", runtime.clock.now()
        )
    )

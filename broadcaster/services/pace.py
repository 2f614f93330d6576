"""How fast a sender may go, and a slot for a single message that is part of no bulletin."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from sqlalchemy.orm import Session

from broadcaster.core.address import Channel
from broadcaster.core.segments import count
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Runtime
from broadcaster.storage import pacing
from broadcaster.storage.models import Sender

#: A request that cannot begin this many seconds after its slot gives it up: one second must not
#: hold the messages of two.
PUNCTUAL = 0.015
# Seconds between two looks for a free slot.
_LOOK_AGAIN = 0.2


@dataclass(frozen=True, slots=True)
class Pace:
    """What one message of a sender takes of what it is allowed.

    Args:
        rate: units a second; 0 is no limit.
        cost: units of the message: 1 on WhatsApp, its segments on SMS.
    """

    rate: float
    cost: int


def pace_of(runtime: Runtime, channel: str, own: float | None, text: str) -> Pace:
    """Return a sender's pace for a text: a network counts SMS by the segment.

    Args:
        runtime: the settings.
        channel: the sender's.
        own: its own rate, if it has one.
        text: what is sent.
    """
    sending = runtime.settings.sending
    if channel == Channel.WHATSAPP:
        return Pace(sending.whatsapp_rate if own is None else own, 1)
    return Pace(sending.sms_rate if own is None else own, count(text).segments)


async def slot(runtime: Runtime, sender: Sender, text: str) -> float:
    """Wait for a slot of a sender; return by when, on the monotonic clock, its request must begin.

    Args:
        runtime: the parts; nothing is open while this waits.
        sender: which of our numbers; one that stands still gives no slot.
        text: what is sent.
    """
    while True:
        delay = runtime.run(lambda session: _take(session, runtime, sender, text))
        if delay is not None:
            break
        await asyncio.sleep(_LOOK_AGAIN)
    if delay == 0.0:
        return monotonic() + runtime.settings.sending.begin_within
    due = monotonic() + delay
    await asyncio.sleep(delay)
    return due + PUNCTUAL


def _take(session: Session, runtime: Runtime, sender: Sender, text: str) -> float | None:
    """Return in how many seconds the slot is; 0 without a limit, None where there is none now."""
    now = runtime.clock.now()
    if pacing.is_standing(session, sender.id, now):
        return None
    pace = pace_of(runtime, sender.channel, sender.rate, text)
    if not pace.rate:
        return 0.0
    pacing.lock(session, [sender.id])
    if not pacing.free(session, sender.id, rate=pace.rate, cost=pace.cost, now=now):
        return None
    return pacing.take(
        session, sender.id, rate=pace.rate, cost=pace.cost, count=1, now=now, lead=pacing.LEAD
    ).delay

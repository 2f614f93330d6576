"""Whether anything may be sent at all: what we missed was heard, and the database is current.

Twilio hardly repeats a webhook, so a stop that came while we were down is told to nobody: the
provider's list of texts is read before anything goes out, and now and then while it does. A
database that is older than what the provider has sent sends nothing.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Collection
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from time import monotonic

from broadcaster.core.errors import ListUnreadable, Unheard
from broadcaster.runtime import Runtime
from broadcaster.services import listening, restoring
from broadcaster.storage import bulletins

# Seconds between two looks whether anything has to be heard again while bulletins go out.
_CHECKED_EVERY = 5.0
_HEARD_EVERY = 60.0
# For so long a bulletin that is going out goes on while the list cannot be read.
_DEAF_FOR = 900.0
# A list that could not be read is not asked for again at once.
_ASKED_EVERY = 3.0


def may_start(
    runtime: Runtime, bulletin_ids: Collection[int], *, clock: Callable[[], float] = monotonic
) -> bool:
    """Tell whether these bulletins may start: everything that people texted until now is applied.

    Args:
        runtime: the parts.
        bulletin_ids: bulletins that are due.
        clock: the monotonic clock.
    """
    if clock() < runtime.memory.ask_again:
        return False
    with runtime.reading() as session:
        senders = bulletins.senders(session, bulletin_ids)
    return _is_current(runtime, senders, clock)


async def may_send(runtime: Runtime, *, clock: Callable[[], float] = monotonic) -> bool:
    """Tell whether what is going out may go on.

    A process that has just begun hears first. Later it listens beside the sending, and goes on for
    a while when it cannot.

    Args:
        runtime: the parts.
        clock: the monotonic clock.
    """
    memory, now = runtime.memory, clock()
    if now < memory.checked + _CHECKED_EVERY:
        return True
    with runtime.reading() as session:
        senders = bulletins.senders_going(session)
    late = _late(runtime, senders, now)
    is_deaf = any(now - memory.current.get(sender, -math.inf) > _DEAF_FOR for sender in late)
    if late and now >= memory.ask_again:
        hear = partial(_hear_in_turn, runtime, late, clock)
        # Beside the sending one is enough: the list may be slower than we ask for it.
        if is_deaf or not memory.hearing.locked():
            work = asyncio.get_running_loop().run_in_executor(None, hear)
            if is_deaf and not await work:
                return False
    elif is_deaf:
        return False
    memory.checked = clock()
    return True


def _late(runtime: Runtime, senders: Collection[int], now: float) -> list[int]:
    """Return those of our numbers that this process heard too long ago."""
    heard = runtime.memory.current
    return [one for one in senders if now - heard.get(one, -math.inf) > _HEARD_EVERY]


def _hear_in_turn(runtime: Runtime, senders: Collection[int], clock: Callable[[], float]) -> bool:
    """Hear, unless what else sends in this process has just done so, or could not."""
    with runtime.memory.hearing:
        late = _late(runtime, senders, clock())
        if late and clock() < runtime.memory.ask_again:
            return False
        return not late or _is_current(runtime, late, clock)


def _is_current(runtime: Runtime, senders: Collection[int], clock: Callable[[], float]) -> bool:
    """Hear what we missed, and see that nothing was sent that the database knows nothing of.

    Only both together let anything be sent: who sends beside this waits for the second, too.
    """
    began = clock()
    # Both ask the provider; side by side, so that a bulletin starts within its second.
    with ThreadPoolExecutor(max_workers=2) as pool:
        hearing = pool.submit(listening.catch_up, runtime, senders)
        recognising = pool.submit(restoring.recognise, runtime, senders)
        try:
            hearing.result()
            is_restored = recognising.result()
        except (Unheard, ListUnreadable):
            # Noted where it happened; the pages say that it waits, and why.
            runtime.memory.ask_again = clock() + _ASKED_EVERY
            return False
    if is_restored:
        return False
    runtime.memory.current.update(dict.fromkeys(senders, began))
    return True

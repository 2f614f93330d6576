"""Whether anything may be sent at all: what we missed was heard, the database is current, the ledger whole.

Twilio hardly repeats a webhook, so a stop that came while we were down is told to nobody: the
provider's list of texts is read before anything goes out, and now and then while it does. A
database that is older than what the provider has sent sends nothing, nor does one whose ledger is
not what was written.
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
from broadcaster.storage import bulletins, verification

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

    While the ledger is broken there is nothing to wait for: starting holds them and says why.

    Args:
        runtime: the parts.
        bulletin_ids: bulletins that are due.
        clock: the monotonic clock.
    """
    if clock() < runtime.memory.ask_again:
        return False
    with runtime.reading() as session:
        if verification.is_broken(session):
            return True
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
        if verification.is_broken(session):
            return False
        senders = bulletins.senders_going(session)
    heard = {sender: memory.heard.get(sender, -math.inf) for sender in senders}
    late = [sender for sender, when in heard.items() if now - when > _HEARD_EVERY]
    if late and now >= memory.ask_again:
        hear = partial(_is_current, runtime, late, clock)
        deaf = any(now - heard[sender] > _DEAF_FOR for sender in late)
        work = asyncio.get_running_loop().run_in_executor(None, hear)
        if deaf and not await work:
            return False
    elif any(now - when > _DEAF_FOR for when in heard.values()):
        return False
    memory.checked = clock()
    return True


def _is_current(runtime: Runtime, senders: Collection[int], clock: Callable[[], float]) -> bool:
    """Hear what we missed, and see that nothing was sent that the database knows nothing of."""
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
    return not is_restored

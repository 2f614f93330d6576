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
from typing import NamedTuple

from broadcaster.core.errors import ListUnreadable, Unheard
from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Runtime
from broadcaster.services import listening, restoring
from broadcaster.storage import bulletins, verification
from broadcaster.storage.bulletins import Going
from broadcaster.storage.claims import Lot

# Seconds between two looks whether anything has to be heard again while bulletins go out.
_CHECKED_EVERY = 5.0
_HEARD_EVERY = 60.0
# For so long a bulletin that is going out goes on while the list cannot be read.
_DEAF_FOR = 900.0
# At most so many times in a row, should there be something new each time.
_HEARD_AGAIN = 4
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


async def may_send(
    runtime: Runtime, *, look: bool = False, clock: Callable[[], float] = monotonic
) -> bool:
    """Tell whether what is going out may go on.

    A process that has just begun hears first. Later it listens beside the sending, and goes on for
    a while when it cannot. What a person let go on is claimed once it was heard for, and keeps no
    other waiting (``may_claim``).

    Args:
        runtime: the parts.
        look: look now, however short ago that was.
        clock: the monotonic clock.
    """
    memory, now = runtime.memory, clock()
    if now < memory.checked + _CHECKED_EVERY and not look:
        return True
    with runtime.reading() as session:
        if verification.is_broken(session):
            return False
        going = bulletins.going(session)
        senders = bulletins.senders_going(session) if going else []
        unheard = {one for one, goes_on in going.items() if goes_on} - memory.heard_for
        theirs = bulletins.senders(session, [one.bulletin_id for one in unheard])
    wanted = _Wanted(senders, theirs, frozenset(unheard), asked=clock())
    due = wanted.due(runtime, now)
    is_deaf = any(now - memory.current.get(sender, -math.inf) > _DEAF_FOR for sender in due)
    waits = is_deaf or (bool(unheard) and len(unheard) == len(going))
    if due and now >= memory.ask_again:
        # Beside the sending one is enough: the list may be slower than we ask for it.
        if waits or not memory.hearing.locked():
            hear = partial(_hear_in_turn, runtime, wanted, clock)
            work = asyncio.get_running_loop().run_in_executor(None, hear)
            if waits and not await work and is_deaf:
                return False
    elif is_deaf:
        return False
    memory.checked = clock()
    return True


def may_claim(runtime: Runtime, lot: Lot) -> bool:
    """Tell whether a bulletin may be claimed from: one that goes on after a wait was heard for.

    While it waited nobody listened, and its next look at the list may be a minute away.

    Args:
        runtime: the parts.
        lot: what the bulletin sends by one sender, as it goes out now.
    """
    if not lot.is_continued or (lot.bulletin_id, lot.version) in runtime.memory.heard_for:
        return True
    runtime.memory.checked = -math.inf
    return False


class _Wanted(NamedTuple):
    """What is to be heard before, or while, something goes out.

    Args:
        senders: our numbers that something goes out from.
        theirs: those of them that the unheard bulletins use.
        unheard: bulletins that a person let go on since they were heard for.
        asked: when that was seen.
    """

    senders: Collection[int]
    theirs: Collection[int]
    unheard: frozenset[Going]
    asked: float

    def due(self, runtime: Runtime, now: float) -> list[int]:
        """Return the numbers that were heard too long ago, or not since somebody let one go on."""
        heard = runtime.memory.current
        late = {one for one in self.senders if now - heard.get(one, -math.inf) > _HEARD_EVERY}
        return sorted(late | {one for one in self.theirs if heard.get(one, -math.inf) < self.asked})


def _hear_in_turn(runtime: Runtime, wanted: _Wanted, clock: Callable[[], float]) -> bool:
    """Hear, unless what else sends in this process has just done so, or could not."""
    memory = runtime.memory
    with memory.hearing:
        due = wanted.due(runtime, clock())
        if due and clock() < memory.ask_again:
            return False
        if due and not _is_current(runtime, due, clock):
            return False
        memory.heard_for |= wanted.unheard
        return True


def _hear(runtime: Runtime, senders: Collection[int]) -> None:
    """Hear what we missed, and what came while that was applied and answered.

    Answers keep to their sender's pace, so after an outage they may take a while; who stopped in
    the meantime, unheard again, must not get what starts now.

    Raises:
        Unheard: the list of one of them could not be read.
    """
    for _ in range(_HEARD_AGAIN):
        if not listening.catch_up(runtime, senders):
            return


def _is_current(runtime: Runtime, senders: Collection[int], clock: Callable[[], float]) -> bool:
    """Hear what we missed, and see that nothing was sent that the database knows nothing of.

    Only both together let anything be sent: who sends beside this waits for the second, too.
    """
    began = clock()
    # Both ask the provider; side by side, so that a bulletin starts within its second.
    with ThreadPoolExecutor(max_workers=2) as pool:
        hearing = pool.submit(_hear, runtime, senders)
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

"""How long before its slot a delivery is handed over: as long as the database takes, no longer."""

from __future__ import annotations

import math
from collections.abc import Callable

import structlog

from broadcaster.core.uptime import monotonic
from broadcaster.runtime import Memory
from broadcaster.storage.pacing import LEAD

_log = structlog.get_logger()

# A slower round counts at once. It is forgotten slowly: what made the database stand still for a
# moment, such as another's long transaction or a checkpoint, mostly comes again.
_HALF_LIFE = 15.0
# What is handed over must begin soon, so that an opt-out has not to wait: this part of the time in
# which it must is the most that the database may take.
_MOST = 0.75


class Reach:
    """What a worker has learnt about how long the database takes.

    A round plans, and what it hands over can leave when that is committed. Whatever has its slot
    before the next round could have it leave must be handed over by this one. With a fast database
    that is a moment; with a slow disk, or a server far away, every slot would have passed.

    Args:
        memory: what this process remembers; the next bulletin begins with what this one learnt.
        begin_within: seconds after its hand-over in which a request must begin.
        rest: seconds between two rounds.
        clock: the monotonic clock.
    """

    def __init__(
        self,
        memory: Memory,
        *,
        begin_within: float,
        rest: float,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._memory = memory
        self._most = _MOST * begin_within
        self._rest = rest
        self._clock = clock

    @property
    def seconds(self) -> float:
        """How long before its slot to hand over; slots nearer than this are not to be taken."""
        return min(max(self._remembered(self._clock()), LEAD), self._most)

    def learn(self, *, until_handed: float, whole: float) -> None:
        """Learn from a round that ends now.

        Args:
            until_handed: seconds from its beginning until what it handed over could leave.
            whole: seconds from its beginning to its end.
        """
        now = self._clock()
        before = self._remembered(now)
        needed = until_handed + whole + self._rest
        if needed > self._most >= before:
            _log.warning("database_slower_than_pace", seconds=round(needed, 2))
        self._memory.round, self._memory.round_seen = max(needed, before), now

    def _remembered(self, now: float) -> float:
        """Return what the slowest round needed, less the longer ago it was."""
        age = (now - self._memory.round_seen) / _HALF_LIFE
        return self._memory.round * math.pow(0.5, age)

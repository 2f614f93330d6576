"""A newsroom in which time, the provider and every crash are simulated: the same seed, the same run.

The services and the database are the real ones. What the pipeline does in one go is cut into the
steps between which a process can die or stand still: claim, hand over, request, write down.
Several workers take these steps in any order.
"""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field
from enum import StrEnum

from broadcaster.core.messages import (
    Accepted,
    Deferred,
    ProviderStatus,
    Refused,
    StatusUpdate,
    Unknown,
)
from broadcaster.services import claiming, letters, outcomes
from broadcaster.services.outcomes import Result
from broadcaster.testing import FakeProvider, FixedClock

#: Seconds that every assumption of the promises is kept within: the list shows a message, and a
#: lost request is accepted, if at all.
LIST_LAG = 40.0
LATE_ACCEPT = 20.0


class Fate(StrEnum):
    """What becomes of a request."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    STOPPED = "stopped"
    TOO_BUSY = "too_busy"
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    ACCEPTED_LATE = "accepted_late"
    WORKER_DIES = "worker_dies"
    WORKER_DIES_AFTER = "worker_dies_after"


@dataclass(frozen=True)
class Journalled:
    """A request that the provider accepted."""

    delivery: int
    person: str
    text: str
    begun: float
    sid: str


@dataclass
class Begun:
    """A request that was made and whose answer has not been dealt with."""

    ready: claiming.Ready
    attempt: int
    answer: object


class SimulatedProvider(FakeProvider):
    """The provider: what it accepted, what its list shows by now, what it still accepts."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock=clock)
        self.list_lag = LIST_LAG
        self.journal: list[Journalled] = []
        self.coming: list[tuple[float, object, Journalled]] = []
        self._numbers = iter(range(1, 10**9))

    def take_in(self, message, delivery: int, begun: float) -> str:
        """Accept a request now."""
        sid = f"SM{next(self._numbers):032x}"
        self.journal.append(Journalled(delivery, message.recipient.wire, message.text, begun, sid))
        self.take(message, sid=sid)
        return sid

    def take_in_late(self, message, delivery: int, begun: float) -> None:
        """Accept a request whose line is gone, a while later."""
        self.coming.append((begun + LATE_ACCEPT, message, delivery))

    def catch_up(self, moment: float) -> None:
        """Accept what was under way until a moment."""
        due = [one for one in self.coming if one[0] <= moment]
        self.coming = [one for one in self.coming if one[0] > moment]
        for at, message, delivery in due:
            self.take_in(message, delivery, at - LATE_ACCEPT)


@dataclass
class Worker:
    """A process that sends: what it remembers is gone when it dies."""

    name: str
    claimed: deque = field(default_factory=deque)
    handed: deque = field(default_factory=deque)
    results: list = field(default_factory=list)
    lives: int = 0

    def die(self) -> None:
        """Forget everything, as kill -9 does."""
        self.claimed.clear()
        self.handed.clear()
        self.results.clear()
        self.lives += 1

    @property
    def id(self) -> str:
        """The name under which this life of the process claims."""
        return f"{self.name}-{self.lives}"


class Sender:
    """The steps of the pipeline, one at a time."""

    def __init__(self, runtime, provider: SimulatedProvider, seconds) -> None:
        self.runtime = runtime
        self.provider = provider
        self.seconds = seconds

    def claim(self, worker: Worker, limit: int) -> None:
        """Claim a few."""
        batch = claiming.claim(self.runtime, worker=worker.id, limit=limit, clock=self.seconds)
        worker.claimed.extend(batch.ready)

    def hand_over(self, worker: Worker, most: int) -> None:
        """Hand over some of what is claimed."""
        due = [worker.claimed.popleft() for _ in range(min(most, len(worker.claimed)))]
        if not due:
            return
        until = self.seconds() + self.runtime.settings.sending.begin_within
        handed = claiming.hand_over(self.runtime, worker=worker.id, ready=due)
        worker.handed.extend((ready, attempt, until) for ready, attempt in handed)

    def request(self, worker: Worker, fate: Fate) -> Journalled | None:
        """Make one request, if there is one to make and its moment has not passed."""
        if not worker.handed:
            return
        ready, attempt, until = worker.handed.popleft()
        if self.seconds() > until:
            worker.results.append(Result(ready.claim, attempt, None))
            return
        message = letters.compose(self.runtime, ready.claim)
        delivery, begun = ready.claim.delivery_id, self.seconds()
        self.began(message.recipient.wire)
        answer = self._meet(fate, message, delivery, begun)
        if fate in {Fate.WORKER_DIES, Fate.WORKER_DIES_AFTER}:
            worker.die()
            return
        worker.results.append(Result(ready.claim, attempt, answer))

    def began(self, person: str) -> None:
        """Be told of each request as it begins."""

    def _meet(self, fate: Fate, message, delivery: int, begun: float):
        take = self.provider.take_in
        match fate:
            case Fate.ACCEPTED:
                return Accepted(sid=take(message, delivery, begun))
            case Fate.REFUSED:
                return Refused(code=30003)
            case Fate.STOPPED:
                return Refused(code=21610)
            case Fate.TOO_BUSY:
                return Deferred(retry_after=1.0)
            case Fate.LOST_AFTER | Fate.WORKER_DIES_AFTER:
                take(message, delivery, begun)
            case Fate.ACCEPTED_LATE:
                self.provider.take_in_late(message, delivery, begun)
        return Unknown(reason="timeout")

    def write_down(self, worker: Worker) -> None:
        """Write down what came back."""
        results, worker.results = worker.results, []
        if results:
            outcomes.write_down(self.runtime, results)


def callback(runtime, statuses, journalled: Journalled, status: str) -> None:
    """Report the status of an accepted message, as the provider does, at any time and any often."""
    update = StatusUpdate(sid=journalled.sid, status=ProviderStatus(status))
    token = statuses.callback_token(runtime, journalled.delivery)
    runtime.run(lambda session: statuses.apply(session, runtime, token, update))


def run(work) -> object:
    """Run a coroutine to its end."""
    return asyncio.run(work)

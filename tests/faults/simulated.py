"""A newsroom in which time, the provider and every crash are simulated: the same seed, the same run.

The services and the database are the real ones. What the pipeline does in one go is cut into the
steps between which a process can die or stand still: claim, hand over, request, write down.
Several workers take these steps in any order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from broadcaster.core.messages import (
    Accepted,
    Deferred,
    OutboundMessage,
    ProviderStatus,
    Refused,
    SendOutcome,
    StatusUpdate,
    Unknown,
)
from broadcaster.runtime import Runtime
from broadcaster.services import claiming, letters, outcomes, statuses
from broadcaster.services.claiming import Ready
from broadcaster.services.outcomes import Result
from broadcaster.testing import FakeProvider, FixedClock

#: Seconds that every assumption of the promises is kept within: the list shows a message, and a
#: lost request is accepted, if at all.
LIST_LAG = 40.0
LATE_ACCEPT = 20.0


class Fate(StrEnum):
    """What becomes of a request."""

    ACCEPTED = "accepted"
    # Refused: the phone is off, the person stopped there, the address is dead, the network failed.
    NOT_REACHED = "not_reached"
    BLOCKED = "blocked"
    DEAD_ADDRESS = "dead_address"
    IN_TROUBLE = "in_trouble"
    TOO_BUSY = "too_busy"
    # No answer: it was taken, or not, or is taken once the line is long gone.
    LOST_BEFORE = "lost_before"
    LOST_AFTER = "lost_after"
    ACCEPTED_LATE = "accepted_late"
    # The worker dies before the answer is there.
    WORKER_DIES = "worker_dies"
    WORKER_DIES_AFTER = "worker_dies_after"
    WORKER_DIES_LATE = "worker_dies_late"

    @property
    def is_deadly(self) -> bool:
        """Whether the worker dies of it."""
        return self in {Fate.WORKER_DIES, Fate.WORKER_DIES_AFTER, Fate.WORKER_DIES_LATE}


class Situation(StrEnum):
    """What else a run may meet, and many must: see `test_simulation`."""

    RACED = "two workers claimed at the same moment"
    CLAIM_LOST = "a worker handed over what was no longer its own"
    TOO_LATE = "a request did not begin, for its moment had passed"
    DIED_CLAIMED = "a worker died between claim and hand-over"
    DIED_HANDED_OVER = "a worker died between hand-over and request"
    DIED_ANSWERED = "a worker died before it wrote an answer down"
    STOPPED_QUEUED = "somebody stopped while theirs waited"
    STOPPED_CLAIMED = "somebody stopped while theirs was claimed"
    STOPPED_HANDED_OVER = "somebody stopped while theirs was handed over"
    STOPPED_UNKNOWN = "somebody stopped while nobody knew of theirs"
    CAME_BACK = "somebody came back"
    UNHEARD = "a stop was in the provider's list only"
    REPORTED_FIRST = "a callback came before the answer was known"
    NOTHING_PROVED = "a look-up proved nothing yet"
    FOUND = "a look-up found what was taken"
    SENT_AGAIN = "a look-up showed that nothing was taken"
    PAUSED = "a bulletin was paused"
    CONTINUED = "a bulletin went on after a pause"
    CANCELLED = "a bulletin was stopped"


#: The provider's codes.
REFUSALS = {
    Fate.NOT_REACHED: 30003,
    Fate.BLOCKED: 21610,
    Fate.DEAD_ADDRESS: 30005,
    Fate.IN_TROUBLE: 30008,
}
#: With these the person gets no more bulletins for now.
PERSONAL = frozenset({Fate.BLOCKED, Fate.DEAD_ADDRESS})
TAKES = frozenset({Fate.ACCEPTED, Fate.LOST_AFTER, Fate.WORKER_DIES_AFTER})
TAKES_LATE = frozenset({Fate.ACCEPTED_LATE, Fate.WORKER_DIES_LATE})


@dataclass(frozen=True)
class Request:
    """A request as it begins, and what becomes of it."""

    delivery: int
    person: str
    fate: Fate


@dataclass(frozen=True)
class Journalled:
    """A request that the provider accepted."""

    delivery: int
    person: str
    sid: str


class SimulatedProvider(FakeProvider):
    """The provider: what it accepted, what its list shows by now, what it still accepts."""

    def __init__(self, clock: FixedClock) -> None:
        super().__init__(clock=clock)
        self.list_lag = LIST_LAG
        self.journal: list[Journalled] = []
        self.coming: list[tuple[float, OutboundMessage, int]] = []
        self._numbers = iter(range(1, 10**9))

    def take_in(self, message: OutboundMessage, delivery: int) -> str:
        """Accept a request now."""
        sid = f"SM{next(self._numbers):032x}"
        self.journal.append(Journalled(delivery, message.recipient.wire, sid))
        self.take(message, sid=sid)
        return sid

    def take_in_late(self, message: OutboundMessage, delivery: int, moment: float) -> None:
        """Accept a request whose line is gone, a while later."""
        self.coming.append((moment + LATE_ACCEPT, message, delivery))

    def catch_up(self, moment: float) -> None:
        """Accept what was under way until a moment."""
        due = [one for one in self.coming if one[0] <= moment]
        self.coming = [one for one in self.coming if one[0] > moment]
        for _, message, delivery in due:
            self.take_in(message, delivery)


@dataclass
class Worker:
    """A process that sends: what it remembers is gone when it dies."""

    name: str
    claimed: deque[Ready] = field(default_factory=deque)
    handed: deque[tuple[Ready, int]] = field(default_factory=deque)
    results: list[Result] = field(default_factory=list)
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
    """The steps of the pipeline, one at a time.

    Args:
        runtime: the parts.
        provider: who gets the requests.
        seconds: the monotonic clock.
        began: is told of each request as it begins.
    """

    def __init__(
        self,
        runtime: Runtime,
        provider: SimulatedProvider,
        seconds: Callable[[], float],
        began: Callable[[Request], None],
    ) -> None:
        self._runtime = runtime
        self._provider = provider
        self._seconds = seconds
        self._began = began

    def claim(self, worker: Worker, limit: int) -> int:
        """Claim a few; return how many."""
        batch = claiming.claim(self._runtime, worker=worker.id, limit=limit, clock=self._seconds)
        # As the pipeline does: what was known before of who is claimed again counts no more.
        again = {one.claim.delivery_id for one in batch.ready}
        kept = [one for one in worker.claimed if one.claim.delivery_id not in again]
        worker.claimed = deque([*kept, *batch.ready])
        return len(batch.ready)

    def hand_over(self, worker: Worker, most: int) -> int:
        """Hand over some of what is claimed, let go of what may not leave; return how many may."""
        due = [worker.claimed.popleft() for _ in range(min(most, len(worker.claimed)))]
        if not due:
            return 0
        handed = claiming.hand_over(self._runtime, worker=worker.id, ready=due, clock=self._seconds)
        worker.handed.extend(handed)
        leaves = {ready.claim.delivery_id for ready, _ in handed}
        stays = [one for one in due if one.claim.delivery_id not in leaves]
        if stays:
            claiming.let_go(self._runtime, worker=worker.id, ready=stays)
        return len(handed)

    def request(self, worker: Worker, fate: Fate) -> bool:
        """Make one request if its moment has not passed; tell whether one was made."""
        ready, attempt = worker.handed.popleft()
        if self._seconds() > ready.until:
            worker.results.append(Result(ready.claim, attempt, None))
            return False
        message = letters.compose(self._runtime, ready.claim)
        delivery = ready.claim.delivery_id
        self._began(Request(delivery, message.recipient.wire, fate))
        answer = self._meet(fate, message, delivery)
        if fate.is_deadly:
            worker.die()
        else:
            worker.results.append(Result(ready.claim, attempt, answer))
        return True

    def _meet(self, fate: Fate, message: OutboundMessage, delivery: int) -> SendOutcome:
        if fate in REFUSALS:
            return Refused(code=REFUSALS[fate])
        if fate is Fate.TOO_BUSY:
            return Deferred(retry_after=1.0)
        if fate in TAKES_LATE:
            self._provider.take_in_late(message, delivery, self._seconds())
        elif fate in TAKES:
            sid = self._provider.take_in(message, delivery)
            if fate is Fate.ACCEPTED:
                return Accepted(sid=sid)
        return Unknown(reason="timeout")

    def write_down(self, worker: Worker) -> None:
        """Write down what came back."""
        results, worker.results = worker.results, []
        if results:
            outcomes.write_down(self._runtime, results)


def callback(
    runtime: Runtime, journalled: Journalled, status: ProviderStatus, code: int | None
) -> None:
    """Report the status of an accepted message, as the provider does, at any time and any often."""
    update = StatusUpdate(sid=journalled.sid, status=status, error_code=code)
    token = statuses.callback_token(runtime, journalled.delivery)
    runtime.run(lambda session: statuses.apply(session, runtime, token, update))

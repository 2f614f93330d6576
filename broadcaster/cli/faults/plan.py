"""What happens in a round, all of it decided beforehand."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from broadcaster.bootstrap import DISTRIBUTED
from broadcaster.sandbox.faults import FaultPlan

JOIN = "NRC AAN"
#: Texts that leave, by command and in people's own words; nobody else in a round writes these.
LEAVE = ("STOP", "NRC UIT", "Stop maar, dank je", "stop")

#: The provider's list shows everything, and lost requests are decided, well within this.
SETTLE = 3.0
TIMEOUT = 1.0
LEASE = 2.0
LATEST_ACCEPTANCE = 0.8
#: Below a second: the product measures the list, and would wait ten times as long as it saw.
LARGEST_LAG = 0.6


class Kind(StrEnum):
    """What is done to the machine and its processes."""

    KILL = "kill"
    OUTAGE = "outage"
    CRASH_POINT = "crash_point"
    FREEZE = "freeze"
    RESTART_DATABASE = "restart_database"
    FULL_DISK = "full_disk"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What runs: which engine, on which database, in how many processes that send."""

    engine: str
    database: str
    workers: int

    @property
    def processes(self) -> int:
        """How many processes the product has: with the distributed engine the web sends nothing."""
        return self.workers + (self.engine == DISTRIBUTED)

    def __str__(self) -> str:
        return f"{self.engine}/{self.database}/{self.workers}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Disturbance:
    """One blow.

    Args:
        kind: what is done.
        at: seconds after the start of the round's clock.
        seconds: how long it lasts, where it lasts.
        target: which process; counted around if there are fewer.
        call: the system call of a crash point.
        number: at which of these calls a thread is killed.
    """

    kind: Kind
    at: float = 0.0
    seconds: float = 0.0
    target: int = 0
    call: str = ""
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """A person of the crowd texts something.

    Args:
        at: seconds after the start of the round's clock.
        person: their number in the crowd.
        body: what they text.
    """

    at: float
    person: int
    body: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """Everything that happens in a round.

    Args:
        seed: of the run.
        number: of the round in its run.
        setup: what runs.
        people: how many have joined before the first bulletin.
        bulletins: seconds after the first one's moment at which each one is due.
        from_first_request: whether the clock of blows and texts starts when the first request
            comes, and not at the first bulletin's moment.
        concurrency: requests under way at once in a process.
        rate: messages a second of each sender; 0 is no limit.
        faults: what the provider does wrong.
        disturbances: what is done to the processes.
        sayings: what people text meanwhile.
    """

    seed: int
    number: int
    setup: Setup
    people: int
    bulletins: tuple[float, ...]
    from_first_request: bool
    concurrency: int
    rate: int
    faults: FaultPlan
    disturbances: tuple[Disturbance, ...]
    sayings: tuple[Saying, ...]

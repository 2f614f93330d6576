"""What a running Broadcaster is made of; bootstrap puts it together, everything below receives it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Lock
from typing import TypeVar

from sqlalchemy import Engine as Database
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from broadcaster.core.keywords import Vocabulary
from broadcaster.core.replies import Replies
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ports import Clock, Provider, Queue
from broadcaster.settings import Settings

Result = TypeVar("Result")
_TRIES = 4
# Serialization failure, deadlock, lock not available (PostgreSQL, appendix A).
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})


@dataclass(slots=True)
class Sighting:
    """When this process first saw that nobody knows of a request, and when it last looked it up."""

    first: float
    looked: float | None = None


@dataclass(slots=True)
class Canary:
    """A message that the provider has just accepted, watched until its list shows it.

    Attributes:
        delivery_id: what it was for.
        sid: the provider's id of it.
        accepted: when.
        looks: how often the list was read for it.
        missed: after how many seconds the list was last read without it; None if it never was.
        is_blind: since then the list could not be read.
        is_overdue: the list should have shown it by now, so what it does not show proves nothing.
    """

    delivery_id: int
    sid: str
    accepted: float
    looks: int = 0
    missed: float | None = None
    is_blind: bool = False
    is_overdue: bool = False


@dataclass(slots=True)
class Memory:
    """What one process remembers between two looks; losing it costs time, never truth.

    Moments are of the monotonic clock: the other one can be set back and forth.

    Attributes:
        sightings: unknown deliveries, by id and attempt.
        current: when this process last heard what we missed on a sender, and saw that the database
            knows what it sent, by its id.
        hearing: held by whoever does that before sending goes on.
        heard_for: bulletins that went on after a wait, by id and version, once that was done since.
        canary: the message that is being watched, if one is.
        next_canary: when another may be chosen.
        beat: the highest heartbeat of the database that this process has seen.
        beat_kept: when it was last written to the file beside the database.
        checked: when this process last saw that what goes out may go on.
        ask_again: until when the provider's list is not asked for, because it could not be read.
        verified: whether this process has seen to it that the ledger was verified since it began.
        round: how many seconds the slowest round of sending took, less the longer ago it was.
        round_seen: when that was worked out.
        roll: who was on a list at a moment, as it was asked for last.
    """

    sightings: dict[tuple[int, int], Sighting] = field(default_factory=dict)
    current: dict[int, float] = field(default_factory=dict)
    hearing: Lock = field(default_factory=Lock)
    heard_for: frozenset[tuple[int, int]] = frozenset()
    canary: Canary | None = None
    next_canary: float = -math.inf
    beat: int = 0
    beat_kept: float = -math.inf
    checked: float = -math.inf
    ask_again: float = -math.inf
    verified: bool = False
    round: float = 0.0
    round_seen: float = -math.inf
    roll: object = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """The parts, ready for use.

    Args:
        settings: what the operator chose.
        database: for reading; transactions that write use ``writer``.
        writer: the same database, with transactions that take the write lock when they begin.
        clock: tells the time.
        provider: carries messages.
        keyring: opens and closes personal data.
        signer: signs checkpoints of the ledger.
        read_vocabulary: reads the words people use to join, leave and ask; once in a process.
        replies: the words we answer with.
        queue: wakes other workers, where the engine is distributed.
        memory: what this process remembers between two looks.
    """

    settings: Settings
    database: Database
    writer: Database
    clock: Clock
    provider: Provider
    keyring: Keyring
    signer: NoteSigner
    read_vocabulary: Callable[[], Vocabulary]
    replies: Replies
    queue: Queue | None = None
    memory: Memory = field(default_factory=Memory)

    @property
    def vocabulary(self) -> Vocabulary:
        """The words people use to join, leave and ask."""
        return self.read_vocabulary()

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """Open a transaction that may write; commit at the end, roll back on any error."""
        with Session(self.writer, expire_on_commit=False) as session, session.begin():
            yield session

    def run(self, work: Callable[[Session], Result]) -> Result:
        """Do a piece of work in a transaction; again, if the database asks for that.

        PostgreSQL ends one of two transactions that wait for each other. What was rolled back has
        left no trace, so doing it again is safe.
        """
        for _ in range(_TRIES - 1):
            try:
                with self.transaction() as session:
                    return work(session)
            except DBAPIError as error:
                if getattr(error.orig, "sqlstate", None) not in _TRY_AGAIN:
                    raise
        with self.transaction() as session:
            return work(session)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent view, nobody is kept waiting."""
        with Session(self.database, expire_on_commit=False, autoflush=False) as session:
            yield session

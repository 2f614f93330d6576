"""What a running Broadcaster is made of; bootstrap puts it together, everything below receives it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from sqlalchemy import Engine as Database
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from broadcaster.core.keywords import Vocabulary
from broadcaster.core.replies import Replies
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ports import Clock, Provider
from broadcaster.settings import Settings

Result = TypeVar("Result")
_TRIES = 4
# Serialization failure, deadlock, lock not available (PostgreSQL, appendix A).
_TRY_AGAIN = frozenset({"40001", "40P01", "55P03"})


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
        vocabulary: the words people use to join, leave and ask.
        replies: the words we answer with.
    """

    settings: Settings
    database: Database
    writer: Database
    clock: Clock
    provider: Provider
    keyring: Keyring
    signer: NoteSigner
    vocabulary: Vocabulary
    replies: Replies

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

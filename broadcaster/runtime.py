"""What a running Broadcaster is made of; bootstrap puts it together, everything below receives it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from sqlalchemy import Engine as Database
from sqlalchemy.orm import Session

from broadcaster.core.keywords import Vocabulary
from broadcaster.core.replies import Replies
from broadcaster.core.sealing import Keyring
from broadcaster.ledger.keys import NoteSigner
from broadcaster.ports import Clock, Provider
from broadcaster.settings import Settings


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

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that only reads: one consistent view, nobody is kept waiting."""
        with Session(self.database, expire_on_commit=False, autoflush=False) as session:
            yield session

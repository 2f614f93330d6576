"""The database engine: what SQLite and PostgreSQL must be told before they can be trusted."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from time import monotonic, sleep
from typing import Any

from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.orm import Session

from broadcaster.core.errors import DatabaseMismatch, InvalidInput

# A connection with this execution option may write; on SQLite it takes the lock at BEGIN.
WRITES = "broadcaster_writes"

_WAIT = "PRAGMA busy_timeout=30000"
_DO_NOT_WAIT = "PRAGMA busy_timeout=0"
_SQLITE_PRAGMAS = ("PRAGMA synchronous=FULL", "PRAGMA foreign_keys=ON", _WAIT)
# For so many seconds a writer waits for its turn, and so often it looks. SQLite itself soon looks
# ten times a second only, and meanwhile others come and go.
_PATIENCE = 30.0
_LOOK_AGAIN = 0.002


def make_engine(url: str, *, pool_size: int = 10, most: int = 40) -> Engine:
    """Open the database at ``url`` so that no update is lost and no parameter is printed.

    SQLAlchemy's own handling of SQLite begins late and loses concurrent updates silently, so
    transactions begin explicitly: IMMEDIATE when they may write, plain when they only read.

    Args:
        url: which database.
        pool_size: connections that are kept open.
        most: connections that may be open at once; a request may need two.

    Raises:
        InvalidInput: the driver for this database is not installed.
    """
    if make_url(url).get_backend_name() == "sqlite":
        engine = create_engine(
            url, hide_parameters=True, pool_size=pool_size, max_overflow=max(most - pool_size, 0)
        )
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
        return engine
    if find_spec("psycopg") is None:
        message = "PostgreSQL needs its driver; install it with: pip install 'broadcaster[scale]'"
        raise InvalidInput(message)
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=pool_size,
        max_overflow=max(most - pool_size, 0),
        pool_pre_ping=True,
        connect_args={
            "options": "-c statement_timeout=60000 -c lock_timeout=30000"
            " -c idle_in_transaction_session_timeout=60000"
        },
    )


@contextmanager
def unhurried(session: Session) -> Iterator[None]:
    """Let statements in here take as long as they take; after an error the transaction is over."""
    if session.get_bind().dialect.name == "sqlite":
        yield
        return
    allowed = session.execute(text("SHOW statement_timeout")).scalar_one()
    _allow(session, "0")
    yield
    _allow(session, allowed)


def _allow(session: Session, time: str) -> None:
    """Say how long a statement may take until the transaction ends."""
    session.execute(text("SELECT set_config('statement_timeout', :time, true)"), {"time": time})


def use_wal(engine: Engine) -> None:
    """Let SQLite keep a write-ahead log, so that readers and the writer do not wait for each other.

    The file remembers it. Done once when the tables are made, never to a file that may be foreign.
    """
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        mode = connection.cursor().execute("PRAGMA journal_mode=WAL").fetchone()[0]
    finally:
        connection.close()
    if mode not in {"wal", "memory"}:
        message = (
            "SQLite cannot keep a write-ahead log on this file system; put the database on a "
            "local disk."
        )
        raise DatabaseMismatch(message)


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
    connection.isolation_level = None
    for pragma in _SQLITE_PRAGMAS:
        connection.execute(pragma)


def _begin_sqlite(connection: Connection) -> None:
    if not connection.get_execution_options().get(WRITES, False):
        connection.exec_driver_sql("BEGIN")
        return
    driver: Any = connection.connection.driver_connection
    driver.execute(_DO_NOT_WAIT)
    try:
        until = monotonic() + _PATIENCE
        while _finds_a_writer(driver) and monotonic() < until:
            sleep(_LOOK_AGAIN)
        if not driver.in_transaction:
            # Whatever is in the way, SQLAlchemy says it in its own words.
            connection.exec_driver_sql("BEGIN IMMEDIATE")
    finally:
        driver.execute(_WAIT)


def _finds_a_writer(driver: sqlite3.Connection) -> bool:
    """Begin a transaction that may write; tell whether it cannot because another one does."""
    try:
        driver.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        # The last byte is the code, what is before it says more.
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False

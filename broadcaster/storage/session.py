"""The database engine: what SQLite and PostgreSQL must be told before they can be trusted."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import Connection, make_url

from broadcaster.core.errors import DatabaseMismatch, InvalidInput

# A connection with this execution option may write; on SQLite it takes the lock at BEGIN.
WRITES = "broadcaster_writes"

_SQLITE_PRAGMAS = (
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA busy_timeout=30000",
)


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
    writes = connection.get_execution_options().get(WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

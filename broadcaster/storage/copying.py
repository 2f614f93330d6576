"""Copying whole tables from one database to another, a row at a time, and summing both sides up."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Self

from sqlalchemy import Connection, Engine, Table, event, func, inspect, select, text
from sqlalchemy.exc import OperationalError

from broadcaster.core.errors import Conflict, InvalidInput
from broadcaster.storage.models import Base, LedgerHead
from broadcaster.storage.session import make_engine

#: Every table of ours; one that refers to another comes after it.
TABLES: tuple[Table, ...] = tuple(Base.metadata.sorted_tables)
# What a migration writes into an empty database itself.
_SEEDED = frozenset({"ledger_head", "installation", "verification", "key_state"})
_AT_ONCE = 5_000

Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Sum:
    """How many rows, and what is in them: the sum of their hashes, which no order changes.

    The hash is Python's own: good against accidents, and some ten times as fast as writing every
    row out for a cryptographic one. The ledger has those of its own.
    """

    rows: int = 0
    digest: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row]) -> Self:
        """Add rows up."""
        count = digest = 0
        for row in rows:
            count += 1
            digest += hash(row)
        return cls(count, digest)


def open_alone(url: str) -> Engine:
    """Open a SQLite database that nobody else has open, for reading; nobody else can open it then.

    Raises:
        Conflict: somebody has it open.
    """
    engine = make_engine(url, pool_size=1, most=1)
    # First of all: once the file was looked into, it is too late to be alone.
    event.listen(engine, "connect", _alone, insert=True)
    try:
        engine.connect().close()
    except (sqlite3.OperationalError, OperationalError) as error:
        engine.dispose()
        if "locked" not in str(error):
            raise
        message = (
            "The database is in use. Stop every 'broadcaster serve', 'broadcaster worker' and "
            "other command that works on it, then try again."
        )
        raise Conflict(message) from error
    return engine


def _alone(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
    # With this mode SQLite asks for a lock that only the one connection of a database can have.
    for statement in (
        "PRAGMA busy_timeout=500",
        "PRAGMA locking_mode=EXCLUSIVE",
        "PRAGMA query_only=ON",
        "SELECT count(*) FROM sqlite_master",
    ):
        connection.execute(statement).fetchall()


def take_over(target: Connection) -> None:
    """Make sure that a migrated database is empty, and keep others out until the transaction ends.

    Raises:
        Conflict: it holds rows.
    """
    # Copying takes as long as it takes.
    target.execute(text("SET LOCAL statement_timeout = 0"))
    target.execute(text("SET LOCAL idle_in_transaction_session_timeout = 0"))
    target.execute(text("LOCK TABLE ledger_head IN ACCESS EXCLUSIVE MODE"))
    filled = [
        table.name
        for table in TABLES
        if table.name not in _SEEDED and target.execute(select(1).select_from(table).limit(1)).all()
    ]
    if filled or target.execute(select(LedgerHead.size)).scalar_one():
        message = (
            f"The database to copy to holds rows already ({', '.join(filled) or 'a ledger'}). "
            "Nothing was changed; choose an empty one."
        )
        raise Conflict(message)
    for table in TABLES:
        if table.name in _SEEDED:
            target.execute(table.delete())


def copy(source: Connection, target: Connection, table: Table) -> Sum:
    """Copy all rows of a table to PostgreSQL; return what they add up to.

    Raises:
        InvalidInput: a row holds what PostgreSQL cannot keep.
    """
    driver: Any = target.connection.driver_connection
    try:
        with driver.cursor() as cursor, cursor.copy(_copy_in(target, table)) as receiver:
            return Sum.of(_written(_rows(source, table), receiver.write_row))
    except target.dialect.loaded_dbapi.Error as error:
        # The error's own text may hold what is in the row.
        message = (
            f"The table {table.name} holds a row that PostgreSQL cannot keep "
            f"({type(error).__name__}). Nothing was copied."
        )
        raise InvalidInput(message) from None


def _written(rows: Iterable[Row], write: Callable[[Row], None]) -> Iterator[Row]:
    for row in rows:
        write(row)
        yield row


def summed(connection: Connection, table: Table) -> Sum:
    """Return what the rows of a table add up to."""
    return Sum.of(_rows(connection, table))


def leaves(connection: Connection) -> Generator[tuple[int, bytes, bytes], None, None]:
    """Yield the index, the bytes and the stored hash of every entry of the ledger, in order."""
    table = Base.metadata.tables["ledger_entries"]
    columns = (table.c.idx, table.c.leaf, table.c.leaf_hash)
    yield from _stream(connection, select(*columns).order_by(table.c.idx))


def head(connection: Connection) -> tuple[int, bytes]:
    """Return the size and the frontier that a database holds of its ledger."""
    size, frontier = connection.execute(select(LedgerHead.size, LedgerHead.frontier)).one()
    return size, frontier


def set_sequences(target: Connection) -> None:
    """Let each table count on from its highest number."""
    for table in TABLES:
        for column in inspect(target).get_columns(table.name):
            sequence = target.execute(
                select(func.pg_get_serial_sequence(table.name, column["name"]))
            ).scalar_one()
            if sequence is None:
                continue
            highest = select(func.max(table.c[column["name"]])).scalar_subquery()
            target.execute(
                select(
                    func.setval(sequence, func.coalesce(highest, 1), highest.is_not(None)),
                )
            )


def _copy_in(target: Connection, table: Table) -> str:
    quote = target.dialect.identifier_preparer
    columns = ", ".join(quote.quote(column.name) for column in table.columns)
    return f"COPY {quote.format_table(table)} ({columns}) FROM STDIN"


def _rows(connection: Connection, table: Table) -> Iterator[Row]:
    return map(tuple, _stream(connection, select(table)))


def _stream(connection: Connection, statement: Any) -> Iterator[Any]:  # noqa: ANN401 - any select
    """Read rows without holding more than a few thousand of them."""
    with connection.execute(statement, execution_options={"yield_per": _AT_ONCE}) as result:
        for rows in result.partitions():
            yield from rows

"""PostgreSQL databases for tests: made once, and as new for each test that takes one."""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import Connection, sql

# Making a database and dropping it takes a server longer than most tests take. So a database goes
# from test to test: rows and sequences are put back. Where anything else changed, or somebody is
# still connected, it is dropped, and the next test gets a new one.

# What says how a database is made: whatever changes it leaves another row count or a younger row.
_CATALOGUES = (
    *("pg_class", "pg_attribute", "pg_attrdef", "pg_constraint", "pg_index", "pg_namespace"),
    *("pg_trigger", "pg_proc", "pg_type", "pg_sequence", "pg_rewrite", "pg_policy"),
    *("pg_extension", "pg_event_trigger", "pg_largeobject_metadata", "pg_default_acl"),
)
_MAKE = " UNION ALL ".join(
    f"SELECT '{name}', count(*), max(xmin::text::bigint) FROM {name}"  # noqa: S608 - names above
    for name in _CATALOGUES
)
_SETTINGS = (
    "SELECT setconfig FROM pg_db_role_setting WHERE setdatabase ="
    " (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY setrole"
)
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename"
_SEQUENCES = (
    "SELECT format('public.%I', sequencename), coalesce(last_value, start_value),"
    " last_value IS NOT NULL FROM pg_sequences WHERE schemaname = 'public'"
)
_OTHERS = (
    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    " AND pid <> pg_backend_pid() AND backend_type <> 'autovacuum worker'"
)
# What the server has learnt of a table decides how it looks for rows: in a new one, nothing.
_FORGET_PAGES = (
    "UPDATE pg_class SET relpages = 0, reltuples = -1 WHERE relnamespace = 'public'::regnamespace"
    " AND oid IN (SELECT unnest(ARRAY[indrelid, indexrelid]) FROM pg_index"
    " WHERE indrelid::regclass::text = ANY (%s))"
)
_FORGET_VALUES = (
    "DELETE FROM pg_statistic WHERE starelid IN"
    " (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
)
# A connection that was closed is gone a moment later.
_PATIENCE = 1.0
_LOOK_AGAIN = 0.002


@dataclass(frozen=True, slots=True)
class _Fresh:
    """What a database holds before any test.

    Attributes:
        make: how its tables, triggers and all else are made.
        rows: what each table holds, as COPY writes it.
        sequences: where each sequence stands, and whether it gave out that number.
    """

    make: list[tuple]
    rows: dict[str, bytes]
    sequences: list[tuple]


@dataclass
class Databases:
    """Databases on one server, all alike.

    Args:
        server: the server's address as libpq reads it, without a database.
        template: the database that they are copies of.
    """

    server: str
    template: str
    _free: list[str] = field(default_factory=list)
    _made: dict[str, _Fresh] = field(default_factory=dict)

    def take(self) -> str:
        """Return the name of a database that is like the template and nobody else's."""
        return self._free.pop() if self._free else self._make()

    def give_back(self, name: str) -> None:
        """Make a database as new for whoever takes it next, or drop it where that is not sure."""
        if self._renew(name):
            self._free.append(name)
        else:
            del self._made[name]
            drop(self.server, name)

    def close(self) -> None:
        """Drop all of them."""
        for name in self._made:
            drop(self.server, name)
        self._made.clear()
        self._free.clear()

    def _make(self) -> str:
        name = f"broadcaster_test_{uuid.uuid4().hex[:12]}"
        administer(self.server, f'CREATE DATABASE "{name}" TEMPLATE "{self.template}"')
        # It ends with the test run and need not survive a power cut.
        administer(self.server, f'ALTER DATABASE "{name}" SET synchronous_commit = off')
        with _connected(self.server, name) as connection:
            self._made[name] = _look(connection)
        return name

    def _renew(self, name: str) -> bool:
        """Put back what a test changed; tell whether the database is as it was made."""
        fresh = self._made[name]
        with _connected(self.server, name) as connection:
            if _has_others(connection) or _made(connection) != fresh.make:
                return False
            _put_back(connection, fresh)
            self._made[name] = replace(fresh, make=_made(connection))
        return True


def administer(server: str, statement: str) -> None:
    """Execute a statement that belongs to no database of ours.

    Raises:
        psycopg.OperationalError: no server answers.
    """
    with _connected(server, "postgres") as connection:
        connection.execute(statement)


def drop(server: str, name: str) -> None:
    """Drop a database, whoever is connected."""
    administer(server, f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _connected(server: str, name: str) -> Connection:
    return psycopg.connect(f"{server}/{name}", autocommit=True)


def _has_others(connection: Connection) -> bool:
    """Tell whether anybody else stays connected."""
    until = time.monotonic() + _PATIENCE
    while connection.execute(_OTHERS).fetchone()[0]:
        if time.monotonic() > until:
            return True
        time.sleep(_LOOK_AGAIN)
    return False


def _made(connection: Connection) -> list[tuple]:
    return connection.execute(_MAKE).fetchall() + connection.execute(_SETTINGS).fetchall()


def _look(connection: Connection) -> _Fresh:
    rows = {}
    for (table,) in connection.execute(_TABLES).fetchall():
        copy = sql.SQL("COPY {} TO STDOUT").format(sql.Identifier(table))
        with connection.cursor().copy(copy) as read:
            rows[table] = b"".join(bytes(part) for part in read)
    return _Fresh(
        make=_made(connection),
        rows=rows,
        sequences=connection.execute(_SEQUENCES).fetchall(),
    )


def _put_back(connection: Connection, fresh: _Fresh) -> None:
    # Neither the ledger's triggers nor foreign keys have a say here.
    connection.execute("SET session_replication_role = replica")
    with connection.pipeline(), connection.transaction():
        emptied = {
            table: connection.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(table)))
            for table in fresh.rows
        }
    touched = [table for table, cursor in emptied.items() if cursor.rowcount > 1]
    if touched:
        # So that the rows of the next test lie in the order in which they come, as in a new one.
        names = sql.SQL(", ").join(map(sql.Identifier, touched))
        connection.execute(sql.SQL("VACUUM (INDEX_CLEANUP ON) {}").format(names))
        connection.execute(_FORGET_PAGES, [touched])
    connection.execute(_FORGET_VALUES)
    with connection.transaction():
        for table, held in fresh.rows.items():
            if held:
                copy = sql.SQL("COPY {} FROM STDIN").format(sql.Identifier(table))
                with connection.cursor().copy(copy) as written:
                    written.write(held)
        connection.execute(
            "SELECT setval(name::regclass, at, given)"
            " FROM unnest(%s::text[], %s::bigint[], %s::boolean[]) AS wanted(name, at, given)",
            [list(column) for column in zip(*fresh.sequences, strict=True)],
        )

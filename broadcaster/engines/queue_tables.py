"""The queue's own tables: made from what Procrastinate ships, in a schema that is ours to drop.

Nothing in them is kept: a queue of another version is dropped and made anew, and the workers fill
it again. So Procrastinate's migrations never have to run.
"""

from __future__ import annotations

import hashlib

from procrastinate.schema import SchemaManager
from psycopg.errors import InsufficientPrivilege
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import ProgrammingError

from broadcaster.core.errors import DatabaseMismatch, InvalidInput
from broadcaster.engines.queue import SCHEMA

# Bare names in Procrastinate's functions must mean its tables, whoever calls.
_KEEP_TO_THEMSELVES = """
    DO $$
    DECLARE made regprocedure;
    BEGIN
        FOR made IN
            SELECT oid FROM pg_proc WHERE pronamespace = 'broadcaster_queue'::regnamespace
        LOOP
            EXECUTE 'ALTER FUNCTION ' || made
                || ' SET search_path = broadcaster_queue, pg_temp';
        END LOOP;
    END $$
"""
_MARK = text(
    "SELECT obj_description(oid, 'pg_namespace') FROM pg_namespace WHERE nspname = :schema"
)


def prepare(database: Engine) -> bool:
    """Make the queue, or make it anew if it is of another version; return whether it was made.

    Args:
        database: PostgreSQL, with our own tables in it.

    Raises:
        InvalidInput: we may not make a schema there.
    """
    with database.begin() as connection:
        if _found(connection) == _wanted():
            return False
        try:
            _make(connection)
        except ProgrammingError as error:
            if isinstance(error.orig, InsufficientPrivilege):
                message = (
                    f"The queue needs a schema of its own, and user {database.url.username!r} may "
                    "not make one. Let the database's owner run: GRANT CREATE ON DATABASE "
                    f"{database.url.database} TO {database.url.username}"
                )
                raise InvalidInput(message) from error
            raise
    return True


def check(database: Engine) -> None:
    """Make sure that the queue is there and of the version that is installed.

    Raises:
        DatabaseMismatch: it is not; the text says what to do.
    """
    with database.connect() as connection:
        found = _found(connection)
    if found != _wanted():
        message = (
            "The queue in the database is of another version of Procrastinate. Stop all workers, "
            "then: broadcaster db upgrade"
            if found
            else "The database has no queue yet. Run: broadcaster db upgrade"
        )
        raise DatabaseMismatch(message)


def _make(connection: Connection) -> None:
    connection.exec_driver_sql(f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE")
    connection.exec_driver_sql(f"CREATE SCHEMA {SCHEMA}")
    connection.exec_driver_sql(f"SET LOCAL search_path = {SCHEMA}")
    # Many statements in one text, which only the driver's own connection takes.
    driver = connection.connection.driver_connection
    if driver is not None:
        driver.execute(SchemaManager.get_schema())
    connection.exec_driver_sql(_KEEP_TO_THEMSELVES)
    connection.exec_driver_sql(f"COMMENT ON SCHEMA {SCHEMA} IS '{_wanted()}'")


def _found(connection: Connection) -> str | None:
    mark: str | None = connection.execute(_MARK, {"schema": SCHEMA}).scalar_one_or_none()
    return mark


def _wanted() -> str:
    """Two releases of Procrastinate with the same tables are one version to us."""
    return f"procrastinate {hashlib.sha256(SchemaManager.get_schema().encode()).hexdigest()}"

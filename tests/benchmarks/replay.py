"""The same SQL without us: statements are written down as they are run, and run again bare."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from typing import Any, NamedTuple

import psycopg
import sqlalchemy as sa

from broadcaster.storage.session import make_engine
from tests.benchmarks.newsroom import Newsroom
from tests.benchmarks.processes import Run, Stopwatch


class Step(NamedTuple):
    """A statement with its parameters; one without text is the end of a transaction."""

    statement: str | None
    parameters: Any = ()
    many: bool = False
    commits: bool = True


@contextmanager
def recorded(engine: sa.Engine) -> Iterator[list[Step]]:
    """Write down every statement that an engine runs, as its driver gets it."""
    steps: list[Step] = []

    def execute(_connection, _cursor, statement, parameters, _context, executemany):
        steps.append(Step(statement, parameters, many=executemany))

    def commit(_connection):
        steps.append(Step(None))

    def rollback(_connection):
        steps.append(Step(None, commits=False))

    listeners = {"before_cursor_execute": execute, "commit": commit, "rollback": rollback}
    for name, listener in listeners.items():
        sa.event.listen(engine, name, listener)
    yield steps
    for name, listener in listeners.items():
        sa.event.remove(engine, name, listener)


def replay(place: Newsroom, steps: list[Step], messages: int) -> Run:
    """Run what was written down, on a copy of the database that it was written down on."""
    with closing(_connection(place)) as connection:
        watch = Stopwatch()
        for step in steps:
            if step.statement is None:
                connection.commit() if step.commits else connection.rollback()
                continue
            if (
                place.kind == "sqlite"
                and not connection.in_transaction
                and step.statement != "BEGIN"
            ):
                connection.execute("BEGIN IMMEDIATE")
            cursor = connection.cursor()
            if step.many:
                cursor.executemany(step.statement, step.parameters)
            else:
                cursor.execute(step.statement, step.parameters)
            if cursor.description is not None:
                cursor.fetchall()
        return watch.stop(messages)


def _connection(place: Newsroom) -> Any:
    """Open the driver's own connection, told the same as ours."""
    url = sa.make_url(place.url)
    if place.kind == "postgresql":
        return psycopg.connect(url.set(drivername="postgresql").render_as_string())
    ours = make_engine(place.url)
    with ours.connect() as connection:
        told = [
            (name, connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("synchronous", "foreign_keys", "busy_timeout", "journal_mode")
        ]
    ours.dispose()
    made = sqlite3.connect(str(url.database), isolation_level=None)
    for name, value in told:
        made.execute(f"PRAGMA {name}={value}")
    return made

"""Rows that code wrote once are written again without that code: thousands of tests begin alike."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from broadcaster.runtime import Runtime
from broadcaster.storage.models import Base

Rows = list[dict]


@dataclass(frozen=True, slots=True)
class _Written:
    """What some code changed: the rows of each table that it touched, before and after."""

    before: dict[sa.Table, Rows]
    after: dict[sa.Table, Rows]


_WRITTEN: dict[tuple, _Written] = {}


def once(runtime: Runtime, write: Callable[[Runtime], None]) -> None:
    """Let code write, or write the rows that it wrote before.

    That is the same only for the same settings at the same moment, on a database whose tables hold
    what they held then; otherwise the code itself writes.

    Args:
        runtime: the parts.
        write: the code. What it writes depends on nothing else.
    """
    key = (write.__qualname__, runtime.database.dialect.name, runtime.clock.now(), _told(runtime))
    known = _WRITTEN.get(key)
    if known is not None and _write_again(runtime, known):
        return
    before = _rows(runtime, Base.metadata.sorted_tables)
    write(runtime)
    after = _rows(runtime, Base.metadata.sorted_tables)
    changed = [table for table in after if after[table] != before[table]]
    _WRITTEN[key] = _Written(
        {table: before[table] for table in changed}, {table: after[table] for table in changed}
    )


def _told(runtime: Runtime) -> str:
    """Everything that an operator chose and that is not about one database."""
    settings = runtime.settings
    return repr(
        [
            getattr(settings, one.name)
            for one in dataclasses.fields(settings)
            if one.name not in {"home", "origins", "database", "secrets"}
        ]
    )


def _rows(runtime: Runtime, tables) -> dict[sa.Table, Rows]:
    with runtime.reading() as session:
        return {table: _held(session, table) for table in tables}


def _held(session: Session, table: sa.Table) -> Rows:
    found = session.execute(table.select().order_by(*table.primary_key)).mappings()
    return [dict(row) for row in found]


def _write_again(runtime: Runtime, known: _Written) -> bool:
    """Write what is known, where it can be; tell whether it could."""
    with runtime.transaction() as session:
        if any(_held(session, table) != rows for table, rows in known.before.items()):
            return False
        for table, rows in known.after.items():
            if known.before[table]:
                session.execute(table.delete())
            session.execute(table.insert(), rows)
            number = table.autoincrement_column
            if number is not None and runtime.database.dialect.name == "postgresql":
                # What is written with its number takes none from the sequence.
                last = sa.func.pg_get_serial_sequence(table.name, number.name)
                session.execute(sa.select(sa.func.setval(last, rows[-1][number.name])))
    return True

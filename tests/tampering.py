"""Tampering with the ledger's tables, as somebody who owns the database could: any byte of any column."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace

import psycopg
import sqlalchemy as sa

from broadcaster.services import audit
from broadcaster.storage import ledger
from broadcaster.storage.ledger import Leaf
from broadcaster.storage.models import (
    Checkpoint,
    Document,
    Evidence,
    LedgerEntry,
    LedgerFacet,
    LedgerHead,
    LedgerIndex,
    LedgerTile,
)
from tests.unit.ledger.conftest import CONSENT
from tests.world import phone

#: Every table that the ledger covers.
TABLES = (
    *(LedgerEntry, LedgerHead, LedgerTile, Checkpoint),
    *(Document, Evidence, LedgerIndex, LedgerFacet),
)
_STRANGER = "— witness.example.org/w1 " + "QUJDREVGR0g" * 4 + "QUJD\n"


def fill(world) -> None:
    """Make a ledger with one whole tile, a part of another, documents, evidence and checkpoints."""
    audit.sign_what_is_new(world.runtime)
    for number in range(4):
        world.text(phone(number), "NRC AAN")
    audit.sign_what_is_new(world.runtime)
    _append_others(world.runtime, 270)
    audit.sign_what_is_new(world.runtime)
    world.text(phone(3), "STOP")
    with world.runtime.transaction() as session:
        # A witness that the settings do not name any more has signed one.
        kept = ledger.latest_checkpoint(session)
        ledger.set_note(kept, kept.note + _STRANGER)


def _append_others(runtime, count) -> None:
    """Append an entry for each of many people, who are at no address."""
    now = runtime.clock.now()
    leaves = [
        Leaf(
            data=replace(CONSENT, subject=f"{number:032x}", recorded=now).to_bytes(),
            subject=f"{number:032x}",
        )
        for number in range(count)
    ]
    with runtime.transaction() as session:
        ledger.append(session, leaves, now)


def disarm(runtime) -> None:
    """Take the triggers away: whoever changes history does that first."""
    with runtime.transaction() as session:
        if runtime.database.dialect.name == "sqlite":
            wanted = "SELECT name FROM sqlite_master WHERE type = 'trigger' AND name LIKE 'ledger%'"
            for name in session.execute(sa.text(wanted)).scalars().all():
                session.execute(sa.text(f'DROP TRIGGER "{name}"'))
        else:
            for table in ("ledger_entries", "ledger_tiles"):
                session.execute(sa.text(f"ALTER TABLE {table} DISABLE TRIGGER ALL"))
            session.execute(
                sa.text("ALTER TABLE ledger_head DROP CONSTRAINT ck_ledger_head_one_row")
            )


@dataclass(frozen=True)
class Cell:
    """One column of one row, and what is in it: bytes, or a number of so many bits."""

    table: sa.Table
    keys: dict
    column: sa.Column
    value: bytes | int

    @property
    def bits(self) -> int:
        """How many bits there are to flip."""
        if isinstance(self.value, bytes):
            return 8 * len(self.value)
        return 64 if isinstance(self.column.type, sa.BigInteger) or _is_moment(self.column) else 32

    def flipped(self, bit: int) -> bytes | int:
        """What it is with one bit flipped."""
        if isinstance(self.value, bytes):
            changed = bytearray(self.value)
            changed[bit // 8] ^= 1 << bit % 8
            return bytes(changed)
        width = self.bits // 8
        whole = int.from_bytes(self.value.to_bytes(width, "big", signed=True), "big") ^ (1 << bit)
        return int.from_bytes(whole.to_bytes(width, "big"), "big", signed=True)

    def names(self, new) -> set[str]:
        """How a finding names the row, by what it was and by what it is now."""
        return {_name(self.table, self.keys), _name(self.table, self.moved(new))}

    def moved(self, new) -> dict:
        """The row's key once the cell holds something else."""
        return {**self.keys, self.column.name: new} if self.column.name in self.keys else self.keys


def _name(table, keys) -> str:
    values = list(keys.values())
    if table.name == "ledger_head":
        return "ledger_head"
    if table.name == "documents":
        return f"documents {values[0].decode(errors='replace')[:16]}"
    return f"{table.name} {'/'.join(str(value) for value in values)}"


def cells(runtime, kind) -> list[Cell]:
    """Return every cell of a table, that holds anything."""
    table = kind.__table__
    found = []
    with _raw(runtime) as database:
        for row in database.rows(table):
            keys = {column.name: row[column.name] for column in table.primary_key}
            found += [
                Cell(table, keys, column, row[column.name])
                for column in table.columns
                if row[column.name] is not None and row[column.name] != b""
            ]
    return found


def put(runtime, cell, keys, value) -> bool:
    """Put something into a cell, if the database takes it at all; tell whether it did."""
    with _raw(runtime) as database:
        return database.put(cell, keys, value)


def _raw(runtime):
    url = runtime.database.url
    made = _Sqlite if url.get_backend_name() == "sqlite" else _Postgresql
    return closing(made(url))


def _is_moment(column) -> bool:
    return isinstance(getattr(column.type, "impl", column.type), sa.DateTime)


class _Sqlite:
    """SQLite keeps text and moments as bytes, whether they are text or not."""

    def __init__(self, url):
        self._connection = sqlite3.connect(url.database, isolation_level=None)
        self._connection.execute("PRAGMA ignore_check_constraints=ON")
        self._connection.execute("PRAGMA busy_timeout=30000")

    def close(self):
        self._connection.close()

    def rows(self, table):
        parts = [self._read(column) for column in table.columns]
        statement = f"SELECT {', '.join(parts)} FROM {table.name}"  # noqa: S608 - our own names
        found = self._connection.execute(statement)
        return [dict(zip(table.columns.keys(), row, strict=True)) for row in found]

    def put(self, cell, keys, value):
        kind = "TEXT" if self._is_text(cell.column) else None
        new = f"CAST(? AS {kind})" if kind else "?"
        where = " AND ".join(f"CAST({name} AS BLOB) = CAST(? AS BLOB)" for name in keys)
        statement = f"UPDATE {cell.table.name} SET {cell.column.name} = {new} WHERE {where}"  # noqa: S608 - our own names
        try:
            done = self._connection.execute(statement, (value, *keys.values()))
        except sqlite3.IntegrityError:
            return False
        return done.rowcount == 1

    def _read(self, column):
        return f"CAST({column.name} AS BLOB)" if self._is_text(column) else column.name

    @staticmethod
    def _is_text(column):
        return _is_moment(column) or column.type.python_type is str


class _Postgresql:
    """PostgreSQL keeps moments as a number of microseconds, and takes only text that is text."""

    def __init__(self, url):
        plain = url.set(drivername="postgresql").render_as_string(hide_password=False)
        self._connection = psycopg.connect(plain, autocommit=True)
        self._connection.execute("SET session_replication_role = replica")

    def close(self):
        self._connection.close()

    def rows(self, table):
        parts = [
            f"(extract(epoch FROM {one.name}) * 1000000)::bigint" if _is_moment(one) else one.name
            for one in table.columns
        ]
        statement = f"SELECT {', '.join(parts)} FROM {table.name}"  # noqa: S608 - our own names
        found = self._connection.execute(statement).fetchall()
        return [
            {
                name: value.encode() if isinstance(value, str) else value
                for name, value in zip(table.columns.keys(), row, strict=True)
            }
            for row in found
        ]

    def put(self, cell, keys, value):
        new = "%s"
        if _is_moment(cell.column):
            new = "'epoch'::timestamptz + %s * interval '1 microsecond'"
        where = " AND ".join(f"{name} = %s" for name in keys)
        statement = f"UPDATE {cell.table.name} SET {cell.column.name} = {new} WHERE {where}"  # noqa: S608 - our own names
        try:
            given = [self._given(cell.table.c[name], one) for name, one in keys.items()]
            done = self._connection.execute(statement, [self._given(cell.column, value), *given])
        except (UnicodeDecodeError, psycopg.DataError, psycopg.IntegrityError):
            return False
        return done.rowcount == 1

    @staticmethod
    def _given(column, value):
        return value.decode() if column.type.python_type is str else value

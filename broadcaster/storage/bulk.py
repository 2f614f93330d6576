"""Many rows at once: rows go to the driver as they are, and many keys in one parameter.

A thousand rows through SQLAlchemy's own INSERT cost more than the database needs for them.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import LargeBinary, bindparam, text
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import DeclarativeBase, InstrumentedAttribute, Session

_KEY_BYTES = 32


def insert(
    session: Session,
    model: type[DeclarativeBase],
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    *,
    unless: str = "",
) -> None:
    """Insert rows whose values are as the driver takes them (`bound` for moments).

    Args:
        session: an open transaction.
        model: the table.
        columns: what the values of a row are, in order; the others stay empty.
        rows: the values.
        unless: a unique column; a row whose value is there already is left out.
    """
    if not rows:
        return
    names = ", ".join(f'"{name}"' for name in columns)
    places = ", ".join([_place(session)] * len(columns))
    statement = f"INSERT INTO {model.__tablename__} ({names}) VALUES ({places})"  # noqa: S608 - names of ours
    if unless:
        statement += f' ON CONFLICT ("{unless}") DO NOTHING'
    session.connection().exec_driver_sql(statement, list(rows))


def update_by_id(
    session: Session,
    model: type[DeclarativeBase],
    column: str,
    rows: Sequence[tuple[Any, int]],
) -> None:
    """Set one column in many rows.

    Args:
        session: an open transaction.
        model: the table.
        column: which column.
        rows: for each row the new value, as the driver takes it, and the id.
    """
    if not rows:
        return
    place = _place(session)
    statement = f'UPDATE {model.__tablename__} SET "{column}" = {place} WHERE id = {place}'  # noqa: S608 - names of ours
    session.connection().exec_driver_sql(statement, list(rows))


def bound(session: Session, column: InstrumentedAttribute[Any], value: object) -> Any:  # noqa: ANN401 - what the driver takes
    """Return a value as the driver takes it for a column."""
    dialect = session.get_bind().dialect
    process = column.type.dialect_impl(dialect).bind_processor(dialect)
    return process(value) if process else value


def reserve_ids(session: Session, model: type[DeclarativeBase], count: int) -> list[int]:
    """Return ids that nobody else gets, for rows that this transaction inserts."""
    table = model.__tablename__
    if session.get_bind().dialect.name == "sqlite":
        # This transaction holds the only lock, and SQLite itself would count on from the highest.
        highest = session.execute(text(f"SELECT coalesce(max(id), 0) FROM {table}")).scalar_one()  # noqa: S608 - a name of ours
        return list(range(highest + 1, highest + 1 + count))
    taken = text(
        f"SELECT nextval(pg_get_serial_sequence('{table}', 'id')) FROM generate_series(1, :count)"  # noqa: S608 - a name of ours
    )
    return [int(one) for one in session.execute(taken, {"count": count}).scalars()]


def find_keys(
    session: Session, query: str, keys: Collection[bytes], *, locking: str = ""
) -> list[Any]:
    """Run a query over the rows that have one of many keys of 32 bytes.

    Args:
        session: an open transaction.
        query: begins with SELECT and ends where the key's column is to be compared:
            ``SELECT id FROM subscribers WHERE address_index``.
        keys: the keys.
        locking: what stands behind it on PostgreSQL, such as FOR UPDATE.
    """
    if not keys:
        return []
    if session.get_bind().dialect.name == "sqlite":
        # An array is what SQLite does not have: all keys in one value, cut up there.
        cut = f"SELECT substr(:keys, i * {_KEY_BYTES} + 1, {_KEY_BYTES}) FROM place"  # noqa: S608 - a number
        counted = (
            "WITH RECURSIVE place(i) AS"
            " (SELECT 0 UNION ALL SELECT i + 1 FROM place WHERE i + 1 < :count)"
        )
        given = {"keys": b"".join(keys), "count": len(keys)}
        return list(session.execute(text(f"{counted} {query} IN ({cut})"), given).all())
    statement = text(f"{query} = ANY(:keys) {locking}").bindparams(
        bindparam("keys", type_=ARRAY(LargeBinary))
    )
    return list(session.execute(statement, {"keys": list(keys)}).all())


def _place(session: Session) -> str:
    """Return what stands for a value in the driver's own statements."""
    return "?" if session.get_bind().dialect.name == "sqlite" else "%s"

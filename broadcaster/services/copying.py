"""Moving a SQLite database to PostgreSQL: everything, once, and checked on the other side.

All of it is one transaction there, so there is never half a copy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

from sqlalchemy import Connection, Engine, text

from broadcaster.core.errors import BroadcasterError, DatabaseMismatch
from broadcaster.ledger.merkle import Frontier, leaf_hash
from broadcaster.storage import copying, schema
from broadcaster.storage.session import WRITES, make_engine

Tell = Callable[[str], None]


class CopyDiffers(BroadcasterError):  # noqa: N818 - reads as what it says
    """What arrived is not what was sent, or the ledger does not add up; nothing was kept."""


def copy(source_url: str, target_url: str, tell: Tell) -> None:
    """Copy a SQLite database that nobody uses to an empty PostgreSQL database.

    Args:
        source_url: the SQLite database; it is only read.
        target_url: the PostgreSQL database; its tables are made if it has none.
        tell: is told each step.

    Raises:
        Conflict: the source is in use, or the target holds rows.
        DatabaseMismatch: one of them is of another version, damaged or foreign.
        InvalidInput: a row cannot be kept by PostgreSQL.
        CopyDiffers: the copy is not the same, or the ledger does not add up.
    """
    source = copying.open_alone(source_url)
    target = make_engine(target_url).execution_options(**{WRITES: True})
    try:
        schema.check(source)
        _make_tables(target, tell)
        with source.connect() as old, target.begin() as new:
            copying.take_over(new)
            _copy_tables(old, new, tell)
            copying.set_sequences(new)
            _verify_ledger(old, new, tell)
        _gather_statistics(target)
    finally:
        source.dispose()
        target.dispose()


def _make_tables(target: Engine, tell: Tell) -> None:
    schema.refuse_foreign(target)
    found = schema.current(target)
    if found is None:
        schema.upgrade(target)
        tell(f"Made the tables, at revision {schema.current(target)}.")
    elif found != schema.head():
        message = (
            "The database to copy to is of an earlier version. Nothing was changed; choose an "
            "empty one."
        )
        raise DatabaseMismatch(message)


def _copy_tables(old: Connection, new: Connection, tell: Tell) -> None:
    for table in copying.TABLES:
        sent = copying.copy(old, new, table)
        if copying.summed(new, table) != sent:
            message = f"The table {table.name} is not the same after copying. Nothing was kept."
            raise CopyDiffers(message)
        if sent.rows:
            tell(f"{table.name}: {sent.rows:,} rows, the same on both sides")


def _verify_ledger(old: Connection, new: Connection, tell: Tell) -> None:
    """Recompute the tree from the copied entries alone, and compare it with both heads."""
    frontier = Frontier().extend(_hashes(new))
    recomputed = (frontier.size, frontier.to_bytes())
    if not recomputed == copying.head(new) == copying.head(old):
        message = (
            f"The ledger's {frontier.size:,} entries do not add up to its head. Nothing was kept."
        )
        raise CopyDiffers(message)
    tell(f"The ledger: {frontier.size:,} entries, root {frontier.root().hex()}, recomputed there")


def _hashes(new: Connection) -> Iterator[bytes]:
    with closing(copying.leaves(new)) as entries:
        for place, (idx, leaf, stored) in enumerate(entries):
            hashed = leaf_hash(leaf)
            if idx != place or hashed != stored:
                message = f"The ledger's entry {place} is missing or damaged. Nothing was kept."
                raise CopyDiffers(message)
            yield hashed


def _gather_statistics(target: Engine) -> None:
    """After so many rows at once PostgreSQL plans badly until it has counted them."""
    with target.begin() as connection:
        connection.execute(text("SET LOCAL statement_timeout = 0"))
        connection.execute(text("ANALYZE"))

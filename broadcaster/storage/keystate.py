"""Which key table the database goes with, so that no process works with an older one.

Whoever adds a person shares the row; whoever changes what new rows must be written under waits
for them and takes it alone. So nobody is added twice, or under a key that is about to vanish.
"""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from broadcaster.core.errors import KeysMismatch
from broadcaster.core.sealing import Keyring
from broadcaster.storage.models import KeyState


def get(session: Session) -> KeyState:
    """Return the row."""
    return session.execute(select(KeyState).execution_options(populate_existing=True)).scalar_one()


def lock(session: Session) -> KeyState:
    """Return the row, locked until the transaction ends; nobody can be added meanwhile."""
    return session.execute(
        select(KeyState).with_for_update().execution_options(populate_existing=True)
    ).scalar_one()


def share(session: Session, keyring: Keyring) -> int:
    """Return the epoch of the index that new people are written under, for this transaction.

    Raises:
        KeysMismatch: the key store is another's, or older or newer than the database.
    """
    if get(session).name is None:
        # The very first one takes it alone at once: two who share it could not both go on to that.
        row = lock(session)
        _claim(row, keyring)
        session.flush()
    else:
        row = session.execute(
            select(KeyState).with_for_update(read=True).execution_options(populate_existing=True)
        ).scalar_one()
    return _fit(row, keyring)


def refresh(session: Session, keyring: Keyring) -> None:
    """Make sure that the keyring finds everybody that the database has now.

    Raises:
        KeysMismatch: the key store is another's, or older or newer than the database.
    """
    row = get(session)
    if row.name is not None:
        _fit(row, keyring)


def check(session: Session, keyring: Keyring) -> None:
    """Make sure that the key store belongs to the database and is not older.

    A newer one is well: an older copy of the database is mended when work begins.

    Raises:
        KeysMismatch: it is another's, or older.
    """
    row = get(session)
    if row.name is not None:
        _belong(row, keyring)


def is_older_copy(session: Session, keyring: Keyring) -> bool:
    """Tell whether the database is a copy from before the index was last renewed."""
    row = get(session)
    return row.name == keyring.table.name and row.epoch not in keyring.table.indexes


def note(row: KeyState, keyring: Keyring, *, epoch: int | None = None) -> None:
    """Write down, in a row that is locked, which table the database goes with from now on."""
    if row.name is None:
        _claim(row, keyring)
    row.generation = max(row.generation, keyring.table.generation)
    if epoch is not None:
        row.epoch = epoch


def _claim(row: KeyState, keyring: Keyring) -> None:
    if row.name is None:
        table = keyring.table
        row.name, row.generation, row.epoch = table.name, table.generation, min(table.indexes)


def _belong(row: KeyState, keyring: Keyring) -> None:
    if row.name != keyring.table.name:
        message = (
            "The key store belongs to another database, or was made anew: with it nobody here can "
            "be read. Put the copy of the right one back (keys/subjects.keys)."
        )
        raise KeysMismatch(message)
    if row.generation > keyring.table.generation:
        keyring.reload()
    if row.generation > keyring.table.generation:
        message = (
            "The key store is older than the database, so some people could not be read. Put the "
            "newest copy back; several machines need the same file (secrets.key_store)."
        )
        raise KeysMismatch(message)


def _fit(row: KeyState, keyring: Keyring) -> int:
    _belong(row, keyring)
    if row.epoch not in keyring.table.indexes:
        keyring.reload()
    if row.epoch not in keyring.table.indexes:
        message = (
            "The database is an older copy than the key store: nobody is found by their number "
            "until the index has been renewed, which a running worker does by itself."
        )
        raise KeysMismatch(message)
    return row.epoch
